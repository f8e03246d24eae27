// SPDX-License-Identifier: BSD-2-Clause
//! The kernel's own identity mapping and the memory for stage-2 tables.

use crate::registers::{invalidate_all, isb, write_register};
use core::cell::UnsafeCell;
use devkernel::stage2::TableMemory;

const GIB: u64 = 1 << 30;
/// First GiB: devices. Second and third: RAM.
const DEVICES: u64 = 0;
const RAM_START: u64 = GIB;
const RAM_END: u64 = 3 * GIB;

/// MAIR_EL2: attribute 0 Device-nGnRnE, 1 Normal write-back.
const MAIR: u64 = 0xff00;
const BLOCK: u64 = 1;
const NORMAL: u64 = 1 << 2;
const INNER_SHAREABLE: u64 = 3 << 8;
const ACCESSED: u64 = 1 << 10;
const EXECUTE_NEVER: u64 = 1 << 54;
/// TCR_EL2: 39-bit addresses, write-back inner-shareable walks, 4 KiB granule, 40-bit physical; bits 31, 23 are one.
const TCR: u64 = 1 << 31 | 1 << 23 | 2 << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 25;
/// SCTLR_EL2: its one-bits, instruction cache, data cache, MMU.
const SCTLR: u64 = 0x30c5_0830 | 1 << 12 | 1 << 2 | 1;

/// Memory for stage-2 tables: enough for 63 small PDs and some guests.
const POOL_WORDS: usize = 0x24_0000 / 8;

#[repr(C, align(8192))]
struct Pool(UnsafeCell<[u64; POOL_WORDS]>);

#[repr(C, align(4096))]
struct Root(UnsafeCell<[u64; 512]>);

// SAFETY: used by one processor; see `Tables` and `enable_mmu`.
unsafe impl Sync for Pool {}
// SAFETY: as above.
unsafe impl Sync for Root {}

static POOL: Pool = Pool(UnsafeCell::new([0; POOL_WORDS]));
static ROOT: Root = Root(UnsafeCell::new([0; 512]));

/// Turns the MMU and caches on, with every address mapped to itself.
pub(crate) fn enable_mmu() {
    let root = ROOT.0.get();
    let device = BLOCK | ACCESSED | EXECUTE_NEVER | DEVICES;
    let ram = |start: u64| start | BLOCK | NORMAL | INNER_SHAREABLE | ACCESSED;
    // SAFETY: the boot code calls this once; nothing else refers to the table.
    unsafe {
        (*root)[0] = device;
        (*root)[1] = ram(RAM_START);
        (*root)[2] = ram(RAM_START + GIB);
    }
    write_register!("mair_el2", MAIR);
    write_register!("tcr_el2", TCR);
    write_register!("ttbr0_el2", root as u64);
    isb();
    invalidate_all();
    write_register!("sctlr_el2", SCTLR);
    isb();
}

/// Whether the kernel maps the physical range as RAM.
pub(crate) fn is_ram(start: u64, end: u64) -> bool {
    RAM_START <= start && start <= end && end <= RAM_END
}

/// The memory of [`POOL`], handed out in order and never freed.
#[derive(Debug)]
pub(crate) struct Tables {
    next: u64,
}

impl Tables {
    /// All of the pool.
    ///
    /// # Safety
    /// Called once: the pool belongs to the returned value.
    pub(crate) unsafe fn new() -> Self {
        Self {
            next: POOL.0.get() as u64,
        }
    }

    /// The word at `paddr`, if it belongs to the pool.
    fn word(&self, paddr: u64) -> Option<*mut u64> {
        let start = POOL.0.get() as u64;
        let end = start + POOL_WORDS as u64 * 8;
        ((start..end).contains(&paddr) && paddr.is_multiple_of(8)).then_some(paddr as *mut u64)
    }
}

impl TableMemory for Tables {
    fn allocate(&mut self, bytes: u64) -> Option<u64> {
        let start = self.next.next_multiple_of(bytes);
        let end = start.checked_add(bytes)?;
        if end > POOL.0.get() as u64 + POOL_WORDS as u64 * 8 {
            return None;
        }
        self.next = end;
        Some(start)
    }

    fn read(&self, paddr: u64) -> u64 {
        // SAFETY: `word` returns only words of the pool, which `self` owns; the MMU only reads it.
        self.word(paddr)
            .map_or(0, |word| unsafe { word.read_volatile() })
    }

    fn write(&mut self, paddr: u64, descriptor: u64) {
        if let Some(word) = self.word(paddr) {
            // SAFETY: as in `read`.
            unsafe { word.write_volatile(descriptor) };
        }
    }
}
