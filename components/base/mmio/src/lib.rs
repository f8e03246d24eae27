// SPDX-License-Identifier: BSD-2-Clause
//! Device registers: one owner per mapping, accessed through `safe-mmio`.
//!
//! A [`Window`] is a mapped range of device memory that has exactly one owner. A driver claims it
//! as a register structure of `safe-mmio` field types and gets a [`UniqueMmioPointer`], through
//! which each access is one load or store of the named width and no reference to the device exists.
//!
//! With the feature `fake`, windows over plain memory record every access in order and answer reads
//! as a test scripts them; see the `fake` module.
#![no_std]
#![expect(
    unsafe_code,
    reason = "UNSAFETY: the one crate that turns mapped device memory into register pointers"
)]

#[cfg(feature = "fake")]
extern crate std;

#[cfg(feature = "fake")]
pub mod fake;
mod window;

#[cfg(test)]
mod tests;

pub use safe_mmio::{SharedMmioPointer, UniqueMmioPointer, field, field_shared, fields};
pub use window::{MmioError, Registers, Window};
