// SPDX-License-Identifier: BSD-2-Clause
//! Regions, devices, the board's memory.

use std::collections::BTreeMap;

use sdf::Board;
use sdf::model::{Map, MemoryRegion, Perms, RecordTarget, System, Trigger};

use crate::{Area, Backing, Device, Region, Source, guest_name};

/// Every subject's name with its mappings, a machine's after its monitor's.
pub(crate) fn maps(system: &System) -> impl Iterator<Item = (String, &Map)> {
    system.pds.iter().flat_map(|pd| {
        let own = pd.maps.iter().map(|map| (pd.name.value.clone(), map));
        let vm = pd.virtual_machine.iter().flat_map(|vm| {
            let name = guest_name(system, &vm.name);
            vm.maps.iter().map(move |map| (name.clone(), map))
        });
        own.chain(vm)
    })
}

/// The regions, with who uses them.
pub(crate) fn regions(source: &Source<'_>) -> Vec<Region> {
    let system = source.system;
    let mut users: BTreeMap<&str, Vec<(String, Perms)>> = BTreeMap::new();
    for (name, map) in maps(system) {
        let of_region = users.entry(&map.mr).or_default();
        match of_region.iter_mut().find(|(known, _)| *known == name) {
            Some((_, perms)) => *perms = union(*perms, *map.perms),
            None => of_region.push((name, *map.perms)),
        }
    }
    let seen = system.regions(source.files);
    let regions = system.memory_regions.iter().zip(seen);
    regions
        .map(|(region, seen)| {
            let size = seen.map(|seen| seen.size);
            let backing = backing(source, region, size.unwrap_or(0));
            let users = users.remove(region.name.as_str()).unwrap_or_default();
            Region {
                name: region.name.value.clone(),
                base: region.phys_addr.map(|base| base.value),
                size,
                page: seen.map(|seen| seen.page_size.bytes()),
                backing,
                device: (backing == Backing::Device).then(|| device_at(source, region)),
                users: users
                    .into_iter()
                    .map(|(name, perms)| (name, perms.to_string()))
                    .collect(),
                dma: dma(system, &region.name),
            }
        })
        .collect()
}

const fn union(a: Perms, b: Perms) -> Perms {
    Perms {
        read: a.read || b.read,
        write: a.write || b.write,
        execute: a.execute || b.execute,
    }
}

/// What is behind `region` of `size` bytes.
fn backing(source: &Source<'_>, region: &MemoryRegion, size: u64) -> Backing {
    let Some(base) = region.phys_addr.map(|base| base.value) else {
        return Backing::Memory;
    };
    let end = base.saturating_add(size.max(1));
    let Some(board) = source.board else {
        let mut maps = source.system.all_maps();
        let uncached = maps.any(|map| map.mr.value == region.name.value && !map.cached.value);
        return if uncached {
            Backing::Device
        } else {
            Backing::Memory
        };
    };
    let memory = board.ram.iter().chain(&board.device_ram);
    if memory.into_iter().any(|range| range.overlaps(base, end)) {
        return Backing::Memory;
    }
    match board
        .shared
        .iter()
        .any(|area| area.range().overlaps(base, end))
    {
        true => Backing::Banked,
        false => Backing::Device,
    }
}

/// The name of the device whose registers `region` holds.
fn device_at(source: &Source<'_>, region: &MemoryRegion) -> String {
    const PAGE: u64 = 0x1000;
    let base = region.phys_addr.map_or(0, |base| base.value);
    let size = region.size.as_ref().map_or(PAGE, |size| size.value);
    let end = base.saturating_add(size);
    let devices = source
        .devices
        .into_iter()
        .flat_map(|devices| &devices.by_name);
    let mut known = devices.filter(|(_, device)| {
        let mut blocks = device.blocks.iter();
        blocks.any(|(at, size)| *at < end && base < at.saturating_add(*size))
    });
    known
        .next()
        .map_or_else(|| format!("device at {base:#x}"), |(name, _)| name.clone())
}

/// Who is told the physical address of `region`.
fn dma(system: &System, region: &str) -> Vec<String> {
    let knows = |pd: &&sdf::model::ProtectionDomain| {
        let entries = pd.record.iter().flat_map(|record| &record.entries);
        let mut targets = entries.map(|entry| &entry.target);
        targets.any(|target| matches!(target, RecordTarget::Window { mr } if *mr.value == *region))
            || pd.setvars.iter().any(|setvar| *setvar.region == region)
    };
    let pds = system.pds.iter().filter(knows);
    pds.map(|pd| pd.name.value.clone()).collect()
}

/// Devices that are used, by name.
pub(crate) fn devices(source: &Source<'_>, regions: &[Region]) -> Vec<Device> {
    let mut found: BTreeMap<String, Device> = BTreeMap::new();
    let new = |name: &str| Device {
        name: name.to_owned(),
        bases: Vec::new(),
        irqs: Vec::new(),
    };
    for region in regions {
        if let (Some(name), Some(base)) = (&region.device, region.base) {
            let device = found.entry(name.clone()).or_insert_with(|| new(name));
            device.bases.push(base);
        }
    }
    for pd in &source.system.pds {
        for irq in &pd.irqs {
            let name = device_of_irq(source, *irq.irq);
            let device = found.entry(name.clone()).or_insert_with(|| new(&name));
            let edge = *irq.trigger == Trigger::Edge;
            device.irqs.push((*irq.irq, pd.name.value.clone(), edge));
        }
    }
    found.into_values().collect()
}

/// The name of the device that raises `irq`.
fn device_of_irq(source: &Source<'_>, irq: u32) -> String {
    let devices = source
        .devices
        .into_iter()
        .flat_map(|devices| &devices.by_name);
    let mut known = devices.filter(|(_, device)| device.irqs.iter().any(|(own, _)| *own == irq));
    known
        .next()
        .map_or_else(|| format!("interrupt {irq}"), |(name, _)| name.clone())
}

/// Memory of the board and what the kernel keeps of it.
pub(crate) fn board(board: &Board) -> Vec<Area> {
    let plain = |name: &'static str| {
        move |range: &sdf::board::Range| Area {
            name: name.to_owned(),
            base: range.base,
            size: range.size,
            reserved: false,
        }
    };
    let kept = board.reserved.iter().map(|area| Area {
        name: area.name.clone(),
        base: area.base,
        size: area.size,
        reserved: true,
    });
    let guests = board.device_ram.iter().map(plain("RAM for guests"));
    board
        .ram
        .iter()
        .map(plain("RAM"))
        .chain(guests)
        .chain(kept)
        .collect()
}
