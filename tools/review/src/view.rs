// SPDX-License-Identifier: BSD-2-Clause
//! What the tables show: found out by the checker from the capability distribution, or, without one,
//! taken from the description.

use std::collections::{BTreeMap, BTreeSet};

use audit::channels::{ChannelRow, End, IrqRow};
use audit::flow::{Carrier, Edge, Flows};
use audit::memory::{DmaReach, Extent, MemoryUse, dma_reach};
use audit::schedule::{Core, Slice};
use audit::spec::Spec;
use audit::system::Role;
use audit::{AuditError, Inputs, Report};

use crate::model::{Domain, Machine, Mapping, Model, Time};

/// What the tables show.
pub(crate) struct View {
    /// What it was made from.
    pub(crate) origin: String,
    /// The memory map.
    pub(crate) memory: Vec<Extent>,
    /// Devices that reach memory.
    pub(crate) dma: Vec<DmaReach>,
    /// Interrupts.
    pub(crate) irqs: Vec<IrqRow>,
    /// Channels.
    pub(crate) channels: Vec<ChannelRow>,
    /// Threads' time.
    pub(crate) slices: Vec<Slice>,
    /// Cores.
    pub(crate) cores: Vec<Core>,
    /// Direct flows.
    pub(crate) edges: Vec<Edge>,
    /// What the checker says, if it had something to look at.
    pub(crate) report: Option<Report>,
}

impl View {
    /// The view of a distribution, or of the description without one.
    pub(crate) fn of(model: &Model, spec: Option<&Spec>) -> Result<Self, AuditError> {
        match spec {
            Some(spec) => Self::extracted(model, spec),
            None => Ok(Self::described(model)),
        }
    }

    /// Its direct flows, for a policy to be held against.
    pub(crate) fn flows(&self) -> Flows {
        let names = self.edges.iter().flat_map(|edge| [&edge.from, &edge.to]);
        Flows {
            edges: self.edges.clone(),
            closure: names.map(|name| (name.clone(), Vec::new())).collect(),
            left_out: Vec::new(),
        }
    }

    fn extracted(model: &Model, spec: &Spec) -> Result<Self, AuditError> {
        let report = audit::audit(&Inputs {
            spec: Some(spec.clone()),
            platform: model.platform.clone(),
            policy: model.policy.clone(),
            ..Inputs::default()
        })?;
        let maker = match model.target.kernel.as_str() {
            "sel4" => "the Microkit SDK's tool",
            _ => "our own builder (the development kernel has no other)",
        };
        Ok(Self {
            origin: format!(
                "Found by tools/audit in 12-capdl.json, which {maker} made; the description was not read."
            ),
            memory: report.memory.clone(),
            dma: report.dma.clone(),
            irqs: report.interrupts.clone(),
            channels: report.channels.clone(),
            slices: report.schedule.slices.clone(),
            cores: report.schedule.cores.clone(),
            edges: report.flows.edges.clone(),
            report: Some(report),
        })
    }

    fn described(model: &Model) -> Self {
        let memory = memory(model);
        let slices = slices(model);
        Self {
            origin: "From the description alone (10-model.json): nothing that was built has been looked at."
                .to_owned(),
            dma: dma_reach(&memory, &model.platform),
            memory,
            irqs: irqs(model),
            channels: channels(model),
            cores: cores(&slices),
            slices,
            edges: declared(model),
            report: None,
        }
    }
}

/// Everybody who maps memory: name, role, mappings.
fn mappers(model: &Model) -> Vec<(String, Role, &[Mapping])> {
    let mut all = Vec::new();
    for domain in &model.domains {
        all.push((domain.name.clone(), Role::Pd, domain.maps.as_slice()));
        if let Some(machine) = &domain.machine {
            let name = Model::guest_subject(machine);
            all.push((name, Role::Vcpu, machine.maps.as_slice()));
        }
    }
    all
}

fn memory(model: &Model) -> Vec<Extent> {
    let mappers = mappers(model);
    let regions = model.regions.iter().map(|region| {
        let size = region.size.unwrap_or(0);
        let mut uses = Vec::new();
        for (subject, role, maps) in &mappers {
            let maps = maps.iter().filter(|map| map.region == region.name);
            uses.extend(maps.map(|map| MemoryUse {
                subject: subject.clone(),
                role: *role,
                vaddr: map.vaddr,
                read: map.perms.contains('r'),
                write: map.perms.contains('w'),
                execute: map.perms.contains('x'),
                cached: map.cached,
            }));
        }
        uses.sort();
        let device = |base| model.platform.is_device(base, size.max(1));
        Extent {
            region: region.name.clone(),
            paddr: region.paddr,
            size,
            page: 0,
            device: region.paddr.is_some_and(device),
            program: false,
            uses,
            dma: Vec::new(),
        }
    });
    let mut all: Vec<Extent> = regions.collect();
    all.sort_by_key(|extent| (extent.paddr.is_none(), extent.paddr, extent.region.clone()));
    all
}

fn irqs(model: &Model) -> Vec<IrqRow> {
    let rows = model.domains.iter().flat_map(|domain| {
        domain.irqs.iter().map(|(number, id, edge)| IrqRow {
            number: (*number).into(),
            handlers: vec![domain.name.clone()],
            receiver: Some(domain.name.clone()),
            id: Some((*id).into()),
            edge: *edge,
            core: domain.cpu.into(),
        })
    });
    let mut rows: Vec<IrqRow> = rows.collect();
    rows.sort_by_key(|row| row.number);
    rows
}

fn channels(model: &Model) -> Vec<ChannelRow> {
    let mut rows: Vec<ChannelRow> = model
        .channels
        .iter()
        .map(|ends| {
            let [a, b] = ends.each_ref().map(|end| End {
                pd: end.pd.clone(),
                id: end.id.into(),
                notifies: end.notify,
                calls: end.call,
            });
            if (&a.pd, a.id) <= (&b.pd, b.id) {
                ChannelRow { a, b }
            } else {
                ChannelRow { a: b, b: a }
            }
        })
        .collect();
    rows.sort_by(|x, y| (&x.a.pd, x.a.id).cmp(&(&y.a.pd, y.a.id)));
    rows
}

fn slice(thread: String, role: Role, core: u8, domain: &Domain, time: Time) -> Slice {
    let limited = time.budget < time.period;
    let share = time
        .budget
        .saturating_mul(1_000_000)
        .checked_div(time.period);
    Slice {
        thread,
        role,
        core: core.into(),
        domain: domain.domain,
        priority: time.priority,
        budget: Some(time.budget),
        period: Some(time.period),
        passive: role == Role::Pd && domain.passive,
        limited,
        share: share.filter(|_| limited),
        response: None,
    }
}

fn slices(model: &Model) -> Vec<Slice> {
    let mut all = Vec::new();
    for domain in &model.domains {
        let name = domain.name.clone();
        all.push(slice(name, Role::Pd, domain.cpu, domain, domain.time));
        let vcpus = |machine: &Machine| {
            let threads = machine.vcpus.iter().map(|(id, core)| {
                let name = format!("{}_{id}", machine.name);
                slice(name, Role::Vcpu, *core, domain, machine.time)
            });
            threads.collect::<Vec<_>>()
        };
        all.extend(domain.machine.iter().flat_map(vcpus));
    }
    all.sort_by(|a, b| {
        (a.core, std::cmp::Reverse(a.priority), &a.thread).cmp(&(
            b.core,
            std::cmp::Reverse(b.priority),
            &b.thread,
        ))
    });
    all
}

fn cores(slices: &[Slice]) -> Vec<Core> {
    let mut cores: BTreeMap<u64, Core> = BTreeMap::new();
    for slice in slices {
        let core = cores.entry(slice.core).or_insert(Core {
            core: slice.core,
            share: 0,
            unlimited: Vec::new(),
        });
        core.share = core.share.saturating_add(slice.share.unwrap_or(0));
        if !slice.limited && !slice.passive {
            core.unlimited.push(slice.thread.clone());
        }
    }
    cores.into_values().collect()
}

/// The direct flows that the description asks for, in order.
pub(crate) fn declared(model: &Model) -> Vec<Edge> {
    let mut edges = BTreeSet::new();
    let mut add = |from: &str, to: &str, carrier, object: &str| {
        if from != to {
            edges.insert(Edge {
                from: from.to_owned(),
                to: to.to_owned(),
                carrier,
                object: object.to_owned(),
                excess: false,
            });
        }
    };
    regions(model, &mut add);
    messages(model, &mut add);
    for domain in &model.domains {
        if domain.passive {
            // Its runtime asks the monitor to take its scheduling context away.
            add(&domain.name, MONITOR, Carrier::Call, &domain.name);
        }
        hierarchy(domain, &mut add);
    }
    edges.into_iter().collect()
}

/// Writers to readers of each region.
fn regions(model: &Model, add: &mut impl FnMut(&str, &str, Carrier, &str)) {
    for region in memory(model) {
        let banked = region
            .paddr
            .and_then(|base| model.platform.banked(base, region.size));
        let writers = region
            .uses
            .iter()
            .filter(|one| one.write && banked.is_none());
        for writer in writers {
            for reader in region.uses.iter().filter(|one| one.read) {
                add(
                    &writer.subject,
                    &reader.subject,
                    Carrier::Memory,
                    &region.region,
                );
            }
        }
    }
}

/// Notifications, and calls with their replies.
fn messages(model: &Model, add: &mut impl FnMut(&str, &str, Carrier, &str)) {
    for row in channels(model) {
        let object = format!("{} {} / {} {}", row.a.pd, row.a.id, row.b.pd, row.b.id);
        for (from, to) in [(&row.a, &row.b), (&row.b, &row.a)] {
            if from.notifies {
                add(&from.pd, &to.pd, Carrier::Signal, &object);
            }
            if from.calls {
                add(&from.pd, &to.pd, Carrier::Call, &object);
                add(&to.pd, &from.pd, Carrier::Call, &object);
            }
        }
    }
}

/// The name of the monitor among subjects.
pub(crate) const MONITOR: &str = "monitor";

/// Faults and control: a parent and its children, a monitor and its guest, Microkit's monitor and all.
fn hierarchy(domain: &Domain, add: &mut impl FnMut(&str, &str, Carrier, &str)) {
    let mut both = |a: &str, b: &str, carrier, object: &str| {
        add(a, b, carrier, object);
        add(b, a, carrier, object);
    };
    let name = &domain.name;
    match &domain.parent {
        Some(parent) => {
            both(name, parent, Carrier::Fault, name);
            both(name, parent, Carrier::Control, name);
        }
        None => both(name, MONITOR, Carrier::Fault, name),
    }
    both(name, MONITOR, Carrier::Control, name);
    for (_, owner, _) in &domain.caps {
        both(name, owner, Carrier::Control, owner);
    }
    if let Some(machine) = &domain.machine {
        let guest = Model::guest_subject(machine);
        both(name, &guest, Carrier::Fault, &guest);
        both(name, &guest, Carrier::Control, &guest);
        both(&guest, MONITOR, Carrier::Control, &guest);
    }
}
