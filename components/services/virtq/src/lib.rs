// SPDX-License-Identifier: BSD-2-Clause
//! Device side of split virtqueues (VIRTIO 1.3, 2.7), with indirect descriptors and event indices.
//!
//! The rings are in guest memory and the driver may be hostile:
//!
//! - Every value is fetched once, checked, then used; the own indices are private and the used ring
//!   is only ever written (hostile-guest.md H-29, H-30).
//! - A chain has at most as many descriptors as the queue has entries, whatever its links say; what
//!   comes out are regions that lie in guest memory ([`Chain`]).
//! - What breaks the queue is a [`Fault`]: the device then needs a reset. What spoils one request
//!   is a [`ChainError`]: it is given back unused. Nothing else can happen.
//!
//! Work that does not depend on the number of requests is done once per turn: the available index is
//! fetched when the last one is used up, the used index moves once for all that was given back, and
//! one look at used_event decides about the interrupt.
//!
//! Which requests are under way is kept in a [`vio::Inflight`] table, so that a backend that died
//! resumes with [`Queue::resume`].
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod chain;
mod heads;
mod queue;
#[cfg(test)]
mod tests;
mod walk;

pub use chain::{CHAIN_BUFFERS, Chain, ChainError, Cursor};
pub use queue::{Popped, Queue, Setup};

use thiserror::Error;

/// Most entries of a queue.
pub const MAX_SIZE: u16 = 256;

/// The driver broke the rules of the queue; the device needs a reset (2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Fault {
    /// A size, alignment or address that no queue can have.
    #[error("the queue's size or areas are impossible")]
    Setup,
    /// The available index is more than the queue's size ahead (2.7.6, H-21).
    #[error("the available index jumped")]
    AvailIndex,
    /// A head or next that is not below the size of its table (H-22, H-24).
    #[error("a descriptor index is out of range")]
    Index,
    /// A head that is already in flight (H-31).
    #[error("a chain was made available twice")]
    InFlight,
    /// A chain with more descriptors than the queue has entries (2.7.5.3.1, H-23).
    #[error("a chain is longer than the queue")]
    TooLong,
    /// An indirect descriptor that is nested, chained, of odd length, outside memory, or was not
    /// negotiated (2.7.5.3.1, H-27).
    #[error("an indirect descriptor breaks the rules")]
    Indirect,
    /// The used index in memory does not follow from the in-flight table.
    #[error("the used index was changed")]
    Resume,
}

impl Fault {
    /// All faults, in the order of their codes.
    pub const ALL: [Self; 7] = [
        Self::Setup,
        Self::AvailIndex,
        Self::Index,
        Self::InFlight,
        Self::TooLong,
        Self::Indirect,
        Self::Resume,
    ];

    /// A number for [`vio::Backend::set_fault`], not zero.
    #[must_use]
    pub const fn code(self) -> u32 {
        self as u32 + 1
    }
}
