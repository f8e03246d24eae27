// SPDX-License-Identifier: BSD-2-Clause
//! The model of a description.

use std::collections::{BTreeMap, BTreeSet};

use audit::flow::{Policy, Statement};
use audit::platform::{Area, DmaMaster};
use sdf::Board;
use sdf::model::{CapKind, Duration, RecordTarget, ScheduleEntry, System, Trigger};

use crate::view::declared;

use super::{Around, Domain, End, Machine, Mapping, Model, Region, Time};

impl Model {
    /// Everything that `system` says; `described` is the same before the build, with records.
    #[must_use]
    pub fn of(name: &str, described: &System, system: &System, around: Around<'_>) -> Self {
        let mut platform = around.platform.clone();
        platform.dma = masters(described, around.board);
        let domains: Vec<Domain> = system
            .pds
            .iter()
            .map(|pd| domain(pd, system, around.owners))
            .map(|domain| named_program(domain, described))
            .collect();
        let levels = around.layout.policy.criticality.iter();
        let mut model = Self {
            version: 1,
            name: name.to_owned(),
            target: around.target.clone(),
            platform,
            regions: system.memory_regions.iter().map(region).collect(),
            channels: system.channels.iter().map(channel).collect(),
            schedule: schedule(system),
            policy: Policy::default(),
            criticality: levels
                .map(|(of, level)| (of.value.clone(), level.value.clone()))
                .collect(),
            domains,
        };
        let given = around.policy.cloned();
        model.policy = given.unwrap_or_else(|| policy(around.layout, &model));
        model
    }
}

fn domain(
    pd: &sdf::model::ProtectionDomain,
    system: &System,
    owners: &BTreeMap<String, String>,
) -> Domain {
    let parent = pd.parent.and_then(|index| system.pds.get(index));
    Domain {
        name: pd.name.value.clone(),
        owner: owners.get(&pd.name.value).cloned(),
        parent: parent.map(|parent| parent.name.value.clone()),
        program: pd.image.path.value.clone(),
        time: Time {
            priority: pd.priority.value,
            budget: pd.budget_us.value,
            period: pd.period_us.value,
        },
        passive: pd.passive.value,
        cpu: pd.cpu.value,
        domain: pd
            .domain
            .as_ref()
            .map_or(0, |name| domain_id(system, &name.value)),
        stack: pd.stack_size.value,
        smc: pd.smc.value,
        maps: pd.maps.iter().map(mapping).collect(),
        irqs: pd.irqs.iter().map(irq).collect(),
        caps: pd.cspace.iter().map(cap).collect(),
        machine: pd
            .virtual_machine
            .as_ref()
            .map(|vm| machine(vm, pd.cpu.value)),
    }
}

/// Builds for seL4 have a patched program per domain: the description knows which it was.
fn named_program(mut domain: Domain, described: &System) -> Domain {
    let mut pds = described.pds.iter();
    if let Some(pd) = pds.find(|pd| pd.name.value == domain.name) {
        domain.program.clone_from(&pd.image.path.value);
    }
    domain
}

fn irq(irq: &sdf::model::Irq) -> (u32, u8, bool) {
    let edge = irq.trigger.value == Trigger::Edge;
    (irq.irq.value, irq.id.value, edge)
}

fn cap(cap: &sdf::model::CapMap) -> (String, String, u8) {
    let kind = match cap.kind {
        CapKind::Tcb => "tcb",
        CapKind::Sc => "sc",
        CapKind::VSpace => "vspace",
    };
    (kind.to_owned(), cap.pd.value.clone(), cap.slot.value)
}

fn machine(vm: &sdf::model::VirtualMachine, cpu: u8) -> Machine {
    let core = |vcpu: &sdf::model::Vcpu| vcpu.cpu.as_ref().map_or(cpu, |cpu| cpu.value);
    Machine {
        name: vm.name.value.clone(),
        time: Time {
            priority: vm.priority.value,
            budget: vm.budget_us.value,
            period: vm.period_us.value,
        },
        vcpus: vm.vcpus.iter().map(|it| (it.id.value, core(it))).collect(),
        maps: vm.maps.iter().map(mapping).collect(),
    }
}

fn mapping(map: &sdf::model::Map) -> Mapping {
    Mapping {
        region: map.mr.value.clone(),
        vaddr: map.vaddr.value,
        perms: map.perms.value.to_string(),
        cached: map.cached.value,
    }
}

fn region(region: &sdf::model::MemoryRegion) -> Region {
    let filled = region
        .prefill_path
        .as_ref()
        .or(region.prefill_bootinfo.as_ref());
    Region {
        name: region.name.value.clone(),
        size: region.size.as_ref().map(|size| size.value),
        paddr: region.phys_addr.as_ref().map(|address| address.value),
        prefill: filled.map(|name| name.value.clone()),
    }
}

fn channel(channel: &sdf::model::Channel) -> [End; 2] {
    channel.ends.each_ref().map(|end| End {
        pd: end.pd.value.clone(),
        id: end.id.value,
        notify: end.notify.value,
        call: end.pp.value,
    })
}

fn domain_id(system: &System, name: &str) -> u8 {
    let domains = system.domains.iter().flat_map(|domains| &domains.domains);
    let found = domains.into_iter().find(|domain| domain.name.value == name);
    found.map_or(0, |domain| domain.id.value)
}

fn schedule(system: &System) -> Vec<(u8, String)> {
    let entries = system.domains.iter().flat_map(|domains| &domains.schedule);
    let runs = entries.filter_map(|entry| match entry {
        ScheduleEntry::Run { domain, duration } => {
            let long = match duration.value {
                Duration::Us(us) => format!("{us} us"),
                Duration::Ticks(ticks) => format!("{ticks} ticks"),
            };
            Some((domain_id(system, &domain.value), long))
        }
        ScheduleEntry::End(_) => None,
    });
    runs.collect()
}

/// A layout's statements are about guests, drivers and services: groups of the subjects that stand for
/// them. What is no guest keeps its clients apart; the statement that rests on it says so.
///
/// Between guests only what the layout allows may flow. What else the description asks for, to and from
/// services, drivers and the monitor, it allows by asking: as soon as something is stated, everything that
/// is really there and not asked for is a finding.
fn policy(layout: &layout::Layout, model: &Model) -> Policy {
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for domain in &model.domains {
        let Some(owner) = &domain.owner else { continue };
        let group = groups.entry(owner.clone()).or_default();
        group.insert(domain.name.clone());
        group.extend(domain.machine.as_ref().map(Model::guest_subject));
    }
    let separators = layout.parts.iter().map(|part| &part.name.value);
    let separators = separators.flat_map(|name| match groups.get(name) {
        Some(group) => group.iter().cloned().collect(),
        None => vec![name.clone()],
    });
    let mut policy = Policy {
        separators: separators.collect(),
        deny: statements(&layout.policy.deny),
        allow: statements(&layout.policy.allow),
        groups: groups
            .into_iter()
            .map(|(name, group)| (name, group.into_iter().collect()))
            .collect(),
    };
    if !policy.allow.is_empty() {
        let asked = asked(layout, model, &policy);
        policy.allow.extend(asked);
    }
    policy
}

fn statements(flows: &[layout::model::Flow]) -> Vec<Statement> {
    let each = flows.iter().map(|flow| Statement {
        from: flow.from.value.clone(),
        to: flow.to.value.clone(),
    });
    each.collect()
}

/// What the description asks for, between groups of which at most one is a guest.
fn asked(layout: &layout::Layout, model: &Model, policy: &Policy) -> BTreeSet<Statement> {
    let group = |subject: &String| {
        let mut groups = policy.groups.iter();
        let found = groups.find(|(_, members)| members.contains(subject));
        found.map_or(subject, |(name, _)| name).clone()
    };
    let is_guest = |name: &str| layout.guests.iter().any(|guest| *guest.name == name);
    let flows = declared(model).into_iter();
    let between = flows.map(|edge| Statement {
        from: group(&edge.from),
        to: group(&edge.to),
    });
    between
        .filter(|it| it.from != it.to && !(is_guest(&it.from) && is_guest(&it.to)))
        .collect()
}

/// The devices of the board that reach memory by themselves and whose registers somebody maps, with the
/// regions that their driver is told addresses of.
fn masters(system: &System, board: &Board) -> Vec<DmaMaster> {
    let devices = board.qemu.iter().flat_map(|qemu| &qemu.device);
    let masters = devices.filter_map(|device| {
        let registers = system.memory_regions.iter().find(|region| {
            let base = region.phys_addr.as_ref().map(|address| address.value);
            base.is_some_and(|base| base & !0xfff == device.base & !0xfff)
        })?;
        let driver = system.pds.iter().find(|pd| {
            let mut maps = pd.maps.iter();
            maps.any(|map| map.mr.value == registers.name.value)
        })?;
        Some(DmaMaster {
            name: device.name.clone(),
            registers: Area {
                name: registers.name.value.clone(),
                base: device.base,
                size: 0x1000,
            },
            confined: None,
            windows: windows(system, driver),
        })
    });
    masters.collect()
}

fn windows(system: &System, driver: &sdf::model::ProtectionDomain) -> Vec<Area> {
    let entries = driver.record.iter().flat_map(|record| &record.entries);
    let names = entries.filter_map(|entry| match &entry.target {
        RecordTarget::Window { mr } => Some(mr.value.as_str()),
        _ => None,
    });
    let regions = names.filter_map(|name| system.memory_region(name));
    let areas = regions.filter_map(|region| {
        Some(Area {
            name: region.name.value.clone(),
            base: region.phys_addr.as_ref()?.value,
            size: region.size.as_ref()?.value,
        })
    });
    areas.collect()
}
