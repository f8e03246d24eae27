// SPDX-License-Identifier: BSD-2-Clause
//! What a server says about its disk.

use bitflags::bitflags;

use crate::MAX_SEGMENTS;
use crate::request::Op;
use crate::wire::RawInfo;

bitflags! {
    /// What a disk can do.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Features: u32 {
        /// Writes, discards and zeroing are refused.
        const READ_ONLY = 1;
        /// Completed writes may be in a volatile cache until a flush completes. Without it they are
        /// stable when they complete, and a flush completes at once.
        const FLUSH = 2;
        /// [`Op::Discard`] works.
        const DISCARD = 4;
        /// [`Op::WriteZeroes`] works.
        const WRITE_ZEROES = 8;
        /// [`Op::WriteZeroes`] may release the blocks if asked to.
        const UNMAP = 16;
    }
}

/// A disk as its server describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Size in sectors of 512 bytes, a multiple of the logical block.
    pub capacity: u64,
    /// Bytes of a logical block, the unit of all requests: a power of two from 512 to 65536.
    pub block_size: u32,
    /// Logical blocks per physical block, as a power of two; at most 31.
    pub physical_exponent: u8,
    /// What the disk can do.
    pub features: Features,
    /// Most segments of a request: 1 to [`MAX_SEGMENTS`].
    pub max_segments: u16,
    /// Most bytes of a segment, at least a block.
    pub max_segment_size: u32,
    /// Most sectors that one request discards; 0 without [`Features::DISCARD`].
    pub max_discard: u32,
    /// Alignment in sectors that a discard should have to be effective.
    pub discard_alignment: u32,
    /// Most sectors that one request zeroes; 0 without [`Features::WRITE_ZEROES`].
    pub max_write_zeroes: u32,
}

impl Info {
    /// A disk that can read and write, and nothing else.
    #[must_use]
    pub const fn new(capacity: u64, block_size: u32) -> Self {
        Self {
            capacity,
            block_size,
            physical_exponent: 0,
            features: Features::empty(),
            max_segments: 126,
            max_segment_size: u32::MAX,
            max_discard: 0,
            discard_alignment: 0,
            max_write_zeroes: 0,
        }
    }

    /// Sectors of a logical block.
    #[must_use]
    pub const fn block_sectors(&self) -> u64 {
        self.block_size as u64 / crate::SECTOR_SIZE
    }

    /// Whether all `sectors` (at least one) from `sector` on are on the disk, in whole blocks.
    #[must_use]
    pub fn contains(&self, sector: u64, sectors: u64) -> bool {
        let end = sector.checked_add(sectors);
        let block = self.block_sectors();
        sectors > 0
            && end.is_some_and(|end| end <= self.capacity)
            && sector.is_multiple_of(block)
            && sectors.is_multiple_of(block)
    }

    /// Whether requests of this kind are served at all.
    #[must_use]
    pub const fn supports(&self, op: Op) -> bool {
        match op {
            Op::Read | Op::Write | Op::Flush => true,
            Op::Discard => self.features.contains(Features::DISCARD),
            Op::WriteZeroes { .. } => self.features.contains(Features::WRITE_ZEROES),
        }
    }

    /// Whether the numbers can be those of a disk.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let block = self.block_size;
        block.is_power_of_two()
            && (512..=65_536).contains(&block)
            && self.capacity.is_multiple_of(self.block_sectors())
            && self.capacity.checked_mul(crate::SECTOR_SIZE).is_some()
            && self.physical_exponent <= 31
            && (1..=MAX_SEGMENTS).contains(&usize::from(self.max_segments))
            && self.max_segment_size >= block
    }

    pub(crate) fn encode(&self) -> RawInfo {
        RawInfo {
            capacity: self.capacity.into(),
            block_size: self.block_size.into(),
            physical_exponent: u32::from(self.physical_exponent).into(),
            features: self.features.bits().into(),
            max_segments: u32::from(self.max_segments).into(),
            max_segment_size: self.max_segment_size.into(),
            max_discard: self.max_discard.into(),
            discard_alignment: self.discard_alignment.into(),
            max_write_zeroes: self.max_write_zeroes.into(),
            ..RawInfo::default()
        }
    }

    /// `None` unless the numbers can be those of a disk.
    pub(crate) fn decode(raw: &RawInfo) -> Option<Self> {
        let info = Self {
            capacity: raw.capacity.get(),
            block_size: raw.block_size.get(),
            physical_exponent: raw.physical_exponent.get().try_into().ok()?,
            features: Features::from_bits_truncate(raw.features.get()),
            max_segments: raw.max_segments.get().try_into().ok()?,
            max_segment_size: raw.max_segment_size.get(),
            max_discard: raw.max_discard.get(),
            discard_alignment: raw.discard_alignment.get(),
            max_write_zeroes: raw.max_write_zeroes.get(),
        };
        info.is_valid().then_some(info)
    }
}
