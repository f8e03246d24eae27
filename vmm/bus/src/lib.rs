// SPDX-License-Identifier: BSD-2-Clause
//! The guest's MMIO bus: devices on disjoint address ranges.
//!
//! A guest access that left the guest through a stage-2 fault becomes one [`Bus::read`] or
//! [`Bus::write`]. The bus finds the window, the [`Device`] in it does the work, and whatever the
//! device refuses ([`IoError`]) is counted and answered by the one [`Policy`] of the machine:
//! read-as-zero/write-ignored, or an external abort. No outcome is a panic (hostile-guest.md H-01,
//! H-03).
//!
//! Interrupts are an output *value* of a device ([`Device::irq`]), sampled by the owner after each
//! access or event, so a device never calls back into the machine.
#![cfg_attr(not(any(test, feature = "fuzz")), no_std)]
#![forbid(unsafe_code)]

mod device;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod map;
mod policy;
#[cfg(test)]
mod tests;

pub use device::{Access, Device, IoError, IrqLine, Width};
pub use map::{Bus, Completion, MapError, Slot, Window};
pub use policy::{Abort, Counters, Policy};
