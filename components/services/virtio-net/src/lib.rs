// SPDX-License-Identifier: BSD-2-Clause
//! Backend of a guest's virtio network card (VIRTIO 1.3, 5.1): its queues onto a port of the switch.
//!
//! The backend belongs to one guest, whose memory it maps; the switch at the other end of the port
//! serves all and enforces their policies. A frame is copied once per direction, between guest
//! memory and a slot that the switch reads or wrote. What the guest sends waits in its queue while
//! the switch has no room; what it does not fetch waits in the switch's slots, and when those are full
//! the switch drops (hostile-guest.md H-35, H-36).
//!
//! Roles in the record, features and the threat table are in `README.md`.
//!
//! Answers AV-12, AV-13, AV-16, AV-17.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod backend;
mod checksum;
mod coalesce;
mod control;
mod event;
mod filter;
mod header;
mod receive;
mod settings;
#[cfg(test)]
mod tests;
mod transmit;

pub use backend::{FEATURES, Net, QUEUE_MAX};
pub use event::Event;
