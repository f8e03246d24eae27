// SPDX-License-Identifier: BSD-2-Clause
//! Trace ring and event counters of a protection domain (PD), readable from outside.
//!
//! A PD declares its events with [`events!`](crate::events) and records them in a [`Trace`]: one
//! counter per kind of event, and the last events with time and up to two operands. Whoever maps the
//! region read-only, or has a dump of it, reads it with a [`View`]; the names of the events are in
//! the region, so the reader needs nothing of the PD's code.
//!
//! # Layout, version 1
//!
//! Little endian.
//!
//! ```text
//!  0  magic, u32               "BHTR"
//!  4  version, u32             1
//!  8  kinds, u32               number of counters
//! 12  names, u32               bytes of names, each ended by a newline
//! 16  capacity, u32            events in the ring, a power of two
//! 20  generation, u32          how often the PD attached
//! 24  total, u64               events recorded so far
//! 64  counters, u64 each
//!     names, padded to 8 bytes
//!     events of 32 bytes: sequence u32, kind u32, time u64, operands u64 and u64
//! ```
//!
//! An event whose sequence is the low half of its number plus one is complete; the writer clears the
//! sequence first and sets it last. Counters and events survive a restart of the PD as long as its
//! events stay the same.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod event;
mod layout;
mod view;
mod writer;

#[cfg(test)]
mod tests;

pub use event::{Event, operands};
pub use layout::{EVENT_SIZE, HEADER_SIZE, MAGIC, VERSION, region_size};
pub use view::{Recorded, Source, View, ViewError};
pub use writer::{Trace, TraceError};
