// SPDX-License-Identifier: BSD-2-Clause
//! The checks behind [`Image::parse`].

use crate::image::range;
use crate::layout::*;
use crate::{Image, ImageError};

type Check = Result<(), ImageError>;

/// A set of small numbers, to find one that is used twice.
struct Seen([u64; 8]);

impl Seen {
    const fn new() -> Self {
        Self([0; 8])
    }

    /// Marks `number`; false if it is 512 or more or was marked before.
    fn mark(&mut self, number: u32) -> bool {
        let bit = 1_u64 << (number % 64);
        match self
            .0
            .get_mut(usize::try_from(number / 64).unwrap_or(usize::MAX))
        {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                true
            }
            _ => false,
        }
    }
}

pub(crate) fn all(image: &Image<'_>) -> Check {
    limits(image)?;
    loads(image)?;
    vspaces(image)?;
    tcbs(image)?;
    sched_contexts(image)?;
    irqs(image)?;
    cspaces(image)?;
    domains(image)?;
    let header = image.header;
    let monitor = header.monitor_endpoint.get();
    if monitor != NONE && monitor >= header.endpoints.get() {
        return Err(ImageError::Monitor);
    }
    Ok(())
}

fn limits(image: &Image<'_>) -> Check {
    let h = image.header;
    let two_level = image
        .cspaces
        .iter()
        .filter(|c| c.kind.get() == CSPACE_PD)
        .count();
    let limits = [
        ("tcbs", h.tcbs.count.get(), MAX_TCBS),
        ("sched_contexts", h.sched_contexts.count.get(), MAX_OBJECTS),
        ("endpoints", h.endpoints.get(), MAX_OBJECTS),
        ("notifications", h.notifications.get(), MAX_OBJECTS),
        ("replies", h.replies.get(), MAX_OBJECTS),
        ("vcpus", h.vcpus.get(), MAX_VCPUS),
        ("vspaces", h.vspaces.count.get(), MAX_VSPACES),
        ("cspaces", h.cspaces.count.get(), MAX_CSPACES),
        (
            "two-level cspaces",
            u32::try_from(two_level).unwrap_or(u32::MAX),
            MAX_PD_CSPACES,
        ),
        ("domain entries", h.domains.count.get(), MAX_DOMAIN_ENTRIES),
    ];
    match limits.iter().find(|(_, count, limit)| count > limit) {
        Some((what, ..)) => Err(ImageError::TooMany(what)),
        None => Ok(()),
    }
}

fn each<T>(
    records: &[T],
    error: impl Fn(u32) -> ImageError,
    mut check: impl FnMut(&T) -> bool,
) -> Check {
    for (index, record) in records.iter().enumerate() {
        if !check(record) {
            return Err(error(u32::try_from(index).unwrap_or(u32::MAX)));
        }
    }
    Ok(())
}

/// `[start, start + size)` with its end, if it does not wrap and is not empty.
fn span(start: u64, size: u64) -> Option<(u64, u64)> {
    let end = start.checked_add(size)?;
    (size > 0).then_some((start, end))
}

fn in_user_ram(image: &Image<'_>, start: u64, size: u64) -> bool {
    span(start, size).is_some_and(|(start, end)| start >= image.user_ram_start() && end <= RAM_END)
}

fn loads(image: &Image<'_>) -> Check {
    let total = image.header.total_size.get();
    let mut previous_end = 0;
    each(image.loads, ImageError::Load, |load| {
        let (paddr, mem, file) = (load.paddr.get(), load.mem_size.get(), load.file_size.get());
        let source_ok = load
            .file_offset
            .get()
            .checked_add(file)
            .is_some_and(|end| end <= total);
        let ok =
            in_user_ram(image, paddr, mem) && paddr >= previous_end && file <= mem && source_ok;
        previous_end = paddr.saturating_add(mem);
        ok
    })
}

/// Physical ranges that may be mapped: user RAM whole, or device space without the kernel's own pages.
fn mappable(image: &Image<'_>, start: u64, size: u64) -> bool {
    let Some((start, end)) = span(start, size) else {
        return false;
    };
    if end > VADDR_END {
        return false;
    }
    let touches_ram = start < RAM_END && end > KERNEL_PADDR;
    let reserved = KERNEL_DEVICE_PAGES
        .iter()
        .any(|page| start < page + PAGE && end > *page);
    in_user_ram(image, start, size) || (!touches_ram && !reserved)
}

fn vspaces(image: &Image<'_>) -> Check {
    each(image.vspaces, ImageError::VSpace, |vspace| {
        range(
            image.mappings,
            vspace.first_mapping.get(),
            vspace.count.get(),
        )
        .is_some()
    })?;
    let all = MAP_READ | MAP_WRITE | MAP_EXECUTE | MAP_CACHED;
    each(image.mappings, ImageError::Mapping, |mapping| {
        let (vaddr, paddr, size) = (mapping.vaddr.get(), mapping.paddr.get(), mapping.size.get());
        (vaddr | paddr | size) % PAGE == 0
            && mapping.flags.get() & !all == 0
            && span(vaddr, size).is_some_and(|(_, end)| end <= VADDR_END)
            && mappable(image, paddr, size)
    })?;
    for vspace in image.vspaces {
        let mut previous_end = 0;
        let first = vspace.first_mapping.get();
        let error = |_| ImageError::Mapping(first);
        each(image.vspace_mappings(vspace), error, |mapping| {
            let ok = mapping.vaddr.get() >= previous_end;
            previous_end = mapping.vaddr.get().saturating_add(mapping.size.get());
            ok
        })?;
    }
    Ok(())
}

fn tcbs(image: &Image<'_>) -> Check {
    let h = image.header;
    let (mut contexts, mut notifications, mut vcpus) = (Seen::new(), Seen::new(), Seen::new());
    let optional = |index: u32, count: u32| index == NONE || index < count;
    let mut once = |seen: usize, index: u32, count: u32| {
        let set = [&mut contexts, &mut notifications, &mut vcpus];
        index == NONE || (index < count && set.into_iter().nth(seen).is_some_and(|s| s.mark(index)))
    };
    each(image.tcbs, ImageError::Tcb, |tcb| {
        let buffer = tcb.ipc_buffer_paddr.get();
        tcb.vspace.get() < h.vspaces.count.get()
            && tcb.cspace.get() < h.cspaces.count.get()
            && optional(tcb.fault_endpoint.get(), h.endpoints.get())
            && once(0, tcb.sched_context.get(), h.sched_contexts.count.get())
            && once(1, tcb.notification.get(), h.notifications.get())
            && once(2, tcb.vcpu.get(), h.vcpus.get())
            && tcb.priority.get() < 256
            && tcb.mcp.get() < 256
            && tcb.domain.get() < DOMAINS
            && tcb.flags.get() & !(TCB_FPU_DISABLED | TCB_RESUME | TCB_PASSIVE) == 0
            && tcb.entry.get() < VADDR_END
            && (buffer == 0 || (buffer.is_multiple_of(1024) && in_user_ram(image, buffer, 1024)))
    })
}

fn sched_contexts(image: &Image<'_>) -> Check {
    /// One hour: keeps tick arithmetic far from overflow.
    const MAX_PERIOD_US: u64 = 3_600_000_000;
    each(image.sched_contexts, ImageError::SchedContext, |context| {
        let (budget, period) = (context.budget_us.get(), context.period_us.get());
        (MIN_BUDGET_US..=period).contains(&budget) && period <= MAX_PERIOD_US
    })
}

fn irqs(image: &Image<'_>) -> Check {
    let mut seen = Seen::new();
    each(image.irqs, ImageError::Irq, |irq| {
        let number = irq.irq.get();
        let notification = irq.notification.get();
        (16..=MAX_IRQ).contains(&number)
            && !(25..=27).contains(&number)
            && irq.trigger.get() <= TRIGGER_EDGE
            && (notification == NONE || notification < image.header.notifications.get())
            && seen.mark(number)
    })
}

fn objects_of(image: &Image<'_>, kind: u32) -> u32 {
    let h = image.header;
    match kind {
        CAP_ENDPOINT => h.endpoints.get(),
        CAP_NOTIFICATION => h.notifications.get(),
        CAP_REPLY => h.replies.get(),
        CAP_TCB => h.tcbs.count.get(),
        CAP_SCHED_CONTEXT => h.sched_contexts.count.get(),
        CAP_IRQ => h.irqs.count.get(),
        CAP_VCPU => h.vcpus.get(),
        CAP_VSPACE => h.vspaces.count.get(),
        CAP_SMC => 1,
        _ => 0,
    }
}

fn cspaces(image: &Image<'_>) -> Check {
    each(image.cspaces, ImageError::CSpace, |cspace| {
        cspace.kind.get() <= CSPACE_FLAT
            && (cspace.kind.get() == CSPACE_PD || cspace.root_count.get() == 0)
            && range(image.slots, cspace.first_slot.get(), cspace.count.get()).is_some()
            && range(
                image.slots,
                cspace.first_root_slot.get(),
                cspace.root_count.get(),
            )
            .is_some()
    })?;
    let rights = RIGHT_WRITE | RIGHT_READ | RIGHT_GRANT | RIGHT_GRANT_REPLY;
    each(image.slots, ImageError::Slot, |slot| {
        slot.object.get() < objects_of(image, slot.kind.get()) && slot.rights.get() & !rights == 0
    })?;
    for cspace in image.cspaces {
        let (first, root) = (cspace.first_slot.get(), cspace.first_root_slot.get());
        unique_slots(image.cspace_slots(cspace), first, 0, CNODE_SLOTS)?;
        unique_slots(image.cspace_root_slots(cspace), root, 1, ROOT_SLOTS)?;
    }
    Ok(())
}

/// Slot numbers of one CNode lie in `low..high` and occur once; `first` locates an offender in the table.
fn unique_slots(slots: &[Slot], first: u32, low: u32, high: u32) -> Check {
    let mut seen = Seen::new();
    for (position, slot) in (first..).zip(slots) {
        let index = slot.index.get();
        if !(low..high).contains(&index) || !seen.mark(index) {
            return Err(ImageError::Slot(position));
        }
    }
    Ok(())
}

fn domains(image: &Image<'_>) -> Check {
    each(image.domains, ImageError::Domain, |entry| {
        entry.domain.get() < DOMAINS
    })?;
    let start = image.header.domain_start.get();
    let runs = range(image.domains, start, 1).is_some_and(|e| e.iter().all(|e| e.ticks.get() > 0));
    if image.domains.is_empty() || runs {
        Ok(())
    } else {
        Err(ImageError::Domain(start))
    }
}
