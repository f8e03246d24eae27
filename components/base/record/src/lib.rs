// SPDX-License-Identifier: BSD-2-Clause
//! Configuration record of a protection domain (PD).
//!
//! The tool decides which regions, channels, interrupts, children and values a PD gets, and writes
//! them into a read-only region at build time. The PD looks them up by *role*, a short name that
//! its own crate defines; it never contains an address or a number.
//!
//! # Format, version 1.1
//!
//! Little endian. A header of [`HEADER_SIZE`] bytes, entries of [`ENTRY_SIZE`] bytes each, then a
//! heap of UTF-8 text that `Text` entries point into. See the `layout` module for the fields.
//!
//! # Version rule
//!
//! The major version says what existing fields mean: readers refuse another one. The minor version
//! grows when kinds or flags are added: readers accept any, skip entries of unknown kind and
//! ignore unknown flags. The sizes of header and entry belong to the major version.
//!
//! # Trust
//!
//! The record comes from the tool, not from a peer. It is parsed as if it were hostile all the
//! same, so that a wrong image is refused with a reason instead of running with wrong addresses.
//!
//! Answers BH-06.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod build;
mod crc;
mod entry;
mod error;
mod layout;
mod lookup;
mod role;

#[cfg(test)]
mod tests;

pub use build::{BuildError, Builder, encoded_len};
pub use crc::crc32;
pub use entry::{
    ChannelEntry, ChannelRights, ChildEntry, Entry, IrqEntry, RegionEntry, RegionRights,
    WindowEntry,
};
pub use error::{EntryFault, LookupError, RecordError};
pub use layout::{ENTRY_SIZE, HEADER_SIZE, Kind, MAGIC, VERSION_MAJOR, VERSION_MINOR};
pub use lookup::{Entries, Record};
pub use role::{ROLE_SIZE, Role, RoleError};
