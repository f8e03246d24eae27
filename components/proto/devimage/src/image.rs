// SPDX-License-Identifier: BSD-2-Clause
//! The checked view of a payload.

use crate::layout::*;
use crate::{crc32, validate};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Why a payload was refused. Numbers are record indices in the named table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// Shorter than its header or its declared size.
    Truncated,
    /// Wrong [`MAGIC`].
    Magic,
    /// Another layout version.
    Version(u32),
    /// Unknown label set.
    LabelSet(u32),
    /// Declared size does not fit between the payload's address and the end of RAM.
    TotalSize,
    /// Checksum mismatch.
    Checksum,
    /// A table lies outside the payload; the number counts tables in header order.
    TableRange(u32),
    /// More objects than the kernel has room for.
    TooMany(&'static str),
    /// A load record is out of range, out of order or overlaps its predecessor.
    Load(u32),
    /// An address space names mappings that do not exist.
    VSpace(u32),
    /// A mapping is misaligned, out of range, out of order, overlapping, or covers kernel memory.
    Mapping(u32),
    /// A thread names a missing or shared object, or has an out-of-range field.
    Tcb(u32),
    /// A budget or period is out of range.
    SchedContext(u32),
    /// An interrupt number is reserved, out of range or used twice, or its notification is missing.
    Irq(u32),
    /// A capability space names slots that do not exist or has an unknown kind.
    CSpace(u32),
    /// A slot number is out of range or used twice, or the capability's kind or object is unknown.
    Slot(u32),
    /// An entry of the domain schedule is out of range, or the schedule never runs anything.
    Domain(u32),
    /// `monitor_endpoint` is not an endpoint.
    Monitor,
}

/// A payload that passed every check: indices, ranges and overlaps are as the layout promises.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// The whole payload, exactly `total_size` bytes.
    pub bytes: &'a [u8],
    /// The header.
    pub header: &'a Header,
    /// Memory to fill.
    pub loads: &'a [Load],
    /// Address spaces.
    pub vspaces: &'a [VSpace],
    /// Mappings of all address spaces.
    pub mappings: &'a [Mapping],
    /// Threads.
    pub tcbs: &'a [Tcb],
    /// Scheduling contexts.
    pub sched_contexts: &'a [SchedContext],
    /// Interrupts.
    pub irqs: &'a [Irq],
    /// Capability spaces.
    pub cspaces: &'a [CSpace],
    /// Slots of all capability spaces.
    pub slots: &'a [Slot],
    /// Domain schedule.
    pub domains: &'a [DomainEntry],
}

impl<'a> Image<'a> {
    /// Reads the declared size of the payload that starts with `bytes`, without any other check than magic and
    /// version, so that a loader knows how much memory [`Image::parse`] needs to see.
    pub fn declared_size(bytes: &[u8]) -> Result<u64, ImageError> {
        Ok(header(bytes)?.total_size.get())
    }

    /// Checks a payload that lies at [`PAYLOAD_PADDR`]; bytes beyond its declared size are ignored.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let header = header(bytes)?;
        if header.label_set.get() > LABELS_RELEASE {
            return Err(ImageError::LabelSet(header.label_set.get()));
        }
        let total = header.total_size.get();
        if total > RAM_END - PAYLOAD_PADDR {
            return Err(ImageError::TotalSize);
        }
        let total = usize::try_from(total).map_err(|_| ImageError::TotalSize)?;
        let bytes = bytes.get(..total).ok_or(ImageError::Truncated)?;
        let body = bytes
            .get(size_of::<Header>()..)
            .ok_or(ImageError::Truncated)?;
        if crc32(body) != header.crc32.get() {
            return Err(ImageError::Checksum);
        }
        let image = Self {
            bytes,
            header,
            loads: table(bytes, header.loads, 0)?,
            vspaces: table(bytes, header.vspaces, 1)?,
            mappings: table(bytes, header.mappings, 2)?,
            tcbs: table(bytes, header.tcbs, 3)?,
            sched_contexts: table(bytes, header.sched_contexts, 4)?,
            irqs: table(bytes, header.irqs, 5)?,
            cspaces: table(bytes, header.cspaces, 6)?,
            slots: table(bytes, header.slots, 7)?,
            domains: table(bytes, header.domains, 8)?,
        };
        validate::all(&image)?;
        Ok(image)
    }

    /// First address of user RAM: the end of the payload rounded up to [`RAM_ALIGN`].
    pub fn user_ram_start(&self) -> u64 {
        user_ram_start(self.header.total_size.get())
    }

    /// The bytes that `load` copies.
    pub fn load_bytes(&self, load: &Load) -> &'a [u8] {
        let start = usize::try_from(load.file_offset.get()).unwrap_or(usize::MAX);
        let size = usize::try_from(load.file_size.get()).unwrap_or(usize::MAX);
        self.bytes
            .get(start..start.saturating_add(size))
            .unwrap_or(&[])
    }

    /// The mappings of one address space.
    pub fn vspace_mappings(&self, vspace: &VSpace) -> &'a [Mapping] {
        range(
            self.mappings,
            vspace.first_mapping.get(),
            vspace.count.get(),
        )
        .unwrap_or(&[])
    }

    /// The capabilities of the 512-slot CNode of one capability space.
    pub fn cspace_slots(&self, cspace: &CSpace) -> &'a [Slot] {
        range(self.slots, cspace.first_slot.get(), cspace.count.get()).unwrap_or(&[])
    }

    /// The capabilities of the root CNode of one two-level capability space.
    pub fn cspace_root_slots(&self, cspace: &CSpace) -> &'a [Slot] {
        range(
            self.slots,
            cspace.first_root_slot.get(),
            cspace.root_count.get(),
        )
        .unwrap_or(&[])
    }
}

/// First address of user RAM behind a payload of `total_size` bytes.
pub fn user_ram_start(total_size: u64) -> u64 {
    PAYLOAD_PADDR
        .saturating_add(total_size)
        .next_multiple_of(RAM_ALIGN)
}

/// `count` records from `first`, or `None` if they do not all exist.
pub(crate) fn range<T>(records: &[T], first: u32, count: u32) -> Option<&[T]> {
    let first = usize::try_from(first).ok()?;
    let count = usize::try_from(count).ok()?;
    records.get(first..first.checked_add(count)?)
}

fn header(bytes: &[u8]) -> Result<&Header, ImageError> {
    let (header, _) = Header::ref_from_prefix(bytes).map_err(|_| ImageError::Truncated)?;
    if header.magic != MAGIC {
        return Err(ImageError::Magic);
    }
    if header.version.get() != VERSION {
        return Err(ImageError::Version(header.version.get()));
    }
    Ok(header)
}

fn table<T>(bytes: &[u8], table: Table, number: u32) -> Result<&[T], ImageError>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    let error = ImageError::TableRange(number);
    let offset = usize::try_from(table.offset.get()).map_err(|_| error)?;
    let count = usize::try_from(table.count.get()).map_err(|_| error)?;
    let bytes = bytes.get(offset..).ok_or(error)?;
    <[T]>::ref_from_prefix_with_elems(bytes, count)
        .map(|(records, _)| records)
        .map_err(|_| error)
}
