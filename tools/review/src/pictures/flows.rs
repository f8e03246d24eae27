// SPDX-License-Identifier: BSD-2-Clause
//! Who can tell whom anything, held against what is stated.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use audit::flow::{Judged, Policy, Statement};
use picture::{Flow, Flows, Verdict};

use super::{domain, guests, owner, title};
use crate::model::Model;
use crate::view::{MONITOR, View};

/// Direct flows between owners, and through which objects.
type Direct = BTreeMap<(String, String), BTreeSet<String>>;

/// The picture.
pub(super) fn flows(model: &Model, view: &View) -> Flows {
    let direct = direct(model, view);
    let judged = match &view.report {
        Some(report) => report.policy.denied.clone(),
        None => model.policy.judge(&view.flows()).denied,
    };
    let policy = &model.policy;
    let mut flows: Vec<Flow> = direct
        .iter()
        .map(|((from, to), by)| found(policy, from, to, by))
        .collect();
    let indirect = |it: &&Statement| {
        let pair = (it.from.clone(), it.to.clone());
        it.from != MONITOR && it.to != MONITOR && !direct.contains_key(&pair)
    };
    flows.extend(
        policy
            .allow
            .iter()
            .filter(indirect)
            .map(|it| through(model, &direct, it)),
    );
    let denied = judged.iter().filter(|it| indirect(&&it.statement));
    flows.extend(denied.map(|it| kept(model, it)));
    Flows {
        title: title(model, "flows"),
        subjects: subjects(model),
        flows,
    }
}

/// A direct flow.
fn found(policy: &Policy, from: &str, to: &str, by: &BTreeSet<String>) -> Flow {
    let stated = |all: &[Statement]| all.iter().any(|it| it.from == from && it.to == to);
    Flow {
        from: from.to_owned(),
        to: to.to_owned(),
        verdict: match (stated(&policy.deny), stated(&policy.allow)) {
            (true, _) => Verdict::Forbidden,
            (_, true) => Verdict::Allowed,
            _ => Verdict::Found,
        },
        by: by.iter().cloned().collect(),
    }
}

/// Flows by rights that have a purpose; the monitor's are those of the platform and the same for all.
fn direct(model: &Model, view: &View) -> Direct {
    let mut out = Direct::new();
    for edge in view.edges.iter().filter(|edge| !edge.excess) {
        let (from, to) = (owner(model, &edge.from), owner(model, &edge.to));
        if from != to && edge.from != MONITOR && edge.to != MONITOR {
            let objects = out.entry((from.to_owned(), to.to_owned())).or_default();
            objects.insert(edge.object.clone());
        }
    }
    out
}

/// What is allowed and does not flow directly: a shortest way that leads through no other guest.
fn through(model: &Model, direct: &Direct, allowed: &Statement) -> Flow {
    let guests = guests(model);
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut open = VecDeque::from([allowed.from.as_str()]);
    while let Some(at) = open.pop_front() {
        for (_, to) in direct.keys().filter(|(from, _)| from == at) {
            let end = *to == allowed.to;
            if *to != allowed.from && !before.contains_key(to.as_str()) {
                before.insert(to, at);
                if !end && !guests.contains(to.as_str()) {
                    open.push_back(to);
                }
            }
        }
    }
    let mut way = Vec::new();
    let mut at = before.get(allowed.to.as_str()).copied();
    while let Some(step) = at.filter(|step| *step != allowed.from) {
        way.insert(0, step);
        at = before.get(step).copied();
    }
    let found = before.contains_key(allowed.to.as_str());
    Flow {
        from: allowed.from.clone(),
        to: allowed.to.clone(),
        verdict: match found {
            true => Verdict::Allowed,
            false => Verdict::Missing,
        },
        by: found
            .then(|| format!("through {}", way.join(", ")))
            .into_iter()
            .collect(),
    }
}

/// What is denied and does not flow directly.
fn kept(model: &Model, judged: &Judged) -> Flow {
    let names = |all: &[String]| {
        let mut names: Vec<&str> = all.iter().map(|it| owner(model, it)).collect();
        names.dedup();
        names.join(", ")
    };
    let by = match (judged.holds, judged.kept_apart_by.is_empty()) {
        (false, _) => Some(format!("by {}", judged.way.join(" "))),
        (true, false) => Some(format!("kept apart by {}", names(&judged.kept_apart_by))),
        (true, true) => None,
    };
    Flow {
        from: judged.statement.from.clone(),
        to: judged.statement.to.clone(),
        verdict: match judged.holds {
            true => Verdict::Prevented,
            false => Verdict::Forbidden,
        },
        by: by.into_iter().collect(),
    }
}

/// Guests first, then those that several share, in the order of the description.
fn subjects(model: &Model) -> Vec<(String, String)> {
    let guests = guests(model);
    let mut names: Vec<&str> = Vec::new();
    for one in &model.domains {
        let name = owner(model, &one.name);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.sort_by_key(|name| !guests.contains(name));
    let remark = |name: &str| {
        let what = match (guests.contains(name), domain(model, name)) {
            (true, _) => "guest",
            (_, Some(one)) if !one.irqs.is_empty() => "driver",
            _ => "service",
        };
        let level = model
            .criticality
            .get(name)
            .map(|level| format!(", {level}"));
        format!("{what}{}", level.unwrap_or_default())
    };
    names
        .into_iter()
        .map(|name| (name.to_owned(), remark(name)))
        .collect()
}
