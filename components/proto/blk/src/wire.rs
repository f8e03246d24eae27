// SPDX-License-Identifier: BSD-2-Clause
//! Bytes of the rings and of the words behind them. Nothing outside this crate sees them.

use spsc::HEADER_SIZE;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::request::Op;

/// Bytes at the end of each region, behind the ring.
pub(crate) const TAIL_SIZE: usize = 128;

/// First word of the server's tail: the bytes `BLK1`.
pub(crate) const MAGIC: u32 = u32::from_le_bytes(*b"BLK1");

/// Offset in the client's tail of the number of its starts, u32.
pub(crate) const CLIENT_LIFE: usize = 0;

/// Offset in the server's tail of the change counter, u32, odd while the rest changes.
pub(crate) const SEQUENCE: usize = 4;
/// Offset in the server's tail of [`RawInfo`].
pub(crate) const INFO: usize = 8;

/// One entry of the request ring: a [`Head`], or a [`RawSegment`] of the head before it.
pub(crate) type Slot = [u64; 2];

/// Starts a request.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Head {
    /// The client's cookie.
    pub(crate) id: U32,
    /// Session of the request.
    pub(crate) session: U16,
    /// See [`Op`].
    pub(crate) op: u8,
    /// How many [`RawSegment`]s follow.
    pub(crate) segments: u8,
    /// First sector.
    pub(crate) sector: U64,
}

/// Memory of a request; or, for operations without data, in `len` the number of sectors.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct RawSegment {
    /// Where the memory begins, as agreed on by both ends.
    pub(crate) offset: U64,
    /// Its bytes.
    pub(crate) len: U32,
    /// Zero.
    pub(crate) reserved: U32,
}

/// One entry of the completion ring.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct RawCompletion {
    /// The client's cookie.
    pub(crate) id: U32,
    /// Session of the request.
    pub(crate) session: U16,
    /// 0 done, 1 error, 2 unsupported.
    pub(crate) status: U16,
}

/// What the server publishes.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct RawInfo {
    /// Number of the latest session.
    pub(crate) session: U16,
    /// 1: the session is on; 0: the disk is not there.
    pub(crate) up: U16,
    /// Start of the client that the session is with.
    pub(crate) client_life: U32,
    /// Size of the disk in sectors of 512 bytes.
    pub(crate) capacity: U64,
    /// Bytes of a logical block.
    pub(crate) block_size: U32,
    /// Logical blocks per physical block, as a power of two.
    pub(crate) physical_exponent: U32,
    /// See [`crate::Features`].
    pub(crate) features: U32,
    /// Most segments of a request.
    pub(crate) max_segments: U32,
    /// Most bytes of a segment.
    pub(crate) max_segment_size: U32,
    /// Most sectors that one request discards.
    pub(crate) max_discard: U32,
    /// Alignment in sectors that a discard should have.
    pub(crate) discard_alignment: U32,
    /// Most sectors that one request zeroes.
    pub(crate) max_write_zeroes: U32,
}

const _: () = assert!(size_of::<Head>() == size_of::<Slot>());
const _: () = assert!(size_of::<RawSegment>() == size_of::<Slot>());
const _: () = assert!(size_of::<RawCompletion>() == 8);
const _: () = assert!(INFO + size_of::<RawInfo>() <= TAIL_SIZE);

/// Entries of `entry` bytes that the ring of a region of `region` bytes holds: the largest power of
/// two that fits between header and tail. Both ends compute it from the same region.
pub(crate) fn ring_capacity(region: usize, entry: usize) -> Option<u32> {
    let payload = region.checked_sub(HEADER_SIZE + TAIL_SIZE)? / entry;
    let payload = u32::try_from(payload).ok()?;
    payload.checked_ilog2().map(|bits| 1 << bits)
}

impl Op {
    pub(crate) const fn raw(self) -> u8 {
        match self {
            Self::Read => 0,
            Self::Write => 1,
            Self::Flush => 2,
            Self::Discard => 3,
            Self::WriteZeroes { unmap: false } => 4,
            Self::WriteZeroes { unmap: true } => 5,
        }
    }

    pub(crate) const fn from_raw(raw: u8) -> Option<Self> {
        Some(match raw {
            0 => Self::Read,
            1 => Self::Write,
            2 => Self::Flush,
            3 => Self::Discard,
            4 => Self::WriteZeroes { unmap: false },
            5 => Self::WriteZeroes { unmap: true },
            _ => return None,
        })
    }
}
