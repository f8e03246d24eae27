// SPDX-License-Identifier: BSD-2-Clause
//! What a disk is to hold, and where.

use std::fmt;

use serde::Serialize;

/// Partitions begin at multiples of this many bytes: a multiple of every sector and erase block size
/// in use.
pub const ALIGNMENT: u64 = 1 << 20;
/// Bytes of a partition where nobody says otherwise.
pub const DEFAULT_SIZE: u64 = 256 << 20;
/// Smallest partition that holds an ext4 file system with a journal, in bytes.
const SMALLEST: u64 = 8 << 20;
/// Largest partition, in bytes: what one can mistype above this is not a disk for a guest.
const LARGEST: u64 = 1 << 44;
/// Entries of the partition table: what the UEFI specification reserves at least.
pub(crate) const TABLE_ENTRIES: u32 = 128;
/// UTF-16 code units of a partition's name.
const NAME_UNITS: usize = 36;

/// Bytes of a logical block of the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum SectorSize {
    /// 512 bytes.
    #[default]
    B512,
    /// 4096 bytes, "4K native".
    B4096,
}

impl SectorSize {
    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::B512 => 512,
            Self::B4096 => 4096,
        }
    }
}

/// A partition to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name in the table (PARTLABEL), by which `blk_partition` finds it.
    pub label: String,
    /// Bytes, rounded up to [`ALIGNMENT`].
    pub size: u64,
}

/// A disk to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    partitions: Vec<Partition>,
    sectors: SectorSize,
}

/// Why a disk cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// There is nothing to put on it.
    Empty,
    /// More partitions than the table has entries.
    TooMany(usize),
    /// Two partitions of one name.
    Twice(String),
    /// A name that does not fit the table's 36 UTF-16 units, or is empty.
    Name(String),
    /// A size that no file system fits, or that is absurd.
    Size(String, u64),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a disk needs at least one partition"),
            Self::TooMany(count) => write!(f, "{count} partitions, a table holds {TABLE_ENTRIES}"),
            Self::Twice(label) => write!(f, "two partitions are called `{label}`"),
            Self::Name(label) => write!(
                f,
                "a partition cannot be called `{label}`: 1 to {NAME_UNITS} UTF-16 units"
            ),
            Self::Size(label, size) => write!(
                f,
                "partition `{label}` cannot have {size} bytes: at least {} MiB, at most {} TiB",
                SMALLEST >> 20,
                LARGEST >> 40
            ),
        }
    }
}

impl Plan {
    /// A disk with `partitions` in this order.
    ///
    /// # Errors
    /// [`PlanError`] names the first partition that cannot be.
    pub fn new(partitions: Vec<Partition>, sectors: SectorSize) -> Result<Self, PlanError> {
        if partitions.is_empty() {
            return Err(PlanError::Empty);
        }
        if partitions.len() > TABLE_ENTRIES as usize {
            return Err(PlanError::TooMany(partitions.len()));
        }
        for (index, partition) in partitions.iter().enumerate() {
            let label = &partition.label;
            if !(1..=NAME_UNITS).contains(&label.encode_utf16().count()) {
                return Err(PlanError::Name(label.clone()));
            }
            if !(SMALLEST..=LARGEST).contains(&partition.size) {
                return Err(PlanError::Size(label.clone(), partition.size));
            }
            if partitions[..index]
                .iter()
                .any(|other| other.label == *label)
            {
                return Err(PlanError::Twice(label.clone()));
            }
        }
        Ok(Self {
            partitions,
            sectors,
        })
    }

    /// Size of a logical block.
    #[must_use]
    pub const fn sectors(&self) -> SectorSize {
        self.sectors
    }

    /// The partitions with the offset of each, in bytes.
    pub fn placed(&self) -> impl Iterator<Item = (&Partition, u64, u64)> {
        self.partitions.iter().scan(ALIGNMENT, |next, partition| {
            let size = partition.size.next_multiple_of(ALIGNMENT);
            let offset = *next;
            *next += size;
            Some((partition, offset, size))
        })
    }

    /// Bytes of the whole disk: the table, the partitions, the table's copy.
    #[must_use]
    pub fn size(&self) -> u64 {
        let end = self
            .placed()
            .last()
            .map_or(ALIGNMENT, |(_, offset, size)| offset + size);
        end + ALIGNMENT
    }
}
