// SPDX-License-Identifier: BSD-2-Clause
//! The distribution as data, in the shape of Microkit's `--capdl-json`.

mod cap;
pub(crate) mod content;

pub use cap::{Cap, Rights, Slot};
pub use content::{ElfContent, Fill, FillEntry, Prefill};

use serde::{Serialize, Serializer};

/// Index of an object in [`Spec::objects`].
pub type ObjectId = usize;

/// A whole distribution.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spec {
    /// Objects, in the order in which the initialiser makes them.
    pub objects: Vec<NamedObject>,
    /// Interrupts, by number.
    pub irqs: Vec<IrqEntry>,
    /// Domain schedule, if there is one.
    pub domain_schedule: Option<Vec<DomainEntry>>,
    /// First entry of the schedule to run.
    pub domain_set_start: Option<u64>,
    /// Kernel index of the schedule's first entry.
    pub domain_idx_shift: Option<u64>,
}

/// An object and its name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NamedObject {
    /// Unique name.
    pub name: String,
    /// The object.
    pub object: Object,
}

/// A kernel object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Object {
    /// Endpoint.
    Endpoint,
    /// Notification.
    Notification,
    /// Reply object.
    Reply,
    /// Virtual CPU.
    VCpu,
    /// Authority to make secure monitor calls.
    ArmSmc,
    /// Memory.
    Frame(Frame),
    /// Page table of any level.
    PageTable(PageTable),
    /// Capability table.
    CNode(CNode),
    /// Thread.
    Tcb(Tcb),
    /// Scheduling context.
    SchedContext(SchedContext),
    /// Interrupt.
    ArmIrq(ArmIrq),
}

/// Memory of one page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Frame {
    /// 12 or 21.
    pub size_bits: u8,
    /// Fixed physical address.
    pub paddr: Option<u64>,
    /// What it holds at the start; the rest is zero.
    pub init: Fill,
}

/// A page table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PageTable {
    /// Always false on this architecture.
    pub x86_ept: bool,
    /// Root of an address space.
    pub is_root: bool,
    /// 1 for the root, then 2 and 3.
    pub level: u8,
    /// Tables of the next level, or frames.
    pub slots: Vec<Slot>,
}

/// A capability table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CNode {
    /// Its size is 2 to this power.
    pub size_bits: u8,
    /// Filled slots.
    pub slots: Vec<Slot>,
}

/// A thread.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tcb {
    /// Bound objects; see [`crate::slots::tcb`].
    pub slots: Vec<Slot>,
    /// Parameters.
    pub extra: TcbExtra,
}

/// Parameters of a thread.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TcbExtra {
    /// Address of the IPC buffer; 0 for a guest.
    pub ipc_buffer_addr: u64,
    /// Core.
    pub affinity: u64,
    /// Priority.
    pub prio: u8,
    /// Highest priority it may give.
    pub max_prio: u8,
    /// May not use floating point.
    pub fpu_disabled: bool,
    /// Starts when the system starts.
    pub resume: bool,
    /// Domain, if the system has a schedule.
    pub domain: Option<u8>,
    /// First instruction.
    pub ip: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Further registers, none here.
    pub gprs: Vec<u64>,
    /// Not used by this kernel.
    pub master_fault_ep: Option<u64>,
}

/// A scheduling context.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SchedContext {
    /// Its object has 2 to this power bytes.
    pub size_bits: u8,
    /// Parameters.
    pub extra: SchedExtra,
}

/// Parameters of a scheduling context.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SchedExtra {
    /// Microseconds.
    pub period: u64,
    /// Microseconds.
    pub budget: u64,
    /// Shown in timeout faults.
    pub badge: u64,
}

/// An interrupt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmIrq {
    /// Slot 0: the notification it signals.
    pub slots: Vec<Slot>,
    /// Parameters.
    pub extra: ArmIrqExtra,
}

/// Parameters of an interrupt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmIrqExtra {
    /// 0 level, 1 edge.
    pub trigger: u8,
    /// Core.
    pub target: u64,
}

/// An interrupt number and its object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IrqEntry {
    /// Interrupt number.
    pub irq: u64,
    /// Its [`Object::ArmIrq`].
    pub handler: ObjectId,
}

/// An entry of the domain schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct DomainEntry {
    /// Domain id; 0 for an end marker.
    pub domain: u8,
    /// How long; `None` for an end marker.
    pub duration: Option<sdf::model::Duration>,
}

impl Serialize for DomainEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let duration = match self.duration {
            None => serde_json::json!("EndMarker"),
            Some(sdf::model::Duration::Us(us)) => serde_json::json!({ "Us": us }),
            Some(sdf::model::Duration::Ticks(ticks)) => serde_json::json!({ "Ticks": ticks }),
        };
        serde_json::json!({ "domain": self.domain, "duration": duration }).serialize(serializer)
    }
}

impl Object {
    /// Its slots, if it has any.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        match self {
            Self::PageTable(table) => &table.slots,
            Self::CNode(cnode) => &cnode.slots,
            Self::Tcb(tcb) => &tcb.slots,
            Self::ArmIrq(irq) => &irq.slots,
            _ => &[],
        }
    }

    /// Its slots, to be changed.
    pub(crate) fn slots_mut(&mut self) -> Option<&mut Vec<Slot>> {
        match self {
            Self::PageTable(table) => Some(&mut table.slots),
            Self::CNode(cnode) => Some(&mut cnode.slots),
            Self::Tcb(tcb) => Some(&mut tcb.slots),
            Self::ArmIrq(irq) => Some(&mut irq.slots),
            _ => None,
        }
    }
}

impl Spec {
    /// Index of the object called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ObjectId> {
        self.objects.iter().position(|object| object.name == name)
    }

    /// Adds an object.
    pub(crate) fn add(&mut self, name: String, object: Object) -> ObjectId {
        self.objects.push(NamedObject { name, object });
        self.objects.len() - 1
    }

    /// Fills a slot of an object that has slots.
    pub(crate) fn insert(&mut self, object: ObjectId, slot: u32, cap: Cap) {
        if let Some(slots) = self
            .objects
            .get_mut(object)
            .and_then(|o| o.object.slots_mut())
        {
            slots.push(Slot { slot, cap });
        }
    }

    /// The distribution as Microkit's `--capdl-json` has it, but with digests for contents.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "objects": self.objects,
            "irqs": self.irqs,
            "domain_schedule": self.domain_schedule,
            "domain_set_start": self.domain_set_start,
            "domain_idx_shift": self.domain_idx_shift,
            "asid_slots": [],
            "root_objects": { "start": 0, "end": self.objects.len() },
            "untyped_covers": [],
            "cached_orig_cap_slots": null,
            "log_level": null,
        })
    }
}
