// SPDX-License-Identifier: BSD-2-Clause
//! Facts as the data that `picture` draws.

use std::collections::BTreeSet;

use picture::{
    Flows, Graph, Layer, Link, LinkKind, MemoryMap, Node, NodeKind, Range, RangeKind, Schedule,
    Thread,
};

use crate::text::{bytes, list};
use crate::{Backing, Facts, Kind, Region, Right, Subject, Verdict};

/// Boxes of all subjects and devices, and what joins them.
#[must_use]
pub fn parts(facts: &Facts) -> Graph {
    let mut graph = Graph {
        title: title(facts, "parts"),
        nodes: facts
            .subjects
            .iter()
            .map(|subject| node(facts, subject))
            .collect(),
        links: Vec::new(),
    };
    let memory = facts
        .regions
        .iter()
        .filter(|region| region.backing == Backing::Memory);
    for region in memory {
        if region.users.len() > 2 {
            shared(facts, region, &mut graph);
        } else {
            joined(region, &mut graph);
        }
    }
    devices(facts, &mut graph);
    for grant in &facts.authority {
        let kind = match grant.right {
            Right::Notify => LinkKind::Notify,
            Right::Call => LinkKind::Call,
            Right::Control => LinkKind::Control,
            _ => continue,
        };
        graph.links.push(link(&grant.subject, &grant.on, kind, ""));
    }
    graph
}

fn title(facts: &Facts, what: &str) -> String {
    match facts.name.as_str() {
        "" => what.to_owned(),
        name => format!("{name}: {what}"),
    }
}

fn link(from: &str, to: &str, kind: LinkKind, object: &str) -> Link {
    Link {
        from: from.to_owned(),
        to: to.to_owned(),
        kind,
        object: object.to_owned(),
    }
}

fn node(facts: &Facts, subject: &Subject) -> Node {
    let layer = match subject.kind {
        Kind::Guest => Layer::Guest,
        Kind::Monitor => Layer::Monitor,
        Kind::Backend => Layer::Backend,
        Kind::Driver => Layer::Driver,
        Kind::Service => Layer::Service,
    };
    let mut notes = vec![format!("priority {}", subject.time.priority)];
    let of_guest = layer <= Layer::Backend;
    if let Some(level) = subject
        .criticality
        .as_ref()
        .filter(|_| subject.kind == Kind::Guest || !of_guest)
    {
        notes.push(level.clone());
    }
    let program = subject
        .program
        .as_ref()
        .filter(|_| subject.kind == Kind::Guest);
    notes.extend(program.cloned());
    let group = of_guest
        && facts
            .subjects
            .iter()
            .any(|other| other.kind == Kind::Guest && other.owner == subject.owner);
    Node {
        id: subject.name.clone(),
        label: subject.name.clone(),
        notes,
        kind: if subject.kind == Kind::Guest {
            NodeKind::Guest
        } else {
            NodeKind::Domain
        },
        layer,
        group: group.then(|| subject.owner.clone()),
    }
}

/// A region of more than two users is a box of its own.
fn shared(facts: &Facts, region: &Region, graph: &mut Graph) {
    let id = format!("region {}", region.name);
    let users = region
        .users
        .iter()
        .filter_map(|(name, _)| facts.subject(name));
    let owners: BTreeSet<&str> = users.clone().map(|user| user.owner.as_str()).collect();
    let guest = users.clone().find(|user| user.kind == Kind::Guest);
    let guest = guest.filter(|_| owners.len() == 1);
    graph.nodes.push(Node {
        id: id.clone(),
        label: region.name.clone(),
        notes: region.size.map(bytes).into_iter().collect(),
        kind: NodeKind::Memory,
        layer: if guest.is_some() {
            Layer::Guest
        } else {
            Layer::Service
        },
        group: guest.map(|guest| guest.owner.clone()),
    });
    for (user, rights) in &region.users {
        if rights.contains('w') {
            graph.links.push(link(user, &id, LinkKind::Memory, rights));
        }
        if rights.contains(['r', 'x']) {
            graph.links.push(link(&id, user, LinkKind::Memory, rights));
        }
    }
}

/// A region of two joins them.
fn joined(region: &Region, graph: &mut Graph) {
    for (from, rights) in &region.users {
        for (to, others) in &region.users {
            if from != to && rights.contains('w') && others.contains(['r', 'x']) {
                graph
                    .links
                    .push(link(from, to, LinkKind::Memory, &region.name));
            }
        }
    }
}

fn devices(facts: &Facts, graph: &mut Graph) {
    for device in &facts.devices {
        let id = format!("device {}", device.name);
        let bases = device.bases.iter().map(|base| format!("{base:#x}"));
        let mut irqs: Vec<String> = device
            .irqs
            .iter()
            .map(|(irq, _, _)| format!("interrupt {irq}"))
            .collect();
        irqs.retain(|irq| *irq != device.name);
        graph.nodes.push(Node {
            id: id.clone(),
            label: device.name.clone(),
            notes: bases.chain(irqs).collect(),
            kind: NodeKind::Device,
            layer: Layer::Device,
            group: None,
        });
        for (irq, user, edge) in &device.irqs {
            let how = if *edge { "edge" } else { "level" };
            graph.links.push(link(
                &id,
                user,
                LinkKind::Interrupt,
                &format!("{irq} ({how})"),
            ));
        }
        registers(facts, &device.name, &id, graph);
    }
}

/// Joins the box `id` of a device with who maps its registers.
fn registers(facts: &Facts, device: &str, id: &str, graph: &mut Graph) {
    let own = |region: &&Region| region.device.as_deref() == Some(device);
    for region in facts.regions.iter().filter(own) {
        for (user, rights) in &region.users {
            if rights.contains('w') {
                let writes = link(user, id, LinkKind::Memory, &region.name);
                graph.links.push(writes);
            }
            if rights.contains('r') {
                let reads = link(id, user, LinkKind::Memory, &region.name);
                graph.links.push(reads);
            }
        }
    }
}

/// Physical memory.
#[must_use]
pub fn memory(facts: &Facts) -> MemoryMap {
    let board = facts.board.iter().map(|area| Range {
        base: Some(area.base),
        size: area.size,
        name: area.name.clone(),
        kind: if area.reserved {
            RangeKind::Reserved
        } else {
            RangeKind::Board
        },
        users: Vec::new(),
    });
    let regions = facts.regions.iter().map(|region| Range {
        base: region.base,
        size: region.size.unwrap_or(0),
        name: region.name.clone(),
        kind: if region.backing == Backing::Memory {
            RangeKind::Region
        } else {
            RangeKind::Device
        },
        users: region.users.clone(),
    });
    MemoryMap {
        title: title(facts, "physical memory"),
        ranges: board.chain(regions).collect(),
    }
}

/// Who runs when.
#[must_use]
pub fn schedule(facts: &Facts) -> Schedule {
    let threads = facts.subjects.iter().flat_map(|subject| {
        let many = subject.time.cores.len() > 1;
        let cores = subject.time.cores.iter().enumerate();
        cores.map(move |(n, core)| Thread {
            name: match many {
                true => format!("{} vCPU {n}", subject.name),
                false => subject.name.clone(),
            },
            core: *core,
            priority: subject.time.priority,
            budget_us: subject.time.budget_us,
            period_us: subject.time.period_us,
            passive: subject.time.passive,
            vcpu: subject.kind == Kind::Guest,
            domain: subject.time.domain.clone(),
        })
    });
    Schedule {
        title: title(facts, "schedule"),
        threads: threads.collect(),
    }
}

/// Flows between guests, services and drivers.
#[must_use]
pub fn flows(facts: &Facts) -> Flows {
    let flows = facts.policy.iter().map(|judged| picture::Flow {
        from: judged.from.clone(),
        to: judged.to.clone(),
        verdict: match judged.verdict {
            Verdict::Allowed => picture::Verdict::Allowed,
            Verdict::Found => picture::Verdict::Found,
            Verdict::Forbidden => picture::Verdict::Forbidden,
            Verdict::Missing => picture::Verdict::Missing,
            Verdict::Prevented => picture::Verdict::Prevented,
        },
        by: match (judged.through.as_slice(), judged.verdict) {
            ([], _) => judged.by.clone(),
            (through, Verdict::Prevented) => vec![format!("kept apart by {}", list(through))],
            (through, _) => vec![format!("through {}", list(through))],
        },
    });
    Flows {
        title: title(facts, "flows"),
        subjects: owners(facts),
        flows: flows.collect(),
    }
}

/// Guests, services and drivers with what they are.
fn owners(facts: &Facts) -> Vec<(String, String)> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut order: Vec<&Subject> = facts.subjects.iter().collect();
    order.sort_by_key(|subject| subject.kind);
    let mut subjects = Vec::new();
    for subject in order {
        if seen.insert(&subject.owner) {
            let what = match subject.kind {
                Kind::Guest | Kind::Monitor | Kind::Backend => "guest",
                Kind::Driver => "driver",
                Kind::Service => "service",
            };
            let level = subject
                .criticality
                .as_ref()
                .map(|level| format!(", {level}"));
            let remark = format!("{what}{}", level.unwrap_or_default());
            subjects.push((subject.owner.clone(), remark));
        }
    }
    subjects
}
