// SPDX-License-Identifier: BSD-2-Clause
//! Driver of virtio entropy devices (VIRTIO 1.3, 5.4): random bytes to clients, each byte to one of
//! them and nowhere twice.
//!
//! Roles in the record and the threat table are in `README.md`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod bucket;
mod driver;
mod event;
mod source;
#[cfg(test)]
mod tests;

pub use driver::{Driver, MAX_CLIENTS};
pub use event::Event;
