// SPDX-License-Identifier: BSD-2-Clause
//! The side conditions of l4v's integrity theorem (`policy_wellformed` in `Access.thy`), per subject.
//!
//! The theorem speaks about labels. Where a subject controls another, or can be made to, both must
//! have one label, and nothing is then said about what the one does to the other. This computes who
//! must share a label with whom: with the capabilities as they are, and with the rights that each
//! capability needs for its purpose. It is static analysis of the distribution, not a proof.
//!
//! Answers BH-33.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::spec::{Kind, Rights};
use crate::subjects::{Relation, SubjectId, Subjects, Use, both, reachable, uses};
use crate::system::{ObjectId, Role, System};

/// Which rights are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// As the distribution has them.
    Emitted,
    /// Only what each capability needs.
    Least,
}

/// The conditions for one subject. Empty lists: the condition holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Integrity {
    /// The subject.
    pub subject: String,
    /// Labels that it must share with the rights as they are.
    pub merged_as_emitted: Vec<String>,
    /// Labels that it must share with least rights.
    pub merged_with_least_rights: Vec<String>,
    /// P1: whom it controls by capabilities.
    pub p1_controls: Vec<String>,
    /// P2: endpoint and peer, where one may grant and the other receive.
    pub p2_grant_receive: Vec<String>,
    /// P3: endpoints on which it receives what an untrusted subject may grant.
    pub p3_untrusted_grant: Vec<String>,
    /// P4: calls without the right to send, and receivers of calls without reply object.
    pub p4_call_reply: Vec<String>,
    /// P5: endpoint and peer, where one may call and the other receives with the right to grant.
    pub p5_call_grant: Vec<String>,
    /// P6: threads of other labels in its address space.
    pub p6_one_label: Vec<String>,
    /// P7: interrupts that it receives, which any subject may be taken to signal.
    pub p7_interrupts: Vec<String>,
}

/// The conditions for every subject, in order.
#[must_use]
pub fn integrity(system: &System, subjects: &Subjects) -> Vec<Integrity> {
    let policy = Policy::new(system, subjects);
    let emitted = policy.control(View::Emitted);
    let least = policy.control(View::Least);
    let mut rows: Vec<Integrity> = (0..subjects.all.len())
        .map(|subject| {
            let trusted = reachable(&least, subject);
            Integrity {
                subject: subjects.name(subject).to_owned(),
                merged_as_emitted: subjects.names(&reachable(&emitted, subject)),
                merged_with_least_rights: subjects.names(&trusted),
                p1_controls: subjects.names(policy.direct.get(&subject).into_iter().flatten()),
                p2_grant_receive: policy.pairs(subject, policy.grants(View::Emitted)),
                p3_untrusted_grant: policy.untrusted(subject, &trusted),
                p4_call_reply: policy.call_reply(subject),
                p5_call_grant: policy.pairs(subject, policy.call_grants(View::Emitted)),
                p6_one_label: policy.strangers(subject),
                p7_interrupts: policy.interrupts(subject),
            }
        })
        .collect();
    rows.sort_by(|a, b| a.subject.cmp(&b.subject));
    rows
}

/// An endpoint, who may do the one thing with it and who the other.
type Meeting = (ObjectId, SubjectId, SubjectId);

struct Policy<'a> {
    system: &'a System,
    subjects: &'a Subjects,
    uses: Vec<Use>,
    /// Control by capabilities.
    direct: Relation,
}

impl<'a> Policy<'a> {
    fn new(system: &'a System, subjects: &'a Subjects) -> Self {
        let mut direct = Relation::new();
        for (id, thread) in system.threads.iter().enumerate() {
            let subject = subjects.of_thread(id);
            for held in &thread.caps {
                let target = subjects
                    .of_object(held.object)
                    .filter(|target| *target != subject);
                if let Some(target) = target.filter(|_| confers_control(held.kind)) {
                    direct.entry(subject).or_default().insert(target);
                }
            }
        }
        Self {
            system,
            subjects,
            uses: uses(system, subjects),
            direct,
        }
    }

    fn endpoint_uses(&self) -> impl Iterator<Item = &Use> {
        self.uses.iter().filter(|one| one.kind == Kind::Endpoint)
    }

    /// Pairs of different subjects that meet at an endpoint, the one with a right that `first` wants,
    /// the other with one that `second` wants.
    fn meetings(
        &self,
        view: View,
        first: impl Fn(Rights) -> bool,
        second: impl Fn(Rights) -> bool,
    ) -> BTreeSet<Meeting> {
        let mut found = BTreeSet::new();
        for a in self.endpoint_uses().filter(|one| first(rights(one, view))) {
            for b in self.endpoint_uses().filter(|one| second(rights(one, view))) {
                if a.channel.object == b.channel.object && a.subject != b.subject {
                    found.insert((a.channel.object, a.subject, b.subject));
                }
            }
        }
        found
    }

    /// P2: grant meets receive.
    fn grants(&self, view: View) -> BTreeSet<Meeting> {
        self.meetings(view, |rights| rights.grant, |rights| rights.read)
    }

    /// P5: call meets receive with grant.
    fn call_grants(&self, view: View) -> BTreeSet<Meeting> {
        self.meetings(view, may_call, |rights| rights.read && rights.grant)
    }

    /// Who controls whom: by capabilities, and because P2 and P5 demand it.
    fn control(&self, view: View) -> Relation {
        let mut control = self.direct.clone();
        for (_, a, b) in self.grants(view).union(&self.call_grants(view)) {
            control.entry(*a).or_default().insert(*b);
            control.entry(*b).or_default().insert(*a);
        }
        control
    }

    /// The meetings that `subject` takes part in.
    fn pairs(&self, subject: SubjectId, meetings: BTreeSet<Meeting>) -> Vec<String> {
        let mut lines = BTreeSet::new();
        for (object, a, b) in meetings {
            let peer = match subject {
                it if it == a => b,
                it if it == b => a,
                _ => continue,
            };
            lines.insert(format!(
                "{}: {}",
                self.system.name(object),
                self.subjects.name(peer)
            ));
        }
        lines.into_iter().collect()
    }

    /// P3: grants that `subject` receives from whom it does not control anyway.
    fn untrusted(&self, subject: SubjectId, trusted: &BTreeSet<SubjectId>) -> Vec<String> {
        let meetings = self.grants(View::Emitted).into_iter();
        let untrusted = meetings.filter(|(_, a, b)| *b == subject && !trusted.contains(a));
        untrusted
            .map(|(object, a, _)| {
                format!("{}: {}", self.system.name(object), self.subjects.name(a))
            })
            .collect()
    }

    /// P4: who calls must be able to send; who receives calls must be able to reply.
    fn call_reply(&self, subject: SubjectId) -> Vec<String> {
        let mut lines = BTreeSet::new();
        let own = || self.endpoint_uses().filter(|one| one.subject == subject);
        for one in own() {
            let rights = one.channel.rights;
            let name = self.system.name(one.channel.object);
            if (rights.grant || rights.grant_reply) && !rights.write {
                lines.insert(format!("{name}: {} may call but not send", one.way));
            }
        }
        let inputs = own().filter(|one| one.least.read && one.channel.rights.read);
        for one in inputs {
            let thread = &self.system.threads[one.thread];
            if !thread.caps.iter().any(|held| held.kind == Kind::Reply) {
                let name = self.system.name(one.channel.object);
                lines.insert(format!("{name}: receives without a reply object"));
            }
        }
        lines.into_iter().collect()
    }

    /// P6: threads in its address space that are something else.
    fn strangers(&self, subject: SubjectId) -> Vec<String> {
        let it = &self.subjects.all[subject];
        let threads = it
            .threads
            .iter()
            .map(|thread| &self.system.threads[*thread]);
        let strange = threads.filter(|thread| {
            thread.role != it.role || it.role != Role::Vcpu && thread.name != it.name
        });
        strange.map(|thread| thread.name.clone()).collect()
    }

    /// P7: interrupts that signal a notification of `subject`.
    fn interrupts(&self, subject: SubjectId) -> Vec<String> {
        let receivers = self.system.receivers_meant();
        let irqs = self.system.irqs.iter().filter(|irq| {
            let receiver = irq.notification.and_then(|n| receivers.get(&n.object));
            receiver.is_some_and(|thread| self.subjects.of_thread(*thread) == subject)
        });
        irqs.map(|irq| irq.number.to_string()).collect()
    }
}

fn rights(one: &Use, view: View) -> Rights {
    match view {
        View::Emitted => one.channel.rights,
        View::Least => both(one.channel.rights, one.least),
    }
}

const fn may_call(rights: Rights) -> bool {
    rights.write && (rights.grant || rights.grant_reply)
}

/// Kinds of capability that confer control over whom the object belongs to.
const fn confers_control(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Tcb | Kind::VCpu | Kind::SchedContext | Kind::CNode | Kind::PageTable
    )
}
