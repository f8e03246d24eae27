// SPDX-License-Identifier: BSD-2-Clause
//! Why a record is refused, and why a lookup finds nothing.

use core::fmt;

use crate::layout::{Kind, VERSION_MAJOR, VERSION_MINOR};
use crate::role::Role;

/// Why bytes are no record: the fault of whoever built the image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordError {
    /// Fewer bytes than the header or than the length it announces.
    Truncated {
        /// Bytes needed.
        needed: u64,
        /// Bytes at hand.
        found: usize,
    },
    /// The first word is not the magic number.
    BadMagic(u32),
    /// Another major version than this reader knows.
    UnsupportedVersion {
        /// Major version found.
        major: u16,
        /// Minor version found.
        minor: u16,
    },
    /// The announced length is not header + entries + text.
    InconsistentLength {
        /// Length that the header announces.
        announced: u32,
        /// Length that its counts add up to.
        computed: u64,
    },
    /// The checksum does not match.
    BadChecksum {
        /// Checksum in the header.
        expected: u32,
        /// Checksum of the bytes.
        computed: u32,
    },
    /// An entry makes no sense.
    BadEntry {
        /// Index of the entry.
        index: usize,
        /// What is wrong with it.
        fault: EntryFault,
    },
}

/// What is wrong with an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryFault {
    /// The role is empty, not printable, or not padded with NUL.
    Role,
    /// A channel, IRQ, child or vCPU id above 61.
    Id(u64),
    /// A region outside the address space of a PD, or empty.
    Region,
    /// An interrupt number that does not fit 32 bits.
    IrqNumber(u64),
    /// A text outside the heap, or not UTF-8.
    Text,
    /// A window that is empty or leaves the physical address space.
    Window,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { needed, found } => {
                write!(
                    f,
                    "record needs {needed} bytes, but only {found} are mapped"
                )
            }
            Self::BadMagic(found) => write!(f, "no record: magic number is {found:#010x}"),
            Self::UnsupportedVersion { major, minor } => write!(
                f,
                "record has version {major}.{minor}, this reader knows {VERSION_MAJOR}.{VERSION_MINOR}"
            ),
            Self::InconsistentLength {
                announced,
                computed,
            } => write!(
                f,
                "record announces {announced} bytes, but its parts take {computed}"
            ),
            Self::BadChecksum { expected, computed } => write!(
                f,
                "record checksum is {computed:#010x}, its header says {expected:#010x}"
            ),
            Self::BadEntry { index, fault } => write!(f, "record entry {index}: {fault}"),
        }
    }
}

impl core::error::Error for RecordError {}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role => f.write_str("the role is not a name padded with NUL"),
            Self::Id(id) => write!(f, "id {id} is above 61"),
            Self::Region => f.write_str("the region is empty or leaves the address space"),
            Self::IrqNumber(number) => write!(f, "interrupt number {number} exceeds 32 bits"),
            Self::Text => f.write_str("the text is outside the heap or not UTF-8"),
            Self::Window => f.write_str("the window is empty or leaves the address space"),
        }
    }
}

/// Why a lookup by role fails: the system description and the PD disagree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LookupError {
    /// No entry has the role.
    Missing {
        /// Role looked up.
        role: Role,
        /// Kind looked for.
        kind: Kind,
    },
    /// The role exists, but describes something else.
    WrongKind {
        /// Role looked up.
        role: Role,
        /// Kind looked for.
        expected: Kind,
        /// Kind of the entry.
        found: Kind,
    },
    /// Several entries have the role, one was expected.
    Ambiguous {
        /// Role looked up.
        role: Role,
        /// Kind looked for.
        kind: Kind,
    },
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { role, kind } => {
                write!(f, "record has no {} with role '{role}'", kind.name())
            }
            Self::WrongKind {
                role,
                expected,
                found,
            } => write!(
                f,
                "role '{role}' should be a {}, but is a {}",
                expected.name(),
                found.name()
            ),
            Self::Ambiguous { role, kind } => {
                write!(
                    f,
                    "record has several entries {} with role '{role}'",
                    kind.name()
                )
            }
        }
    }
}

impl core::error::Error for LookupError {}
