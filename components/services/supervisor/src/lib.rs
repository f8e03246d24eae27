// SPDX-License-Identifier: BSD-2-Clause
//! Parent of protection domains: decodes their faults, restarts or holds them, and says so.
//!
//! A child's fault message is its own word: it can send one that looks like any fault (sel4-abi
//! §3.1). So its contents are printed and never acted upon; what is acted upon is that *some*
//! message came under the child's badge, which a restart or a hold answers in any case.
//!
//! Answers BH-13.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod describe;
pub mod policy;
mod supervisor;
#[cfg(test)]
mod tests;

pub use describe::Description;
pub use supervisor::{Counters, Supervised, Supervisor};
