// SPDX-License-Identifier: BSD-2-Clause
//! Transport and backend of a virtio device: the record between them.
//!
//! The VMM owns the transport (registers, negotiation, interrupts), a backend owns the queues.
//! They share two regions, one per direction, each with one writer:
//!
//! - *orders*, written by the transport: which queues to run, where, with which features;
//! - *answers*, written by the backend: what the device is, which orders are in effect, how often
//!   it used buffers, what went wrong, and its in-flight tables.
//!
//! See `README.md` for the layout, the handshake and the threat table. Both ends check whatever
//! they read; a lying peer costs its own guest's device.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod backend;
mod inflight;
mod layout;
#[cfg(test)]
mod tests;
mod transport;

pub use backend::Backend;
pub use inflight::{Inflight, Mismatch, Recovered, Request};
pub use layout::{CONFIG_SIZE, MAX_QUEUES, ORDERS_SIZE, Phase, QueueConfig, VERSION, answers_size};
pub use transport::{Events, Transport};

use shm::OutOfBounds;
use thiserror::Error;

/// What a device is: published by the backend once, before its guest starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Device type (VIRTIO section 5).
    pub device: u32,
    /// Features that the device supports.
    pub features: u64,
    /// Number of queues, at most [`MAX_QUEUES`].
    pub queues: usize,
    /// Largest size of every queue: a power of two, at most 2^15.
    pub queue_max: u16,
    /// Bytes of the configuration space that exist, at most [`CONFIG_SIZE`].
    pub config_len: usize,
}

impl Offer {
    /// Whether the numbers keep to their bounds.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.device != 0
            && self.queues <= MAX_QUEUES
            && self.queue_max.is_power_of_two()
            && self.config_len <= CONFIG_SIZE
    }
}

/// What the transport wants to be in effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orders {
    /// Names these orders; acknowledging it says that they are in effect.
    pub generation: u32,
    /// Whether the device runs at all.
    pub phase: Phase,
    /// Negotiated features.
    pub features: u64,
    /// What the driver wrote since the last reset to the byte of the configuration space that it
    /// may write.
    pub config_write: Option<u8>,
    /// The queues; those that are not ready must not be touched.
    pub queues: [QueueConfig; MAX_QUEUES],
}

/// Why the two regions cannot carry the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// A region is too small or misaligned: a fault of the system description.
    #[error("a vio region is too small or misaligned")]
    Region,
    /// The offer breaks its bounds: a fault of the backend's configuration.
    #[error("the offer is out of bounds")]
    Offer,
}

impl From<OutOfBounds> for LinkError {
    fn from(_: OutOfBounds) -> Self {
        Self::Region
    }
}
