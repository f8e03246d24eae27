// SPDX-License-Identifier: BSD-2-Clause
//! Block requests: virtio-blk backend to partition service, and partition service to driver.
//!
//! A [`Client`] submits requests and takes completions, in whatever order they come; a [`Server`]
//! takes requests that are checked as far as its published [`Info`] allows. No data moves here: a
//! request names memory by offsets that the two ends have agreed on, and the device reaches it.
//!
//! # Sessions
//!
//! Every start of either end begins a *session*, numbered by the server. Requests and completions
//! carry their session's number; what belongs to an earlier one is dropped unseen. A server begins a
//! session only when nothing of an earlier one can reach the device any more. So a client that sees
//! [`Change::Up`] knows that whatever it had submitted is either completed to it or will never
//! happen, and submits the rest again, oldest first.
//!
//! The README draws the layout and lists what a lying peer can do.
#![cfg_attr(not(any(test, feature = "fake")), no_std)]
#![forbid(unsafe_code)]

mod client;
#[cfg(feature = "fake")]
pub mod fake;
mod info;
mod link;
mod request;
mod server;
#[cfg(test)]
mod tests;
mod wire;

pub use client::{Change, Client, Completion, SubmitError};
pub use info::{Features, Info};
pub use request::{Op, Request, Segment, Status};
pub use server::{Server, Taken};

/// Bytes of the sectors in which positions and sizes are given, whatever the disk's blocks are.
pub const SECTOR_SIZE: u64 = 512;

/// Most segments of a request.
pub const MAX_SEGMENTS: usize = 126;

/// What went wrong on a link so far. Nothing here stops it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Impossible indices of the peer, or entries that are none.
    pub peer_faults: u64,
    /// Requests or completions of an earlier session.
    pub stale: u64,
    /// Requests that the server refused.
    pub refused: u64,
}
