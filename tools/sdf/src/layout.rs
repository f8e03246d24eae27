// SPDX-License-Identifier: BSD-2-Clause
//! Addresses the architecture and Microkit fix (seL4 AArch64 as a hypervisor, 40-bit IPA), and what
//! the kernel will see of each memory region.

use crate::files::Files;
use crate::model::{Map, MemoryRegion, PageSize, System};

/// First address above every address space.
pub const VSPACE_END: u64 = 0x100_0000_0000;
/// The IPC buffer's page.
pub const IPC_BUFFER: u64 = 0xff_ffff_f000;
/// Initial stack pointer; the page above it stays unmapped.
pub const STACK_TOP: u64 = 0xff_ffff_e000;

/// A memory region as the kernel will see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Bytes, a multiple of the page size.
    pub size: u64,
    /// Page size of its frames.
    pub page_size: PageSize,
    /// Length of its prefill file, if it has one and the file could be found.
    pub prefill: Option<u64>,
}

impl Region {
    /// Number of frames.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.size / self.page_size.bytes()
    }
}

impl System {
    /// What the kernel will see of every memory region, in file order; `None` where the size is not
    /// known because the prefill file cannot be found.
    #[must_use]
    pub fn regions(&self, files: &dyn Files) -> Vec<Option<Region>> {
        self.memory_regions
            .iter()
            .map(|mr| self.region(mr, files))
            .collect()
    }

    /// What the kernel will see of `mr`.
    #[must_use]
    pub fn region(&self, mr: &MemoryRegion, files: &dyn Files) -> Option<Region> {
        let prefill = mr
            .prefill_path
            .as_ref()
            .and_then(|path| files.size(path).ok());
        let base = mr.page_size.map_or(PageSize::Small, |size| size.value);
        let size = match (&mr.size, prefill, &mr.prefill_bootinfo) {
            (Some(size), _, _) => size.value,
            (None, _, Some(_)) => base.bytes(),
            (None, Some(length), None) => length.checked_next_multiple_of(base.bytes())?,
            (None, None, None) => return None,
        };
        let page_size = if mr.page_size.is_some() {
            base
        } else {
            self.best_page_size(mr, size)
        };
        Some(Region {
            size,
            page_size,
            prefill,
        })
    }

    /// The largest page size that the region's size and every address it appears at allow.
    fn best_page_size(&self, mr: &MemoryRegion, size: u64) -> PageSize {
        let large = PageSize::Large.bytes();
        let mut addresses = self
            .all_maps()
            .filter(|map| *map.mr == *mr.name)
            .map(|map| *map.vaddr)
            .chain(mr.phys_addr.map(|addr| addr.value));
        if size.is_multiple_of(large) && addresses.all(|addr| addr.is_multiple_of(large)) {
            PageSize::Large
        } else {
            PageSize::Small
        }
    }

    /// Every mapping of every protection domain and virtual machine.
    pub fn all_maps(&self) -> impl Iterator<Item = &Map> {
        self.pds.iter().flat_map(|pd| {
            pd.maps
                .iter()
                .chain(pd.virtual_machine.iter().flat_map(|vm| &vm.maps))
        })
    }
}
