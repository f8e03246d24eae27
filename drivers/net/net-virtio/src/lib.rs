// SPDX-License-Identifier: BSD-2-Clause
//! Driver of virtio network devices (VIRTIO 1.3, 5.1), as a protection domain's logic: the only one
//! that maps the device's registers and gets its interrupt.
//!
//! Frames are not copied here. The device fills the free slots of the ring to the switch and reads
//! the slots of the ring from it; this driver moves indices. Roles in the record and the threat
//! table are in `README.md`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod device;
mod driver;
mod event;
mod receive;
#[cfg(test)]
mod tests;
mod transmit;

pub use driver::Driver;
pub use event::Event;

/// Most buffers of the receiving queue: a region of 0x2_1000 bytes has as many slots. The tables of
/// both queues are part of the driver, which is moved about on the stack when it is made.
const RECEIVE_MAX: usize = 64;

/// Most descriptors of the sending queue, two for each frame.
const TRANSMIT_MAX: usize = 2 * RECEIVE_MAX;
