// SPDX-License-Identifier: BSD-2-Clause
//! Router of stream sockets (VIRTIO 1.3, 5.10) between guests and native endpoints.
//!
//! [`table`] knows the connections and judges each packet, [`port`] has the links and their shares,
//! [`router`](Router) is the protection domain. Roles in the record and the threat table are in
//! `README.md`.
//!
//! Answers BH-29, H-38.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod config;
mod event;
pub mod port;
mod router;
pub mod table;
#[cfg(test)]
mod tests;
mod waiting;

pub use event::{Event, Reason};
pub use router::Router;

/// Most ports.
pub const MAX_PORTS: usize = 8;
/// Most connections.
pub const MAX_FLOWS: usize = 128;
