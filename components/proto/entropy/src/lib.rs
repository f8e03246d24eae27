// SPDX-License-Identifier: BSD-2-Clause
//! Random bytes from their driver to one client each, in grains that nobody sees twice.
//!
//! See `README.md` for the layout and the threat table. The driver has a [`Supply`] per client, the
//! client a [`Client`].
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod client;
mod supply;
#[cfg(test)]
mod tests;

pub use client::Client;
pub use supply::Supply;

use spsc::HEADER_SIZE;

/// Random bytes of a slot: what a client takes at a time.
pub const GRAIN: usize = 32;

/// The bytes of a slot.
pub type Grain = [u8; GRAIN];

/// Bytes of the region that a supplier of `slots` slots writes.
#[must_use]
pub const fn region_size(slots: u32) -> usize {
    HEADER_SIZE.saturating_add(GRAIN.saturating_mul(slots as usize))
}

/// Slots of the supplier's region of `region` bytes: the largest power of two that fits. Both ends
/// compute it from the same region.
pub(crate) fn slots(region: usize) -> u32 {
    let fitting = region.saturating_sub(HEADER_SIZE) / GRAIN;
    let fitting = u32::try_from(fitting).unwrap_or(u32::MAX);
    fitting.checked_ilog2().map_or(0, |bits| 1 << bits)
}
