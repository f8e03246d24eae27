// SPDX-License-Identifier: BSD-2-Clause
//! Address spaces: from page tables and frames to ranges with physical addresses.

use std::collections::{BTreeMap, HashMap};

use capdl::{Cap, ElfSet, Object, ObjectId, Prefill, Spec};
use devimage::{MAP_CACHED, MAP_EXECUTE, MAP_READ, MAP_WRITE};
use host::Failure;

use super::allot::Allotment;

/// A contiguous mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) vaddr: u64,
    pub(super) paddr: u64,
    pub(super) size: u64,
    pub(super) flags: u64,
}

/// All address spaces, and where their frames are.
#[derive(Debug, Default)]
pub(super) struct Spaces {
    /// Root tables, in the order of their threads.
    pub(super) roots: Vec<ObjectId>,
    /// The mappings of each.
    pub(super) ranges: Vec<Vec<Range>>,
    /// Physical addresses of all frames.
    paddrs: HashMap<ObjectId, u64>,
}

impl Spaces {
    /// Index of the address space with this root.
    pub(super) fn index(&self, root: ObjectId) -> Option<usize> {
        self.roots.iter().position(|known| *known == root)
    }

    /// Physical address of a frame.
    pub(super) fn paddr(&self, frame: ObjectId) -> Option<u64> {
        self.paddrs.get(&frame).copied()
    }
}

/// A page in an address space.
struct Page {
    vaddr: u64,
    size: u64,
    frame: ObjectId,
    flags: u64,
}

/// Walks the page tables of every thread and gives private frames their address.
pub(super) fn collect(spec: &Spec, allotment: &mut Allotment) -> Result<Spaces, Failure> {
    let mut spaces = Spaces::default();
    for named in &spec.objects {
        let Object::Tcb(tcb) = &named.object else {
            continue;
        };
        for slot in &tcb.slots {
            match slot.cap {
                Cap::PageTable { object } if spaces.index(object).is_none() => {
                    let ranges = walk_space(spec, object, &mut spaces.paddrs, allotment)?;
                    spaces.roots.push(object);
                    spaces.ranges.push(ranges);
                }
                // A guest's IPC buffer is mapped nowhere.
                Cap::Frame { object, .. } => {
                    place(spec, object, &mut spaces.paddrs, allotment)?;
                }
                _ => {}
            }
        }
    }
    Ok(spaces)
}

fn walk_space(
    spec: &Spec,
    root: ObjectId,
    paddrs: &mut HashMap<ObjectId, u64>,
    allotment: &mut Allotment,
) -> Result<Vec<Range>, Failure> {
    let mut pages = Vec::new();
    walk(spec, root, 0, &mut pages);
    pages.sort_by_key(|page| page.vaddr);
    let mut ranges: Vec<Range> = Vec::new();
    for page in pages {
        let paddr = place(spec, page.frame, paddrs, allotment)?;
        let Page {
            vaddr, size, flags, ..
        } = page;
        match ranges.last_mut() {
            Some(last)
                if last.vaddr + last.size == vaddr
                    && last.paddr + last.size == paddr
                    && last.flags == flags =>
            {
                last.size += size;
            }
            _ => ranges.push(Range {
                vaddr,
                paddr,
                size,
                flags,
            }),
        }
    }
    Ok(ranges)
}

/// Collects the pages below one table.
fn walk(spec: &Spec, table: ObjectId, base: u64, pages: &mut Vec<Page>) {
    let Some(Object::PageTable(table)) = spec.objects.get(table).map(|named| &named.object) else {
        return;
    };
    let shift = match table.level {
        1 => 30,
        2 => 21,
        _ => 12,
    };
    for slot in &table.slots {
        let vaddr = base | u64::from(slot.slot) << shift;
        match &slot.cap {
            Cap::PageTable { object } => walk(spec, *object, vaddr, pages),
            Cap::Frame {
                object,
                rights,
                cached,
                executable,
            } => {
                let flag = |on: bool, flag: u64| if on { flag } else { 0 };
                let flags = flag(rights.read, MAP_READ)
                    | flag(rights.write, MAP_WRITE)
                    | flag(*executable, MAP_EXECUTE)
                    | flag(*cached, MAP_CACHED);
                pages.push(Page {
                    vaddr,
                    size: 1 << shift,
                    frame: *object,
                    flags,
                });
            }
            _ => {}
        }
    }
}

/// The physical address of a frame, allotted if it has none.
fn place(
    spec: &Spec,
    frame: ObjectId,
    paddrs: &mut HashMap<ObjectId, u64>,
    allotment: &mut Allotment,
) -> Result<u64, Failure> {
    if let Some(paddr) = paddrs.get(&frame) {
        return Ok(*paddr);
    }
    let fixed = match spec.objects.get(frame).map(|named| &named.object) {
        Some(Object::Frame(frame)) => frame.paddr,
        _ => None,
    };
    let paddr = match fixed {
        Some(paddr) => paddr,
        None => allotment.take_page()?,
    };
    paddrs.insert(frame, paddr);
    Ok(paddr)
}

/// Bytes to be put at physical addresses, joined where they are contiguous.
pub(super) fn fills(
    spec: &Spec,
    programs: &ElfSet,
    spaces: &Spaces,
) -> Result<BTreeMap<u64, Vec<u8>>, Failure> {
    let mut pages: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for (id, named) in spec.objects.iter().enumerate() {
        let Object::Frame(frame) = &named.object else {
            continue;
        };
        if frame.init.entries.is_empty() {
            continue;
        }
        // A region that nobody maps has an address all the same.
        let Some(paddr) = spaces.paddr(id).or(frame.paddr) else {
            continue;
        };
        let mut bytes = vec![0; 1 << frame.size_bits];
        for entry in &frame.init.entries {
            let content = content(&entry.content, programs)?;
            let start = usize::try_from(entry.range.start).unwrap_or(usize::MAX);
            let place = bytes.iter_mut().skip(start);
            place.zip(content).for_each(|(to, from)| *to = *from);
        }
        pages.insert(paddr, bytes);
    }
    Ok(join(pages))
}

fn content<'a>(prefill: &'a Prefill, programs: &'a ElfSet) -> Result<&'a [u8], Failure> {
    match prefill {
        Prefill::Bytes { file, range } => Ok(file.get(range.clone()).unwrap_or_default()),
        Prefill::Elf(part) => {
            let program = programs.pds.get(part.elf_id);
            let segment = program.and_then(|program| program.segments.get(part.elf_seg_idx));
            let data = segment.map_or(&[][..], |segment| &segment.data);
            let at = |offset: u64| {
                usize::try_from(offset)
                    .unwrap_or(usize::MAX)
                    .min(data.len())
            };
            let range = &part.elf_seg_data_range;
            Ok(&data[at(range.start)..at(range.end)])
        }
        Prefill::BootInfo { id, .. } => Err(Failure::input(format!(
            "the development kernel has no boot information of kind {id}"
        ))
        .help("build for seL4, which has: --kernel sel4")),
    }
}

/// Joins contiguous pieces and drops the zeros at the end of each.
fn join(pages: BTreeMap<u64, Vec<u8>>) -> BTreeMap<u64, Vec<u8>> {
    let mut joined: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for (paddr, bytes) in pages {
        let end_of = |(start, bytes): (&u64, &Vec<u8>)| {
            u64::try_from(bytes.len()).map_or(u64::MAX, |length| start.saturating_add(length))
        };
        if joined.last_key_value().map(end_of) == Some(paddr)
            && let Some(mut last) = joined.last_entry()
        {
            last.get_mut().extend(bytes);
        } else {
            joined.insert(paddr, bytes);
        }
    }
    joined
}
