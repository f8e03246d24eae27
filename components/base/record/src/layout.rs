// SPDX-License-Identifier: BSD-2-Clause
//! Bytes of a record. Nothing outside this crate sees these structures.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::role::ROLE_SIZE;

/// First word of a record: the bytes `BHRC`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"BHRC");

/// Major version: what the fields mean.
pub const VERSION_MAJOR: u16 = 1;

/// Minor version: which kinds and flags exist.
pub const VERSION_MINOR: u16 = 1;

/// Bytes of the header.
pub const HEADER_SIZE: usize = 32;

/// Bytes of an entry.
pub const ENTRY_SIZE: usize = 64;

/// Offset of the checksum within the header; the checksum covers every byte but its own four.
pub(crate) const CRC_OFFSET: usize = 12;

/// Header at offset 0.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct RawHeader {
    /// [`MAGIC`].
    pub(crate) magic: U32,
    /// [`VERSION_MAJOR`].
    pub(crate) major: U16,
    /// [`VERSION_MINOR`].
    pub(crate) minor: U16,
    /// Bytes of the whole record, header and text included.
    pub(crate) total_len: U32,
    /// CRC-32 (IEEE) over all other bytes of the record.
    pub(crate) crc: U32,
    /// Number of entries.
    pub(crate) entry_count: U32,
    /// Bytes of text after the entries.
    pub(crate) text_len: U32,
    /// Zero.
    pub(crate) reserved: U64,
}

/// One entry.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct RawEntry {
    /// Role, padded with NUL.
    pub(crate) role: [u8; ROLE_SIZE],
    /// [`Kind`] as a number.
    pub(crate) kind: U16,
    /// Flags of the kind.
    pub(crate) flags: U16,
    /// Zero.
    pub(crate) reserved: U32,
    /// First operand.
    pub(crate) a: U64,
    /// Second operand.
    pub(crate) b: U64,
    /// Third operand.
    pub(crate) c: U64,
}

const _: () = assert!(size_of::<RawHeader>() == HEADER_SIZE);
const _: () = assert!(size_of::<RawEntry>() == ENTRY_SIZE);

/// What an entry describes, with the meaning of its operands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u16)]
pub enum Kind {
    /// A mapped memory region. a: virtual address, b: bytes, c: physical address (flag `PADDR`).
    Region = 1,
    /// A channel. a: this PD's id of it.
    Channel = 2,
    /// An interrupt. a: this PD's id of it, b: interrupt number at the controller.
    Irq = 3,
    /// A child PD. a: id, b: entry point of its program.
    Child = 4,
    /// A vCPU. a: id.
    Vcpu = 5,
    /// A number. a: the number.
    Value = 6,
    /// A text. a: offset in the text heap, b: bytes.
    Text = 7,
    /// Memory as devices address it, mapped or not. a: physical address, b: bytes. Since 1.1.
    Window = 8,
}

impl Kind {
    pub(crate) const fn from_raw(raw: u16) -> Option<Self> {
        Some(match raw {
            1 => Self::Region,
            2 => Self::Channel,
            3 => Self::Irq,
            4 => Self::Child,
            5 => Self::Vcpu,
            6 => Self::Value,
            7 => Self::Text,
            8 => Self::Window,
            _ => return None,
        })
    }

    pub(crate) const fn raw(self) -> u16 {
        self as u16
    }

    /// The kind as the system description spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Channel => "channel",
            Self::Irq => "irq",
            Self::Child => "child",
            Self::Vcpu => "vcpu",
            Self::Value => "value",
            Self::Text => "text",
            Self::Window => "window",
        }
    }
}

/// Flags of [`Kind::Region`].
pub(crate) mod region_flags {
    pub(crate) const READ: u16 = 1;
    pub(crate) const WRITE: u16 = 2;
    pub(crate) const EXECUTE: u16 = 4;
    pub(crate) const CACHED: u16 = 8;
    pub(crate) const PADDR: u16 = 16;
}

/// Flags of [`Kind::Channel`].
pub(crate) mod channel_flags {
    pub(crate) const NOTIFY: u16 = 1;
    pub(crate) const CALL: u16 = 2;
}

/// Flags of [`Kind::Irq`].
pub(crate) mod irq_flags {
    pub(crate) const EDGE: u16 = 1;
}
