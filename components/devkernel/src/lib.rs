// SPDX-License-Identifier: BSD-2-Clause
//! Decisions of the development kernel, as a host-tested library.
//!
//! The development kernel offers PDs the binary interface of seL4 16.0.0 with Microkit 2.3 on AArch64 (MCS, EL2),
//! as recorded in the project's `sel4-abi.md`; section numbers in this crate are of that document. It is not
//! verified and for development only. Everything here is safe code over a [`Machine`]; `images/dev/kernel` has the
//! registers, the vectors and the memory.
//!
//! A kernel entry is one call: [`Kernel::enter_sync`] or [`Kernel::enter_irq`]; afterwards
//! [`Kernel::current_context`] is what to return to, or there is nothing to run until the next interrupt.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod abi;
pub mod boot;
pub mod cap;
pub mod context;
pub mod exception;
pub mod fault;
pub mod ids;
mod invoke;
mod ipc;
pub mod kernel;
pub mod machine;
mod monitor;
mod notify;
pub mod object;
pub mod queue;
pub mod refill;
mod reply;
mod sched;
mod sched_context;
pub mod stage2;
mod syscall;
mod tcb;
#[cfg(test)]
mod tests;
pub mod vcpu;

pub use kernel::{Kernel, Storage};
pub use machine::{CacheOp, Machine, Maintenance, Page};
