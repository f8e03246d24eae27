// SPDX-License-Identifier: BSD-2-Clause
//! Entries as their readers and writers see them.

use units::{Bytes, ChannelId, ChildId, IrqId, PdVaddr, PhysAddr, VcpuId};

use crate::error::EntryFault;
use crate::layout::{Kind, RawEntry, channel_flags, irq_flags, region_flags};

/// Page rights and attributes of a mapped region.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct RegionRights {
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub execute: bool,
    /// Normal cacheable memory; otherwise device memory (Device-nGnRnE).
    pub cached: bool,
}

/// A mapped memory region.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RegionEntry {
    /// Where the PD sees it.
    pub vaddr: PdVaddr,
    /// How long it is; never zero.
    pub size: Bytes,
    /// Rights and attributes.
    pub rights: RegionRights,
    /// Where devices see it, if the tool fixed that.
    pub paddr: Option<PhysAddr>,
}

/// What this end of a channel may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ChannelRights {
    /// May notify the other end.
    pub notify: bool,
    /// May make protected calls to the other end.
    pub call: bool,
}

/// A channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ChannelEntry {
    /// This PD's id of it.
    pub id: ChannelId,
    /// What this end may do.
    pub rights: ChannelRights,
}

/// An interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct IrqEntry {
    /// This PD's id of it.
    pub id: IrqId,
    /// Number at the interrupt controller, for diagnostics.
    pub number: u32,
    /// Edge triggered; otherwise level triggered.
    pub edge: bool,
}

/// A child PD.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ChildEntry {
    /// This PD's id of it.
    pub id: ChildId,
    /// Entry point of its program, where a restart begins.
    pub entry: u64,
}

/// Memory as devices address it: what a PD may let a device read and write on somebody's behalf. The
/// PD itself need not map it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WindowEntry {
    /// Where devices see it.
    pub paddr: PhysAddr,
    /// How long it is; never zero, and the last byte has an address.
    pub size: Bytes,
}

impl WindowEntry {
    /// Physical address of the `len` bytes at `offset`; `None` unless all of them lie inside.
    #[must_use]
    pub const fn address(&self, offset: u64, len: u64) -> Option<PhysAddr> {
        match offset.checked_add(len) {
            Some(end) if end <= self.size.get() => self.paddr.checked_add(offset),
            _ => None,
        }
    }
}

/// One entry without its role.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Entry<'a> {
    /// A mapped memory region.
    Region(RegionEntry),
    /// A channel.
    Channel(ChannelEntry),
    /// An interrupt.
    Irq(IrqEntry),
    /// A child PD.
    Child(ChildEntry),
    /// A vCPU.
    Vcpu(VcpuId),
    /// A number.
    Value(u64),
    /// A text.
    Text(&'a str),
    /// Memory as devices address it.
    Window(WindowEntry),
}

impl<'a> Entry<'a> {
    /// The kind of the entry.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Region(_) => Kind::Region,
            Self::Channel(_) => Kind::Channel,
            Self::Irq(_) => Kind::Irq,
            Self::Child(_) => Kind::Child,
            Self::Vcpu(_) => Kind::Vcpu,
            Self::Value(_) => Kind::Value,
            Self::Text(_) => Kind::Text,
            Self::Window(_) => Kind::Window,
        }
    }

    /// Decodes an entry; `None` where the kind is one of a later minor version.
    pub(crate) fn decode(raw: &RawEntry, heap: &'a [u8]) -> Result<Option<Self>, EntryFault> {
        let Some(kind) = Kind::from_raw(raw.kind.get()) else {
            return Ok(None);
        };
        let (a, b) = (raw.a.get(), raw.b.get());
        let id = EntryFault::Id(a);
        Ok(Some(match kind {
            Kind::Region => Self::Region(decode_region(raw).ok_or(EntryFault::Region)?),
            Kind::Channel => Self::Channel(ChannelEntry {
                id: ChannelId::new(a).ok_or(id)?,
                rights: ChannelRights {
                    notify: raw.flags.get() & channel_flags::NOTIFY != 0,
                    call: raw.flags.get() & channel_flags::CALL != 0,
                },
            }),
            Kind::Irq => Self::Irq(IrqEntry {
                id: IrqId::new(a).ok_or(id)?,
                number: u32::try_from(b).map_err(|_| EntryFault::IrqNumber(b))?,
                edge: raw.flags.get() & irq_flags::EDGE != 0,
            }),
            Kind::Child => Self::Child(ChildEntry {
                id: ChildId::new(a).ok_or(id)?,
                entry: b,
            }),
            Kind::Vcpu => Self::Vcpu(VcpuId::new(a).ok_or(id)?),
            Kind::Value => Self::Value(a),
            Kind::Text => Self::Text(decode_text(a, b, heap).ok_or(EntryFault::Text)?),
            Kind::Window => Self::Window(decode_window(a, b).ok_or(EntryFault::Window)?),
        }))
    }

    /// Kind, flags and operands of the entry; a text's offset is left to the builder.
    pub(crate) fn encode(&self) -> (u16, u16, [u64; 3]) {
        let (flags, operands) = match *self {
            Self::Region(region) => encode_region(&region),
            Self::Channel(channel) => {
                let notify = flag(channel.rights.notify, channel_flags::NOTIFY);
                let call = flag(channel.rights.call, channel_flags::CALL);
                (notify | call, [channel.id.into(), 0, 0])
            }
            Self::Irq(irq) => {
                let operands = [irq.id.into(), u64::from(irq.number), 0];
                (flag(irq.edge, irq_flags::EDGE), operands)
            }
            Self::Child(child) => (0, [child.id.into(), child.entry, 0]),
            Self::Vcpu(id) => (0, [id.into(), 0, 0]),
            Self::Value(value) => (0, [value, 0, 0]),
            Self::Text(text) => (0, [0, text.len() as u64, 0]),
            Self::Window(window) => (0, [window.paddr.get(), window.size.get(), 0]),
        };
        (self.kind().raw(), flags, operands)
    }
}

const fn flag(set: bool, bit: u16) -> u16 {
    if set { bit } else { 0 }
}

fn decode_region(raw: &RawEntry) -> Option<RegionEntry> {
    let vaddr = PdVaddr::new(raw.a.get())?;
    let size = Bytes::new(raw.b.get());
    // The last byte must be addressable, which also refuses an empty region.
    vaddr.checked_add(size.get().checked_sub(1)?)?;
    let flags = raw.flags.get();
    let paddr = PhysAddr::new(raw.c.get());
    Some(RegionEntry {
        vaddr,
        size,
        rights: RegionRights {
            read: flags & region_flags::READ != 0,
            write: flags & region_flags::WRITE != 0,
            execute: flags & region_flags::EXECUTE != 0,
            cached: flags & region_flags::CACHED != 0,
        },
        paddr: (flags & region_flags::PADDR != 0).then_some(paddr),
    })
}

fn encode_region(region: &RegionEntry) -> (u16, [u64; 3]) {
    let flags = flag(region.rights.read, region_flags::READ)
        | flag(region.rights.write, region_flags::WRITE)
        | flag(region.rights.execute, region_flags::EXECUTE)
        | flag(region.rights.cached, region_flags::CACHED)
        | flag(region.paddr.is_some(), region_flags::PADDR);
    let paddr = region.paddr.map_or(0, PhysAddr::get);
    (flags, [region.vaddr.get(), region.size.get(), paddr])
}

fn decode_window(paddr: u64, size: u64) -> Option<WindowEntry> {
    let (paddr, size) = (PhysAddr::new(paddr), Bytes::new(size));
    // The last byte must be addressable, which also refuses an empty window.
    paddr.checked_add(size.get().checked_sub(1)?)?;
    Some(WindowEntry { paddr, size })
}

fn decode_text(offset: u64, len: u64, heap: &[u8]) -> Option<&str> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    core::str::from_utf8(heap.get(start..end)?).ok()
}
