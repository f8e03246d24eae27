// SPDX-License-Identifier: BSD-2-Clause
//! The distribution that an image's initialiser obeys: an `rkyv` archive. Names, fields and their order
//! are those of rust-sel4's `sel4-capdl-initializer-types` (revision dbe6445d, that Microkit 2.3.0 uses),
//! kinds of other architectures included, since the layout depends on them.

use std::ops::Range;

use rkyv::rancor::Error;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};

use super::ImageError;

/// A whole distribution.
#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) objects: Vec<NamedObject>,
    pub(crate) irqs: Vec<IrqEntry>,
    pub(crate) domain_schedule: Option<Vec<DomainEntry>>,
    pub(crate) domain_set_start: Option<u64>,
    pub(crate) domain_idx_shift: Option<u64>,
    pub(crate) asid_slots: Vec<u32>,
    pub(crate) root_objects: Range<u32>,
    pub(crate) untyped_covers: Vec<UntypedCover>,
    pub(crate) cached_orig_cap_slots: Option<OrigCapSlots>,
    pub(crate) log_level: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct NamedObject {
    pub(crate) name: Option<String>,
    pub(crate) object: Object,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) enum Object {
    Untyped(Untyped),
    Endpoint,
    Notification,
    CNode(CNode),
    Tcb(Tcb),
    Irq(Irq),
    VCpu,
    Frame(Frame),
    PageTable(PageTable),
    AsidPool(u64),
    IOSpace(IoSpace),
    IOPageTable(IoPageTable),
    ArmIrq(ArmIrq),
    IrqMsi(IrqMsi),
    IrqIOApic(IrqIoApic),
    RiscvIrq(RiscvIrq),
    IOPorts(IoPorts),
    SchedContext(SchedContext),
    Reply,
    ArmSmc,
    DomainSet,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct Untyped {
    pub(crate) size_bits: u8,
    pub(crate) paddr: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct CNode {
    pub(crate) size_bits: u8,
    pub(crate) slots: Vec<Slot>,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct Tcb {
    pub(crate) slots: Vec<Slot>,
    pub(crate) extra: Box<TcbExtra>,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct TcbExtra {
    pub(crate) ipc_buffer_addr: u64,
    pub(crate) affinity: u64,
    pub(crate) prio: u8,
    pub(crate) max_prio: u8,
    pub(crate) fpu_disabled: bool,
    pub(crate) resume: bool,
    pub(crate) domain: Option<u8>,
    pub(crate) ip: u64,
    pub(crate) sp: u64,
    pub(crate) gprs: Vec<u64>,
    pub(crate) master_fault_ep: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct Irq {
    pub(crate) slots: Vec<Slot>,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct Frame {
    pub(crate) size_bits: u8,
    pub(crate) paddr: Option<u64>,
    pub(crate) init: FrameInit,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) enum FrameInit {
    Fill(Fill),
    Embedded(u64),
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct Fill {
    pub(crate) entries: Vec<FillEntry>,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct FillEntry {
    pub(crate) range: Range<u64>,
    pub(crate) content: FillContent,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) enum FillContent {
    Data(Content),
    BootInfo(BootInfo),
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct BootInfo {
    pub(crate) id: BootInfoId,
    pub(crate) offset: u64,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) enum BootInfoId {
    Padding,
    X86Vbe,
    X86Mbmmap,
    X86AcpiRsdp,
    X86FrameBuffer,
    X86TscFreq,
    Fdt,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    DeflatedBytes(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct PageTable {
    pub(crate) x86_ept: bool,
    pub(crate) is_root: bool,
    pub(crate) level: Option<u8>,
    pub(crate) slots: Vec<Slot>,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct IoSpace {
    pub(crate) slots: Vec<Slot>,
    pub(crate) domain_id: u64,
    pub(crate) pci_device: PciDevice,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct PciDevice {
    pub(crate) bus: u8,
    pub(crate) device: u8,
    pub(crate) function: u8,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct IoPageTable {
    pub(crate) slots: Vec<Slot>,
    pub(crate) level: u64,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct ArmIrq {
    pub(crate) slots: Vec<Slot>,
    pub(crate) extra: Box<ArmIrqExtra>,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct ArmIrqExtra {
    pub(crate) trigger: u8,
    pub(crate) target: u64,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct IrqMsi {
    pub(crate) slots: Vec<Slot>,
    pub(crate) extra: Box<[u64; 4]>,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct IrqIoApic {
    pub(crate) slots: Vec<Slot>,
    pub(crate) extra: Box<[u64; 4]>,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct RiscvIrq {
    pub(crate) slots: Vec<Slot>,
    pub(crate) trigger: u8,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct IoPorts {
    pub(crate) start_port: u64,
    pub(crate) end_port: u64,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct SchedContext {
    pub(crate) size_bits: u8,
    pub(crate) extra: SchedExtra,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct SchedExtra {
    pub(crate) period: u64,
    pub(crate) budget: u64,
    pub(crate) badge: u64,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct IrqEntry {
    pub(crate) irq: u64,
    pub(crate) handler: u32,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct DomainEntry {
    pub(crate) domain: u8,
    pub(crate) duration: Duration,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) enum Duration {
    Ticks(u64),
    Us(u64),
    EndMarker,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct UntypedCover {
    pub(crate) parent: u32,
    pub(crate) children: Range<u32>,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct OrigCapSlots {
    pub(crate) num_occupied: u32,
    pub(crate) offsets_by_object: Vec<Option<u32>>,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct Slot {
    pub(crate) slot: u32,
    pub(crate) cap: Cap,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) enum Cap {
    Untyped(u32),
    Endpoint(ChannelCap),
    Notification(ChannelCap),
    CNode(CNodeCap),
    Tcb(u32),
    IrqHandler(u32),
    VCpu(u32),
    Frame(FrameCap),
    PageTable(u32),
    AsidPool(u32),
    IOSpace(u32),
    IOPageTable(u32),
    ArmIrqHandler(u32),
    IrqMsiHandler(u32),
    IrqIOApicHandler(u32),
    RiscvIrqHandler(u32),
    IOPorts(u32),
    SchedContext(u32),
    Reply(u32),
    ArmSmc(u32),
    DomainSet(u32),
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct ChannelCap {
    pub(crate) object: u32,
    pub(crate) badge: u64,
    pub(crate) rights: Rights,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct CNodeCap {
    pub(crate) object: u32,
    pub(crate) guard: u64,
    pub(crate) guard_size: u8,
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct FrameCap {
    pub(crate) object: u32,
    pub(crate) rights: Rights,
    pub(crate) cached: bool,
    pub(crate) executable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Archive, Serialize, Deserialize)]
pub(crate) struct Rights {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) grant: bool,
    pub(crate) grant_reply: bool,
}

impl Spec {
    /// Reads an archive; every offset and tag in it is checked.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let mut aligned: AlignedVec<16> = AlignedVec::with_capacity(bytes.len());
        aligned.extend_from_slice(bytes);
        rkyv::from_bytes::<Self, Error>(&aligned)
            .map_err(|error| ImageError::Archive(error.to_string()))
    }

    /// Writes an archive, for the images that checks are tried on.
    pub(crate) fn write(&self) -> Result<Vec<u8>, ImageError> {
        let bytes = rkyv::to_bytes::<Error>(self);
        bytes
            .map(|bytes| bytes.to_vec())
            .map_err(|error| ImageError::Archive(error.to_string()))
    }
}
