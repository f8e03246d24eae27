// SPDX-License-Identifier: BSD-2-Clause
//! Physical addresses, only where a device needs them: guests' RAM in the board's device RAM first,
//! everything else from the top of RAM down.

use super::Expansion;
use super::pd::alignment;
use crate::rules::ROOM;
use sdf::model::RecordTarget;
use sdf::{Board, Spanned};

/// RAM above this address is out of reach of devices that put out 32 bits.
const REACH: u64 = 1 << 32;
/// The kernel keeps its first objects at the top of RAM (seL4 `create_rootserver_objects`); this much
/// is left to it.
const KERNEL: u64 = 64 << 20;

/// Gives a physical address to every region that a record has a window of.
pub(super) fn place(work: &mut Expansion<'_>) {
    let Some(board) = work.around.board else {
        return;
    };
    let mut taken = taken(work, board);
    let guests = std::mem::take(&mut work.wants_ram);
    for index in 0..work.system.memory_regions.len() {
        let region = &work.system.memory_regions[index];
        if region.phys_addr.is_none() && !guests.contains(&index) && has_window(work, &region.name)
        {
            let size = size(work, index);
            give(work, index, highest(board, size, &taken), &mut taken);
        }
    }
    // Guests come last, so that one that does not fit device RAM moves nothing else.
    for index in guests {
        let size = size(work, index);
        let mut low = board.device_ram.iter();
        let found = low.find_map(|range| lowest(range.base, range.end(), size, &taken));
        give(
            work,
            index,
            found.or_else(|| highest(board, size, &taken)),
            &mut taken,
        );
    }
}

/// Ranges that are given already.
fn taken(work: &Expansion<'_>, board: &Board) -> Vec<(u64, u64)> {
    let regions = work.system.memory_regions.iter();
    let fixed = regions.filter_map(|region| {
        let (base, size) = (region.phys_addr?.value, region.size?.value);
        Some((base, base.saturating_add(size)))
    });
    let reserved = board
        .reserved
        .iter()
        .map(|taken| (taken.base, taken.range().end()));
    fixed.chain(reserved).collect()
}

fn size(work: &Expansion<'_>, index: usize) -> u64 {
    work.system.memory_regions[index]
        .size
        .map_or(0, |size| size.value)
}

fn has_window(work: &Expansion<'_>, name: &str) -> bool {
    work.pds.iter().any(|pd| {
        pd.targets()
            .any(|target| matches!(target, RecordTarget::Window { mr } if *mr.value == *name))
    })
}

fn give(work: &mut Expansion<'_>, index: usize, found: Option<u64>, taken: &mut Vec<(u64, u64)>) {
    let size = size(work, index);
    let region = &mut work.system.memory_regions[index];
    let span = region.span;
    match found {
        Some(base) => {
            region.phys_addr = Some(Spanned::new(base, span));
            taken.push((base, base.saturating_add(size)));
        }
        None => {
            let message = format!(
                "no {size:#x} bytes of RAM are free for `{}`",
                region.name.value
            );
            work.report(&ROOM, span, message);
        }
    }
}

/// The range in `taken` that shares an address with `base..base + size`.
fn clash(base: u64, size: u64, taken: &[(u64, u64)]) -> Option<(u64, u64)> {
    let end = base.checked_add(size)?;
    taken
        .iter()
        .find(|(from, to)| base < *to && *from < end)
        .copied()
}

/// The lowest free place in `from..to`.
fn lowest(from: u64, to: u64, size: u64, taken: &[(u64, u64)]) -> Option<u64> {
    let mut base = from.checked_next_multiple_of(alignment(size))?;
    while base.checked_add(size).is_some_and(|end| end <= to) {
        match clash(base, size, taken) {
            None => return Some(base),
            Some((_, end)) => base = end.checked_next_multiple_of(alignment(size))?,
        }
    }
    None
}

/// The highest free place in the board's RAM, below what the kernel keeps.
fn highest(board: &Board, size: u64, taken: &[(u64, u64)]) -> Option<u64> {
    board.ram.iter().rev().find_map(|range| {
        let align = |address: u64| address - address % alignment(size);
        let top = range.end().min(REACH).checked_sub(KERNEL)?;
        let mut base = align(top.checked_sub(size)?);
        while base >= range.base {
            match clash(base, size, taken) {
                None => return Some(base),
                Some((from, _)) => base = align(from.checked_sub(size)?),
            }
        }
        None
    })
}
