// SPDX-License-Identifier: BSD-2-Clause
//! A capability distribution as the SDK's tool lists it (`--capdl-json`), and as the initialiser in an
//! image has it.
//!
//! Only what exists on AArch64 is known; any other object or capability is an error, since nothing
//! could be said about it.

mod cap;

use std::ops::Range;

pub use cap::{Cap, Kind, Rights, Slot};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A whole distribution. Capabilities name objects by their index in [`Spec::objects`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Objects, in the order in which the initialiser makes them.
    pub objects: Vec<NamedObject>,
    /// Interrupts.
    pub irqs: Vec<IrqEntry>,
    /// Domain schedule, if there is one.
    pub domain_schedule: Option<Vec<DomainEntry>>,
    /// First entry to run.
    pub domain_set_start: Option<u64>,
    /// Kernel index of the first entry.
    pub domain_idx_shift: Option<u64>,
    /// Address spaces without a number of their own; none with Microkit.
    #[serde(default)]
    pub asid_slots: Vec<usize>,
    /// Objects that are made for themselves: all with Microkit.
    #[serde(default)]
    pub root_objects: Range<usize>,
    /// Objects that are made out of another; none with Microkit.
    #[serde(default)]
    pub untyped_covers: Vec<serde_json::Value>,
}

/// An object and its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedObject {
    /// Its name; images for release kernels have none.
    pub name: Option<String>,
    /// The object.
    pub object: Object,
}

/// A kernel object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Object {
    /// Endpoint.
    Endpoint,
    /// Notification.
    Notification,
    /// Reply object.
    Reply,
    /// Virtual CPU.
    VCpu,
    /// Secure monitor calls.
    ArmSmc,
    /// Memory of one page.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Its size is 2 to this power: 12 or 21.
    pub size_bits: u8,
    /// Physical address; none where the initialiser chooses.
    pub paddr: Option<u64>,
    /// What it holds at the start.
    pub init: Fill,
}

/// Initial contents; all else is zero.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fill {
    /// The parts.
    pub entries: Vec<FillEntry>,
}

/// A part of a page's contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FillEntry {
    /// Bytes of the page.
    pub range: Range<u64>,
    /// Where they come from.
    pub content: Content,
}

/// Where contents come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// The build.
    Data(Data),
    /// The kernel at boot.
    BootInfo {
        /// Kind.
        id: String,
        /// First byte of it.
        offset: u64,
    },
}

/// Contents that the build gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Data {
    /// A part of a program.
    ElfContent(ElfContent),
    /// A file, or whatever was found in an image.
    BytesContent {
        /// The bytes.
        bytes: Digest,
    },
}

/// A part of a program's segment as it is in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElfContent {
    /// Number of the program, in the order of the system description; the monitor is last.
    pub elf_id: u64,
    /// Number of the loadable segment.
    pub elf_seg_idx: u64,
    /// Bytes of the segment.
    pub elf_seg_data_range: Range<u64>,
}

/// A page table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageTable {
    /// Always false on this architecture.
    #[serde(default)]
    pub x86_ept: bool,
    /// Whether it is the root of an address space.
    pub is_root: bool,
    /// 1 for the root, then 2 and 3.
    pub level: Option<u8>,
    /// Tables of the next level, and pages.
    pub slots: Vec<Slot>,
}

/// A capability table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CNode {
    /// It has 2 to this power slots.
    pub size_bits: u8,
    /// Filled slots.
    pub slots: Vec<Slot>,
}

/// A thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tcb {
    /// Bound objects, by [`tcb_slot`].
    pub slots: Vec<Slot>,
    /// Parameters.
    pub extra: TcbExtra,
}

/// Numbers of a thread's slots.
pub mod tcb_slot {
    /// Capability space.
    pub const CSPACE: u32 = 0;
    /// Address space.
    pub const VSPACE: u32 = 1;
    /// IPC buffer.
    pub const IPC_BUFFER: u32 = 4;
    /// Endpoint for faults.
    pub const FAULT_EP: u32 = 5;
    /// Scheduling context.
    pub const SCHED_CONTEXT: u32 = 6;
    /// Bound notification.
    pub const NOTIFICATION: u32 = 8;
    /// Virtual CPU.
    pub const VCPU: u32 = 9;
}

/// Parameters of a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcbExtra {
    /// Address of the IPC buffer.
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
    /// Domain.
    pub domain: Option<u8>,
    /// First instruction.
    pub ip: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Further registers.
    pub gprs: Vec<u64>,
    /// Unused on this kernel.
    pub master_fault_ep: Option<u64>,
}

/// A scheduling context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedContext {
    /// Its object has 2 to this power bytes.
    pub size_bits: u8,
    /// Parameters.
    pub extra: SchedExtra,
}

/// Parameters of a scheduling context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedExtra {
    /// Microseconds.
    pub period: u64,
    /// Microseconds.
    pub budget: u64,
    /// Shown in timeout faults.
    pub badge: u64,
}

/// An interrupt's object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmIrq {
    /// Slot 0: the notification that it signals.
    pub slots: Vec<Slot>,
    /// Parameters.
    pub extra: ArmIrqExtra,
}

/// Parameters of an interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmIrqExtra {
    /// 0 level, 1 edge.
    pub trigger: u8,
    /// Core.
    pub target: u64,
}

/// An interrupt number and its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IrqEntry {
    /// Number.
    pub irq: u64,
    /// Index of its [`Object::ArmIrq`].
    pub handler: usize,
}

/// An entry of the domain schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainEntry {
    /// Domain.
    pub domain: u8,
    /// How long.
    pub duration: Duration,
}

/// How long a domain runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Duration {
    /// Timer ticks.
    Ticks(u64),
    /// Microseconds.
    Us(u64),
    /// End of the schedule.
    EndMarker,
}

impl Object {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Endpoint => Kind::Endpoint,
            Self::Notification => Kind::Notification,
            Self::Reply => Kind::Reply,
            Self::VCpu => Kind::VCpu,
            Self::ArmSmc => Kind::Smc,
            Self::Frame(_) => Kind::Frame,
            Self::PageTable(_) => Kind::PageTable,
            Self::CNode(_) => Kind::CNode,
            Self::Tcb(_) => Kind::Tcb,
            Self::SchedContext(_) => Kind::SchedContext,
            Self::ArmIrq(_) => Kind::Irq,
        }
    }

    /// Its slots, if its kind has any.
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
    pub const fn slots_mut(&mut self) -> Option<&mut Vec<Slot>> {
        match self {
            Self::PageTable(table) => Some(&mut table.slots),
            Self::CNode(cnode) => Some(&mut cnode.slots),
            Self::Tcb(tcb) => Some(&mut tcb.slots),
            Self::ArmIrq(irq) => Some(&mut irq.slots),
            _ => None,
        }
    }

    /// How many slots its kind has room for.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        match self {
            Self::PageTable(table) if table.is_root => 1024,
            Self::PageTable(_) => 512,
            Self::CNode(cnode) => 1_u32
                .checked_shl(cnode.size_bits.into())
                .unwrap_or(u32::MAX),
            Self::Tcb(_) => 10,
            Self::ArmIrq(_) => 1,
            _ => 0,
        }
    }
}

impl Spec {
    /// Reads the SDK tool's listing. Contents may be lists of bytes or digests.
    ///
    /// # Errors
    /// Anything that is not a listing for AArch64, with its line and column.
    pub fn from_json(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// The listing as the SDK's tool writes it, with digests for contents.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        for key in ["cached_orig_cap_slots", "log_level"] {
            value[key] = serde_json::Value::Null;
        }
        value
    }

    /// The name of an object for people: its own, else its kind and number.
    #[must_use]
    pub fn name(&self, index: usize) -> String {
        match self.objects.get(index) {
            Some(NamedObject {
                name: Some(name), ..
            }) => name.clone(),
            Some(object) => format!("{:?} {index}", object.object.kind()),
            None => format!("object {index} (missing)"),
        }
    }

    /// Index of the object called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.objects
            .iter()
            .position(|object| object.name.as_deref() == Some(name))
    }

    /// The object that `cap` designates, if it exists and has the right kind.
    #[must_use]
    pub fn resolve(&self, cap: &Cap) -> Option<&Object> {
        let object = &self.objects.get(cap.object())?.object;
        (object.kind() == cap.kind()).then_some(object)
    }
}
