// SPDX-License-Identifier: BSD-2-Clause
//! What a guest's exits mean, as pure functions and state machines.
//!
//! Nothing here calls a kernel: the VMM core feeds in what the kernel reports and carries out what
//! comes back. Citations: "DDI 0487" is the Arm Architecture Reference Manual for A-profile,
//! "DEN0022" is PSCI 1.1, "DEN0028" is SMCCC 1.1.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod data_abort;
pub mod esr;
pub mod exception;
pub mod psci;
pub mod regs;
pub mod smccc;
pub mod sysreg;
#[cfg(test)]
mod tests;
pub mod timer;

/// Most virtual CPUs of a guest.
pub const MAX_CPUS: usize = 4;
