// SPDX-License-Identifier: BSD-2-Clause
//! vsock packets between backends, router and agent: a [`Link`] carries them, a [`Window`] accounts
//! for the credit of one direction. `README.md` has the conventions.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod link;
#[cfg(test)]
mod tests;
mod window;

pub use link::{Link, Packet};
pub use window::{Forged, Window};

use frames::Shape;
use virtio::vsock::HEADER_SIZE;

/// Most payload bytes of a packet on a link.
pub const MAX_PAYLOAD: usize = 4096;

/// Slots of a link: a header that starts at 4, so that its payload is aligned to 8.
pub const SHAPE: Shape = Shape::new(4144, 4);

const _: () = assert!(SHAPE.max_frame() as usize == HEADER_SIZE + MAX_PAYLOAD);

/// CID of the native agent: what guests take for their host.
pub const AGENT_CID: u64 = virtio::vsock::CID_HOST;
/// The agent's port that sends back what it gets.
pub const ECHO_PORT: u32 = 7;
/// The agent's port that reports how it is doing, as text.
pub const HEALTH_PORT: u32 = 9100;
