// SPDX-License-Identifier: BSD-2-Clause
//! What is drawn, as plain data. Order matters: things are drawn in the order given.

/// Parts of a system and what joins them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    /// Headline.
    pub title: String,
    /// Boxes.
    pub nodes: Vec<Node>,
    /// What joins them; those whose ends are no node are left out.
    pub links: Vec<Link>,
}

/// A box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What links call it; the first of several with one id counts.
    pub id: String,
    /// First line.
    pub label: String,
    /// Further, smaller lines.
    pub notes: Vec<String>,
    /// Form of the box.
    pub kind: NodeKind,
    /// Row that it stands in.
    pub layer: Layer,
    /// Guest that it belongs to; a frame is drawn around each. Only for the rows above the services.
    pub group: Option<String>,
}

/// What a box stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKind {
    /// A virtual machine.
    Guest,
    /// A protection domain.
    Domain,
    /// Memory that more than two share.
    Memory,
    /// A device, with its registers and interrupts.
    Device,
}

/// Rows from top to bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Virtual machines and their memory.
    Guest,
    /// Virtual machine monitors.
    Monitor,
    /// Backends of one guest's devices.
    Backend,
    /// What several share.
    Service,
    /// Device drivers.
    Driver,
    /// Devices.
    Device,
}

/// What joins two boxes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Id of the box that writes, notifies, calls, interrupts or controls.
    pub from: String,
    /// Id of the other.
    pub to: String,
    /// How.
    pub kind: LinkKind,
    /// Through what: a region's or channel's name, for the table below.
    pub object: String,
}

/// How one box acts on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// One writes memory that the other reads.
    Memory,
    /// Notification.
    Notify,
    /// Protected call.
    Call,
    /// Interrupt.
    Interrupt,
    /// Handles its faults and may stop and restart it.
    Control,
}

/// Physical memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemoryMap {
    /// Headline.
    pub title: String,
    /// Areas; they may lie inside one another. Sorted by the drawing.
    pub ranges: Vec<Range>,
}

/// An area of physical addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// First address; `None` where the kernel chooses at boot. Those are in the table only.
    pub base: Option<u64>,
    /// Bytes.
    pub size: u64,
    /// What is there.
    pub name: String,
    /// What it is.
    pub kind: RangeKind,
    /// Who may do what: name and rights such as `rw`.
    pub users: Vec<(String, String)>,
}

/// What an area is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RangeKind {
    /// Memory of the board, behind the regions.
    Board,
    /// What the kernel keeps to itself.
    Reserved,
    /// Registers of a device.
    Device,
    /// A region of memory.
    Region,
}

/// Who runs when.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule {
    /// Headline.
    pub title: String,
    /// Threads; sorted by core and priority by the drawing.
    pub threads: Vec<Thread>,
}

/// Something that is scheduled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Name.
    pub name: String,
    /// Core.
    pub core: u64,
    /// 0 to 255; higher ones run first.
    pub priority: u64,
    /// Microseconds per period; the same as the period means without limit.
    pub budget_us: u64,
    /// Microseconds.
    pub period_us: u64,
    /// Runs on its callers' time.
    pub passive: bool,
    /// Whether it is a virtual CPU.
    pub vcpu: bool,
    /// Domain of the domain schedule.
    pub domain: Option<String>,
}

/// Information flows between subjects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flows {
    /// Headline.
    pub title: String,
    /// Subjects with a remark such as a criticality, which may be empty.
    pub subjects: Vec<(String, String)>,
    /// Flows; those whose ends are no subject are left out.
    pub flows: Vec<Flow>,
}

/// A flow, found or stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// What was found and what was stated.
    pub verdict: Verdict,
    /// By what: regions, channels.
    pub by: Vec<String>,
}

/// A flow found, held against what was stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Found and allowed.
    Allowed,
    /// Found; nothing is stated about it.
    Found,
    /// Found although denied.
    Forbidden,
    /// Allowed but not found.
    Missing,
    /// Denied and not found.
    Prevented,
}
