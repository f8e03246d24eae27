// SPDX-License-Identifier: BSD-2-Clause
//! Native endpoint of stream sockets (VIRTIO 1.3, 5.10): an echo service and a health service.
//!
//! [`connection`] is the protocol of one connection, without memory or kernel; [`Agent`] is the
//! protection domain. Roles in the record and the threat table are in `README.md`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod agent;
mod buffer;
pub mod connection;
mod event;
mod health;
#[cfg(test)]
mod tests;

pub use agent::Agent;
pub use event::Event;

/// Most connections.
pub const MAX_CONNECTIONS: usize = 16;
/// Most connections of one CID.
pub const MAX_PER_CID: usize = 8;
/// Bytes of a connection's buffer: the credit that it grants.
pub const BUFFER: usize = 2048;
