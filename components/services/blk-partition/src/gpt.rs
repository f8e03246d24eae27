// SPDX-License-Identifier: BSD-2-Clause
//! The partition table (UEFI 2.10, 5.3.2 and 5.3.3): what a copy of it must be like to be believed.

use blk::{Info, SECTOR_SIZE};
use crc::{CRC_32_ISO_HDLC, Crc, Digest};
use gpt_disk_types::{GptHeader, GptHeaderRevision, GptPartitionEntry, GptPartitionType};
use heapless::Vec;
use thiserror::Error;

use crate::MAX_CLIENTS;

/// The table's checksums.
static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Bytes of the header that this crate knows.
const HEADER_BYTES: u32 = 92;
/// Most bytes that a header may say it has; the specification's limit is a block, of at least as many.
pub(crate) const HEADER_MOST: usize = 512;
/// Offset and bytes of the header's checksum, which counts as zeroes.
const CHECKSUM: (usize, usize) = (16, 4);
/// Bytes in which the entries are looked at: the smallest entry, and every other is a multiple.
pub(crate) const PIECE: usize = 128;
/// Most bytes of the entries: sixteen times what the specification asks room for.
const ARRAY_MOST: u64 = 256 << 10;
/// Most partitions in use.
const USED_MOST: usize = 128;

/// Why a copy of the table is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GptError {
    /// It does not begin with "EFI PART".
    #[error("there is no table")]
    Signature,
    /// Another revision than 1.0.
    #[error("the table has another revision than 1.0")]
    Revision,
    /// A header of fewer than 92 or more than 512 bytes.
    #[error("the header has an impossible size")]
    HeaderSize,
    /// The header's checksum is wrong.
    #[error("the header's checksum is wrong")]
    HeaderChecksum,
    /// The header says that it is elsewhere.
    #[error("the header belongs elsewhere")]
    HeaderPlace,
    /// The usable blocks are not a range behind the first and before the last two copies.
    #[error("the usable blocks are no part of the disk")]
    Usable,
    /// Entries of a size that none has, or too many.
    #[error("the entries have an impossible size or number")]
    Entries,
    /// The entries are not on the disk, or in the usable blocks.
    #[error("the entries are outside the disk or inside a partition")]
    EntriesPlace,
    /// The entries' checksum is wrong.
    #[error("the entries' checksum is wrong")]
    EntriesChecksum,
    /// More than 128 partitions in use.
    #[error("there are more partitions than this service knows")]
    TooMany,
}

/// Why a client's partition cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PartitionError {
    /// No partition has the label.
    #[error("there is no such partition")]
    Missing,
    /// Several have it.
    #[error("several partitions have this label")]
    Ambiguous,
    /// It is not within the usable blocks, or ends before it begins.
    #[error("the partition is outside the usable blocks")]
    Range,
    /// It shares blocks with another.
    #[error("the partition overlaps another")]
    Overlap,
}

/// A label as the table has it: UTF-16, padded with zeroes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label([u8; 72]);

impl Label {
    /// `None` where the text is empty or longer than 36 UTF-16 units.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; 72];
        let mut units = bytes.chunks_exact_mut(2);
        for unit in text.encode_utf16() {
            units.next()?.copy_from_slice(&unit.to_le_bytes());
        }
        (!text.is_empty()).then_some(Self(bytes))
    }

    /// Whether a name of the table is this one, up to its end.
    fn is(&self, name: &[u8; 72]) -> bool {
        let (own, other) = (self.0.chunks_exact(2), name.chunks_exact(2));
        for (own, other) in own.zip(other) {
            if own != other {
                return false;
            }
            if own == [0, 0] {
                return true;
            }
        }
        true
    }
}

/// A range of blocks, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Blocks {
    first: u64,
    last: u64,
}

impl Blocks {
    const fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    const fn within(self, other: Self) -> bool {
        self.first <= self.last && self.first >= other.first && self.last <= other.last
    }
}

/// A range of sectors of 512 bytes: a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) sector: u64,
    pub(crate) sectors: u64,
}

/// A header that is believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    usable: Blocks,
    /// First block of the entries.
    pub(crate) entries_lba: u64,
    /// Bytes of all entries, a multiple of [`PIECE`].
    pub(crate) entries_bytes: u64,
    entry_size: usize,
    checksum: u32,
}

impl Header {
    /// Judges the header that was read from block `lba` of a disk.
    pub(crate) fn parse(
        bytes: &[u8; HEADER_MOST],
        lba: u64,
        disk: &Info,
    ) -> Result<Self, GptError> {
        let known = bytes.get(..size_of::<GptHeader>()).unwrap_or_default();
        let raw: GptHeader =
            bytemuck::try_pod_read_unaligned(known).map_err(|_| GptError::Signature)?;
        if !raw.is_signature_valid() {
            return Err(GptError::Signature);
        }
        if raw.revision != GptHeaderRevision::VERSION_1_0 {
            return Err(GptError::Revision);
        }
        check_sum(bytes, &raw)?;
        if raw.my_lba.to_u64() != lba {
            return Err(GptError::HeaderPlace);
        }
        let blocks = disk.capacity / disk.block_sectors();
        let usable = Blocks {
            first: raw.first_usable_lba.to_u64(),
            last: raw.last_usable_lba.to_u64(),
        };
        // Neither the protective MBR nor one of the two headers is for partitions.
        let inner = Blocks {
            first: 2,
            last: blocks.saturating_sub(2),
        };
        if !usable.within(inner) {
            return Err(GptError::Usable);
        }
        Self::place_entries(&raw, usable, blocks, disk)
    }

    fn place_entries(
        raw: &GptHeader,
        usable: Blocks,
        blocks: u64,
        disk: &Info,
    ) -> Result<Self, GptError> {
        let (size, count) = (
            raw.size_of_partition_entry.to_u32(),
            raw.number_of_partition_entries.to_u32(),
        );
        let entry_size = usize::try_from(size).map_err(|_| GptError::Entries)?;
        let entries_bytes = u64::from(size) * u64::from(count);
        let fits = (1..=ARRAY_MOST).contains(&entries_bytes);
        if entry_size < PIECE || !entry_size.is_power_of_two() || !fits {
            return Err(GptError::Entries);
        }
        let first = raw.partition_entry_lba.to_u64();
        let length = entries_bytes.div_ceil(disk.block_size.into());
        let end = first.checked_add(length).ok_or(GptError::EntriesPlace)?;
        let place = Blocks {
            first,
            last: end - 1,
        };
        if first < 2 || end > blocks || place.overlaps(usable) {
            return Err(GptError::EntriesPlace);
        }
        Ok(Self {
            usable,
            entries_lba: first,
            entries_bytes,
            entry_size,
            checksum: raw.partition_entry_array_crc32.0.to_u32(),
        })
    }
}

/// The header's checksum, over as many bytes as the header says it has.
fn check_sum(bytes: &[u8; HEADER_MOST], raw: &GptHeader) -> Result<(), GptError> {
    let size = raw.header_size.to_u32();
    let whole = usize::try_from(size)
        .ok()
        .and_then(|size| bytes.get(..size));
    let whole = whole
        .filter(|_| size >= HEADER_BYTES)
        .ok_or(GptError::HeaderSize)?;
    let (at, len) = CHECKSUM;
    let mut digest = CRC.digest();
    digest.update(whole.get(..at).unwrap_or_default());
    digest.update(&[0; CHECKSUM.1]);
    digest.update(whole.get(at + len..).unwrap_or_default());
    if digest.finalize() == raw.header_crc32.0.to_u32() {
        Ok(())
    } else {
        Err(GptError::HeaderChecksum)
    }
}

/// Entries with one label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    None,
    /// Index among the used ones.
    One(usize),
    Several,
}

/// The entries, as they are read piece by piece.
pub(crate) struct Scan {
    header: Header,
    digest: Digest<'static, u32>,
    /// Bytes of the entries seen so far.
    seen: u64,
    used: Vec<Blocks, USED_MOST>,
    found: [Found; MAX_CLIENTS],
    overfull: bool,
}

impl core::fmt::Debug for Scan {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Scan")
            .field("header", &self.header)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

impl Scan {
    pub(crate) fn new(header: Header) -> Self {
        Self {
            header,
            digest: CRC.digest(),
            seen: 0,
            used: Vec::new(),
            found: [Found::None; MAX_CLIENTS],
            overfull: false,
        }
    }

    /// First block to read next, and the bytes left from there on; 0 at the end.
    pub(crate) fn rest(&self, disk: &Info) -> (u64, u64) {
        let blocks = self.seen / u64::from(disk.block_size);
        let left = self.header.entries_bytes.saturating_sub(self.seen);
        (self.header.entries_lba.saturating_add(blocks), left)
    }

    /// Looks at the next piece of the entries.
    pub(crate) fn piece(&mut self, bytes: &[u8; PIECE], labels: &[Label]) {
        self.digest.update(bytes);
        let first = self.seen.is_multiple_of(self.header.entry_size as u64);
        self.seen = self.seen.saturating_add(PIECE as u64);
        // Longer entries have nothing more that is known.
        let Ok(entry) = bytemuck::try_pod_read_unaligned::<GptPartitionEntry>(bytes) else {
            return;
        };
        let kind = entry.partition_type_guid;
        if first && kind != GptPartitionType::UNUSED {
            self.note(&entry, labels);
        }
    }

    fn note(&mut self, entry: &GptPartitionEntry, labels: &[Label]) {
        let blocks = Blocks {
            first: entry.starting_lba.to_u64(),
            last: entry.ending_lba.to_u64(),
        };
        let index = self.used.len();
        if self.used.push(blocks).is_err() {
            self.overfull = true;
            return;
        }
        let name = bytemuck::bytes_of(&entry.name);
        let Ok(name) = <&[u8; 72]>::try_from(name) else {
            return;
        };
        for (label, found) in labels.iter().zip(&mut self.found) {
            if label.is(name) {
                *found = match found {
                    Found::None => Found::One(index),
                    Found::One(_) | Found::Several => Found::Several,
                };
            }
        }
    }

    /// The table, once all entries were seen.
    pub(crate) fn finish(self, disk: &Info) -> Result<Table, GptError> {
        if self.overfull {
            return Err(GptError::TooMany);
        }
        if self.digest.finalize() != self.header.checksum {
            return Err(GptError::EntriesChecksum);
        }
        let (used, usable) = (&self.used, self.header.usable);
        let extents = self
            .found
            .map(|found| extent(found, used, usable, disk.block_size));
        Ok(Table { extents })
    }
}

/// The sectors of a partition, if it can be used.
fn extent(
    found: Found,
    used: &[Blocks],
    usable: Blocks,
    block_size: u32,
) -> Result<Extent, PartitionError> {
    let index = match found {
        Found::None => return Err(PartitionError::Missing),
        Found::Several => return Err(PartitionError::Ambiguous),
        Found::One(index) => index,
    };
    let blocks = used.get(index).copied().ok_or(PartitionError::Missing)?;
    if !blocks.within(usable) {
        return Err(PartitionError::Range);
    }
    let mut others = (0..).zip(used).filter(|(other, _)| *other != index);
    if others.any(|(_, other)| blocks.overlaps(*other)) {
        return Err(PartitionError::Overlap);
    }
    // Both ends are on the disk, whose bytes fit 64 bits.
    let per_block = u64::from(block_size) / SECTOR_SIZE;
    Ok(Extent {
        sector: blocks.first * per_block,
        sectors: (blocks.last - blocks.first + 1) * per_block,
    })
}

/// Where each client's partition is, in the order of their labels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) extents: [Result<Extent, PartitionError>; MAX_CLIENTS],
}
