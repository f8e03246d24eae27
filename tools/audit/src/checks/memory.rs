// SPDX-License-Identifier: BSD-2-Clause
//! Memory: nothing twice, nothing writable and executable, nothing shared by accident.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Outcome};
use crate::memory::{Extent, MemoryUse};
use crate::report::Facts;
use crate::system::{Role, System, Thread};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "memory-overlap",
        law: "no two pages have a physical address in common",
        reason: "who has the one would have the other",
        run: overlap,
    },
    Check {
        id: "memory-reserved",
        law: "nobody maps what belongs to the kernel, or where the image is placed",
        reason: "whoever writes the interrupt controller's distributor is the kernel's equal",
        run: reserved,
    },
    Check {
        id: "memory-wx",
        law: "no mapping of a protection domain is writable and executable",
        reason: "a bug that writes becomes one that runs; guests decide for themselves in their own memory",
        run: writable_executable,
    },
    Check {
        id: "memory-code",
        law: "nobody can write what a protection domain executes",
        reason: "whoever writes it decides what the domain does",
        run: foreign_code,
    },
    Check {
        id: "memory-private",
        law: "programs, stacks and IPC buffers belong to one address space",
        reason: "they hold return addresses and capabilities on their way",
        run: private,
    },
    Check {
        id: "memory-writers",
        law: "memory shared by protection domains has one writer; a guest's memory is shared with its own monitor and backends only",
        reason: "with two writers neither side can tell who broke a ring",
        run: writers,
    },
    Check {
        id: "memory-attributes",
        law: "memory is mapped cached or uncached, not both; devices are never cached",
        reason: "what one core writes through the cache the other does not see without it, and device registers lose accesses",
        run: attributes,
    },
    Check {
        id: "stack-guard",
        law: "the page below a stack is mapped by nobody",
        reason: "there is a hole, not a guard: an overflow into another region goes unnoticed",
        run: stack_guard,
    },
    Check {
        id: "ipc-buffer",
        law: "an IPC buffer is mapped where its thread expects it, writable and not executable",
        reason: "the kernel writes messages there",
        run: ipc_buffer,
    },
];

fn overlap(facts: &Facts<'_>) -> Outcome {
    let fixed: Vec<(u64, &Extent)> = facts
        .memory
        .iter()
        .filter_map(|extent| Some((extent.paddr?, extent)))
        .collect();
    let mut lines = Vec::new();
    // The map is sorted by address: the one that reaches furthest decides.
    let mut furthest: Option<(u64, &Extent)> = None;
    for (base, extent) in &fixed {
        if let Some((end, other)) = furthest.filter(|(end, _)| end > base) {
            lines.push(format!(
                "{} ends at {end:#x}, in {}",
                other.describe(),
                extent.describe()
            ));
        }
        let end = base.saturating_add(extent.size);
        if furthest.is_none_or(|(known, _)| end > known) {
            furthest = Some((end, extent));
        }
    }
    Outcome::breaches(
        lines,
        format!("{} pieces with fixed addresses, disjoint", fixed.len()),
    )
}

fn reserved(facts: &Facts<'_>) -> Outcome {
    let platform = &facts.inputs.platform;
    let image = facts
        .image
        .as_ref()
        .map(|image| image.occupied.as_slice())
        .unwrap_or_default();
    let taken: Vec<_> = platform.reserved.iter().chain(image).collect();
    let mut lines = Vec::new();
    for extent in &facts.memory {
        let Some(base) = extent.paddr else { continue };
        for area in taken.iter().filter(|area| area.overlaps(base, extent.size)) {
            lines.push(format!("{} overlaps {}", extent.describe(), area.name));
        }
    }
    Outcome::breaches(
        lines,
        format!("{} reserved areas are untouched", taken.len()),
    )
}

fn users(extent: &Extent, wanted: impl Fn(&MemoryUse) -> bool) -> String {
    let users: BTreeSet<&str> = extent
        .uses
        .iter()
        .filter(|one| wanted(one))
        .map(|one| one.subject.as_str())
        .collect();
    users.into_iter().collect::<Vec<_>>().join(", ")
}

fn writable_executable(facts: &Facts<'_>) -> Outcome {
    let both = |one: &MemoryUse| one.write && one.execute && one.role != Role::Vcpu;
    let bad = facts
        .memory
        .iter()
        .filter(|extent| extent.uses.iter().any(both));
    let lines = bad.map(|extent| format!("{}: {}", extent.describe(), users(extent, both)));
    let count: usize = facts.memory.iter().map(|extent| extent.uses.len()).sum();
    Outcome::breaches(lines.collect::<Vec<_>>(), format!("{count} mappings"))
}

fn foreign_code(facts: &Facts<'_>) -> Outcome {
    let executes = |one: &MemoryUse| one.execute && one.role != Role::Vcpu;
    let mut lines = Vec::new();
    for extent in &facts.memory {
        for runner in extent.uses.iter().filter(|one| executes(one)) {
            let writes = |one: &MemoryUse| one.write && one.subject != runner.subject;
            if extent.uses.iter().any(writes) {
                let who = users(extent, writes);
                lines.push(format!(
                    "{}: {} runs what {who} can write",
                    extent.describe(),
                    runner.subject
                ));
            }
        }
    }
    Outcome::breaches(lines, "no executed page is writable elsewhere")
}

/// The page that holds the first word of a thread's stack.
fn stack_page(thread: &Thread) -> Option<usize> {
    let top = thread.stack.checked_sub(8)?;
    let page = thread
        .mappings
        .iter()
        .find(|page| page.vaddr <= top && top < page.end());
    page.map(|page| page.frame)
}

/// The pages of a thread's stack: those of the region that its first word is in.
fn stack_pages<'a>(system: &'a System, thread: &'a Thread) -> impl Iterator<Item = usize> + 'a {
    let region = |frame| crate::memory::region_name(system.name(frame));
    let stack = stack_page(thread).map(region);
    let frames = thread.mappings.iter().map(|page| page.frame);
    frames.filter(move |frame| Some(region(*frame)) == stack)
}

/// Pages that nobody else should see, and what they are.
fn own_pages(system: &System) -> BTreeMap<usize, &'static str> {
    let mut own = BTreeMap::new();
    for thread in system.threads.iter().filter(|it| it.role != Role::Vcpu) {
        let programs = thread.mappings.iter().filter(|m| m.program.is_some());
        own.extend(programs.map(|m| (m.frame, "program")));
        own.extend(stack_pages(system, thread).map(|frame| (frame, "stack")));
        own.extend(thread.ipc_buffer.map(|frame| (frame, "IPC buffer")));
    }
    own
}

fn private(facts: &Facts<'_>) -> Outcome {
    let system = &facts.system;
    let own = own_pages(system);
    let mut users: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for (id, thread) in system.threads.iter().enumerate() {
        let name = facts.subjects.name(facts.subjects.of_thread(id));
        let frames = thread.mappings.iter().map(|m| m.frame);
        for frame in frames.filter(|frame| own.contains_key(frame)) {
            users.entry(frame).or_default().insert(name);
        }
    }
    let shared = users.iter().filter(|(_, names)| names.len() > 1);
    let lines = shared.map(|(frame, names)| {
        let names: Vec<&str> = names.iter().copied().collect();
        let (name, what) = (system.name(*frame), own[frame]);
        format!("{name} ({what}): {}", names.join(", "))
    });
    let lines: Vec<String> = lines.collect();
    Outcome::breaches(lines, format!("{} private pages", own.len()))
}

fn writers(facts: &Facts<'_>) -> Outcome {
    let mut lines = Vec::new();
    let mut count = 0;
    for extent in facts
        .memory
        .iter()
        .filter(|extent| extent.is_shared() && !extent.device)
    {
        count += 1;
        let guests: BTreeSet<&str> = extent
            .uses
            .iter()
            .filter(|one| one.role == Role::Vcpu)
            .map(|one| one.subject.as_str())
            .collect();
        let banked = extent
            .paddr
            .and_then(|base| facts.inputs.platform.banked(base, extent.size));
        if guests.len() > 1 && banked.is_none() {
            lines.push(format!(
                "{}: several guests: {}",
                extent.describe(),
                users(extent, |one| one.role == Role::Vcpu)
            ));
        }
        let writes = |one: &MemoryUse| one.write;
        let several = users(extent, writes);
        if guests.is_empty() && several.contains(", ") {
            lines.push(format!("{}: written by {several}", extent.describe()));
        }
    }
    Outcome::breaches(lines, format!("{count} shared pieces of memory"))
}

fn attributes(facts: &Facts<'_>) -> Outcome {
    let mut lines = Vec::new();
    for extent in &facts.memory {
        let cached = |one: &MemoryUse| one.cached;
        let uncached = |one: &MemoryUse| !one.cached;
        if extent.device && extent.uses.iter().any(cached) {
            lines.push(format!(
                "{}: a device, cached by {}",
                extent.describe(),
                users(extent, cached)
            ));
        } else if extent.uses.iter().any(cached) && extent.uses.iter().any(uncached) {
            let (a, b) = (users(extent, cached), users(extent, uncached));
            lines.push(format!(
                "{}: cached by {a}, uncached by {b}",
                extent.describe()
            ));
        }
    }
    Outcome::breaches(lines, format!("{} pieces of memory", facts.memory.len()))
}

const PAGE: u64 = 0x1000;

/// The lowest address of the mappings that reach up to the stack pointer without a gap.
fn stack_bottom(thread: &Thread) -> Option<u64> {
    let region = |frame: usize| thread.mappings.iter().find(|m| m.frame == frame);
    let top = region(stack_page(thread)?)?;
    Some(
        thread
            .mappings
            .iter()
            .rev()
            .filter(|m| m.vaddr <= top.vaddr)
            .fold(top.vaddr, |bottom, page| {
                match page.end() == bottom && page.write && !page.execute && page.size == PAGE {
                    true => page.vaddr,
                    false => bottom,
                }
            }),
    )
}

fn stack_guard(facts: &Facts<'_>) -> Outcome {
    let system = &facts.system;
    let mut lines = Vec::new();
    for thread in system
        .threads
        .iter()
        .filter(|thread| thread.role == Role::Pd)
    {
        let Some(page) = stack_page(thread) else {
            lines.push(format!("{}: no stack at {:#x}", thread.name, thread.stack));
            continue;
        };
        let bottom = stack_bottom(thread).unwrap_or(0);
        // A stack's pages have one name; another region that touches them breaks the row.
        let stack = crate::memory::region_name(system.name(page));
        let below = thread.mappings.iter().find(|other| {
            let near = other.end() > bottom.saturating_sub(PAGE) && other.vaddr < thread.stack;
            near && crate::memory::region_name(system.name(other.frame)) != stack
        });
        if let Some(below) = below {
            lines.push(format!(
                "{}: {} touches the stack",
                thread.name,
                system.name(below.frame)
            ));
        }
    }
    Outcome::breaches(lines, "a free page below every stack")
}

fn ipc_buffer(facts: &Facts<'_>) -> Outcome {
    let mut lines = Vec::new();
    for thread in facts
        .system
        .threads
        .iter()
        .filter(|thread| thread.role == Role::Pd)
    {
        let at = thread.ipc_buffer_vaddr;
        let page = thread
            .mappings
            .iter()
            .find(|page| page.vaddr <= at && at < page.end());
        let good = page.is_some_and(|page| {
            Some(page.frame) == thread.ipc_buffer && page.write && !page.execute && page.cached
        });
        if !good {
            lines.push(format!("{}: not at {at:#x}", thread.name));
        }
    }
    Outcome::breaches(lines, "every protection domain has its buffer")
}
