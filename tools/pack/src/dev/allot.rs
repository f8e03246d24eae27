// SPDX-License-Identifier: BSD-2-Clause
//! Physical addresses: fixed ones are kept, the others are given out from the bottom up.

use std::cmp::Reverse;

use devimage::{KERNEL_PADDR, PAGE, RAM_END};
use host::Failure;
use sdf::model::System;
use sdf::{Files, Spanned};

/// RAM given out so far.
#[derive(Debug)]
pub(super) struct Allotment {
    start: u64,
    next: u64,
    /// Fixed ranges in user RAM, ascending.
    fixed: Vec<(u64, u64)>,
}

impl Allotment {
    /// User RAM begins at `start`.
    pub(super) fn new(start: u64) -> Self {
        Self {
            start,
            next: start,
            fixed: Vec::new(),
        }
    }

    /// First address above what was given out.
    pub(super) fn end(&self) -> u64 {
        self.next
    }

    /// Gives every region of `system` a physical address.
    pub(super) fn place_regions(
        &mut self,
        system: &System,
        files: &dyn Files,
    ) -> Result<System, Failure> {
        let regions = system.regions(files);
        self.keep_fixed(system, files)?;
        let mut placed = system.clone();
        let mut order: Vec<usize> = (0..regions.len()).collect();
        // Large pages first, so that alignment wastes nothing; file order otherwise.
        order.sort_by_key(|index| Reverse(regions[*index].map(|region| region.page_size)));
        for index in order {
            let (Some(region), mr) = (regions[index], &mut placed.memory_regions[index]) else {
                continue;
            };
            if mr.phys_addr.is_none() {
                let base = self.take(region.size, region.page_size.bytes())?;
                mr.phys_addr = Some(Spanned::new(base, mr.span));
            }
        }
        Ok(placed)
    }

    fn keep_fixed(&mut self, system: &System, files: &dyn Files) -> Result<(), Failure> {
        for mr in &system.memory_regions {
            let (Some(base), Some(region)) = (mr.phys_addr, system.region(mr, files)) else {
                continue;
            };
            let end = base.saturating_add(region.size);
            if base.value < self.start && end > KERNEL_PADDR {
                let place = system.source.place(base.span.start);
                return Err(Failure::input(format!(
                    "{place}: region {} is at {:#x}, where the development kernel and its image are",
                    mr.name.value, base.value
                ))
                .help(format!(
                    "choose an address from {:#x} on, or none",
                    self.start
                )));
            }
            if base.value < RAM_END && end > self.start {
                self.fixed.push((base.value, end));
            }
        }
        self.fixed.sort_unstable();
        Ok(())
    }

    /// A free range of `size` bytes, aligned to `alignment`.
    pub(super) fn take(&mut self, size: u64, alignment: u64) -> Result<u64, Failure> {
        let mut base = self.next.next_multiple_of(alignment);
        for (from, to) in &self.fixed {
            if base.saturating_add(size) > *from && base < *to {
                base = to.next_multiple_of(alignment);
            }
        }
        let end = base.saturating_add(size);
        if end > RAM_END {
            return Err(Failure::input(format!(
                "the system needs more memory than the development kernel has: {size:#x} bytes do \
                 not fit between {base:#x} and {RAM_END:#x}"
            ))
            .help("make regions smaller"));
        }
        self.next = end;
        Ok(base)
    }

    /// One private page.
    pub(super) fn take_page(&mut self) -> Result<u64, Failure> {
        self.take(PAGE, PAGE)
    }
}
