// SPDX-License-Identifier: BSD-2-Clause
//! Making an image: the table by the `gpt_disk_io` crate, the file systems by Debian's `mke2fs`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gpt_disk_io::gpt_disk_types::{
    BlockSize, Crc32, GptHeader, GptPartitionEntry, GptPartitionEntryArray,
    GptPartitionEntryArrayLayout, GptPartitionEntrySize, GptPartitionType, Guid, Lba, LbaLe, U32Le,
    guid,
};
use gpt_disk_io::{BlockIoAdapter, Disk, DiskError};
use host::job::Job;
use host::output::Stage;
use host::provision::Need;
use host::{Failure, Outcome, Ui};
use sha2::{Digest, Sha256};

use crate::plan::{Partition, Plan, SectorSize, TABLE_ENTRIES};

/// Makes a file system.
const MKE2FS: &str = "mke2fs";
/// What [`create`] cannot do without.
pub const NEEDS: [Need; 1] = [Need::Program {
    program: MKE2FS,
    package: "e2fsprogs",
    why: "makes the guests' file systems",
}];
/// A file system that takes longer is stuck.
const LIMIT: Duration = Duration::from_secs(300);
/// File systems smaller than this many bytes get blocks of 1 KiB where sectors allow it.
const SMALL_BLOCKS: u64 = 64 << 20;
/// "Linux filesystem data" (Discoverable Partitions Specification).
const LINUX_DATA: GptPartitionType =
    GptPartitionType(guid!("0fc63daf-8483-4772-8e79-3d69d8477de4"));
/// Name of the image while it is made.
const UNFINISHED: &str = "disk";

/// Makes the disk image at `path`: sparse, complete or not there at all. The same plan gives the same
/// identifiers each time.
///
/// # Errors
/// [`Failure`] if a file cannot be written or `mke2fs` fails; an older image is then untouched.
pub fn create(ui: &Ui, plan: &Plan, path: &Path) -> Outcome<()> {
    let (folder, name) = split(path)?;
    let stage = Stage::new(folder)?;
    let unfinished = stage.path().join(UNFINISHED);
    let failed = |e: &io::Error| Failure::io("write", path, e);
    let file = File::create_new(&unfinished).map_err(|e| failed(&e))?;
    file.set_len(plan.size()).map_err(|e| failed(&e))?;
    let table = write_table(plan, file);
    table.map_err(|e| Failure::environment(format!("cannot write {}: {e}", path.display())))?;
    for (partition, offset, size) in plan.placed() {
        let job = mke2fs(plan, &unfinished, partition, (offset, size));
        format_partition(ui, job, &partition.label)?;
    }
    let finished = stage.path().join(&name);
    std::fs::rename(&unfinished, &finished).map_err(|e| failed(&e))?;
    stage.publish(&[name])
}

fn split(path: &Path) -> Outcome<(&Path, PathBuf)> {
    let name = path
        .file_name()
        .ok_or_else(|| Failure::environment(format!("{} does not name a file", path.display())))?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    Ok((folder.unwrap_or(Path::new(".")), name.into()))
}

/// Identifiers come from what they name: two images of one plan are equal, and labels cannot collide.
fn identifier(of: &str) -> Guid {
    let digest = Sha256::digest(of.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Guid::from_random_bytes(bytes)
}

fn block_size(sectors: SectorSize) -> BlockSize {
    match sectors {
        SectorSize::B512 => BlockSize::BS_512,
        SectorSize::B4096 => BlockSize::BS_4096,
    }
}

/// Everything that the table is written with.
struct TableShape {
    layout: GptPartitionEntryArrayLayout,
    block: u64,
    blocks: u64,
    table_blocks: u64,
}

impl TableShape {
    fn of(plan: &Plan) -> Option<Self> {
        let layout = GptPartitionEntryArrayLayout {
            start_lba: Lba(2),
            entry_size: GptPartitionEntrySize::new(128).ok()?,
            num_entries: TABLE_ENTRIES,
        };
        let block = plan.sectors().bytes();
        Some(Self {
            layout,
            block,
            blocks: plan.size() / block,
            table_blocks: layout.num_blocks(block_size(plan.sectors()))?,
        })
    }

    /// The header in the first block behind the protective MBR.
    fn header(&self, plan: &Plan) -> GptHeader {
        GptHeader {
            my_lba: LbaLe::from_u64(1),
            alternate_lba: LbaLe::from_u64(self.blocks - 1),
            first_usable_lba: LbaLe::from_u64(2 + self.table_blocks),
            last_usable_lba: LbaLe::from_u64(self.blocks - 2 - self.table_blocks),
            disk_guid: identifier(&labels(plan)),
            partition_entry_lba: LbaLe::from_u64(2),
            number_of_partition_entries: U32Le::from_u32(TABLE_ENTRIES),
            size_of_partition_entry: U32Le::from_u32(128),
            header_crc32: Crc32::default(),
            ..GptHeader::default()
        }
    }
}

fn write_table(plan: &Plan, file: File) -> Result<(), DiskError<io::Error>> {
    let shape = TableShape::of(plan).ok_or(DiskError::Overflow)?;
    let bytes = |count: u64| usize::try_from(count).map_err(|_| DiskError::Overflow);
    let mut storage = vec![0; bytes(shape.table_blocks * shape.block)?];
    let size = block_size(plan.sectors());
    let entries = GptPartitionEntryArray::new(shape.layout, size, &mut storage);
    let mut entries = entries.map_err(|_| DiskError::Overflow)?;
    for (index, (partition, offset, size)) in (0..).zip(plan.placed()) {
        let slot = entries.get_partition_entry_mut(index);
        let last = (offset + size) / shape.block - 1;
        *slot.ok_or(DiskError::Overflow)? = entry(partition, offset / shape.block, last);
    }
    let mut header = shape.header(plan);
    header.partition_entry_array_crc32 = entries.calculate_crc32();
    header.update_header_crc32();
    let mut disk = Disk::new(BlockIoAdapter::new(file, size))?;
    let mut buffer = vec![0; bytes(shape.block)?];
    disk.write_protective_mbr(&mut buffer)?;
    disk.write_primary_gpt_header(&header, &mut buffer)?;
    disk.write_gpt_partition_entry_array(&entries)?;
    // The copy at the end: entries, then the header in the last block.
    let copy = shape.blocks - 1 - shape.table_blocks;
    entries.set_start_lba(Lba(copy));
    disk.write_gpt_partition_entry_array(&entries)?;
    header.my_lba = LbaLe::from_u64(shape.blocks - 1);
    header.alternate_lba = LbaLe::from_u64(1);
    header.partition_entry_lba = LbaLe::from_u64(copy);
    header.update_header_crc32();
    disk.write_secondary_gpt_header(&header, &mut buffer)?;
    disk.flush()
}

fn labels(plan: &Plan) -> String {
    let labels: Vec<&str> = plan
        .placed()
        .map(|(partition, ..)| partition.label.as_str())
        .collect();
    format!("disk of {}", labels.join(", "))
}

fn entry(partition: &Partition, first: u64, last: u64) -> GptPartitionEntry {
    GptPartitionEntry {
        partition_type_guid: LINUX_DATA,
        unique_partition_guid: identifier(&partition.label),
        starting_lba: LbaLe::from_u64(first),
        ending_lba: LbaLe::from_u64(last),
        // The plan has checked that the name fits.
        name: partition.label.parse().unwrap_or_default(),
        ..GptPartitionEntry::default()
    }
}

/// `mke2fs` for one partition of the image.
fn mke2fs(plan: &Plan, image: &Path, partition: &Partition, (offset, size): (u64, u64)) -> Job {
    let identifier = identifier(&format!("ext4 of {}", partition.label)).to_string();
    let block = if size < SMALL_BLOCKS {
        plan.sectors().bytes().max(1024)
    } else {
        4096
    };
    // What e2fsprogs calls a label holds 16 bytes.
    let label: String = partition
        .label
        .chars()
        .filter(char::is_ascii)
        .take(16)
        .collect();
    let extended = format!(
        "offset={offset},hash_seed={identifier},lazy_itable_init=0,nodiscard,root_owner=0:0"
    );
    Job::new(MKE2FS)
        .args(["-q", "-F", "-t", "ext4", "-b", &block.to_string()])
        .args(["-U", &identifier, "-L", &label, "-E", &extended])
        .arg("", image)
        .args([format!("{}k", size >> 10)])
        .env("E2FSPROGS_FAKE_TIME", "1")
        .limit(LIMIT)
}

fn format_partition(ui: &Ui, job: Job, label: &str) -> Outcome<()> {
    let ran = job.run(ui, &format!("making the file system of {label}"))?;
    if ran.succeeded() {
        return Ok(());
    }
    let what = format!("{MKE2FS} cannot make the file system of partition `{label}`");
    let lines = ran.last_lines(5);
    Err(lines
        .into_iter()
        .fold(Failure::environment(what), Failure::note))
}
