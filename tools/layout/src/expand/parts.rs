// SPDX-License-Identifier: BSD-2-Clause
//! Drivers and services.

use super::Expansion;
use super::pd::{Pd, Rank, WRITE};
use crate::board::Device;
use crate::files::{join, reason};
use crate::manifest::{Manifest, Role};
use crate::manifests;
use crate::model::Part;
use crate::rules::{CLASS, COMPATIBLE, DEVICE, MANIFEST, NEED, OWNER, ROOM, TREE};
use sdf::model::{Irq, MemoryRegion, RecordTarget};
use sdf::{Diagnostic, Span, Spanned};
use std::borrow::Cow;
use std::collections::HashMap;

const PAGE: u64 = 0x1000;

/// Adds the domains of all drivers and services.
pub(super) fn add(work: &mut Expansion<'_>) {
    let layout = work.layout;
    let mut owners: HashMap<String, Span> = HashMap::new();
    for part in &layout.parts {
        let Some(manifest) = manifest(work, part) else {
            continue;
        };
        let limits = Cow::Borrowed(&part.limits);
        let mut pd = Pd::new(part.name.clone(), part.span, manifest, limits);
        if let Some(elf) = &part.elf {
            pd.elf = elf.clone();
        }
        pd.server.clone_from(&part.server);
        pd.device = device(work, part, &pd.manifest, &mut owners);
        super::settings::of_part(work, part, &mut pd);
        add_own(work, &mut pd);
        work.pds.push(pd);
    }
}

/// The manifest of `part`: the named one, or ours for its class.
fn manifest<'a>(work: &mut Expansion<'a>, part: &Part) -> Option<Cow<'a, Manifest>> {
    let Some(named) = &part.manifest else {
        let ours = manifests::find(&[Role::Driver, Role::Service], &part.class);
        if ours.is_none() && !part.class.is_empty() {
            let message = format!("nothing of ours is a {}", part.class.value);
            let known = manifests::classes(&[Role::Driver, Role::Service]).join(", ");
            let item = Diagnostic::new(&CLASS, part.class.span, message);
            let help = format!("known: {known}; or name a manifest");
            work.out.push(item.help(help));
        }
        return ours.map(Cow::Borrowed);
    };
    let path = join(&(work.around.home)(named.span), named);
    let text = match work.around.tree.read(&path) {
        Ok(text) => text,
        Err(error) => {
            work.report(
                &MANIFEST,
                named.span,
                format!("`{path}`: {}", reason(&error)),
            );
            return None;
        }
    };
    match Manifest::parse(&text) {
        Ok(manifest) if matches!(manifest.kind, Role::Driver | Role::Service) => {
            Some(Cow::Owned(manifest))
        }
        Ok(_) => {
            work.report(&MANIFEST, named.span, "it is of no driver and no service");
            None
        }
        Err(problem) => {
            let problem = problem.trim_end().replace('\n', " ");
            work.report(&MANIFEST, named.span, format!("`{path}`: {problem}"));
            None
        }
    }
}

/// The device of `part`, which nobody else has.
fn device(
    work: &mut Expansion<'_>,
    part: &Part,
    manifest: &Manifest,
    owners: &mut HashMap<String, Span>,
) -> Option<Device> {
    let fallback = manifest.device.as_ref();
    let named = part.device.clone();
    let named = named.or_else(|| fallback.map(|name| Spanned::new(name.clone(), part.span)));
    let Some(name) = named else {
        if manifest.wants_device() {
            let message = format!("`{}` needs a device", part.name.value);
            work.report(&NEED, part.span, message);
        }
        return None;
    };
    if !manifest.wants_device() {
        let message = format!("`{}` does not use a device", part.name.value);
        work.report(&NEED, name.span, message);
        return None;
    }
    if let Some(first) = owners.insert(name.value.clone(), name.span) {
        let message = format!("`{}` has a driver already", name.value);
        let item = Diagnostic::new(&OWNER, name.span, message);
        work.out.push(item.also(first, "its driver"));
    }
    let device = find(work, &name)?;
    fits(work, &name, manifest, &device).then_some(device)
}

/// Whether the program of `manifest` knows `device`.
fn fits(
    work: &mut Expansion<'_>,
    name: &Spanned<String>,
    manifest: &Manifest,
    device: &Device,
) -> bool {
    let known = |compatible: &String| manifest.compatible.contains(compatible);
    let fits = device.compatible.iter().any(known);
    if !fits {
        let message = format!("`{}` is {}", name.value, device.compatible.join(", "));
        let item = Diagnostic::new(&COMPATIBLE, name.span, message);
        let help = format!(
            "`{}` drives {}",
            manifest.elf,
            manifest.compatible.join(", ")
        );
        work.out.push(item.help(help));
    }
    fits
}

/// The device that the board calls `name`. Without a board nothing is reported.
pub(super) fn find(work: &mut Expansion<'_>, name: &Spanned<String>) -> Option<Device> {
    let board = work.around.board?;
    match &work.around.devices {
        Err(problem) => {
            let message = format!("the device tree of {}: {problem}", board.name);
            work.report(&TREE, name.span, message);
            None
        }
        Ok(devices) => {
            let found = devices.by_name.get(&name.value).cloned();
            if found.is_none() {
                let message = format!("{} has no device called `{}`", board.name, name.value);
                let known: Vec<&str> = board.devices.keys().map(String::as_str).collect();
                let item = Diagnostic::new(&DEVICE, name.span, message);
                work.out
                    .push(item.help(format!("known: {}", known.join(", "))));
            }
            found
        }
    }
}

/// Gives `pd` the registers, interrupts and memory that its manifest asks for.
pub(super) fn add_own(work: &mut Expansion<'_>, pd: &mut Pd<'_>) {
    let regions = pd.manifest.region.clone().into_iter();
    for region in regions.filter(|region| region.shown.is_none()) {
        let name = format!("{}_{}", pd.name.value, region.role.replace('.', "_"));
        let done = match (region.device, region.size) {
            (Some(block), _) => registers(work, pd, &region.role, &name, block),
            (None, Some(size)) => memory(work, pd, &region, &name, size),
            (None, None) => Some(()),
        };
        if done.is_none() {
            let message = format!(
                "`{}` has no room for its region `{}`",
                pd.name.value, region.role
            );
            work.report(&ROOM, pd.span, message);
        }
    }
    let Some(device) = pd.device.clone() else {
        return;
    };
    for wanted in pd.manifest.irq.clone() {
        let found = device.irqs.get(wanted.index);
        let (Some((number, trigger)), Some(id)) = (found, pd.next_id()) else {
            let message = format!("the device has no interrupt {}", wanted.index);
            work.report(&COMPATIBLE, pd.span, message);
            continue;
        };
        let irq = Spanned::new(*number, pd.span);
        pd.add_irq(Irq {
            span: pd.span,
            irq,
            id: Spanned::new(id, pd.span),
            trigger: Spanned::new(*trigger, pd.span),
            setvar_id: None,
        });
        pd.tell(Rank::Own, &wanted.role, RecordTarget::Irq { irq });
    }
}

/// Maps the pages of a register block; none if there is no room.
fn registers(
    work: &mut Expansion<'_>,
    pd: &mut Pd<'_>,
    role: &str,
    name: &str,
    block: usize,
) -> Option<()> {
    // Without a board there is no device, and nothing that could be checked.
    let Some(device) = &pd.device else {
        return Some(());
    };
    let Some((base, size)) = device.blocks.get(block).copied() else {
        work.report(
            &COMPATIBLE,
            pd.span,
            format!("the device has no registers {block}"),
        );
        return Some(());
    };
    let (first, offset) = (base - base % PAGE, base % PAGE);
    let size = offset.checked_add(size)?.checked_next_multiple_of(PAGE)?;
    let vaddr = pd.register_address(size)?;
    work.system
        .memory_regions
        .push(region(name, size, Some(first), pd.span));
    pd.map(name, vaddr, WRITE, false);
    pd.tell_region(Rank::Own, role, name);
    if offset != 0 {
        let value = Spanned::new(offset, pd.span);
        pd.tell_value(Rank::Own, &format!("{role}.offset"), value);
    }
    Some(())
}

/// Maps memory of the domain's own; none if there is no room.
fn memory(
    work: &mut Expansion<'_>,
    pd: &mut Pd<'_>,
    wanted: &crate::manifest::Region,
    name: &str,
    size: u64,
) -> Option<()> {
    let vaddr = pd.ring_address(size)?;
    work.system
        .memory_regions
        .push(region(name, size, None, pd.span));
    pd.map(name, vaddr, WRITE, true);
    pd.tell_region(Rank::Own, &wanted.role, name);
    if wanted.dma {
        pd.tell_window(Rank::Own, &wanted.role, name);
    }
    Some(())
}

/// A memory region made by the element at `span`.
pub(super) fn region(name: &str, size: u64, phys_addr: Option<u64>, span: Span) -> MemoryRegion {
    MemoryRegion {
        span,
        name: Spanned::new(name.to_owned(), span),
        size: Some(Spanned::new(size, span)),
        page_size: None,
        phys_addr: phys_addr.map(|base| Spanned::new(base, span)),
        prefill_path: None,
        prefill_bootinfo: None,
    }
}
