// SPDX-License-Identifier: BSD-2-Clause
//! Further systems, at and beyond the limits of each check: what changes in the findings is recorded in
//! `recorded`. A system that nothing is said about is at a limit and must be accepted.

mod kernel;
mod memory;

use std::fmt::Write as _;

use super::Wrong;
use crate::platform::{Area, Confinement, Platform};
use crate::report::Facts;
use crate::spec::{
    CNode, Cap, DomainEntry, Duration, IrqEntry, Object, PageTable, Rights, TcbExtra, tcb_slot,
};
use crate::system::{badge, cptr};
use crate::{checks, sample};

type Change = (&'static str, fn(&mut Wrong));

/// What is said about a system that is changed like this, and was not about the sample.
fn said(change: fn(&mut Wrong)) -> String {
    let before = sample::inputs();
    let before = Facts::gather(&before).unwrap();
    let mut wrong = Wrong {
        inputs: sample::inputs(),
    };
    change(&mut wrong);
    let after = Facts::gather(&wrong.inputs).unwrap();
    let mut out = String::new();
    for check in checks::all() {
        // The image is that of the sample; what differs from it is not the question here.
        if check.id.starts_with("image-") {
            continue;
        }
        let (old, new) = (check.apply(&before), check.apply(&after));
        let lines: Vec<&String> = new
            .evidence
            .iter()
            .filter(|line| !old.evidence.contains(line))
            .collect();
        if old.verdict != new.verdict || !lines.is_empty() {
            writeln!(out, "    {} {:?}", check.id, new.verdict).unwrap();
            lines
                .iter()
                .for_each(|line| writeln!(out, "        {line}").unwrap());
        }
    }
    let (old, new) = (tables(&before), tables(&after));
    for row in new.iter().filter(|row| !old.contains(row)) {
        writeln!(out, "    {row}").unwrap();
    }
    out
}

/// Memory with its users, and what devices reach.
fn tables(facts: &Facts<'_>) -> Vec<String> {
    let mut rows = Vec::new();
    let mut reached = Vec::new();
    for extent in &facts.memory {
        let users: Vec<String> = extent.uses.iter().map(user).collect();
        let (what, kind) = (extent.describe(), extent.device);
        rows.push(format!("{what}, device {kind}: {}", users.join(", ")));
        if !extent.dma.is_empty() {
            reached.push(extent.region.as_str());
        }
    }
    rows.extend(facts.dma.iter().map(|reach| format!("{reach:?}")));
    rows.push(format!("reached by devices: {reached:?}"));
    rows
}

fn user(one: &crate::memory::MemoryUse) -> String {
    let (subject, vaddr) = (&one.subject, one.vaddr);
    let rights = [
        (one.read, "r"),
        (one.write, "w"),
        (one.execute, "x"),
        (one.cached, "c"),
    ];
    let rights = rights.map(|(has, sign)| if has { sign } else { "-" });
    format!("{subject} at {vaddr:#x} {}", rights.concat())
}

fn record(file: &str, changes: &[Change]) {
    let mut out = String::new();
    for (what, change) in changes {
        writeln!(out, "{what}").unwrap();
        out.push_str(&said(*change));
    }
    crate::tests::recorded::compare(file, &out);
}

fn tcb(wrong: &mut Wrong, who: &str, change: impl FnOnce(&mut TcbExtra)) {
    wrong.object(&format!("tcb_{who}"), |object| {
        if let Object::Tcb(tcb) = object {
            change(&mut tcb.extra);
        }
    });
}

fn time(wrong: &mut Wrong, who: &str, budget: u64, period: u64) {
    wrong.object(&format!("sched_context_{who}"), |object| {
        if let Object::SchedContext(context) = object {
            (context.extra.budget, context.extra.period) = (budget, period);
        }
    });
}

fn platform(wrong: &mut Wrong, change: impl FnOnce(&mut Platform)) {
    change(&mut wrong.inputs.platform);
}

fn endpoint(wrong: &mut Wrong, name: &str, badge: u64) -> Cap {
    Cap::Endpoint {
        object: wrong.id(name),
        badge,
        rights: Rights {
            write: true,
            grant_reply: true,
            ..Rights::default()
        },
    }
}

fn signal(wrong: &mut Wrong, name: &str, badge: u64) -> Cap {
    Cap::Notification {
        object: wrong.id(name),
        badge,
        rights: Rights {
            write: true,
            ..Rights::default()
        },
    }
}

fn set_badge(cap: &mut Cap, to: u64) {
    if let Cap::Endpoint { badge, .. } | Cap::Notification { badge, .. } = cap {
        *badge = to;
    }
}

fn guard(wrong: &mut Wrong, to: u64, size: u8) {
    wrong.cap("cnode_client_root", 0, |cap| {
        if let Cap::CNode {
            guard, guard_size, ..
        } = cap
        {
            (*guard, *guard_size) = (to, size);
        }
    });
}

fn schedule(wrong: &mut Wrong, entries: Vec<(u8, Duration)>) {
    let entry = |(domain, duration)| DomainEntry { domain, duration };
    wrong.spec().domain_schedule = Some(entries.into_iter().map(entry).collect());
}

fn area(base: u64, size: u64) -> Area {
    Area {
        name: "window".to_owned(),
        base,
        size,
    }
}

#[test]
fn structure_at_its_limits() {
    record("structure.txt", kernel::STRUCTURE);
}

#[test]
fn slots_at_their_limits() {
    record("slots.txt", kernel::SLOTS);
}

#[test]
fn badges_at_their_limits() {
    record("badges.txt", kernel::BADGES);
}

#[test]
fn times_at_their_limits() {
    record("times.txt", kernel::TIMES);
}

#[test]
fn devices_at_their_limits() {
    record("devices.txt", memory::DEVICES);
}

#[test]
fn memory_at_its_limits() {
    record("memory.txt", memory::MEMORY);
}

#[test]
fn programs_at_their_limits() {
    record("programs.txt", memory::PROGRAMS);
}
