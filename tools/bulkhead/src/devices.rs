// SPDX-License-Identifier: BSD-2-Clause
//! What QEMU must plug in for a system, and the disk image behind its partitions.

use std::path::{Path, PathBuf};

use disk::{Partition, Plan, SectorSize};
use host::provision;
use host::qemu::option_value;
use host::{Failure, Outcome};
use sdf::model::RecordTarget;
use sdf::{Board, System};

use crate::context::Context;

/// End of the roles that name a partition, in the record of the service that hands them out.
const PARTITION_ROLE: &str = ".partition";
/// Where a block node wants the disk's name.
const NODE: &str = "{id}";
/// Where the description of a device wants the size of a disk's logical block.
const SECTOR: &str = "{sector}";

/// What a system needs of QEMU's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Devices {
    plugged: Vec<sdf::QemuDevice>,
    options: Vec<String>,
    partitions: Vec<String>,
}

/// The disk image of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DiskImage {
    /// The file.
    pub(crate) path: PathBuf,
    /// Size of its logical blocks.
    pub(crate) sectors: SectorSize,
    /// Where QEMU logs each write and flush, if it is to.
    pub(crate) log: Option<PathBuf>,
    /// QEMU's block nodes in place of the file; the last one is called `{id}`.
    pub(crate) nodes: Vec<String>,
}

impl DiskImage {
    fn new(path: &Path, sectors: SectorSize) -> Self {
        Self {
            path: path.to_path_buf(),
            sectors,
            log: None,
            nodes: Vec::new(),
        }
    }

    /// QEMU's arguments for a drive called `id`.
    fn arguments(&self, id: &str) -> Vec<String> {
        if !self.nodes.is_empty() {
            let nodes = self.nodes.iter().map(|node| node.replace(NODE, id));
            return nodes
                .flat_map(|node| ["-blockdev".to_owned(), node])
                .collect();
        }
        let file = option_value(&self.path);
        let Some(log) = &self.log else {
            let drive = format!("file={file},if=none,id={id},format=raw,discard=unmap");
            return ["-drive".to_owned(), drive].to_vec();
        };
        [
            format!("driver=file,node-name={id}-file,filename={file},discard=unmap"),
            format!(
                "driver=file,node-name={id}-log,filename={}",
                option_value(log)
            ),
            format!("driver=blklogwrites,node-name={id},file={id}-file,log={id}-log"),
        ]
        .into_iter()
        .flat_map(|node| ["-blockdev".to_owned(), node])
        .collect()
    }
}

impl Devices {
    /// Those devices of `board` whose registers `system` maps.
    pub(crate) fn of(board: &Board, system: &System) -> Self {
        let Some(qemu) = &board.qemu else {
            return Self {
                plugged: Vec::new(),
                options: Vec::new(),
                partitions: Vec::new(),
            };
        };
        let is_mapped = |base: u64| {
            system.memory_regions.iter().any(|region| {
                let first = region.phys_addr.as_ref().map(|address| address.value);
                let size = region.size.as_ref().map_or(0, |size| size.value);
                first.is_some_and(|first| (first..first.saturating_add(size)).contains(&base))
            })
        };
        let devices = qemu.device.iter().filter(|device| is_mapped(device.base));
        Self {
            plugged: devices.cloned().collect(),
            options: qemu.options.clone(),
            partitions: partitions(system),
        }
    }

    /// Whether a disk is among them.
    pub(crate) fn have_disk(&self) -> bool {
        self.plugged.iter().any(|device| device.drive.is_some())
    }

    /// QEMU's arguments; `disk` must be there if [`Self::have_disk`].
    pub(crate) fn arguments(&self, disk: Option<&DiskImage>) -> Vec<String> {
        let mut arguments = self.options.clone();
        for device in &self.plugged {
            if let (Some(id), Some(disk)) = (&device.drive, disk) {
                arguments.extend(disk.arguments(id));
            }
            let sectors = disk
                .map_or(SectorSize::default(), |disk| disk.sectors)
                .bytes()
                .to_string();
            let options = device
                .options
                .iter()
                .map(|option| option.replace(SECTOR, &sectors));
            arguments.extend(options);
        }
        arguments
    }

    /// A new disk image at `path`, with a partition of `size` bytes for each that the system names.
    pub(crate) fn create_disk(
        &self,
        context: &Context,
        path: &Path,
        size: u64,
        sectors: SectorSize,
    ) -> Outcome<DiskImage> {
        provision::ensure(&context.ui, &disk::NEEDS, context.may_install)?;
        let partition = |label: &String| Partition {
            label: label.clone(),
            size,
        };
        let partitions = self.partitions.iter().map(partition).collect();
        let plan = Plan::new(partitions, sectors)
            .map_err(|error| Failure::input(format!("no disk for this system: {error}")))?;
        disk::create(&context.ui, &plan, path)?;
        Ok(DiskImage::new(path, sectors))
    }

    /// The disk image at `path` as it is; it must have every partition that the system names.
    pub(crate) fn open_disk(&self, context: &Context, path: &Path) -> Outcome<DiskImage> {
        let table = disk::read(path)?;
        let lacks = table.lacks(&self.partitions);
        if !lacks.is_empty() {
            let name = context.show(path);
            return Err(Failure::input(format!(
                "{name} has no partition for {}",
                lacks.join(", ")
            ))
            .note("it was made for another system, or before the system had this guest")
            .help("--fresh makes a new disk and loses what is on this one; --disk names another"));
        }
        Ok(DiskImage::new(path, table.sectors))
    }
}

/// The partitions that records of `system` name, in their order, each once.
fn partitions(system: &System) -> Vec<String> {
    let records = system.pds.iter().filter_map(|pd| pd.record.as_ref());
    let entries = records.flat_map(|record| &record.entries);
    let mut labels = Vec::new();
    for entry in entries.filter(|entry| entry.role.value.ends_with(PARTITION_ROLE)) {
        if let RecordTarget::Text { value } = &entry.target
            && !labels.contains(&value.value)
        {
            labels.push(value.value.clone());
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board;

    fn devices(text: &str) -> Devices {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let board = board::load(&root, "qemu_virt_aarch64").unwrap();
        Devices::of(&board, &sdf::parse(text, "test").unwrap())
    }

    const DISK: &str = r#"<system>
        <memory_region name="regs" size="0x1000" phys_addr="0x0a00_0000" />
        <protection_domain name="p" priority="1"><program_image path="p.elf" /><record>
            <text role="client" value="a" /><text role="a.partition" value="data" />
            <text role="b.partition" value="data" /><text role="c.partition" value="log" />
        </record></protection_domain></system>"#;

    #[test]
    fn only_what_the_system_maps_is_plugged_in() {
        let none = devices(&DISK.replace("0x0a00_0000", "0x0b00_0000"));
        assert!(!none.have_disk());
        assert!(!none.arguments(None).iter().any(|word| word == "-device"));
        let disk = devices(DISK);
        assert!(disk.have_disk());
        let arguments = disk.arguments(None).join(" ");
        assert!(
            arguments.contains("virtio-blk-device") && !arguments.contains("virtio-net"),
            "{arguments}"
        );
    }

    #[test]
    fn partitions_are_those_that_records_name() {
        assert_eq!(devices(DISK).partitions, ["data", "log"]);
    }

    #[test]
    fn the_disk_says_how_large_its_blocks_are() {
        let image = DiskImage::new(Path::new("/x/a,b.img"), SectorSize::B4096);
        let arguments = devices(DISK).arguments(Some(&image)).join(" ");
        assert!(arguments.contains("logical_block_size=4096"), "{arguments}");
        assert!(arguments.contains("file=/x/a,,b.img,"), "{arguments}");
    }
}
