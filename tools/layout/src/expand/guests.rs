// SPDX-License-Identifier: BSD-2-Clause
//! Guests: a backend per device, a monitor, a virtual machine.

use super::Expansion;
use super::parts::{add_own, find, region};
use super::pd::{ALL, Pd, READ, Rank, Settings, WRITE, map, small};
use crate::manifest::{Machine, Manifest, Role};
use crate::manifests;
use crate::model::Guest;
use crate::node::Node;
use crate::rules::{COMPATIBLE, IDENTITY, OFFERED, ROOM};
use sdf::model::{GUEST_RAM_BASE, MAX_PRIORITY, RecordTarget, Vcpu, VirtualMachine};
use sdf::{Diagnostic, Span, Spanned};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Class of the one manifest of monitors.
const MONITOR: &str = "vmm";
/// Role of vCPU n, without the number.
const VCPU: &str = "vcpu";

/// Adds the domains of all guests, the monitor of each last.
pub(super) fn add(work: &mut Expansion<'_>) {
    let layout = work.layout;
    for (index, guest) in layout.guests.iter().enumerate() {
        let Some(monitor) = manifests::find(&[Role::Monitor], MONITOR) else {
            return;
        };
        priorities(work, guest);
        let slots = slots(work, guest, monitor);
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, device) in guest.devices.iter().enumerate() {
            let Some(manifest) = backend(device) else {
                continue;
            };
            let count = seen.entry(device.element.name).or_insert(0);
            *count += 1;
            let number = (*count > 1).then(|| format!("_{count}"));
            let number = number.unwrap_or_default();
            let name = format!("{}_{}{number}", manifest.prefix, guest.name.value);
            let mut pd = new(work, index, name, device.span, manifest);
            pd.server = device.text("to").or(device.text("from"));
            pd.slot = slots.get(&at).copied();
            pd.settings = settings(device);
            work.pds.push(pd);
        }
        let name = format!("{}_{}", monitor.prefix, guest.name.value);
        let mut pd = new(work, index, name, guest.span, monitor);
        for vcpu in 0..guest.vcpus.value {
            let id = small(Spanned::new(vcpu, guest.span));
            let role = format!("{VCPU}{vcpu}");
            pd.tell(Rank::Own, &role, RecordTarget::Vcpu { id });
        }
        show(work, &mut pd, slots.values().copied().max());
        work.pds.push(pd);
    }
}

fn backend(device: &Node) -> Option<&'static Manifest> {
    manifests::find(&[Role::Backend], device.element.name)
}

/// A domain of guest `index` with what its manifest asks for.
fn new<'a>(
    work: &mut Expansion<'a>,
    index: usize,
    name: String,
    span: Span,
    manifest: &'static Manifest,
) -> Pd<'a> {
    let layout = work.layout;
    let guest = &layout.guests[index];
    let name = Spanned::new(name, guest.name.span);
    let limits = Cow::Borrowed(&guest.limits);
    let mut pd = Pd::new(name, span, Cow::Borrowed(manifest), limits);
    pd.guest = Some(index);
    pd.guest_priority = guest.limits.priority;
    for wanted in manifest.region.iter().filter(|region| region.ram) {
        let ram = ram_name(guest);
        pd.map(&ram, GUEST_RAM_BASE, WRITE, true);
        pd.tell_region(Rank::Own, &wanted.role, &ram);
    }
    add_own(work, &mut pd);
    pd
}

/// Gives a monitor the memory that it shows to its guest, whose highest slot is `last`.
fn show(work: &mut Expansion<'_>, pd: &mut Pd<'_>, last: Option<u64>) {
    for wanted in pd.manifest.region.clone() {
        let (Some(shown), Some(part), Some(last)) = (wanted.shown, wanted.size, last) else {
            continue;
        };
        let parts = (last / shown.slots + 1).min(shown.most);
        let size = part.saturating_mul(parts);
        let name = format!("{}_{}", pd.name.value, wanted.role.replace('.', "_"));
        let Some(vaddr) = pd.ring_address(size) else {
            let message = format!("`{}` has no room for `{}`", pd.name.value, wanted.role);
            work.report(&ROOM, pd.span, message);
            continue;
        };
        work.system
            .memory_regions
            .push(region(&name, size, None, pd.span));
        pd.map(&name, vaddr, WRITE, true);
        pd.tell_region(Rank::Own, &wanted.role, &name);
        pd.shown.push((name, shown.at));
    }
}

/// Reports a guest above which there is no priority left for the domains that serve it.
fn priorities(work: &mut Expansion<'_>, guest: &Guest) {
    let serving = guest.devices.iter().filter_map(backend);
    let serving = serving.chain(manifests::find(&[Role::Monitor], MONITOR));
    let most = serving.map(|manifest| manifest.priority).max().unwrap_or(0);
    let own = guest.limits.priority;
    if let Some(own) = own.filter(|own| own.value + most > u64::from(MAX_PRIORITY)) {
        let message = format!(
            "what serves `{}` would have priority {}, above {MAX_PRIORITY}",
            guest.name.value,
            own.value + most
        );
        work.report(&ROOM, own.span, message);
    }
}

/// The slot of each device that has one, by its place among the devices.
fn slots(work: &mut Expansion<'_>, guest: &Guest, monitor: &Manifest) -> BTreeMap<usize, u64> {
    let mut slots = BTreeMap::new();
    let mut taken: BTreeMap<u64, Span> = BTreeMap::new();
    let mut open = Vec::new();
    for (at, device) in guest.devices.iter().enumerate() {
        let element = device.element.name;
        if backend(device).is_none() {
            let of_monitor =
                |link: &crate::manifest::Link| link.element.as_deref() == Some(element);
            if !monitor.link.iter().any(of_monitor) {
                let message = format!("<{element}> is not offered yet");
                work.report(&OFFERED, device.span, message);
            }
            continue;
        }
        let Some(slot) = device.number("slot") else {
            open.push(at);
            continue;
        };
        if let Some(first) = taken.insert(slot.value, slot.span) {
            let message = format!("slot {} of `{}` is taken", slot.value, guest.name.value);
            let item = Diagnostic::new(&IDENTITY, slot.span, message);
            work.out.push(item.also(first, "first taken here"));
        }
        slots.insert(at, slot.value);
    }
    for at in open {
        let free = (0..guest_slots()).find(|slot| !taken.contains_key(slot));
        let Some(free) = free else {
            let span = guest.devices[at].span;
            work.report(&ROOM, span, "no virtio-mmio slot is free");
            continue;
        };
        taken.insert(free, guest.devices[at].span);
        slots.insert(at, free);
    }
    slots
}

/// virtio-mmio slots of QEMU's virt machine.
const fn guest_slots() -> u64 {
    32
}

/// The attributes of a device that programs can be told.
fn settings(device: &Node) -> Settings {
    let attributes = device.attributes.iter();
    attributes
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

/// Name of the region that is a guest's RAM.
pub(super) fn ram_name(guest: &Guest) -> String {
    format!("{}_ram", guest.name.value)
}

/// Adds the RAM of every guest; that of guests in `with_dma` gets a physical address later on.
pub(super) fn memory(work: &mut Expansion<'_>, with_dma: &[usize]) {
    let layout = work.layout;
    for (index, guest) in layout.guests.iter().enumerate() {
        let mut ram = region(&ram_name(guest), guest.memory.value, None, guest.span);
        ram.size = Some(guest.memory);
        ram.phys_addr = guest.phys_addr;
        if ram.phys_addr.is_none() && with_dma.contains(&index) {
            work.wants_ram.push(work.system.memory_regions.len());
        }
        work.system.memory_regions.push(ram);
    }
    let Some(monitor) = manifests::find(&[Role::Monitor], MONITOR) else {
        return;
    };
    let first = layout.guests.first();
    for shared in first.iter().flat_map(|_| &monitor.machine) {
        let span = first.map_or_else(Span::default, |guest| guest.span);
        if let Some(base) = shared_device(work, shared, span) {
            let shared = region(&shared.name, shared.size, Some(base), span);
            work.system.memory_regions.push(shared);
        }
    }
}

/// Where the board has what guests see of it.
fn shared_device(work: &mut Expansion<'_>, shared: &Machine, span: Span) -> Option<u64> {
    let device = find(work, &Spanned::new(shared.device.clone(), span))?;
    let fits = device
        .compatible
        .iter()
        .any(|known| shared.compatible.contains(known));
    let block = device.blocks.get(shared.block);
    match block.filter(|(_, size)| fits && *size >= shared.size) {
        Some((base, _)) => Some(*base),
        None => {
            let message = format!(
                "guests need {} as `{}`, which is {}",
                shared.compatible.join(" or "),
                shared.device,
                device.compatible.join(", ")
            );
            work.report(&COMPATIBLE, span, message);
            None
        }
    }
}

/// The virtual machine of `guest`, whose monitor has `manifest` and shows it the regions `shown`.
pub(super) fn machine(
    guest: &Guest,
    manifest: &Manifest,
    shown: &[(String, u64)],
) -> VirtualMachine {
    let span = guest.span;
    let defaulted = |value: Option<Spanned<u64>>| value.unwrap_or(Spanned::new(0, span));
    let budget_us = defaulted(guest.limits.budget);
    let mut maps = vec![map(&ram_name(guest), GUEST_RAM_BASE, ALL, true, span)];
    for shared in &manifest.machine {
        maps.push(map(&shared.name, shared.at, WRITE, false, span));
    }
    for (name, at) in shown {
        maps.push(map(name, *at, READ, true, span));
    }
    let vcpu = |id| Vcpu {
        span,
        id: small(Spanned::new(id, span)),
        cpu: None,
        setvar_id: None,
    };
    VirtualMachine {
        span,
        name: guest.name.clone(),
        priority: small(defaulted(guest.limits.priority)),
        budget_us,
        period_us: guest.limits.period.unwrap_or(budget_us),
        vcpus: (0..guest.vcpus.value).map(vcpu).collect(),
        maps,
    }
}
