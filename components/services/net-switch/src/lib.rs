// SPDX-License-Identifier: BSD-2-Clause
//! Ethernet switch between guests and an uplink: learns addresses, applies a policy per port, and
//! copies frames from the ring of one port to the rings of others, so that no port sees another's
//! memory.
//!
//! Roles in the record, what a port may do, and the threat table are in `README.md`.
//!
//! Answers AV-15, BH-28, H-35, H-36.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod bucket;
mod checksum;
mod config;
mod ether;
mod event;
mod forward;
mod mac;
mod policy;
mod port;
mod shares;
mod switch;
mod table;
#[cfg(test)]
mod tests;
mod time;

pub use event::{Event, What};
pub use mac::Mac;
pub use switch::NetSwitch;

/// Most ports of a switch.
pub const MAX_PORTS: usize = 8;

/// Most slots of a port's ring to its peer: a region of 0x4_1000 bytes.
pub const MAX_SLOTS: usize = 128;
