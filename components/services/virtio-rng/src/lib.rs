// SPDX-License-Identifier: BSD-2-Clause
//! Backend of a guest's virtio entropy device (VIRTIO 1.3, 5.4).
//!
//! Random bytes come from the driver of a real generator, in grains that no other guest sees
//! (`proto/entropy`). Requests are answered in bounded pieces, however large they are
//! (hostile-guest.md H-38). Roles in the record and the threat table are in `README.md`.
//!
//! Answers AV-39.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod backend;
mod event;
#[cfg(test)]
mod tests;

pub use backend::{MAX_ANSWER, OFFER, Rng};
pub use event::Event;
