// SPDX-License-Identifier: BSD-2-Clause
//! Single-producer, single-consumer rings between domains that do not trust each other.
//!
//! Two protection domains (PDs) share two regions. Each PD writes one and only reads the other, so
//! the MMU enforces that each word has one writer. A PD's region holds the entries it sends, its
//! write index, the read index of the ring it receives, and the points at which it wants to be
//! woken:
//!
//! ```text
//! offset  written by the region's owner
//!      0  magic, u32                    "SPSC" once attached
//!      4  generation, u32               how often the owner attached
//!      8  write index, u32              of the ring this owner produces
//!     12  wake me for space at, u32     read index that frees enough entries
//!     64  read index, u32               of the ring this owner consumes
//!     68  wake me for data at, u32      write index that brings new entries
//!    128  entries or bytes of the ring this owner produces
//! ```
//!
//! # Rules
//!
//! - Indices run free over all of `u32`; the capacity is a power of two that both sides know from
//!   their configuration, never from shared memory.
//! - A side keeps its own index privately and publishes copies. It checks the peer's index before
//!   each use: one that implies more than `capacity` entries, or moves backwards, is a
//!   [`PeerFault`], counted and never a panic.
//! - An entry is written before the index that publishes it (release) and read after that index was
//!   seen (acquire); a slot is reused only after the read index that frees it was seen.
//! - *Wake rule.* A side that runs out of work arms its wake-up point, looks again, and sleeps only
//!   if there is still nothing. A side that publishes signals exactly if it passed the peer's
//!   wake-up point: once per arming, and never to a peer that is awake.
//!
//! # Restart and resynchronisation
//!
//! Indices survive in the shared regions when a side restarts. [`Link::attach`] counts the
//! generation up, which the peer sees with [`Link::peer_generation`], and each ring continues where
//! the published indices say: entries staged but not published are lost, entries taken but not
//! released come again. If the indices contradict each other, the attaching side adopts the peer's:
//! a producer starts empty at the read index, a consumer skips to the write index. A side that
//! attached notifies its peer once, since the wake-up points may no longer match.
//!
//! While running, only a consumer resynchronises ([`Consumer::resync`]): it drops everything and
//! skips to the write index. A producer whose peer reports an impossible read index sends nothing
//! until that index is possible again; were both to adopt at once, they could swap places for ever.
//!
//! Answers BH-04, BH-05.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "fake"))]
extern crate std;

mod bytes;
mod entries;
#[cfg(feature = "fake")]
pub mod fake;
mod fault;
mod layout;
mod link;
mod rx;
mod slots;
mod tx;
mod wake;

#[cfg(test)]
mod tests;

pub use bytes::{ByteConsumer, ByteProducer};
pub use entries::{Consumer, Entry, Producer, PushError};
pub use fault::{FaultCount, PeerFault};
pub use layout::{HEADER_SIZE, LayoutError, MAX_CAPACITY, byte_region_size, entry_region_size};
pub use link::Link;
pub use slots::{SlotConsumer, SlotProducer};
pub use wake::{Armed, Wake};
