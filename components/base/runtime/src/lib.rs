// SPDX-License-Identifier: BSD-2-Clause
//! A protection domain's kernel facets and main loop, over seL4's bare system calls.
//!
//! A kernel port implements [`Syscalls`](syscalls::Syscalls) and nothing more: which capability is
//! where, how an invocation is marshalled, when a deferred action goes out and how a passive
//! server hands its scheduling context back is the same on both kernels and is here, tested on the
//! host.
//!
//! Answers BH-08.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod abi;
mod invoke;
mod kernel;
mod port;
mod program;
pub mod syscalls;
#[cfg(test)]
mod tests;

pub use kernel::Kernel;
pub use program::{Identity, Program, print, run};
