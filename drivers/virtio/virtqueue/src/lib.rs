// SPDX-License-Identifier: BSD-2-Clause
//! Driver side of virtio devices (VIRTIO 1.3): split virtqueues by physical addresses (2.7), and the
//! MMIO transport (4.2).
//!
//! A [`Queue`] lives in a region that the driver maps and the device reaches by DMA. Buffers are
//! physical addresses: their memory need not be mapped here at all. The device is not trusted with
//! anything but the buffers it was given: what it writes is fetched once and checked, the driver's
//! own state is private, and a device that lies is a counted [`Lie`] that the driver can answer with
//! a reset.
//!
//! Roles of a driver's record and examples are in `README.md`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod area;
mod queue;
#[cfg(test)]
mod tests;
mod transport;
mod used;

pub use area::{Area, Layout};
pub use queue::{Buffer, Full, Negotiated, Queue};
pub use transport::{Transport, TransportError, features};
pub use used::{Lie, Popped, Used};
