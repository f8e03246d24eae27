// SPDX-License-Identifier: BSD-2-Clause
//! Reading an image's table back.

use std::fs::File;
use std::path::Path;

use gpt_disk_io::gpt_disk_types::{BlockSize, GptHeader, GptPartitionEntry};
use gpt_disk_io::{BlockIoAdapter, Disk};
use host::{Failure, Outcome};
use serde::Serialize;

use crate::plan::{SectorSize, TABLE_ENTRIES};

/// A partition of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its name.
    pub label: String,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

/// The table of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Size of a logical block.
    pub sectors: SectorSize,
    /// The partitions in the order of the table.
    pub partitions: Vec<Entry>,
}

impl Table {
    /// Those of `labels` that no partition has.
    pub fn lacks<'a>(&self, labels: &'a [String]) -> Vec<&'a str> {
        let has = |label: &str| self.partitions.iter().any(|entry| entry.label == label);
        labels
            .iter()
            .map(String::as_str)
            .filter(|label| !has(label))
            .collect()
    }
}

/// Reads the table of the image at `path`; both sector sizes are tried.
///
/// # Errors
/// [`Failure`] if the file cannot be read or has no valid table.
pub fn read(path: &Path) -> Outcome<Table> {
    let sizes = [
        (SectorSize::B512, BlockSize::BS_512),
        (SectorSize::B4096, BlockSize::BS_4096),
    ];
    for (sectors, block) in sizes {
        let file = File::open(path).map_err(|e| Failure::io("read the disk image", path, &e))?;
        if let Some(partitions) = partitions(file, block) {
            return Ok(Table {
                sectors,
                partitions,
            });
        }
    }
    Err(
        Failure::input(format!("{} has no valid GPT", path.display()))
            .help("cargo bulkhead disk create makes a new disk image"),
    )
}

fn partitions(file: File, block: BlockSize) -> Option<Vec<Entry>> {
    let bytes = u64::from(block.to_u32());
    let mut disk = Disk::new(BlockIoAdapter::new(file, block)).ok()?;
    let mut buffer = vec![0; block.to_usize()?];
    let header = disk
        .read_primary_gpt_header(&mut buffer)
        .ok()
        .filter(is_valid)?;
    let layout = header.get_partition_entry_array_layout().ok()?;
    let mut storage = vec![0; layout.num_bytes_rounded_to_block_as_usize(block)?];
    let array = disk
        .read_gpt_partition_entry_array(layout, &mut storage)
        .ok()?;
    if array.calculate_crc32() != header.partition_entry_array_crc32 {
        return None;
    }
    let used = (0..layout.num_entries)
        .filter_map(|index| array.get_partition_entry(index))
        .filter(|entry| entry.is_used());
    used.map(|entry| read_entry(entry, bytes)).collect()
}

/// The counts are bounded before anything is allocated for them.
fn is_valid(header: &GptHeader) -> bool {
    let entries = header.number_of_partition_entries.to_u32();
    header.is_signature_valid()
        && header.header_crc32 == header.calculate_header_crc32()
        && entries <= 8 * TABLE_ENTRIES
        && header.size_of_partition_entry.to_u32() <= 4096
}

fn read_entry(entry: &GptPartitionEntry, block: u64) -> Option<Entry> {
    let range = entry.lba_range()?;
    // Copied: the entry is packed.
    let name = entry.name;
    Some(Entry {
        label: name.chars().collect(),
        offset: range.start().to_u64().checked_mul(block)?,
        size: range.num_blocks().checked_mul(block)?,
    })
}
