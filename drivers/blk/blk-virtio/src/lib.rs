// SPDX-License-Identifier: BSD-2-Clause
//! Driver of virtio block devices (VIRTIO 1.3, 5.2), as a protection domain's logic: the only one
//! that maps the device's registers and gets its interrupt.
//!
//! Its one client, the partition service, names physical addresses that it has checked; the device
//! reads and writes them in place. Data never passes through this domain, and it maps none of it.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod config;
mod disk;
mod driver;
mod event;
#[cfg(test)]
mod tests;

pub use driver::Driver;
pub use event::Event;
