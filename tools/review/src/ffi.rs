// SPDX-License-Identifier: BSD-2-Clause
//! Item 20: freedom from interference, pair by pair: space, time, exchange.

use std::collections::{BTreeMap, BTreeSet};

use audit::flow::Edge;
use audit::memory::Extent;
use audit::schedule::Slice;

use crate::model::Model;
use crate::table::Table;
use crate::view::View;

/// A partition: a guest with its monitor and backends, or a driver or service.
struct Partition {
    name: String,
    subjects: BTreeSet<String>,
    level: String,
}

/// Guests, drivers, services where the layout says what belongs together; else every domain with its guest.
fn partitions(model: &Model) -> Vec<Partition> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for domain in &model.domains {
        let name = domain.owner.as_ref().unwrap_or(&domain.name);
        let group = all.entry(name.clone()).or_default();
        group.insert(domain.name.clone());
        if let Some(machine) = &domain.machine {
            group.insert(Model::guest_subject(machine));
            let threads = machine.vcpus.iter();
            group.extend(threads.map(|(id, _)| format!("{}_{id}", machine.name)));
        }
    }
    let partition = |(name, subjects): (String, BTreeSet<String>)| Partition {
        level: model
            .criticality
            .get(&name)
            .cloned()
            .unwrap_or_else(|| "not stated".to_owned()),
        name,
        subjects,
    };
    all.into_iter().map(partition).collect()
}

struct Cell {
    mechanism: String,
    evidence: &'static str,
    residual: String,
}

fn space(a: &Partition, b: &Partition, memory: &[Extent]) -> Cell {
    let users = |extent: &Extent, group: &Partition, write: bool| {
        let mut uses = extent.uses.iter();
        uses.any(|one| group.subjects.contains(&one.subject) && (one.write || !write))
    };
    let both = |extent: &&Extent| users(extent, a, false) && users(extent, b, false);
    let shared: Vec<&Extent> = memory.iter().filter(both).collect();
    let contested = shared
        .iter()
        .filter(|it| users(it, a, true) && users(it, b, true));
    let contested: Vec<&str> = contested.map(|it| it.region.as_str()).collect();
    let names: Vec<&str> = shared.iter().map(|it| it.region.as_str()).collect();
    Cell {
        mechanism: match names.is_empty() {
            true => "own address spaces; no page is in both".to_owned(),
            false => format!("own address spaces; shared: {}", names.join(", ")),
        },
        evidence: "15-memory-map.csv",
        residual: match contested.is_empty() {
            true => "devices with DMA (17), shared caches (21)".to_owned(),
            false => format!(
                "both write {}; devices with DMA (17), shared caches (21)",
                contested.join(", ")
            ),
        },
    }
}

fn time(a: &Partition, b: &Partition, slices: &[Slice]) -> Cell {
    let of = |group: &Partition| -> Vec<&Slice> {
        let mine = slices
            .iter()
            .filter(|slice| group.subjects.contains(&slice.thread));
        mine.collect()
    };
    let (ours, theirs) = (of(a), of(b));
    let cores = |slices: &[&Slice]| slices.iter().map(|it| it.core).collect::<BTreeSet<u64>>();
    let common = !cores(&ours).is_disjoint(&cores(&theirs));
    let unlimited = ours
        .iter()
        .chain(&theirs)
        .filter(|it| !it.limited && !it.passive);
    let unlimited: Vec<&str> = unlimited.map(|it| it.thread.as_str()).collect();
    Cell {
        mechanism: match common {
            true => "priorities, budgets and periods of one core".to_owned(),
            false => "cores of their own".to_owned(),
        },
        evidence: "18-schedule.csv",
        residual: match (common, unlimited.is_empty()) {
            (false, _) => "shared kernel, bus, caches (21)".to_owned(),
            (true, true) => {
                "kernel time, shared caches (21); response times where 18 has none".to_owned()
            }
            (true, false) => format!(
                "no limit on {}; kernel time, shared caches (21)",
                unlimited.join(", ")
            ),
        },
    }
}

fn exchange(a: &Partition, b: &Partition, edges: &[Edge], separators: &[String]) -> Cell {
    let between = |edge: &&Edge| {
        let there = a.subjects.contains(&edge.from) && b.subjects.contains(&edge.to);
        there || (b.subjects.contains(&edge.from) && a.subjects.contains(&edge.to))
    };
    let direct: Vec<&Edge> = edges.iter().filter(between).collect();
    let needed = direct.iter().filter(|edge| !edge.excess);
    let carriers: BTreeSet<String> = needed
        .map(|edge| format!("{:?}", edge.carrier).to_lowercase())
        .collect();
    let carriers: Vec<String> = carriers.into_iter().collect();
    let excess = direct.iter().filter(|edge| edge.excess).count();
    let mut residual = vec![match separators.is_empty() {
        true => "ways through others: 13-policy-extracted.json".to_owned(),
        false => format!("trusted to keep clients apart: {}", separators.join(", ")),
    }];
    if excess > 0 {
        residual.push(format!(
            "{excess} flows by excess rights of the platform (13-policy.diff)"
        ));
    }
    Cell {
        mechanism: match carriers.is_empty() {
            true => "no direct flow".to_owned(),
            false => format!("direct flows by {}", carriers.join(", ")),
        },
        evidence: "13-policy-declared.json",
        residual: residual.join("; "),
    }
}

/// Every pair of partitions, three rows each, no cell empty.
pub(crate) fn matrix(model: &Model, view: &View) -> Table {
    let mut table = Table::new(
        "Freedom from interference",
        &format!(
            "{} Mechanism and what it leaves over, per pair of partitions.",
            view.origin
        ),
        "a|b|criticality a / b|mode|mechanism|evidence|residual",
    );
    let all = partitions(model);
    for (index, a) in all.iter().enumerate() {
        for b in all.iter().skip(index + 1) {
            let cells = [
                ("space", space(a, b, &view.memory)),
                ("time", time(a, b, &view.slices)),
                (
                    "exchange",
                    exchange(a, b, &view.edges, &model.policy.separators),
                ),
            ];
            for (mode, cell) in cells {
                table.push([
                    a.name.clone(),
                    b.name.clone(),
                    format!("{} / {}", a.level, b.level),
                    mode.to_owned(),
                    cell.mechanism,
                    cell.evidence.to_owned(),
                    cell.residual,
                ]);
            }
        }
    }
    table
}
