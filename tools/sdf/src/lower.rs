// SPDX-License-Identifier: BSD-2-Clause
//! From our extension to plain SDF: each `<record>` becomes a read-only, prefilled region.

use crate::diag::{Diagnostic, Diagnostics};
use crate::files::Files;
use crate::model::{
    Map, MemoryRegion, PageSize, Perms, ProtectionDomain, RecordEntry, RecordTarget, System,
    Trigger,
};
use crate::rules::guest::IMAGE;
use crate::rules::record::{SPACE, TARGET};
use crate::span::{Span, Spanned};
use record::{
    Builder, ChannelEntry, ChannelRights, ChildEntry, Entry, IrqEntry, RegionEntry, RegionRights,
};
use units::{Bytes, ChannelId, ChildId, IrqId, PdVaddr, PhysAddr, VcpuId};

/// Lowest address a record is mapped at.
pub const RECORD_BASE: u64 = 0x3000_0000;
/// Symbol that receives the record's address; a PD without record keeps 0.
pub const RECORD_SYMBOL: &str = "bulkhead_record";
/// Symbol that receives the size of the record's region in bytes.
pub const RECORD_SIZE_SYMBOL: &str = "bulkhead_record_size";

/// A system in plain SDF, and the files that its records need.
#[derive(Debug, Clone)]
pub struct Lowered {
    /// The system without any `<record>`; new elements carry the span of the record they come from.
    pub system: System,
    /// The records, in the order of their protection domains.
    pub records: Vec<RecordImage>,
}

/// A record to be written to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordImage {
    /// Index of its protection domain.
    pub pd: usize,
    /// Name of the file, relative to a search directory.
    pub path: String,
    /// Bytes of the file and its region: a multiple of 4 KiB.
    pub size: u64,
    /// Address it is mapped at.
    pub vaddr: u64,
    /// Roles and what they stand for.
    pub entries: Vec<(String, Resolved)>,
}

/// What a record entry stands for, as far as the system file decides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// A mapping.
    Region(RegionEntry),
    /// A channel.
    Channel(ChannelEntry),
    /// An interrupt.
    Irq(IrqEntry),
    /// A child; its entry point is known only once its program is.
    Child {
        /// Id the parent knows it by.
        id: ChildId,
        /// Its name.
        pd: String,
    },
    /// A vCPU.
    Vcpu(VcpuId),
    /// A number.
    Value(u64),
    /// A text.
    Text(String),
}

/// Why a record could not be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncodeError {
    /// The entry point of this child is not known.
    NoEntryPoint(String),
    /// The record does not fit its region.
    NoSpace,
}

impl std::fmt::Display for EncodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoEntryPoint(pd) => write!(f, "the entry point of `{pd}` is not known"),
            Self::NoSpace => f.write_str("the record does not fit its region"),
        }
    }
}

impl std::error::Error for EncodeError {}

impl RecordImage {
    /// The bytes of the file, padded to `size`; `entry_point` gives the entry of a child's program.
    ///
    /// # Errors
    /// When a child's entry point is not known.
    pub fn encode(
        &self,
        entry_point: &dyn Fn(&str) -> Option<u64>,
    ) -> Result<Vec<u8>, EncodeError> {
        let size = usize::try_from(self.size).map_err(|_| EncodeError::NoSpace)?;
        let mut bytes = vec![0; size];
        let mut builder = Builder::new(&mut bytes);
        for (role, resolved) in &self.entries {
            let entry = match resolved {
                Resolved::Region(region) => Entry::Region(*region),
                Resolved::Channel(channel) => Entry::Channel(*channel),
                Resolved::Irq(irq) => Entry::Irq(*irq),
                Resolved::Child { id, pd } => {
                    let entry = entry_point(pd);
                    let entry = entry.ok_or_else(|| EncodeError::NoEntryPoint(pd.clone()))?;
                    Entry::Child(ChildEntry { id: *id, entry })
                }
                Resolved::Vcpu(id) => Entry::Vcpu(*id),
                Resolved::Value(value) => Entry::Value(*value),
                Resolved::Text(text) => Entry::Text(text),
            };
            builder
                .add(role, &entry)
                .map_err(|_| EncodeError::NoSpace)?;
        }
        builder.finish().map_err(|_| EncodeError::NoSpace)?;
        Ok(bytes)
    }
}

/// Turns every `<record>` into a region, a mapping and two setvars.
///
/// # Errors
/// When a record names what its protection domain does not have, or has no room. A system that
/// [`crate::check`] accepted with the same files can only lack room.
pub fn lower(system: &System, files: &dyn Files) -> Result<Lowered, Diagnostics> {
    let mut out = Diagnostics::new(system.source.clone());
    let mut lowered = Lowered {
        system: system.clone(),
        records: Vec::new(),
    };
    for index in 0..system.pds.len() {
        lower_pd(system, index, files, &mut lowered, &mut out);
    }
    if out.has_errors() {
        out.sort();
        return Err(out);
    }
    Ok(lowered)
}

fn lower_pd(
    system: &System,
    index: usize,
    files: &dyn Files,
    lowered: &mut Lowered,
    out: &mut Diagnostics,
) {
    let pd = &system.pds[index];
    let Some(record) = &pd.record else { return };
    if let Some(guest) = &record.guest {
        let message = format!("the images of `{}` are not placed yet", *guest.image);
        out.push(Diagnostic::new(&IMAGE, guest.span, message));
    }
    let mut entries = Vec::new();
    for entry in &record.entries {
        match resolve(system, index, entry, files) {
            Ok(resolved) => entries.push((entry.role.value.clone(), resolved)),
            Err(item) => out.push(*item),
        }
    }
    let place = match place(system, pd, &entries, files) {
        Ok(place) => place,
        Err(item) => return out.push(*item),
    };
    let Place { name, size, vaddr } = place;
    let path = format!("{name}.bin");
    lowered
        .system
        .memory_regions
        .push(region(&name, &path, size, record.span));
    lowered.system.pds[index]
        .maps
        .push(mapping(&name, vaddr, record.span));
    lowered.system.pds[index].record = None;
    lowered.records.push(RecordImage {
        pd: index,
        path,
        size,
        vaddr,
        entries,
    });
}

/// Where a record goes.
pub(crate) struct Place {
    name: String,
    size: u64,
    vaddr: u64,
}

/// Finds name, size and address for the record of `pd` with `entries`.
pub(crate) fn place(
    system: &System,
    pd: &ProtectionDomain,
    entries: &[(String, Resolved)],
    files: &dyn Files,
) -> Result<Place, Box<Diagnostic>> {
    let span = pd.record.as_ref().map_or(pd.span, |record| record.span);
    let size = image_size(entries);
    let name = format!("{}_record", pd.name.value);
    if system.memory_region(&name).is_some() || name.contains(['/', '\\']) {
        let message = format!("a region cannot be called `{name}`");
        return Err(Box::new(Diagnostic::new(&SPACE, span, message)));
    }
    let Some(vaddr) = free_hole(system, pd, size, files) else {
        let message = format!(
            "`{}` has no {size:#x} free bytes of address space",
            pd.name.value
        );
        return Err(Box::new(Diagnostic::new(&SPACE, span, message)));
    };
    Ok(Place { name, size, vaddr })
}

/// Bytes of the record, in whole pages.
fn image_size(entries: &[(String, Resolved)]) -> u64 {
    let text: usize = entries
        .iter()
        .map(|(_, entry)| match entry {
            Resolved::Text(text) => text.len(),
            _ => 0,
        })
        .sum();
    let length = record::encoded_len(entries.len(), text).next_multiple_of(0x1000);
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn region(name: &str, path: &str, size: u64, span: Span) -> MemoryRegion {
    MemoryRegion {
        span,
        name: Spanned::new(name.to_owned(), span),
        size: Some(Spanned::new(size, span)),
        page_size: Some(Spanned::new(PageSize::Small, span)),
        phys_addr: None,
        prefill_path: Some(Spanned::new(path.to_owned(), span)),
        prefill_bootinfo: None,
    }
}

fn mapping(name: &str, vaddr: u64, span: Span) -> Map {
    let symbol = |name: &str| Some(Spanned::new(name.to_owned(), span));
    Map {
        span,
        mr: Spanned::new(name.to_owned(), span),
        vaddr: Spanned::new(vaddr, span),
        perms: Spanned::new(
            Perms {
                read: true,
                write: false,
                execute: false,
            },
            span,
        ),
        cached: Spanned::new(true, span),
        setvar_vaddr: symbol(RECORD_SYMBOL),
        setvar_size: symbol(RECORD_SIZE_SYMBOL),
        setvar_prefill_size: None,
    }
}

/// Lowest page-aligned address from [`RECORD_BASE`] with `size` bytes free, a page of distance kept.
fn free_hole(system: &System, pd: &ProtectionDomain, size: u64, files: &dyn Files) -> Option<u64> {
    let mut taken: Vec<(u64, u64)> = pd
        .maps
        .iter()
        .map(|map| {
            let region = system
                .memory_region(&map.mr)
                .and_then(|mr| system.region(mr, files));
            let end = map
                .vaddr
                .saturating_add(region.map_or(0x1000, |region| region.size));
            (map.vaddr.saturating_sub(0x1000), end.saturating_add(0x1000))
        })
        .collect();
    taken.sort_unstable();
    let mut at = RECORD_BASE;
    for (start, end) in taken {
        if at.saturating_add(size) > start && at < end {
            at = end.checked_next_multiple_of(0x1000)?;
        }
    }
    let end = at.checked_add(size)?.checked_add(0x1000)?;
    (end <= pd.map_limit()).then_some(at)
}

/// What `entry` of protection domain `index` stands for.
pub(crate) fn resolve(
    system: &System,
    index: usize,
    entry: &RecordEntry,
    files: &dyn Files,
) -> Result<Resolved, Box<Diagnostic>> {
    let Some(pd) = system.pds.get(index) else {
        return Err(missing(
            entry.span,
            "there is no such protection domain".to_owned(),
        ));
    };
    let own = &pd.name.value;
    match &entry.target {
        RecordTarget::Region { mr } => resolve_region(system, pd, mr, files),
        RecordTarget::Channel { pd: peer, n } => resolve_channel(system, pd, peer, *n),
        RecordTarget::Irq { irq: wanted } => {
            let irq = pd.irqs.iter().find(|irq| irq.irq.value == wanted.value);
            let irq = irq.and_then(|irq| {
                let id = IrqId::new(u64::from(irq.id.value))?;
                let edge = irq.trigger.value == Trigger::Edge;
                Some(Resolved::Irq(IrqEntry {
                    id,
                    number: irq.irq.value,
                    edge,
                }))
            });
            irq.ok_or_else(|| {
                missing(
                    wanted.span,
                    format!("`{own}` has no interrupt {}", wanted.value),
                )
            })
        }
        RecordTarget::Child { pd: name } => {
            let child = system.children(index).map(|child| &system.pds[child]);
            let child = child.into_iter().find(|child| *child.name == **name);
            let id = child.and_then(|child| ChildId::new(u64::from(child.child_id?.value)));
            id.map(|id| Resolved::Child {
                id,
                pd: name.value.clone(),
            })
            .ok_or_else(|| missing(name.span, format!("`{own}` has no child `{}`", name.value)))
        }
        RecordTarget::Vcpu { id } => {
            let vm = pd.virtual_machine.iter().flat_map(|vm| &vm.vcpus);
            let known = vm.into_iter().any(|vcpu| vcpu.id.value == id.value);
            let found = VcpuId::new(u64::from(id.value))
                .filter(|_| known)
                .map(Resolved::Vcpu);
            found.ok_or_else(|| missing(id.span, format!("`{own}` has no vCPU {}", id.value)))
        }
        RecordTarget::Value { value } => Ok(Resolved::Value(value.value)),
        RecordTarget::Text { value } => Ok(Resolved::Text(value.value.clone())),
    }
}

fn missing(span: Span, message: String) -> Box<Diagnostic> {
    Box::new(Diagnostic::new(&TARGET, span, message))
}

fn resolve_region(
    system: &System,
    pd: &ProtectionDomain,
    name: &Spanned<String>,
    files: &dyn Files,
) -> Result<Resolved, Box<Diagnostic>> {
    let Some(map) = pd.maps.iter().find(|map| *map.mr == **name) else {
        let message = format!("`{}` does not map `{}`", pd.name.value, name.value);
        return Err(missing(name.span, message));
    };
    let mr = system.memory_region(name);
    let known = mr.and_then(|mr| {
        let size = system.region(mr, files)?.size;
        Some((
            PdVaddr::new(map.vaddr.value)?,
            Bytes::new(size),
            mr.phys_addr,
        ))
    });
    let Some((vaddr, size, phys)) = known else {
        let message = format!("address or size of `{}` is not known", name.value);
        return Err(missing(name.span, message));
    };
    let Perms {
        read,
        write,
        execute,
    } = map.perms.value;
    let rights = RegionRights {
        read,
        write,
        execute,
        cached: map.cached.value,
    };
    let paddr = phys.map(|addr| PhysAddr::new(addr.value));
    Ok(Resolved::Region(RegionEntry {
        vaddr,
        size,
        rights,
        paddr,
    }))
}

fn resolve_channel(
    system: &System,
    pd: &ProtectionDomain,
    peer: &Spanned<String>,
    n: Option<Spanned<u64>>,
) -> Result<Resolved, Box<Diagnostic>> {
    let ends: Vec<_> = system
        .ends(&pd.name)
        .filter(|(_, other)| *other.pd == **peer)
        .map(|(own, _)| own)
        .collect();
    let own = &pd.name.value;
    if n.is_none() && ends.len() > 1 {
        let message = format!("`{own}` has {} channels to `{}`", ends.len(), peer.value);
        let item = Diagnostic::new(&TARGET, peer.span, message);
        return Err(Box::new(
            item.help("pick one with `n`, counted from 0 in file order"),
        ));
    }
    let which = usize::try_from(n.map_or(0, |n| n.value)).unwrap_or(usize::MAX);
    let found = ends.get(which).and_then(|end| {
        let id = ChannelId::new(u64::from(end.id.value))?;
        let rights = ChannelRights {
            notify: end.notify.value,
            call: end.pp.value,
        };
        Some(Resolved::Channel(ChannelEntry { id, rights }))
    });
    found.ok_or_else(|| match n {
        Some(n) if !ends.is_empty() => {
            let message = format!(
                "`{own}` has only {} channels to `{}`",
                ends.len(),
                peer.value
            );
            missing(n.span, message)
        }
        _ => missing(
            peer.span,
            format!("`{own}` has no channel to `{}`", peer.value),
        ),
    })
}
