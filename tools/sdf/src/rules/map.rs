// SPDX-License-Identifier: BSD-2-Clause
//! Mappings into address spaces.

use super::{Context, Rule, Severity};
use crate::board::Board;
use crate::diag::Diagnostic;
use crate::layout::{IPC_BUFFER, Region, STACK_TOP, VSPACE_END};
use crate::model::{Map, System};
use crate::span::Spanned;
use std::collections::HashMap;

/// Rights are a combination of r, w and x that includes r.
pub static PERMS: Rule = Rule {
    id: "map-perms",
    severity: Severity::Error,
    law: "Rights are a combination of r, w and x that includes r",
    why: "The architecture has no write-only or execute-only pages here: the kernel maps them without any access",
    fix: "add r",
};

/// A mapping starts on a page of its region.
pub static ALIGN: Rule = Rule {
    id: "map-align",
    severity: Severity::Error,
    law: "A mapping starts on a page of its region",
    why: "The page tables cannot express anything else",
    fix: "align vaddr to the page size of the region",
};

/// A mapping ends below the stack, or for a guest below 2^40.
pub static LIMIT: Rule = Rule {
    id: "map-limit",
    severity: Severity::Error,
    law: "A mapping ends below the stack, or for a guest below 2^40",
    why: "Stack and IPC buffer take the highest pages of every protection domain",
    fix: "lower vaddr",
};

/// Mappings of one address space do not overlap.
pub static OVERLAP: Rule = Rule {
    id: "map-overlap",
    severity: Severity::Error,
    law: "Mappings of one address space do not overlap",
    why: "One page cannot show two regions",
    fix: "move one of them",
};

/// No mapping is writable and executable.
pub static WX: Rule = Rule {
    id: "map-wx",
    severity: Severity::Warning,
    law: "No mapping is writable and executable",
    why: "Whoever corrupts the data of this protection domain can then run code of his own",
    fix: "map it twice, or drop w or x",
};

/// Nothing is mapped at address 0.
pub static ZERO: Rule = Rule {
    id: "map-zero",
    severity: Severity::Warning,
    law: "Nothing is mapped at address 0",
    why: "A null pointer would then read and write this region instead of faulting",
    fix: "choose another vaddr",
};

/// The page below a stack stays free.
pub static STACK_GUARD: Rule = Rule {
    id: "map-stack-guard",
    severity: Severity::Warning,
    law: "The page below a stack stays free",
    why: "A stack that overflows would run into this region instead of faulting",
    fix: "end the mapping at least one page lower",
};

/// All mappings of a region agree on cached.
pub static CACHE: Rule = Rule {
    id: "map-cache-mix",
    severity: Severity::Warning,
    law: "All mappings of a region agree on cached",
    why: "Mixed attributes make writes of one side invisible to the other until caches are cleaned",
    fix: "use the same `cached` everywhere",
};

/// Device registers are mapped with cached=false.
pub static DEVICE_CACHED: Rule = Rule {
    id: "map-device-cached",
    severity: Severity::Warning,
    law: "Device registers are mapped with cached=false",
    why: "Cached register accesses are merged, repeated or never reach the device",
    fix: "add `cached=\"false\"`",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[
    &PERMS,
    &ALIGN,
    &LIMIT,
    &OVERLAP,
    &WX,
    &ZERO,
    &STACK_GUARD,
    &CACHE,
    &DEVICE_CACHED,
];

/// Applies this group.
pub(super) fn check(cx: &mut Context<'_>) {
    let system = cx.system;
    for pd in &system.pds {
        address_space(cx, &pd.maps, Some(pd.stack_size));
        if let Some(vm) = &pd.virtual_machine {
            address_space(cx, &vm.maps, None);
        }
    }
    cache_mix(cx, system);
    if let Some(board) = cx.board {
        device_cached(cx, system, board);
    }
}

/// Rules about one address space; `stack` is its stack size if it has one.
fn address_space(cx: &mut Context<'_>, maps: &[Map], stack: Option<Spanned<u64>>) {
    let limit = match stack {
        Some(size) => STACK_TOP.saturating_sub(size.value),
        None => VSPACE_END,
    };
    let mut placed = Vec::new();
    for map in maps {
        let region = cx.region(&map.mr);
        one(cx, map, region, stack.is_some());
        let Some(end) = end_within(cx, map, region, limit) else {
            continue;
        };
        if stack.is_some() && end == limit && map.vaddr.value < end {
            let message = format!("`{}` ends where the stack begins", map.mr.value);
            let item = Diagnostic::new(&STACK_GUARD, map.vaddr.span, message);
            cx.out.push(item.label(format!("up to {end:#x}")));
        }
        placed.push((map.vaddr.value, end, map));
    }
    overlaps(cx, placed);
}

/// Rules about one mapping by itself.
fn one(cx: &mut Context<'_>, map: &Map, region: Option<Region>, is_pd: bool) {
    let page = region.map_or(0x1000, |region| region.page_size.bytes());
    if !map.vaddr.value.is_multiple_of(page) {
        let message = format!("{:#x} is no multiple of {page:#x}", map.vaddr.value);
        cx.out
            .push(Diagnostic::new(&ALIGN, map.vaddr.span, message));
    }
    if is_pd && map.perms.write && map.perms.execute {
        let message = format!("`{}` is writable and executable", map.mr.value);
        cx.out.push(Diagnostic::new(&WX, map.perms.span, message));
    }
    if is_pd && map.vaddr.value == 0 {
        let message = format!("`{}` is mapped at address 0", map.mr.value);
        cx.out.push(Diagnostic::new(&ZERO, map.vaddr.span, message));
    }
}

/// The mapping's end, if it is known and does not exceed `limit`; an excess is reported.
fn end_within(cx: &mut Context<'_>, map: &Map, region: Option<Region>, limit: u64) -> Option<u64> {
    let start = map.vaddr.value;
    let end = start.checked_add(region.map_or(1, |region| region.size));
    if let Some(end) = end.filter(|end| *end <= limit) {
        return region.map(|_| end);
    }
    let message = format!("`{}` reaches beyond {limit:#x}", map.mr.value);
    let mut item = Diagnostic::new(&LIMIT, map.vaddr.span, message);
    if limit != VSPACE_END && start < VSPACE_END {
        item = item.label(match start {
            IPC_BUFFER.. => "in the IPC buffer".to_owned(),
            STACK_TOP..IPC_BUFFER => "in the guard page above the stack".to_owned(),
            _ => format!("the stack takes {limit:#x} to {STACK_TOP:#x}"),
        });
    }
    cx.out.push(item);
    None
}

/// Reports mappings that share an address with one that starts before them.
fn overlaps(cx: &mut Context<'_>, mut placed: Vec<(u64, u64, &Map)>) {
    placed.sort_by_key(|(start, end, _)| (*start, *end));
    let mut highest: Option<(u64, &Map)> = None;
    for (start, end, map) in placed {
        if let Some((top, other)) = highest
            && start < top
        {
            let message = format!("`{}` overlaps `{}`", map.mr.value, other.mr.value);
            let label = format!("{start:#x} to {end:#x}");
            let item = Diagnostic::new(&OVERLAP, map.vaddr.span, message).label(label);
            let other_start = other.vaddr.value;
            let text = format!("`{}`: {other_start:#x} to {top:#x}", other.mr.value);
            cx.out.push(item.also(other.vaddr.span, text));
        }
        if highest.is_none_or(|(top, _)| end > top) {
            highest = Some((end, map));
        }
    }
}

/// Reports the first mapping of a region that disagrees with an earlier one about caching.
fn cache_mix(cx: &mut Context<'_>, system: &System) {
    let mut first: HashMap<&str, &Map> = HashMap::new();
    for map in system.all_maps() {
        let earlier = *first.entry(&map.mr).or_insert(map);
        if earlier.cached.value != map.cached.value {
            let message = format!("`{}` is mapped cached and uncached", map.mr.value);
            let says = |map: &Map| format!("cached={}", map.cached.value);
            let item = Diagnostic::new(&CACHE, map.cached.span, message).label(says(map));
            cx.out.push(item.also(earlier.cached.span, says(earlier)));
        }
    }
}

/// Reports cached mappings of physical addresses that are no RAM.
fn device_cached(cx: &mut Context<'_>, system: &System, board: &Board) {
    for map in system.all_maps().filter(|map| map.cached.value) {
        let Some(mr) = system.memory_region(&map.mr) else {
            continue;
        };
        let (Some(base), Some(region)) = (mr.phys_addr, cx.region(&map.mr)) else {
            continue;
        };
        let end = base.saturating_add(region.size);
        let ram = board.ram.iter().chain(&board.device_ram);
        if !ram.into_iter().any(|range| range.overlaps(base.value, end)) {
            let message = format!("`{}` is no RAM but mapped cached", map.mr.value);
            let item = Diagnostic::new(&DEVICE_CACHED, map.cached.span, message);
            cx.out.push(item.also(base.span, "device registers"));
        }
    }
}
