// SPDX-License-Identifier: BSD-2-Clause
//! Subjects: what authority is judged for. Threads of one address space are one subject, since each can
//! do to the others whatever it likes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::spec::{Kind, Rights};
use crate::system::{Channel, Held, ObjectId, Role, System, ThreadId, cptr};

/// Index of a subject.
pub type SubjectId = usize;

/// The subjects of a system, by name of their first thread.
#[derive(Debug, Clone, Serialize)]
pub struct Subjects {
    /// All of them.
    pub all: Vec<Subject>,
    #[serde(skip)]
    of_thread: Vec<SubjectId>,
    #[serde(skip)]
    of_object: BTreeMap<ObjectId, SubjectId>,
}

/// A subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// Name of its first thread.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its threads.
    pub threads: Vec<ThreadId>,
}

impl Subjects {
    /// Groups the threads of `system`.
    #[must_use]
    pub fn of(system: &System) -> Self {
        let mut by_space: BTreeMap<ObjectId, SubjectId> = BTreeMap::new();
        let mut all: Vec<Subject> = Vec::new();
        let mut of_thread = Vec::new();
        for (id, thread) in system.threads.iter().enumerate() {
            let new = all.len();
            let subject = thread
                .vspace
                .map_or(new, |space| *by_space.entry(space).or_insert(new));
            if subject == new {
                all.push(Subject {
                    name: thread.name.clone(),
                    role: thread.role,
                    threads: Vec::new(),
                });
            }
            all[subject].threads.push(id);
            of_thread.push(subject);
        }
        let owners = system.owners().into_iter();
        let of_object = owners
            .map(|(object, thread)| (object, of_thread[thread]))
            .collect();
        Self {
            all,
            of_thread,
            of_object,
        }
    }

    /// The subject of a thread.
    #[must_use]
    pub fn of_thread(&self, thread: ThreadId) -> SubjectId {
        self.of_thread[thread]
    }

    /// The subject that an object is private to.
    #[must_use]
    pub fn of_object(&self, object: ObjectId) -> Option<SubjectId> {
        self.of_object.get(&object).copied()
    }

    /// The name of a subject.
    #[must_use]
    pub fn name(&self, subject: SubjectId) -> &str {
        self.all
            .get(subject)
            .map_or("?", |subject| subject.name.as_str())
    }

    /// The names of subjects, in order.
    #[must_use]
    pub fn names<'a>(&self, subjects: impl IntoIterator<Item = &'a SubjectId>) -> Vec<String> {
        let mut names: Vec<String> = subjects
            .into_iter()
            .map(|subject| self.name(*subject).to_owned())
            .collect();
        names.sort();
        names
    }
}

/// One use of an endpoint or notification by a subject: a capability or a bound slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) subject: SubjectId,
    pub(crate) thread: ThreadId,
    pub(crate) way: Way,
    pub(crate) kind: Kind,
    pub(crate) channel: Channel,
    /// The rights without which the use would not work.
    pub(crate) least: Rights,
}

/// How a thread has something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Cap(u64),
    Fault,
    Bound,
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cap(at) if *at >> cptr::ROOT_SHIFT != 0 => {
                write!(f, "root slot {}", at >> cptr::ROOT_SHIFT)
            }
            Self::Cap(at) => write!(f, "slot {at}"),
            Self::Fault => f.write_str("fault handler"),
            Self::Bound => f.write_str("bound notification"),
        }
    }
}

/// Every use of endpoints and notifications.
pub(crate) fn uses(system: &System, subjects: &Subjects) -> Vec<Use> {
    let mut uses = Vec::new();
    for (id, thread) in system.threads.iter().enumerate() {
        let mut add = |way, kind, channel, least| {
            let subject = subjects.of_thread(id);
            uses.push(Use {
                subject,
                thread: id,
                way,
                kind,
                channel,
                least,
            });
        };
        for held in &thread.caps {
            if matches!(held.kind, Kind::Endpoint | Kind::Notification) {
                let channel = Channel {
                    object: held.object,
                    badge: held.badge,
                    rights: held.rights,
                };
                add(
                    Way::Cap(held.cptr),
                    held.kind,
                    channel,
                    least(thread.role, held),
                );
            }
        }
        if let Some(fault) = thread.fault {
            add(Way::Fault, Kind::Endpoint, fault, CALL);
        }
        if let Some(bound) = thread.bound {
            add(Way::Bound, Kind::Notification, bound, RECEIVE);
        }
    }
    uses
}

const RECEIVE: Rights = Rights {
    read: true,
    write: false,
    grant: false,
    grant_reply: false,
};
const SEND: Rights = Rights {
    read: false,
    write: true,
    grant: false,
    grant_reply: false,
};
const CALL: Rights = Rights {
    read: false,
    write: true,
    grant: false,
    grant_reply: true,
};
const NONE: Rights = Rights {
    read: false,
    write: false,
    grant: false,
    grant_reply: false,
};

/// The rights that the use of a slot needs, by the slot's purpose (sel4-abi.md 3.1). A slot without
/// purpose keeps what it has.
fn least(role: Role, held: &Held) -> Rights {
    let call = cptr::CALL..cptr::CALL + cptr::IDS;
    let notify = cptr::NOTIFY..cptr::NOTIFY + cptr::IDS;
    match (role, held.kind, held.cptr) {
        (_, _, cptr::INPUT) => RECEIVE,
        (Role::Pd, Kind::Endpoint, cptr::FAULT) => CALL,
        (Role::Pd, Kind::Endpoint, cptr::MONITOR) => SEND,
        (Role::Pd, Kind::Endpoint, at) if call.contains(&at) => CALL,
        (Role::Pd, Kind::Notification, at) if notify.contains(&at) => SEND,
        // It is bound to scheduling contexts, which needs no right.
        (Role::Monitor, Kind::Notification, _) => NONE,
        _ => held.rights,
    }
}

/// What remains of `rights` when only `least` is kept.
pub(crate) const fn both(rights: Rights, least: Rights) -> Rights {
    Rights {
        read: rights.read && least.read,
        write: rights.write && least.write,
        grant: rights.grant && least.grant,
        // A right to grant includes the right to grant a reply.
        grant_reply: (rights.grant || rights.grant_reply) && least.grant_reply,
    }
}

/// Sets of subjects by subject: a relation.
pub(crate) type Relation = BTreeMap<SubjectId, BTreeSet<SubjectId>>;

/// Everything that `start` leads to.
pub(crate) fn reachable(relation: &Relation, start: SubjectId) -> BTreeSet<SubjectId> {
    let (mut found, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(at) = open.pop() {
        for next in relation.get(&at).into_iter().flatten() {
            if found.insert(*next) {
                open.push(*next);
            }
        }
    }
    found.remove(&start);
    found
}
