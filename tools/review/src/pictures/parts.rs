// SPDX-License-Identifier: BSD-2-Clause
//! Boxes of partitions, devices and shared memory, and what joins them.

use audit::memory::Extent;
use picture::{Graph, Layer, Link, LinkKind, Node, NodeKind};

use super::{guests, is_private, owner, title};
use crate::model::{Domain, Model};
use crate::view::View;

/// The picture.
pub(super) fn graph(model: &Model, view: &View) -> Graph {
    let mut graph = Graph {
        title: title(model, "parts"),
        ..Graph::default()
    };
    for one in &model.domains {
        graph.nodes.push(partition(model, view, one));
        if let Some(parent) = &one.parent {
            link(&mut graph, parent, &one.name, LinkKind::Control, "");
        }
        if let Some(machine) = &one.machine {
            let guest = Model::guest_subject(machine);
            link(&mut graph, &one.name, &guest, LinkKind::Control, "");
            graph.nodes.push(Node {
                id: guest,
                label: machine.name.clone(),
                notes: notes(model, machine.time.priority, owner(model, &one.name)),
                kind: NodeKind::Guest,
                layer: Layer::Guest,
                group: Some(owner(model, &one.name).to_owned()),
            });
        }
    }
    for extent in view.memory.iter().filter(|it| !is_private(it)) {
        match (extent.device, extent.uses.len()) {
            (true, _) => registers(extent, &mut graph),
            (false, 2) => joined(extent, &mut graph),
            (false, 0 | 1) => {}
            (false, _) => shared(model, extent, &mut graph),
        }
    }
    interrupts(view, &mut graph);
    channels(view, &mut graph);
    graph
}

fn link(graph: &mut Graph, from: &str, to: &str, kind: LinkKind, object: &str) {
    graph.links.push(Link {
        from: from.to_owned(),
        to: to.to_owned(),
        kind,
        object: object.to_owned(),
    });
}

fn notes(model: &Model, priority: u8, owner: &str) -> Vec<String> {
    let level = model.criticality.get(owner).cloned();
    let priority = format!("priority {priority}");
    std::iter::once(priority).chain(level).collect()
}

fn partition(model: &Model, view: &View, one: &Domain) -> Node {
    let whose = owner(model, &one.name);
    let of_guest = guests(model).contains(whose);
    let mut devices = view.memory.iter().filter(|extent| extent.device);
    let has_device = devices.any(|extent| extent.uses.iter().any(|it| it.subject == one.name));
    let layer = match (one.machine.is_some(), of_guest) {
        (true, _) => Layer::Monitor,
        (_, true) => Layer::Backend,
        _ if has_device || !one.irqs.is_empty() => Layer::Driver,
        _ => Layer::Service,
    };
    Node {
        id: one.name.clone(),
        label: one.name.clone(),
        notes: notes(model, one.time.priority, whose),
        kind: NodeKind::Domain,
        layer,
        group: of_guest.then(|| whose.to_owned()),
    }
}

/// A region of two joins them.
fn joined(extent: &Extent, graph: &mut Graph) {
    for from in extent.uses.iter().filter(|it| it.write) {
        for to in extent.uses.iter().filter(|it| it.read || it.execute) {
            if from.subject != to.subject {
                let (from, to) = (&from.subject, &to.subject);
                link(graph, from, to, LinkKind::Memory, &extent.region);
            }
        }
    }
}

/// A region of more than two users is a box of its own.
fn shared(model: &Model, extent: &Extent, graph: &mut Graph) {
    let id = format!("region {}", extent.region);
    let mut users = extent.uses.iter().map(|it| owner(model, &it.subject));
    let first = users.next().unwrap_or_default();
    let of_guest = users.all(|it| it == first) && guests(model).contains(first);
    graph.nodes.push(Node {
        id: id.clone(),
        label: extent.region.clone(),
        notes: vec![format!("{:#x} bytes", extent.size)],
        kind: NodeKind::Memory,
        layer: if of_guest {
            Layer::Guest
        } else {
            Layer::Service
        },
        group: of_guest.then(|| first.to_owned()),
    });
    ends(extent, &id, graph);
}

/// Joins the box `id` of `extent` with all that map it.
fn ends(extent: &Extent, id: &str, graph: &mut Graph) {
    for one in &extent.uses {
        if one.write {
            link(graph, &one.subject, id, LinkKind::Memory, &extent.region);
        }
        if one.read || one.execute {
            link(graph, id, &one.subject, LinkKind::Memory, &extent.region);
        }
    }
}

fn registers(extent: &Extent, graph: &mut Graph) {
    let id = format!("device {}", extent.region);
    graph.nodes.push(Node {
        id: id.clone(),
        label: extent.region.clone(),
        notes: extent
            .paddr
            .map(|at| format!("{at:#x}"))
            .into_iter()
            .collect(),
        kind: NodeKind::Device,
        layer: Layer::Device,
        group: None,
    });
    ends(extent, &id, graph);
}

/// An interrupt comes from the device of its receiver; where that has none or several, from a box of its
/// own, since nothing says which it is.
fn interrupts(view: &View, graph: &mut Graph) {
    for row in &view.irqs {
        let Some(receiver) = &row.receiver else {
            continue;
        };
        let how = if row.edge { "edge" } else { "level" };
        let object = format!("{} ({how})", row.number);
        let mut devices = view.memory.iter().filter(|extent| {
            extent.device && extent.uses.iter().any(|one| one.subject == *receiver)
        });
        let id = match (devices.next(), devices.next()) {
            (Some(one), None) => format!("device {}", one.region),
            _ => {
                let id = format!("interrupt {}", row.number);
                graph.nodes.push(Node {
                    id: id.clone(),
                    label: id.clone(),
                    notes: Vec::new(),
                    kind: NodeKind::Device,
                    layer: Layer::Device,
                    group: None,
                });
                id
            }
        };
        link(graph, &id, receiver, LinkKind::Interrupt, &object);
    }
}

fn channels(view: &View, graph: &mut Graph) {
    for row in &view.channels {
        for (from, to) in [(&row.a, &row.b), (&row.b, &row.a)] {
            let object = format!("channel {}", from.id);
            if from.notifies {
                link(graph, &from.pd, &to.pd, LinkKind::Notify, &object);
            }
            if from.calls {
                link(graph, &from.pd, &to.pd, LinkKind::Call, &object);
            }
        }
    }
}
