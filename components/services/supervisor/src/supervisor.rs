// SPDX-License-Identifier: BSD-2-Clause
//! The supervisor's reactions.

use pd::{
    Child, Clock, Component, Fault, FaultReply, Handler, KernelError, Notify, Setup, SetupError,
    Unexpected,
};
use record::{ChildEntry, Entry};
use serial::Console;
use units::{ChannelSet, ChildId};

use crate::describe::Description;
use crate::policy::{History, Policy, Verdict};

/// Most children.
const MAX_CHILDREN: usize = 16;

/// Longest child name in messages, in bytes.
const NAME_BYTES: usize = 32;

/// Restarts where the record does not say.
const DEFAULT_RESTARTS: u64 = 3;

/// What the supervisor counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Faults of its children.
    pub faults: u64,
    /// Restarts it made.
    pub restarts: u64,
    /// Children it gave up.
    pub holds: u64,
    /// Faults under a badge that is no child's.
    pub strangers: u64,
    /// Events that the system description does not provide for.
    pub unexpected: u64,
}

/// One child.
#[derive(Debug)]
pub struct Supervised {
    name: heapless::String<NAME_BYTES>,
    entry: ChildEntry,
    history: History,
}

impl Supervised {
    /// A child called `name` (cut to 32 bytes) that restarts at its entry under `policy`.
    #[must_use]
    pub fn new(name: &str, entry: ChildEntry, policy: Policy) -> Self {
        let mut short = heapless::String::new();
        for letter in name.chars() {
            if short.push(letter).is_err() {
                break;
            }
        }
        Self {
            name: short,
            entry,
            history: History::new(policy),
        }
    }
}

/// The parent of protection domains that may fail.
#[derive(Debug)]
pub struct Supervisor {
    console: Console,
    children: heapless::Vec<Supervised, MAX_CHILDREN>,
    counters: Counters,
}

impl Component for Supervisor {
    /// Wants the link `console`; each child entry under its own name; and optionally the values
    /// `<child>.restarts` (3) and `<child>.window`, in ticks of the counter (0: for ever).
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let mut supervisor = Self::new(Console::open(setup)?);
        for (role, entry) in setup.record().entries() {
            let Entry::Child(entry) = entry else {
                continue;
            };
            let name = role.as_str();
            let restarts = policy_value(setup, name, ".restarts", DEFAULT_RESTARTS)?;
            let policy = Policy {
                restarts: usize::try_from(restarts).unwrap_or(usize::MAX),
                window: policy_value(setup, name, ".window", 0)?,
            };
            if !supervisor.add(Supervised::new(name, entry, policy)) {
                return Err(SetupError::invalid(
                    name,
                    "there are more than sixteen children",
                ));
            }
        }
        Ok(supervisor)
    }
}

fn policy_value(
    setup: &Setup<'_>,
    child: &str,
    what: &str,
    default: u64,
) -> Result<u64, SetupError> {
    let mut role: heapless::String<64> = heapless::String::new();
    if role.push_str(child).and(role.push_str(what)).is_err() {
        return Ok(default);
    }
    setup.value_or(&role, default)
}

impl Supervisor {
    /// A supervisor without children.
    #[must_use]
    pub const fn new(console: Console) -> Self {
        Self {
            console,
            children: heapless::Vec::new(),
            counters: Counters {
                faults: 0,
                restarts: 0,
                holds: 0,
                strangers: 0,
                unexpected: 0,
            },
        }
    }

    /// Adds a child; `false` where there are sixteen already.
    #[must_use]
    pub fn add(&mut self, child: Supervised) -> bool {
        self.children.push(child).is_ok()
    }

    /// What was counted so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    fn restart<K: Child + Notify>(
        &mut self,
        kernel: &mut K,
        index: usize,
        nth: usize,
        why: &Fault<'_>,
    ) {
        let Some(child) = self.children.get(index) else {
            return;
        };
        let restarts = child.history.policy().restarts;
        match kernel.child_restart(child.entry.id, child.entry.entry) {
            Ok(()) => {
                count(&mut self.counters.restarts);
                self.console.line(
                    kernel,
                    format_args!(
                        "supervisor: {} restarted ({nth}/{restarts}) after {}",
                        child.name,
                        Description(why.decode())
                    ),
                );
            }
            Err(error) => self.give_up(kernel, index, error),
        }
    }

    fn give_up<K: Child + Notify>(&mut self, kernel: &mut K, index: usize, error: KernelError) {
        count(&mut self.counters.holds);
        if let Some(child) = self.children.get(index) {
            stop(kernel, child.entry.id);
            self.console.line(
                kernel,
                format_args!("supervisor: {} cannot be restarted: {error}", child.name),
            );
        }
    }

    fn hold<K: Child + Notify>(
        &mut self,
        kernel: &mut K,
        index: usize,
        restarts: usize,
        why: &Fault<'_>,
    ) {
        count(&mut self.counters.holds);
        let Some(child) = self.children.get(index) else {
            return;
        };
        stop(kernel, child.entry.id);
        let name = &child.name;
        let what = Description(why.decode());
        self.console
            .line(kernel, format_args!("supervisor: {name} stopped by {what}"));
        self.console.line(
            kernel,
            format_args!("supervisor: {name} held after {restarts} restarts"),
        );
    }
}

impl<K: Child + Clock + Notify> Handler<K> for Supervisor {
    fn init(&mut self, kernel: &mut K) {
        let children = self.children.len();
        self.console
            .line(kernel, format_args!("supervisor: watching {children}"));
    }

    fn notified(&mut self, _: &mut K, _: ChannelSet) {
        // Room on the console, which only ever gets whole lines or none, and keys, which mean
        // nothing here.
    }

    fn fault(&mut self, kernel: &mut K, id: ChildId, fault: &Fault<'_>) -> FaultReply {
        count(&mut self.counters.faults);
        let index = self.children.iter().position(|c| c.entry.id == id);
        let Some((index, child)) = index.and_then(|at| Some((at, self.children.get_mut(at)?)))
        else {
            count(&mut self.counters.strangers);
            stop(kernel, id);
            return FaultReply::Hold;
        };
        match child.history.fault(kernel.now()) {
            Verdict::Restart { nth } => self.restart(kernel, index, nth, fault),
            Verdict::Hold { restarts } => self.hold(kernel, index, restarts, fault),
        }
        // A restarted child runs already; a held one waits for ever.
        FaultReply::Hold
    }

    fn unexpected(&mut self, _: Unexpected) {
        count(&mut self.counters.unexpected);
    }
}

/// Takes the child out of its fault for good, rather than leave it waiting for an answer that the next
/// receive would cancel.
fn stop(kernel: &mut impl Child, id: ChildId) {
    // A kernel that refuses leaves it waiting, which is as good.
    let _ = kernel.child_stop(id);
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
