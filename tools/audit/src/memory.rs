// SPDX-License-Identifier: BSD-2-Clause
//! The memory map: every piece of memory, who may do what to it, and which devices reach it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::platform::{DmaMaster, Platform};
use crate::subjects::{SubjectId, Subjects};
use crate::system::{Role, System};

/// Pages that follow each other and that the same subjects use in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// Name of the region, as far as the pages' names tell.
    pub region: String,
    /// First physical address; none where the initialiser chooses.
    pub paddr: Option<u64>,
    /// Bytes.
    pub size: u64,
    /// Bytes of a page.
    pub page: u64,
    /// Whether it is a device's registers.
    pub device: bool,
    /// Whether it holds a part of a program.
    pub program: bool,
    /// Who maps it, in order.
    pub uses: Vec<MemoryUse>,
    /// Devices that reach it by themselves.
    pub dma: Vec<String>,
}

/// How a subject maps a piece of memory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MemoryUse {
    /// Who.
    pub subject: String,
    /// What it is.
    pub role: Role,
    /// First virtual address.
    pub vaddr: u64,
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// Executable.
    pub execute: bool,
    /// Normal memory; otherwise Device-nGnRnE.
    pub cached: bool,
}

impl Extent {
    /// First physical address behind it.
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.paddr.map(|base| base.saturating_add(self.size))
    }

    /// Whether several subjects map it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        let first = self.uses.first().map(|one| &one.subject);
        self.uses.iter().any(|one| Some(&one.subject) != first)
    }

    /// Whether a guest maps it.
    #[must_use]
    pub fn is_guests(&self) -> bool {
        self.uses.iter().any(|one| one.role == Role::Vcpu)
    }

    /// It and its address, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        match self.paddr {
            Some(base) => format!("{} ({base:#x}, {:#x} bytes)", self.region, self.size),
            None => format!("{} ({:#x} bytes)", self.region, self.size),
        }
    }
}

/// The region that a page belongs to, from its name.
#[must_use]
pub fn region_name(page: &str) -> &str {
    let name = page
        .strip_prefix("frame_mr_")
        .or_else(|| page.strip_prefix("frame_"));
    let name = name.unwrap_or(page);
    match name.rsplit_once('_') {
        Some((region, number))
            if number.len() == 9 && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            region
        }
        _ => name,
    }
}

/// A page and its uses, in the order of subjects.
struct Page<'a> {
    name: &'a str,
    paddr: Option<u64>,
    size: u64,
    program: bool,
    uses: Vec<(SubjectId, MemoryUse)>,
}

/// All memory that anybody maps: fixed addresses first, in order, then the rest by name.
#[must_use]
pub fn memory_map(system: &System, subjects: &Subjects, platform: &Platform) -> Vec<Extent> {
    let mut pages = pages(system, subjects);
    pages.sort_by(|a, b| {
        let key = |page: &Page<'_>| (page.paddr.is_none(), page.paddr);
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(b.name))
    });
    let mut extents: Vec<Extent> = Vec::new();
    for page in pages {
        match extents.last_mut().filter(|last| continues(last, &page)) {
            Some(last) => last.size += page.size,
            None => extents.push(extent(page, platform)),
        }
    }
    mark_dma(&mut extents, platform);
    extents
}

/// Every page that anybody maps, with its users.
fn pages<'a>(system: &'a System, subjects: &Subjects) -> Vec<Page<'a>> {
    let mut pages: BTreeMap<usize, Page<'_>> = BTreeMap::new();
    // Threads of one address space see the same pages.
    let firsts = subjects.all.iter().enumerate();
    for (subject, thread) in firsts.filter_map(|(id, it)| Some((id, it.threads.first()?))) {
        let thread = &system.threads[*thread];
        for mapping in &thread.mappings {
            let page = pages.entry(mapping.frame).or_insert_with(|| Page {
                name: system.name(mapping.frame),
                paddr: mapping.paddr,
                size: mapping.size,
                program: mapping.program.is_some(),
                uses: Vec::new(),
            });
            let one = MemoryUse {
                subject: subjects.name(subject).to_owned(),
                role: thread.role,
                vaddr: mapping.vaddr,
                read: mapping.read,
                write: mapping.write,
                execute: mapping.execute,
                cached: mapping.cached,
            };
            page.uses.push((subject, one));
        }
    }
    pages.into_values().collect()
}

fn extent(page: Page<'_>, platform: &Platform) -> Extent {
    let device = page
        .paddr
        .is_some_and(|base| platform.is_device(base, page.size));
    Extent {
        region: region_name(page.name).to_owned(),
        paddr: page.paddr,
        size: page.size,
        page: page.size,
        device,
        program: page.program,
        uses: page.uses.into_iter().map(|(_, one)| one).collect(),
        dma: Vec::new(),
    }
}

/// Whether `page` comes right after `last` in every respect.
fn continues(last: &Extent, page: &Page<'_>) -> bool {
    let same_use = |(a, (_, b)): (&MemoryUse, &(SubjectId, MemoryUse))| {
        a.vaddr.checked_add(last.size) == Some(b.vaddr)
            && (&a.subject, a.read, a.write, a.execute, a.cached)
                == (&b.subject, b.read, b.write, b.execute, b.cached)
    };
    last.region == region_name(page.name)
        && last.page == page.size
        && last.program == page.program
        && last.end() == page.paddr
        && last.uses.len() == page.uses.len()
        && last.uses.iter().zip(&page.uses).all(same_use)
}

/// Notes which devices reach what. One that nothing confines reaches everything that has an address,
/// and everything that gets one.
fn mark_dma(extents: &mut [Extent], platform: &Platform) {
    for extent in extents.iter_mut().filter(|extent| !extent.device) {
        let reaches = platform
            .dma
            .iter()
            .filter(|master| match (&master.confined, extent.paddr) {
                (None, _) => true,
                (Some(confined), Some(base)) => confined
                    .to
                    .iter()
                    .any(|area| area.overlaps(base, extent.size)),
                (Some(_), None) => false,
            });
        extent.dma = reaches.map(|master| master.name.clone()).collect();
    }
}

/// A device that reads and writes memory by itself, and who decides what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DmaReach {
    /// The device.
    pub master: String,
    /// Subjects that can write its registers, and so make it read and write.
    pub programmed_by: Vec<String>,
    /// What confines it; none: it reaches all memory.
    pub confined_by: Option<String>,
    /// Regions in the windows that it is meant to use.
    pub meant: Vec<String>,
    /// How many regions it reaches beyond those.
    pub beyond: usize,
}

/// The devices that read and write memory by themselves.
#[must_use]
pub fn dma_reach(map: &[Extent], platform: &Platform) -> Vec<DmaReach> {
    platform
        .dma
        .iter()
        .map(|master| reach(map, master))
        .collect()
}

fn reach(map: &[Extent], master: &DmaMaster) -> DmaReach {
    let registers = map.iter().filter(|extent| {
        let base = extent.paddr;
        base.is_some_and(|base| master.registers.overlaps(base, extent.size))
    });
    let writers = registers
        .flat_map(|extent| &extent.uses)
        .filter(|one| one.write);
    let mut programmed_by: Vec<String> = writers.map(|one| one.subject.clone()).collect();
    programmed_by.sort();
    programmed_by.dedup();
    let is_meant = |extent: &&Extent| {
        let mut windows = master.windows.iter();
        let base = extent.paddr;
        base.is_some_and(|base| windows.any(|window| window.contains(base, extent.size)))
    };
    let reached = map
        .iter()
        .filter(|extent| extent.dma.contains(&master.name));
    let (meant, beyond): (Vec<&Extent>, Vec<&Extent>) = reached.partition(is_meant);
    DmaReach {
        master: master.name.clone(),
        programmed_by,
        confined_by: master.confined.as_ref().map(|confined| confined.by.clone()),
        meant: meant.iter().map(|extent| extent.region.clone()).collect(),
        beyond: beyond.len(),
    }
}
