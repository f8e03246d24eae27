// SPDX-License-Identifier: BSD-2-Clause
//! Memory regions.

use super::{Context, Rule, Severity};
use crate::board::Board;
use crate::diag::Diagnostic;
use crate::files::FileError;
use crate::layout::VSPACE_END;
use crate::model::{MemoryRegion, PageSize};
use crate::span::Spanned;

/// A region has a size, in whole pages and not zero.
pub static SIZE: Rule = Rule {
    id: "mr-size",
    severity: Severity::Error,
    law: "A region has a size, in whole pages and not zero",
    why: "It is made of whole pages",
    fix: "round the size up to a multiple of the page size",
};

/// Pages are 4 KiB or 2 MiB.
pub static PAGE_SIZE: Rule = Rule {
    id: "mr-page-size",
    severity: Severity::Error,
    law: "Pages are 4 KiB or 2 MiB",
    why: "The architecture’s tables have these",
    fix: "write 0x1000 or 0x200000",
};

/// A physical address is a multiple of the region’s page size.
pub static PHYS_ALIGN: Rule = Rule {
    id: "mr-phys-align",
    severity: Severity::Error,
    law: "A physical address is a multiple of the region’s page size",
    why: "Frames are naturally aligned",
    fix: "align phys_addr",
};

/// A region lies in physical memory that the kernel hands out.
pub static PHYS_RANGE: Rule = Rule {
    id: "mr-phys-range",
    severity: Severity::Error,
    law: "A region lies in physical memory that the kernel hands out",
    why: "The initialiser stops at a frame it cannot make, and nothing boots",
    fix: "look the address up in the board’s memory map",
};

/// Regions with physical addresses do not overlap.
pub static PHYS_OVERLAP: Rule = Rule {
    id: "mr-phys-overlap",
    severity: Severity::Error,
    law: "Regions with physical addresses do not overlap",
    why: "Two regions would be one memory without saying so",
    fix: "move one, or map one region twice",
};

/// All regions together fit the board's memory.
pub static ROOM: Rule = Rule {
    id: "mr-room",
    severity: Severity::Error,
    law: "All regions together fit the board’s memory",
    why: "The initialiser stops at the first frame that there is no memory for, and nothing boots",
    fix: "lower the sizes, or choose a board with more memory",
};

/// A prefill is a file that exists, is not empty and fits its region, or one kind of boot information.
pub static PREFILL: Rule = Rule {
    id: "mr-prefill",
    severity: Severity::Error,
    law: "A prefill is a file that exists, is not empty and fits its region, or one kind of boot information",
    why: "The region could not be filled as described",
    fix: "correct the path or the size",
};

/// Boot information of x86 is not asked for on AArch64.
pub static BOOT_INFO: Rule = Rule {
    id: "mr-bootinfo-arm",
    severity: Severity::Error,
    law: "Boot information of x86 is not asked for on AArch64",
    why: "The kernel never provides it here, and the initialiser stops when it is missing",
    fix: "use `fdt` or a file",
};

/// setvar_prefill_size stands on a mapping of a region with prefill_path.
pub static PREFILL_SIZE: Rule = Rule {
    id: "setvar-prefill-size",
    severity: Severity::Error,
    law: "setvar_prefill_size stands on a mapping of a region with prefill_path",
    why: "There is no length to tell",
    fix: "add prefill_path or use setvar_size",
};

/// Every region is mapped somewhere.
pub static UNUSED: Rule = Rule {
    id: "mr-unused",
    severity: Severity::Warning,
    law: "Every region is mapped somewhere",
    why: "A region that nobody maps is likely a slip in a name",
    fix: "map it or remove it",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[
    &SIZE,
    &PAGE_SIZE,
    &PHYS_ALIGN,
    &PHYS_RANGE,
    &PHYS_OVERLAP,
    &ROOM,
    &PREFILL,
    &BOOT_INFO,
    &PREFILL_SIZE,
    &UNUSED,
];

/// Applies this group.
pub(super) fn check(cx: &mut Context<'_>) {
    let system = cx.system;
    let mut placed = Vec::new();
    for mr in &system.memory_regions {
        size(cx, mr);
        prefill(cx, mr);
        if let Some(base) = mr.phys_addr {
            placed.extend(physical(cx, mr, base));
        }
        if !system.all_maps().any(|map| *map.mr == *mr.name) && cx.given(&mr.name) {
            let message = format!("nobody maps `{}`", mr.name.value);
            cx.out.push(Diagnostic::new(&UNUSED, mr.name.span, message));
        }
    }
    overlaps(cx, placed);
    room(cx);
    prefill_size(cx);
}

/// Regions without a physical address come from the board's RAM, as do those whose address is there.
fn room(cx: &mut Context<'_>) {
    let Some(board) = cx.board else { return };
    let in_ram = |base: u64| board.ram.iter().any(|ram| ram.overlaps(base, base + 1));
    let regions = cx.system.memory_regions.iter();
    let sized = regions.filter_map(|mr| {
        let inside = mr.phys_addr.is_none_or(|base| in_ram(base.value));
        Some((cx.region(&mr.name)?.size, mr)).filter(|_| inside)
    });
    let sized: Vec<(u64, &MemoryRegion)> = sized.collect();
    let wanted = sized
        .iter()
        .map(|(size, _)| u128::from(*size))
        .sum::<u128>();
    let there = board
        .ram
        .iter()
        .map(|ram| u128::from(ram.size))
        .sum::<u128>();
    let largest = sized.iter().max_by_key(|(size, _)| *size);
    if let Some((_, mr)) = largest.filter(|_| wanted > there) {
        let span = mr.size.map_or(mr.name.span, |size| size.span);
        let message = format!("regions of {wanted:#x} bytes in all, and {there:#x} bytes of RAM");
        cx.out
            .push(Diagnostic::new(&ROOM, span, message).label("the largest"));
    }
}

fn size(cx: &mut Context<'_>, mr: &MemoryRegion) {
    let page = mr
        .page_size
        .map_or(PageSize::Small, |size| size.value)
        .bytes();
    let Some(size) = mr.size else { return };
    if size.value == 0 || !size.value.is_multiple_of(page) {
        let message = format!(
            "{:#x} bytes are no whole number of {page:#x} pages",
            size.value
        );
        cx.out.push(Diagnostic::new(&SIZE, size.span, message));
    } else if size.value > VSPACE_END {
        let message = format!("{:#x} bytes fit no address space", size.value);
        cx.out
            .push(Diagnostic::new(&SIZE, size.span, message).help("lower the size"));
    }
}

fn prefill(cx: &mut Context<'_>, mr: &MemoryRegion) {
    if let Some(kind) = &mr.prefill_bootinfo {
        if kind.starts_with("x86_") {
            let message = format!("`{}` exists only on x86", kind.value);
            cx.out.push(Diagnostic::new(&BOOT_INFO, kind.span, message));
        }
        if let Some(path) = &mr.prefill_path {
            let item = Diagnostic::new(&PREFILL, path.span, "two prefills of one region");
            cx.out
                .push(item.also(kind.span, "the other").help("keep one of them"));
        }
    }
    let Some(path) = &mr.prefill_path else { return };
    let message = match cx.files.size(path) {
        Ok(0) => format!("`{}` is empty", path.value),
        Ok(length) => match mr.size {
            Some(size) if length > size.value => {
                format!(
                    "`{}` has {length:#x} bytes, more than {:#x}",
                    path.value, size.value
                )
            }
            _ => return,
        },
        Err(FileError::NotFound) => format!("`{}` is in no search directory", path.value),
        Err(FileError::Unreadable(why)) => format!("`{}` cannot be read: {why}", path.value),
        Err(FileError::Unknown) => return,
    };
    cx.out.push(Diagnostic::new(&PREFILL, path.span, message));
}

/// Rules about a fixed physical address; the range if it makes sense.
fn physical<'a>(
    cx: &mut Context<'_>,
    mr: &'a MemoryRegion,
    base: Spanned<u64>,
) -> Option<(u64, u64, &'a MemoryRegion)> {
    let page = mr
        .page_size
        .map_or(PageSize::Small, |size| size.value)
        .bytes();
    if !base.value.is_multiple_of(page) {
        let message = format!("{:#x} is no multiple of {page:#x}", base.value);
        cx.out
            .push(Diagnostic::new(&PHYS_ALIGN, base.span, message));
    }
    let size = cx.region(&mr.name)?.size;
    let Some(end) = base.checked_add(size).filter(|end| *end <= VSPACE_END) else {
        let message = format!(
            "`{}` reaches beyond 40 bits of physical address",
            mr.name.value
        );
        cx.out
            .push(Diagnostic::new(&PHYS_RANGE, base.span, message));
        return None;
    };
    if let Some(board) = cx.board {
        reserved(cx, mr, base, end, board);
    }
    Some((base.value, end, mr))
}

fn reserved(cx: &mut Context<'_>, mr: &MemoryRegion, base: Spanned<u64>, end: u64, board: &Board) {
    let taken = board.reserved.iter().chain(&board.boot);
    for taken in taken.filter(|r| r.range().overlaps(base.value, end)) {
        let message = format!("`{}` covers the kernel’s {}", mr.name.value, taken.name);
        let label = format!("{:#x} to {:#x}", taken.base, taken.range().end());
        cx.out
            .push(Diagnostic::new(&PHYS_RANGE, base.span, message).label(label));
    }
}

/// Reports regions that share a physical address with one that starts before them.
fn overlaps(cx: &mut Context<'_>, mut placed: Vec<(u64, u64, &MemoryRegion)>) {
    placed.sort_by_key(|(start, end, _)| (*start, *end));
    let mut highest: Option<(u64, u64, &MemoryRegion)> = None;
    for (start, end, mr) in placed {
        if let Some((other_start, top, other)) = highest
            && start < top
        {
            let message = format!("`{}` overlaps `{}`", mr.name.value, other.name.value);
            let span = mr.phys_addr.map_or(mr.span, |addr| addr.span);
            let label = format!("{start:#x} to {end:#x}");
            let text = format!("`{}`: {other_start:#x} to {top:#x}", other.name.value);
            let place = other.phys_addr.map_or(other.span, |addr| addr.span);
            let item = Diagnostic::new(&PHYS_OVERLAP, span, message).label(label);
            cx.out.push(item.also(place, text));
        }
        if highest.is_none_or(|(_, top, _)| end > top) {
            highest = Some((start, end, mr));
        }
    }
}

fn prefill_size(cx: &mut Context<'_>) {
    let system = cx.system;
    for map in system.all_maps() {
        let Some(symbol) = &map.setvar_prefill_size else {
            continue;
        };
        let Some(mr) = system.memory_region(&map.mr) else {
            continue;
        };
        if mr.prefill_path.is_none() {
            let message = format!("`{}` has no prefill_path", map.mr.value);
            let item = Diagnostic::new(&PREFILL_SIZE, symbol.span, message);
            cx.out.push(item.also(mr.span, "this region"));
        }
    }
}
