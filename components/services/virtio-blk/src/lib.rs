// SPDX-License-Identifier: BSD-2-Clause
//! Backend of a guest's virtio disk (VIRTIO 1.3, 5.2): its queue onto block requests.
//!
//! The backend belongs to one guest, whose memory it maps; the partition service at the other end of
//! the link ([`blk`]) serves all and sees no guest. No data is copied: a request names the buffers
//! where they are, and the device reaches them by DMA. So two things are waited for:
//!
//! - *Reset*: a queue is let go of only when the service has answered everything that was taken from
//!   it, or has said that nothing of an earlier session reaches the device any more.
//! - *Restart*, of this backend or of the service: what is in the queue's in-flight table is
//!   submitted again, oldest first, when a session begins. The guest sees a slow disk.
//!
//! Roles in the record and the threat table are in `README.md`.
//!
//! Answers AV-07, AV-08, AV-09, BH-27.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod backend;
mod disk;
mod event;
mod pending;
mod request;
mod serve;
#[cfg(test)]
mod tests;

pub use backend::Blk;
pub use disk::QUEUE_MAX;
pub use event::Event;
