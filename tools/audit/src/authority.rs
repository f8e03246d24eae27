// SPDX-License-Identifier: BSD-2-Clause
//! Authority: who may read, write, execute, signal, call, receive from, control or map whom.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::memory::region_name;
use crate::spec::{Kind, Rights};
use crate::subjects::{Subjects, Use, both, uses};
use crate::system::{Held, System};

/// What a subject may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Read memory.
    Read,
    /// Write memory.
    Write,
    /// Execute memory.
    Execute,
    /// Signal a notification.
    Signal,
    /// Send to an endpoint.
    Send,
    /// Send to an endpoint and be replied to.
    Call,
    /// Send capabilities through an endpoint.
    Grant,
    /// Receive from an endpoint or notification.
    Receive,
    /// Reply to a caller.
    Reply,
    /// Stop, start and change a thread, its virtual CPU or its time.
    Control,
    /// Maintain the caches of an address space; with the pages' capabilities, also change it.
    Map,
    /// Acknowledge and rewire an interrupt.
    Interrupt,
    /// Call the firmware.
    SecureCall,
}

/// One thing that a subject may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Grant {
    /// Who.
    pub subject: String,
    /// What.
    pub right: Right,
    /// To which object: a region of memory, an endpoint, a thread.
    pub object: String,
    /// The subject behind the object: who receives, who is controlled.
    pub target: Option<String>,
    /// By what: a slot of its capability space, a mapping, a bound slot.
    pub via: String,
    /// Badge that comes along; 0 for none.
    pub badge: u64,
    /// Whether it is needed for the purpose that the slot has. Rights that are not are excess.
    pub needed: bool,
}

/// The authority of all subjects, in order.
#[must_use]
pub fn authority(system: &System, subjects: &Subjects) -> Vec<Grant> {
    let mut out = Vec::new();
    let receivers = system.receivers_meant();
    let target = |object| {
        receivers
            .get(&object)
            .map(|thread| subjects.of_thread(*thread))
    };
    for one in uses(system, subjects) {
        let target = target(one.channel.object).map(|subject| subjects.name(subject).to_owned());
        of_use(system, subjects, &one, target, &mut out);
    }
    for (id, thread) in system.threads.iter().enumerate() {
        let subject = subjects.name(subjects.of_thread(id));
        out.extend(
            thread
                .caps
                .iter()
                .filter_map(|held| of_cap(system, subjects, subject, held)),
        );
    }
    memory(system, subjects, &mut out);
    out.sort();
    out.dedup();
    out
}

fn of_use(
    system: &System,
    subjects: &Subjects,
    one: &Use,
    target: Option<String>,
    out: &mut Vec<Grant>,
) {
    let needed = both(one.channel.rights, one.least);
    for (right, needed) in rights(one.kind, one.channel.rights, needed) {
        out.push(Grant {
            subject: subjects.name(one.subject).to_owned(),
            right,
            object: system.name(one.channel.object).to_owned(),
            target: target.clone(),
            via: one.way.to_string(),
            badge: one.channel.badge,
            needed,
        });
    }
}

/// What rights to an endpoint or notification allow, and whether the needed ones do as well.
fn rights(kind: Kind, has: Rights, needed: Rights) -> Vec<(Right, bool)> {
    let list = |rights: Rights| match kind {
        Kind::Notification => vec![(Right::Receive, rights.read), (Right::Signal, rights.write)],
        _ => vec![
            (Right::Receive, rights.read),
            (Right::Send, rights.write),
            (
                Right::Call,
                rights.write && (rights.grant || rights.grant_reply),
            ),
            (Right::Grant, rights.grant),
        ],
    };
    let pairs = list(has).into_iter().zip(list(needed));
    pairs
        .filter(|((_, has), _)| *has)
        .map(|((right, _), (_, needed))| (right, needed))
        .collect()
}

/// What other capabilities allow.
fn of_cap(system: &System, subjects: &Subjects, subject: &str, held: &Held) -> Option<Grant> {
    let right = match held.kind {
        Kind::Tcb | Kind::VCpu | Kind::SchedContext | Kind::CNode => Right::Control,
        Kind::PageTable => Right::Map,
        Kind::Irq => Right::Interrupt,
        Kind::Smc => Right::SecureCall,
        Kind::Reply => Right::Reply,
        Kind::Frame => Right::Map,
        Kind::Endpoint | Kind::Notification => return None,
    };
    let target = subjects
        .of_object(held.object)
        .map(|target| subjects.name(target).to_owned());
    Some(Grant {
        subject: subject.to_owned(),
        right,
        object: system.name(held.object).to_owned(),
        target,
        via: crate::subjects::Way::Cap(held.cptr).to_string(),
        badge: 0,
        needed: true,
    })
}

/// Rights to memory, region by region.
fn memory(system: &System, subjects: &Subjects, out: &mut Vec<Grant>) {
    let mut first: BTreeMap<(usize, String, Right), u64> = BTreeMap::new();
    for (id, thread) in system.threads.iter().enumerate() {
        let subject = subjects.of_thread(id);
        for mapping in &thread.mappings {
            let region = region_name(system.name(mapping.frame));
            let has = [
                (Right::Read, mapping.read),
                (Right::Write, mapping.write),
                (Right::Execute, mapping.execute),
            ];
            for (right, _) in has.into_iter().filter(|(_, has)| *has) {
                first
                    .entry((subject, region.to_owned(), right))
                    .or_insert(mapping.vaddr);
            }
        }
    }
    out.extend(
        first
            .into_iter()
            .map(|((subject, region, right), vaddr)| Grant {
                subject: subjects.name(subject).to_owned(),
                right,
                object: region,
                target: None,
                via: format!("mapping {vaddr:#x}"),
                badge: 0,
                needed: true,
            }),
    );
}
