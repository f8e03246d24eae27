// SPDX-License-Identifier: BSD-2-Clause
//! Protection domains and virtual machines: what they are, to whom they belong, when they run.

use std::collections::BTreeMap;

use sdf::model::{
    Duration, Map, ProtectionDomain, RecordTarget, ScheduleEntry, System, VirtualMachine,
};

use crate::{Backing, Kind, Mapping, Region, Source, Subject, Time, guest_name};

/// All subjects, a machine after its monitor.
pub(crate) fn subjects(source: &Source<'_>, regions: &[Region]) -> Vec<Subject> {
    let system = source.system;
    let regions: BTreeMap<&str, &Region> = regions
        .iter()
        .map(|region| (region.name.as_str(), region))
        .collect();
    let mut all = Vec::new();
    for pd in &system.pds {
        all.push(domain(source, pd, &regions));
        if let Some(vm) = &pd.virtual_machine {
            all.push(machine(source, pd, vm));
        }
    }
    all
}

fn domain(
    source: &Source<'_>,
    pd: &ProtectionDomain,
    regions: &BTreeMap<&str, &Region>,
) -> Subject {
    let system = source.system;
    let (kind, owner) = belongs(source, pd, regions);
    let parent = pd.parent.and_then(|parent| system.pds.get(parent));
    Subject {
        name: pd.name.value.clone(),
        kind,
        criticality: criticality(source, &[pd.name.as_str(), &owner]),
        owner,
        parent: parent.map(|parent| parent.name.value.clone()),
        program: Some(pd.image.path.value.clone()),
        time: Time {
            priority: u64::from(*pd.priority),
            budget_us: *pd.budget_us,
            period_us: *pd.period_us,
            cores: vec![u64::from(*pd.cpu)],
            passive: *pd.passive,
            domain: pd.domain.as_ref().map(|domain| domain.value.clone()),
        },
        maps: mappings(&pd.maps),
        settings: settings(pd),
        stack: *pd.stack_size,
    }
}

fn machine(source: &Source<'_>, pd: &ProtectionDomain, vm: &VirtualMachine) -> Subject {
    let core = |cpu: Option<u8>| u64::from(cpu.unwrap_or(*pd.cpu));
    let cores = vm
        .vcpus
        .iter()
        .map(|vcpu| core(vcpu.cpu.map(|cpu| cpu.value)));
    let guest = pd.record.as_ref().and_then(|record| record.guest.as_ref());
    let cmdline = guest.and_then(|guest| guest.cmdline.as_ref());
    let cmdline = cmdline.map(|text| ("cmdline".to_owned(), vec![text.value.clone()]));
    Subject {
        name: guest_name(source.system, &vm.name),
        kind: Kind::Guest,
        owner: guest_name(source.system, &vm.name),
        parent: Some(pd.name.value.clone()),
        criticality: criticality(source, &[&vm.name]),
        program: guest.map(|guest| guest.image.value.clone()),
        time: Time {
            priority: u64::from(*vm.priority),
            budget_us: *vm.budget_us,
            period_us: *vm.period_us,
            cores: cores.collect(),
            passive: false,
            domain: pd.domain.as_ref().map(|domain| domain.value.clone()),
        },
        maps: mappings(&vm.maps),
        settings: cmdline.into_iter().collect(),
        stack: 0,
    }
}

/// The first criticality that is stated about one of `names`.
fn criticality(source: &Source<'_>, names: &[&str]) -> Option<String> {
    let stated = &source.layout.policy.criticality;
    let of = |name: &&str| stated.iter().find(|(of, _)| of.value == **name);
    let (_, level) = names.iter().find_map(of)?;
    Some(level.value.clone())
}

fn mappings(maps: &[Map]) -> Vec<Mapping> {
    let mut all: Vec<Mapping> = maps
        .iter()
        .map(|map| Mapping {
            address: *map.vaddr,
            region: map.mr.value.clone(),
            rights: map.perms.to_string(),
            cached: *map.cached,
        })
        .collect();
    all.sort_by(|a, b| (a.address, &a.region).cmp(&(b.address, &b.region)));
    all
}

/// Numbers and texts of the record, by role in the order of the first.
fn settings(pd: &ProtectionDomain) -> Vec<(String, Vec<String>)> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for entry in pd.record.iter().flat_map(|record| &record.entries) {
        let value = match &entry.target {
            RecordTarget::Value { value } => value.value.to_string(),
            RecordTarget::Text { value } => value.value.clone(),
            _ => continue,
        };
        match all.iter_mut().find(|(role, _)| *role == entry.role.value) {
            Some((_, values)) => values.push(value),
            None => all.push((entry.role.value.clone(), vec![value])),
        }
    }
    all
}

/// What a protection domain is, and to whom it belongs. The layout knows; for plain SDF, who has a
/// device is a driver, and who shares memory that one guest executes is a backend of that guest.
fn belongs(
    source: &Source<'_>,
    pd: &ProtectionDomain,
    regions: &BTreeMap<&str, &Region>,
) -> (Kind, String) {
    let own = pd.name.value.clone();
    let owner = source.owners.get(&own).cloned();
    if let Some(vm) = &pd.virtual_machine {
        let owner = owner.unwrap_or_else(|| guest_name(source.system, &vm.name));
        return (Kind::Monitor, owner);
    }
    if let Some(owner) = owner {
        let parts = &source.layout.parts;
        let part = parts.iter().find(|part| *part.name == owner);
        let kind = match part {
            Some(part) if part.is_driver => Kind::Driver,
            Some(_) => Kind::Service,
            None => Kind::Backend,
        };
        return (kind, owner);
    }
    let is_device = |map: &Map| {
        let region = regions.get(map.mr.as_str());
        region.is_some_and(|region| region.backing == Backing::Device)
    };
    if !pd.irqs.is_empty() || pd.maps.iter().any(is_device) {
        return (Kind::Driver, own);
    }
    match served(source.system, pd) {
        Some(guest) => (Kind::Backend, guest),
        None => (Kind::Service, own),
    }
}

/// The only guest whose memory `pd` maps.
fn served(system: &System, pd: &ProtectionDomain) -> Option<String> {
    let machines = system
        .pds
        .iter()
        .filter_map(|pd| pd.virtual_machine.as_ref());
    let mapped = |region: &str| pd.maps.iter().any(|map| *map.mr == region);
    let mut served = machines.filter(|vm| {
        let mut code = vm.maps.iter().filter(|map| map.perms.execute);
        code.any(|map| mapped(&map.mr))
    });
    match (served.next(), served.next()) {
        (Some(only), None) => Some(guest_name(system, &only.name)),
        _ => None,
    }
}

/// The domain schedule.
pub(crate) fn domains(system: &System) -> Vec<(String, u64, bool)> {
    let entries = system.domains.iter().flat_map(|domains| &domains.schedule);
    let run = |entry: &ScheduleEntry| match entry {
        ScheduleEntry::Run { domain, duration } => Some(match duration.value {
            Duration::Us(us) => (domain.value.clone(), us, false),
            Duration::Ticks(ticks) => (domain.value.clone(), ticks, true),
        }),
        ScheduleEntry::End(_) => None,
    };
    entries.filter_map(run).collect()
}
