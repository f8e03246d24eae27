// SPDX-License-Identifier: BSD-2-Clause
//! Information flow, as far as the description decides it: memory, notifications, calls, control.
//! Timing, caches, bandwidth, devices, and what a service passes on are outside of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use layout::Layout;

use crate::{Backing, Flow, Grant, Judged, Kind, Region, Right, Subject, Verdict};

/// Direct flows between subjects, sorted.
pub(crate) fn direct(subjects: &[Subject], regions: &[Region], authority: &[Grant]) -> Vec<Flow> {
    let mut all = BTreeSet::new();
    through_memory(regions, &mut all);
    by_rights(subjects, authority, &mut all);
    all.into_iter().collect()
}

fn add(all: &mut BTreeSet<Flow>, from: &str, to: &str, by: &str) {
    if from != to {
        all.insert(Flow {
            from: from.to_owned(),
            to: to.to_owned(),
            by: by.to_owned(),
        });
    }
}

/// Writers to readers of each region.
fn through_memory(regions: &[Region], all: &mut BTreeSet<Flow>) {
    let shared = regions
        .iter()
        .filter(|region| region.backing != Backing::Banked);
    for region in shared {
        let with = |letters: &'static [char]| {
            let users = region.users.iter();
            users.filter(move |(_, rights)| rights.contains(letters))
        };
        for (from, _) in with(&['w']) {
            for (to, _) in with(&['r', 'x']) {
                add(all, from, to, &region.name);
            }
        }
    }
}

/// Notifications one way; calls, faults and control both ways.
fn by_rights(subjects: &[Subject], authority: &[Grant], all: &mut BTreeSet<Flow>) {
    let mut held: BTreeMap<String, &str> = BTreeMap::new();
    for subject in subjects {
        for what in ["thread", "time", "address space"] {
            held.insert(format!("{what} of {}", subject.name), &subject.name);
        }
    }
    for Grant { subject, right, on } in authority {
        let (other, by) = match right {
            Right::Notify => {
                add(all, subject, on, "notification");
                continue;
            }
            Right::Call => (on.as_str(), "call"),
            Right::Control => (on.as_str(), "control"),
            Right::Hold => match held.get(on) {
                Some(of) => (*of, "control"),
                None => continue,
            },
            _ => continue,
        };
        add(all, subject, other, by);
        add(all, other, subject, by);
    }
}

/// What flows go by, by the owners that they join.
type Between<'a> = BTreeMap<(&'a str, &'a str), BTreeSet<&'a str>>;

/// Flows between owners, held against the layout's policy.
pub(crate) fn judge(layout: &Layout, subjects: &[Subject], flows: &[Flow]) -> Vec<Judged> {
    let between = between(subjects, flows);
    let policy = &layout.policy;
    let has = |stated: &[layout::model::Flow], from: &str, to: &str| {
        let mut stated = stated.iter();
        stated.any(|flow| *flow.from == from && *flow.to == to)
    };
    let found = between.iter().map(|((from, to), by)| Judged {
        from: (*from).to_owned(),
        to: (*to).to_owned(),
        verdict: match (has(&policy.deny, from, to), has(&policy.allow, from, to)) {
            (true, _) => Verdict::Forbidden,
            (false, true) => Verdict::Allowed,
            (false, false) => Verdict::Found,
        },
        by: by.iter().map(|by| (*by).to_owned()).collect(),
        through: Vec::new(),
    });
    let guests = subjects
        .iter()
        .filter(|subject| subject.kind == Kind::Guest);
    let guests: BTreeSet<&str> = guests.map(|subject| subject.owner.as_str()).collect();
    let allowed = policy.allow.iter().map(|flow| (flow, true));
    let stated = allowed.chain(policy.deny.iter().map(|flow| (flow, false)));
    let indirect = stated
        .filter(|(flow, _)| {
            let (from, to) = (flow.from.as_str(), flow.to.as_str());
            from != to && !between.contains_key(&(from, to))
        })
        .map(|(flow, allowed)| stated_only(&between, &guests, flow, allowed));
    let all: BTreeSet<Judged> = found.chain(indirect).collect();
    all.into_iter().collect()
}

fn between<'a>(subjects: &'a [Subject], flows: &'a [Flow]) -> Between<'a> {
    let owners: BTreeMap<&str, &str> = subjects
        .iter()
        .map(|subject| (subject.name.as_str(), subject.owner.as_str()))
        .collect();
    let mut between = Between::new();
    for flow in flows {
        let from = owners.get(flow.from.as_str());
        let to = owners.get(flow.to.as_str());
        if let (Some(from), Some(to)) = (from, to)
            && from != to
        {
            between.entry((*from, *to)).or_default().insert(&flow.by);
        }
    }
    between
}

/// A stated flow that is not there directly.
fn stated_only(
    between: &Between<'_>,
    guests: &BTreeSet<&str>,
    flow: &layout::model::Flow,
    allowed: bool,
) -> Judged {
    let through = way(between, guests, &flow.from, &flow.to);
    Judged {
        from: flow.from.value.clone(),
        to: flow.to.value.clone(),
        verdict: match (allowed, through.is_empty()) {
            (true, true) => Verdict::Missing,
            (true, false) => Verdict::Allowed,
            (false, _) => Verdict::Prevented,
        },
        by: Vec::new(),
        through,
    }
}

/// Those on any way between `from` and `to` that leads through no other guest and nobody twice, sorted.
fn way(between: &Between<'_>, guests: &BTreeSet<&str>, from: &str, to: &str) -> Vec<String> {
    let around = |without: &str| {
        let steps = between.keys().copied();
        let back = between.keys().map(|(a, b)| (*b, *a));
        let after = reach(steps, guests, from, without);
        (after, reach(back, guests, to, without))
    };
    let (after, before) = around("");
    let on = after.intersection(&before);
    let on: Vec<&str> = on.copied().filter(|name| !guests.contains(name)).collect();
    let without: Vec<_> = on.iter().map(|name| (*name, around(name))).collect();
    // Who is entered and left through the same one only is a detour from that one.
    let is_detour = |name: &str| {
        let mut others = without.iter().filter(|(other, _)| *other != name);
        others.any(|(_, (after, before))| !after.contains(name) && !before.contains(name))
    };
    let straight = on.iter().filter(|name| !is_detour(name));
    straight.map(|name| (*name).to_owned()).collect()
}

/// Everybody that `start` reaches by `steps`; other guests pass nothing on, and nothing goes to or from
/// `without`.
fn reach<'a>(
    steps: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    guests: &BTreeSet<&str>,
    start: &str,
    without: &str,
) -> BTreeSet<&'a str> {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let mut open = VecDeque::from([start]);
    while let Some(at) = open.pop_front() {
        if at != start && guests.contains(at) {
            continue;
        }
        for (_, next) in steps.clone().filter(|(a, _)| *a == at) {
            if next != start && next != without && found.insert(next) {
                open.push_back(next);
            }
        }
    }
    found
}
