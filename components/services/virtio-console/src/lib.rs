// SPDX-License-Identifier: BSD-2-Clause
//! Backend of a guest's virtio console (VIRTIO 1.3, 5.3): its two queues onto one console stream.
//!
//! The backend belongs to one guest, whose memory it maps; the console multiplexer at the other end
//! of the stream serves all. What the guest sends leaves through the stream as fast as there is
//! room: a guest that floods waits, nobody else does (hostile-guest.md H-37). What is typed waits in
//! the stream until the guest offers a buffer.
//!
//! One port, no control queues. Roles in the record and the threat table are in `README.md`.
//!
//! Answers AV-43.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod backend;
mod event;
mod port;
#[cfg(test)]
mod tests;

pub use backend::{Console, OFFER};
pub use event::Event;
