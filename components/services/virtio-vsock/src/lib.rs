// SPDX-License-Identifier: BSD-2-Clause
//! Backend of a guest's virtio socket device (VIRTIO 1.3, 5.10): packets between the guest's queues
//! and the router.
//!
//! What leaves carries the guest's own CID (hostile-guest.md H-38) and lengths that agree; all else
//! is the router's to judge. Roles in the record and the threat table are in `README.md`.
//!
//! Answers AV-18.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod backend;
mod event;
mod lane;
mod rx;
#[cfg(test)]
mod tests;
mod tx;

pub use backend::{OFFER, Vsock};
pub use event::Event;
