// SPDX-License-Identifier: BSD-2-Clause
//! Rights: who has more than it needs, who controls whom, and what flows.

use super::{Check, Outcome};
use crate::integrity::Integrity;
use crate::report::Facts;
use crate::spec::Kind;
use crate::system::{Held, Role};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "rights-excess",
        law: "capabilities have no right that their purpose does not need",
        reason: "Microkit 2.3.0 gives read, write and grant on every endpoint and read and write on every notification: a child can receive its parent's messages, a peer can take another's signals (seL4/microkit#603)",
        run: excess,
    },
    Check {
        id: "control",
        law: "only parents, a guest's monitor and the system's monitor control other threads",
        reason: "who controls a thread is that thread",
        run: |facts| Outcome::breaches(strangers(facts, false), "control follows the hierarchy"),
    },
    Check {
        id: "time-control",
        law: "nobody but a parent or the system's monitor has another thread's time",
        reason: "whoever reads consumed time can also take the time away: Microkit's <cspace> gives the whole scheduling context",
        run: |facts| Outcome::residuals(strangers(facts, true), "time stays where it belongs"),
    },
    Check {
        id: "integrity-p1",
        law: "P1: a subject that controls another has the same label",
        reason: "control is not limited by anything; the label of a parent must contain its children's",
        run: |facts| column(facts, |row| &row.p1_controls, "controls"),
    },
    Check {
        id: "integrity-p2",
        law: "P2: grant on an endpoint and receive on it mean mutual control",
        reason: "a capability sent along may confer anything",
        run: |facts| {
            column(
                facts,
                |row| &row.p2_grant_receive,
                "grants to or receives from",
            )
        },
    },
    Check {
        id: "integrity-p3",
        law: "P3: nobody receives grants from whom it does not control anyway",
        reason: "otherwise the receiver's integrity rests on the sender",
        run: |facts| column(facts, |row| &row.p3_untrusted_grant, "receives grants on"),
    },
    Check {
        id: "integrity-p4",
        law: "P4: who calls may send; who receives calls may reply",
        reason: "half a call blocks for ever",
        run: p4,
    },
    Check {
        id: "integrity-p5",
        law: "P5: call on an endpoint and receive with grant on it mean mutual control",
        reason: "the reply may carry capabilities back",
        run: |facts| column(facts, |row| &row.p5_call_grant, "calls or serves"),
    },
    Check {
        id: "integrity-p6",
        law: "P6: a thread and its address space have one label",
        reason: "threads of one address space can do to each other whatever they like",
        run: p6,
    },
    Check {
        id: "integrity-p7",
        law: "P7: interrupts signal nobody who must not hear of devices",
        reason: "the theorem lets any subject signal an interrupt's notification",
        run: |facts| column(facts, |row| &row.p7_interrupts, "is interrupted by"),
    },
    Check {
        id: "integrity-merge",
        law: "with least rights, labels merge only along control: nobody must share a label with who controls it",
        reason: "otherwise two subjects cannot be told apart by the integrity theorem whatever the kernel does",
        run: merge,
    },
    Check {
        id: "flow-policy",
        law: "nothing flows that the policy denies, directly or through others",
        reason: "this is what the layout promises",
        run: policy,
    },
    Check {
        id: "flow-declared",
        law: "every direct flow between groups is declared",
        reason: "an undeclared channel is a mistake or a back door",
        run: declared,
    },
    Check {
        id: "flow-excess",
        law: "nothing flows by rights that have no purpose",
        reason: "see rights-excess: these are the flows that it makes possible",
        run: flow_excess,
    },
];

fn excess(facts: &Facts<'_>) -> Outcome {
    let more = facts.authority.iter().filter(|grant| !grant.needed);
    let lines = more.map(|grant| {
        let right = format!("{:?}", grant.right).to_lowercase();
        format!(
            "{}: {}: {right} on {}",
            grant.subject, grant.via, grant.object
        )
    });
    Outcome::residuals(lines.collect::<Vec<_>>(), "least rights everywhere")
}

/// Who controls others without being their parent: by their time, or by anything else.
fn strangers(facts: &Facts<'_>, by_time: bool) -> Vec<String> {
    let system = &facts.system;
    let mut lines = Vec::new();
    for (id, thread) in system.threads.iter().enumerate() {
        let subject = facts.subjects.of_thread(id);
        let time = |held: &&Held| (held.kind == Kind::SchedContext) == by_time;
        for held in thread.caps.iter().filter(time) {
            let target = facts.subjects.of_object(held.object);
            let Some(target) = target.filter(|target| *target != subject) else {
                continue;
            };
            let meant = match thread.role {
                Role::Monitor => true,
                Role::Vcpu => false,
                Role::Pd => is_parents(facts, id, target),
            };
            if !meant {
                let (what, whom) = (system.name(held.object), facts.subjects.name(target));
                lines.push(format!("{} controls {whom} by {what}", thread.name));
            }
        }
    }
    lines
}

/// Whether `thread` handles the faults of `target`.
fn is_parents(facts: &Facts<'_>, thread: usize, target: usize) -> bool {
    let receivers = facts.system.receivers_meant();
    let children = facts.subjects.all[target].threads.iter();
    let mut faults = children.filter_map(|child| facts.system.threads[*child].fault);
    faults.any(|fault| receivers.get(&fault.object) == Some(&thread))
}

fn column(facts: &Facts<'_>, of: fn(&Integrity) -> &Vec<String>, what: &str) -> Outcome {
    let rows = facts.integrity.iter().filter(|row| !of(row).is_empty());
    let lines = rows.map(|row| format!("{} {what} {}", row.subject, of(row).join(", ")));
    Outcome::residuals(lines.collect::<Vec<_>>(), "nobody")
}

fn p4(facts: &Facts<'_>) -> Outcome {
    let lines = facts.integrity.iter().flat_map(|row| {
        row.p4_call_reply
            .iter()
            .map(|line| format!("{}: {line}", row.subject))
    });
    Outcome::breaches(lines.collect::<Vec<_>>(), "calls and replies go together")
}

fn p6(facts: &Facts<'_>) -> Outcome {
    let lines = facts
        .integrity
        .iter()
        .filter(|row| !row.p6_one_label.is_empty());
    let lines = lines.map(|row| format!("{}: {}", row.subject, row.p6_one_label.join(", ")));
    Outcome::breaches(lines.collect::<Vec<_>>(), "one label per address space")
}

fn merge(facts: &Facts<'_>) -> Outcome {
    let mut lines = Vec::new();
    for row in &facts.integrity {
        for other in &row.merged_with_least_rights {
            let back = facts.integrity.iter().find(|peer| peer.subject == *other);
            if back.is_some_and(|peer| peer.merged_with_least_rights.contains(&row.subject)) {
                lines.push(format!("{} and {other}", row.subject));
            }
        }
    }
    Outcome::breaches(lines, "labels form a hierarchy")
}

fn policy(facts: &Facts<'_>) -> Outcome {
    let policy = &facts.policy;
    if facts.inputs.policy.deny.is_empty() {
        return Outcome::Nothing("no policy was given");
    }
    let broken = policy.denied.iter().filter(|judged| !judged.holds);
    let mut lines: Vec<String> = broken
        .map(|judged| {
            let statement = &judged.statement;
            format!(
                "{} to {}: {}",
                statement.from,
                statement.to,
                judged.way.join(" → ")
            )
        })
        .collect();
    lines.extend(
        policy
            .unknown
            .iter()
            .map(|name| format!("{name}: named, but nobody has this name")),
    );
    Outcome::breaches(lines, format!("{} statements hold", policy.denied.len()))
}

fn declared(facts: &Facts<'_>) -> Outcome {
    if facts.inputs.policy.allow.is_empty() {
        return Outcome::Nothing("the policy does not list what is allowed");
    }
    let lines = facts.policy.undeclared.iter().map(|edge| {
        let carrier = format!("{:?}", edge.carrier).to_lowercase();
        format!("{} to {}: {carrier} {}", edge.from, edge.to, edge.object)
    });
    Outcome::breaches(lines.collect::<Vec<_>>(), "all direct flows are declared")
}

fn flow_excess(facts: &Facts<'_>) -> Outcome {
    let edges = facts.flows.edges.iter().filter(|edge| edge.excess);
    let lines = edges.map(|edge| {
        let carrier = format!("{:?}", edge.carrier).to_lowercase();
        format!("{} to {}: {carrier} {}", edge.from, edge.to, edge.object)
    });
    Outcome::residuals(lines.collect::<Vec<_>>(), "no such flow")
}
