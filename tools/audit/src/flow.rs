// SPDX-License-Identifier: BSD-2-Clause
//! Information flow: who can tell whom anything, directly and through others, against a declared policy.
//!
//! Covered are memory, notifications, endpoints, faults and control. Not covered are timing, caches,
//! memory bandwidth and devices that read memory by themselves (see [`crate::memory`] for those).

mod policy;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use policy::{Judged, Policy, PolicyResult, Statement};
use serde::Serialize;

use crate::memory::region_name;
use crate::platform::Platform;
use crate::spec::Kind;
use crate::subjects::{SubjectId, Subjects, Use, both, uses};
use crate::system::{Role, System};

/// By what something flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carrier {
    /// One writes, the other reads or executes.
    Memory,
    /// A notification.
    Signal,
    /// A message, or a call and its reply.
    Call,
    /// A fault and what the handler answers.
    Fault,
    /// Control of a thread: its registers can be read and written.
    Control,
}

/// A direct flow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Edge {
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// By what.
    pub carrier: Carrier,
    /// Through which object.
    pub object: String,
    /// Whether it needs a right that has no purpose (see [`crate::authority`]).
    pub excess: bool,
}

/// The flows of a system.
#[derive(Debug, Clone, Serialize)]
pub struct Flows {
    /// Direct flows, in order.
    pub edges: Vec<Edge>,
    /// For each subject everybody that it reaches, the monitor not passing anything on.
    pub closure: BTreeMap<String, Vec<String>>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}

/// Computes the flows.
#[must_use]
pub fn flows(system: &System, subjects: &Subjects, platform: &Platform) -> Flows {
    let mut collector = Collector {
        system,
        subjects,
        edges: BTreeMap::new(),
    };
    let left_out = collector.memory(platform);
    collector.messages();
    collector.control();
    let found = collector.edges.into_iter();
    let edges: Vec<Edge> = found
        .map(|((from, to, carrier, object), excess)| Edge {
            from: subjects.name(from).to_owned(),
            to: subjects.name(to).to_owned(),
            carrier,
            object,
            excess,
        })
        .collect();
    let graph = Graph::new(&edges, false);
    let monitors = subjects
        .all
        .iter()
        .filter(|s| s.role == Role::Monitor)
        .map(|s| s.name.as_str());
    let stops: BTreeSet<&str> = monitors.collect();
    let closure = subjects.all.iter().map(|subject| {
        let reached = graph.from(&[subject.name.as_str()], &stops).into_keys();
        let others = reached
            .filter(|name| *name != subject.name)
            .map(str::to_owned);
        (subject.name.clone(), others.collect())
    });
    let closure = closure.collect();
    Flows {
        edges,
        closure,
        left_out,
    }
}

/// From, to, by what, through what.
type Key = (SubjectId, SubjectId, Carrier, String);

struct Collector<'a> {
    system: &'a System,
    subjects: &'a Subjects,
    /// Whether each edge needs excess rights in all its forms.
    edges: BTreeMap<Key, bool>,
}

impl Collector<'_> {
    fn add(
        &mut self,
        from: SubjectId,
        to: SubjectId,
        carrier: Carrier,
        object: &str,
        excess: bool,
    ) {
        if from != to {
            let known = self
                .edges
                .entry((from, to, carrier, object.to_owned()))
                .or_insert(excess);
            *known &= excess;
        }
    }

    /// Writers to readers of each page.
    fn memory(&mut self, platform: &Platform) -> Vec<String> {
        let mut pages: BTreeMap<usize, (BTreeSet<SubjectId>, BTreeSet<SubjectId>)> =
            BTreeMap::new();
        let mut left_out = BTreeSet::new();
        let system = self.system;
        for (id, thread) in system.threads.iter().enumerate() {
            for mapping in &thread.mappings {
                let banked = mapping
                    .paddr
                    .and_then(|base| platform.banked(base, mapping.size));
                if let Some(area) = banked {
                    left_out.insert(format!(
                        "{}: the kernel saves and restores it with each virtual CPU",
                        area.name
                    ));
                    continue;
                }
                let (writers, readers) = pages.entry(mapping.frame).or_default();
                let subject = self.subjects.of_thread(id);
                if mapping.write {
                    writers.insert(subject);
                }
                if mapping.read {
                    readers.insert(subject);
                }
            }
        }
        for (frame, (writers, readers)) in pages {
            let region = region_name(system.name(frame));
            for (from, to) in product(&writers, &readers) {
                self.add(from, to, Carrier::Memory, region, false);
            }
        }
        left_out.into_iter().collect()
    }

    /// Senders to receivers; back, where a reply is possible.
    fn messages(&mut self) {
        let uses = uses(self.system, self.subjects);
        let mut by_object: BTreeMap<usize, Vec<&Use>> = BTreeMap::new();
        for one in &uses {
            by_object.entry(one.channel.object).or_default().push(one);
        }
        for (object, uses) in by_object {
            let name = self.system.name(object);
            for from in uses.iter().filter(|one| one.channel.rights.write) {
                for to in uses.iter().filter(|one| one.channel.rights.read) {
                    self.message(name, from, to);
                }
            }
        }
    }

    fn message(&mut self, name: &str, from: &Use, to: &Use) {
        let needed =
            both(from.channel.rights, from.least).write && both(to.channel.rights, to.least).read;
        let carrier = match (from.kind, from.way) {
            (Kind::Notification, _) => Carrier::Signal,
            (_, crate::subjects::Way::Fault) => Carrier::Fault,
            (_, crate::subjects::Way::Cap(crate::system::cptr::FAULT)) => Carrier::Fault,
            _ => Carrier::Call,
        };
        self.add(from.subject, to.subject, carrier, name, !needed);
        let rights = from.channel.rights;
        if from.kind == Kind::Endpoint && (rights.grant || rights.grant_reply) {
            let least = both(rights, from.least).grant_reply;
            self.add(to.subject, from.subject, carrier, name, !(needed && least));
        }
    }

    /// Who controls a thread reads and writes its registers.
    fn control(&mut self) {
        let system = self.system;
        for (id, thread) in system.threads.iter().enumerate() {
            let holder = self.subjects.of_thread(id);
            let controls = thread
                .caps
                .iter()
                .filter(|held| matches!(held.kind, Kind::Tcb | Kind::VCpu | Kind::SchedContext));
            for held in controls {
                if let Some(target) = self.subjects.of_object(held.object) {
                    let name = system.name(held.object);
                    self.add(holder, target, Carrier::Control, name, false);
                    self.add(target, holder, Carrier::Control, name, false);
                }
            }
        }
    }
}

fn product(
    a: &BTreeSet<SubjectId>,
    b: &BTreeSet<SubjectId>,
) -> impl Iterator<Item = (SubjectId, SubjectId)> {
    a.iter().flat_map(|from| b.iter().map(|to| (*from, *to)))
}

/// Flows as a graph of names.
pub(crate) struct Graph<'a> {
    next: BTreeMap<&'a str, Vec<&'a Edge>>,
}

impl<'a> Graph<'a> {
    /// The graph of `edges`; flows that need excess rights count only if `excess`.
    pub(crate) fn new(edges: &'a [Edge], excess: bool) -> Self {
        let mut next: BTreeMap<&str, Vec<&Edge>> = BTreeMap::new();
        for edge in edges.iter().filter(|edge| excess || !edge.excess) {
            next.entry(edge.from.as_str()).or_default().push(edge);
        }
        Self { next }
    }

    /// Everything reached from `starts`, each with the last step of a shortest way. Those in `stops`
    /// are reached but pass nothing on.
    pub(crate) fn from(
        &self,
        starts: &[&'a str],
        stops: &BTreeSet<&str>,
    ) -> BTreeMap<&'a str, Option<&'a Edge>> {
        let mut found: BTreeMap<&str, Option<&Edge>> = starts.iter().map(|s| (*s, None)).collect();
        let mut open: VecDeque<&str> = starts.iter().copied().collect();
        while let Some(at) = open.pop_front() {
            if stops.contains(at) && !starts.contains(&at) {
                continue;
            }
            for edge in self.next.get(at).into_iter().flatten() {
                if !found.contains_key(edge.to.as_str()) {
                    found.insert(&edge.to, Some(edge));
                    open.push_back(&edge.to);
                }
            }
        }
        found
    }
}
