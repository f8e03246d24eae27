// SPDX-License-Identifier: BSD-2-Clause
//! A system as the checks see it: threads with their capabilities and mappings, whatever they were read
//! from.

mod from_payload;
mod from_spec;
mod monitor;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::spec::{Duration, Kind, Rights};

/// Index of an object in [`System::objects`].
pub type ObjectId = usize;
/// Index of a thread in [`System::threads`].
pub type ThreadId = usize;

/// Everything that threads have and may do.
#[derive(Debug, Clone, Default, Serialize)]
pub struct System {
    /// Kernel objects.
    pub objects: Vec<ObjectInfo>,
    /// Threads: protection domains, virtual CPUs, the monitor; by name.
    pub threads: Vec<Thread>,
    /// Interrupts.
    pub irqs: Vec<Irq>,
    /// Domain schedule; empty where there is none.
    pub domains: Vec<(u8, Duration)>,
    /// What could not be understood: broken references, impossible slots.
    pub defects: Vec<String>,
}

/// A kernel object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObjectInfo {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
}

/// What a thread is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A protection domain.
    Pd,
    /// A virtual CPU of a guest.
    Vcpu,
    /// The monitor: receives the faults of protection domains without parent, has no handler itself.
    Monitor,
}

/// A thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Thread {
    /// Name of the protection domain; `<vm>_<n>` for a virtual CPU.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its thread control block.
    pub tcb: ObjectId,
    /// Root of its address space.
    pub vspace: Option<ObjectId>,
    /// Its tables, capability spaces' and address spaces'.
    pub tables: Vec<ObjectId>,
    /// Capabilities in its capability space, by address.
    pub caps: Vec<Held>,
    /// Pages, by virtual address.
    pub mappings: Vec<Mapping>,
    /// Where its faults go.
    pub fault: Option<Channel>,
    /// Its bound notification.
    pub bound: Option<Channel>,
    /// Its virtual CPU.
    pub vcpu: Option<ObjectId>,
    /// Its IPC buffer.
    pub ipc_buffer: Option<ObjectId>,
    /// Address of its IPC buffer.
    pub ipc_buffer_vaddr: u64,
    /// Its time.
    pub time: Option<Time>,
    /// Priority.
    pub priority: u8,
    /// Highest priority that it may give.
    pub max_priority: u8,
    /// Core.
    pub core: u64,
    /// Domain.
    pub domain: u8,
    /// Whether it gives its own time away once it is up, and runs on its callers'.
    pub passive: bool,
    /// Whether it starts by itself.
    pub starts: bool,
    /// First instruction.
    pub entry: u64,
    /// Stack pointer at the start.
    pub stack: u64,
}

/// A capability with its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Address in the capability space.
    pub cptr: u64,
    /// The object.
    pub object: ObjectId,
    /// Kind of the object.
    pub kind: Kind,
    /// Badge; 0 for kinds that have none.
    pub badge: u64,
    /// Rights; none for kinds that have none.
    pub rights: Rights,
}

/// An endpoint or notification with the badge and rights of one use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Channel {
    /// The object.
    pub object: ObjectId,
    /// Badge.
    pub badge: u64,
    /// Rights.
    pub rights: Rights,
}

/// A run of pages of one piece of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Mapping {
    /// First virtual address; guest-physical for a guest.
    pub vaddr: u64,
    /// Bytes.
    pub size: u64,
    /// First physical address, where it is fixed.
    pub paddr: Option<u64>,
    /// The page, where the system was read from a distribution.
    pub frame: ObjectId,
    /// Part of a program, by the number of the program.
    pub program: Option<u64>,
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// Executable.
    pub execute: bool,
    /// Normal memory; otherwise Device-nGnRnE.
    pub cached: bool,
}

impl Mapping {
    /// First address behind it.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.vaddr.saturating_add(self.size)
    }
}

/// A thread's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Time {
    /// The scheduling context.
    pub object: ObjectId,
    /// Microseconds per period.
    pub budget: u64,
    /// Microseconds; equal to the budget: no limit, shared round robin.
    pub period: u64,
    /// Badge.
    pub badge: u64,
}

/// An interrupt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Irq {
    /// Number.
    pub number: u64,
    /// Its object.
    pub object: ObjectId,
    /// What it signals.
    pub notification: Option<Channel>,
    /// Whether it is edge triggered.
    pub edge: bool,
    /// Core.
    pub core: u64,
}

impl System {
    /// The name of an object.
    #[must_use]
    pub fn name(&self, object: ObjectId) -> &str {
        self.objects
            .get(object)
            .map_or("?", |info| info.name.as_str())
    }

    /// The thread that has `tcb`.
    #[must_use]
    pub fn thread_of_tcb(&self, tcb: ObjectId) -> Option<ThreadId> {
        self.threads.iter().position(|thread| thread.tcb == tcb)
    }

    /// The thread called `name`.
    #[must_use]
    pub fn thread(&self, name: &str) -> Option<&Thread> {
        self.threads.iter().find(|thread| thread.name == name)
    }

    /// The monitor.
    #[must_use]
    pub fn monitor(&self) -> Option<ThreadId> {
        self.threads
            .iter()
            .position(|thread| thread.role == Role::Monitor)
    }

    /// Who owns an endpoint: the thread that is meant to receive from it, which has it unbadged at
    /// [`cptr::INPUT`].
    #[must_use]
    pub fn receivers_meant(&self) -> BTreeMap<ObjectId, ThreadId> {
        let mut owners = BTreeMap::new();
        for (id, thread) in self.threads.iter().enumerate() {
            let input = thread.caps.iter().find(|held| held.cptr == cptr::INPUT);
            let input = input.filter(|held| held.badge == 0).map(|held| held.object);
            let bound = thread.bound.map(|bound| bound.object);
            for object in input.into_iter().chain(bound) {
                owners.entry(object).or_insert(id);
            }
        }
        owners
    }

    /// The thread that owns an object for itself: its control block, tables, time, virtual CPU.
    #[must_use]
    pub fn owners(&self) -> BTreeMap<ObjectId, ThreadId> {
        let mut owners = BTreeMap::new();
        for (id, thread) in self.threads.iter().enumerate() {
            let time = thread.time.map(|time| time.object);
            let own = [Some(thread.tcb), thread.vspace, thread.vcpu, time];
            for object in own
                .into_iter()
                .flatten()
                .chain(thread.tables.iter().copied())
            {
                owners.entry(object).or_insert(id);
            }
        }
        owners
    }
}

/// Addresses in a protection domain's capability space (sel4-abi.md 3.1).
pub mod cptr {
    /// Its own endpoint or notification.
    pub const INPUT: u64 = 1;
    /// Where its faults go.
    pub const FAULT: u64 = 2;
    /// Its address space.
    pub const VSPACE: u64 = 3;
    /// Its reply object.
    pub const REPLY: u64 = 4;
    /// The monitor's endpoint, of passive domains.
    pub const MONITOR: u64 = 5;
    /// Its own thread, in benchmark configurations.
    pub const SELF: u64 = 6;
    /// Secure monitor calls.
    pub const SMC: u64 = 7;
    /// First of the peers' notifications.
    pub const NOTIFY: u64 = 10;
    /// First of the peers' endpoints.
    pub const CALL: u64 = 74;
    /// First of the interrupts.
    pub const IRQ: u64 = 138;
    /// First of the child domains' threads.
    pub const CHILD: u64 = 202;
    /// First of the virtual CPUs' threads.
    pub const VM_TCB: u64 = 266;
    /// First of the virtual CPUs.
    pub const VCPU: u64 = 330;
    /// Ids of channels, interrupts, children and virtual CPUs are below this.
    pub const IDS: u64 = 62;
    /// Bits below the index of a slot of the root table.
    pub const ROOT_SHIFT: u32 = 58;
}

/// Badges (sel4-abi.md 3.2).
pub mod badge {
    /// A protected call; the receiver's channel id is in the lowest bits.
    pub const CALL: u64 = 1 << 63;
    /// A fault; the id of the child or virtual CPU is in the lowest bits.
    pub const FAULT: u64 = 1 << 62;
}
