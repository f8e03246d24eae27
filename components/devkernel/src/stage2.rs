// SPDX-License-Identifier: BSD-2-Clause
//! Stage-2 page tables: which descriptors an address space needs (sel4-abi §7.1, §8).
//!
//! 40-bit input addresses, 4 KiB granule, three levels; the root is two concatenated tables (1024 entries of 1 GiB).

use crate::machine::Page;

/// Bytes of a table.
pub const TABLE_BYTES: u64 = 4096;
/// Bytes of a root.
pub const ROOT_BYTES: u64 = 2 * TABLE_BYTES;
const PAGE_SHIFT: u32 = 12;
const BLOCK_SHIFT: u32 = 21;
const ROOT_SHIFT: u32 = 30;
/// Size of a block mapping.
const BLOCK: u64 = 1 << BLOCK_SHIFT;

const VALID: u64 = 1;
/// Table descriptor above level 3, page descriptor at level 3.
const TABLE_OR_PAGE: u64 = 2;
const MEM_NORMAL: u64 = 0b1111 << 2;
const READ: u64 = 1 << 6;
const WRITE: u64 = 1 << 7;
const ACCESSED: u64 = 1 << 10;
const EXECUTE_NEVER: u64 = 1 << 54;
/// Output address bits of any descriptor.
const ADDRESS: u64 = 0xff_ffff_f000;

/// Memory that tables are kept in. Tables start out zeroed.
pub trait TableMemory {
    /// Physical address of a new table of `bytes` (aligned to them), or `None` if memory is used up.
    fn allocate(&mut self, bytes: u64) -> Option<u64>;
    /// Reads the descriptor at physical address `paddr`.
    fn read(&self, paddr: u64) -> u64;
    /// Writes a descriptor.
    fn write(&mut self, paddr: u64, descriptor: u64);
}

/// Table memory is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfTables;

/// Attribute bits of a mapping's leaf descriptors.
fn attributes(flags: u64) -> u64 {
    let mut bits = VALID | ACCESSED;
    if flags & devimage::MAP_CACHED != 0 {
        bits |= MEM_NORMAL;
    }
    // Without read right there is no access at all.
    if flags & devimage::MAP_READ != 0 {
        bits |= READ;
        if flags & devimage::MAP_WRITE != 0 {
            bits |= WRITE;
        }
    }
    if flags & devimage::MAP_EXECUTE == 0 {
        bits |= EXECUTE_NEVER;
    }
    bits
}

fn entry(table: u64, vaddr: u64, shift: u32, bits: u32) -> u64 {
    table + (vaddr >> shift & ((1 << bits) - 1)) * 8
}

fn next_table(memory: &mut impl TableMemory, at: u64) -> Result<u64, OutOfTables> {
    let descriptor = memory.read(at);
    if descriptor & VALID != 0 {
        return Ok(descriptor & ADDRESS);
    }
    let table = memory.allocate(TABLE_BYTES).ok_or(OutOfTables)?;
    memory.write(at, table | TABLE_OR_PAGE | VALID);
    Ok(table)
}

/// Maps one checked mapping into the tables under `root`, with 2 MiB blocks where alignment allows.
pub fn map(
    memory: &mut impl TableMemory,
    root: u64,
    mapping: &devimage::Mapping,
) -> Result<(), OutOfTables> {
    let attributes = attributes(mapping.flags.get());
    let (vaddr, paddr, size) = (mapping.vaddr.get(), mapping.paddr.get(), mapping.size.get());
    let mut done = 0;
    while done < size {
        let (from, to) = (vaddr + done, paddr + done);
        let second = next_table(memory, entry(root, from, ROOT_SHIFT, 10))?;
        let at = entry(second, from, BLOCK_SHIFT, 9);
        if (from | to).is_multiple_of(BLOCK) && size - done >= BLOCK {
            memory.write(at, to | attributes);
            done += BLOCK;
        } else {
            let third = next_table(memory, at)?;
            let at = entry(third, from, PAGE_SHIFT, 9);
            memory.write(at, to | attributes | TABLE_OR_PAGE);
            done += 1 << PAGE_SHIFT;
        }
    }
    Ok(())
}

/// Finds the page that `vaddr` is mapped to.
pub fn walk(memory: &impl TableMemory, root: u64, vaddr: u64) -> Option<Page> {
    if vaddr >= devimage::VADDR_END {
        return None;
    }
    let valid = |descriptor: u64| (descriptor & VALID != 0).then_some(descriptor);
    let second = valid(memory.read(entry(root, vaddr, ROOT_SHIFT, 10)))? & ADDRESS;
    let block = valid(memory.read(entry(second, vaddr, BLOCK_SHIFT, 9)))?;
    if block & TABLE_OR_PAGE == 0 {
        return Some(Page {
            paddr: block & ADDRESS,
            size: BLOCK,
        });
    }
    let page = valid(memory.read(entry(block & ADDRESS, vaddr, PAGE_SHIFT, 9)))?;
    Some(Page {
        paddr: page & ADDRESS,
        size: 1 << PAGE_SHIFT,
    })
}
