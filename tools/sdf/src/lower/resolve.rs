// SPDX-License-Identifier: BSD-2-Clause
//! What the entries of a record stand for.

use super::Resolved;
use crate::diag::Diagnostic;
use crate::files::Files;
use crate::model::{
    ChannelEnd, Map, Perms, ProtectionDomain, RecordEntry, RecordTarget, System, Trigger,
};
use crate::rules::record::TARGET;
use crate::span::{Span, Spanned};
use record::{ChannelEntry, ChannelRights, IrqEntry, RegionEntry, RegionRights, WindowEntry};
use units::{Bytes, ChannelId, ChildId, IrqId, PdVaddr, PhysAddr, VcpuId};

type Outcome = Result<Resolved, Box<Diagnostic>>;

/// What `entry` of protection domain `index` stands for.
pub(crate) fn resolve(
    system: &System,
    index: usize,
    entry: &RecordEntry,
    files: &dyn Files,
) -> Outcome {
    let Some(pd) = system.pds.get(index) else {
        return Err(missing(
            entry.span,
            "there is no such protection domain".to_owned(),
        ));
    };
    match &entry.target {
        RecordTarget::Region { mr } => resolve_region(system, pd, mr, files),
        RecordTarget::Window { mr } => resolve_window(system, mr, files),
        RecordTarget::Channel { pd: peer, n } => resolve_channel(system, pd, peer, *n),
        RecordTarget::Irq { irq } => resolve_irq(pd, *irq),
        RecordTarget::Child { pd: name } => resolve_child(system, index, name),
        RecordTarget::Vcpu { id } => resolve_vcpu(pd, *id),
        RecordTarget::Value { value } => Ok(Resolved::Value(value.value)),
        RecordTarget::Text { value } => Ok(Resolved::Text(value.value.clone())),
    }
}

fn missing(span: Span, message: String) -> Box<Diagnostic> {
    Box::new(Diagnostic::new(&TARGET, span, message))
}

fn resolve_irq(pd: &ProtectionDomain, wanted: Spanned<u32>) -> Outcome {
    let irq = pd.irqs.iter().find(|irq| irq.irq.value == wanted.value);
    let entry = irq.and_then(|irq| {
        let id = IrqId::new(u64::from(irq.id.value))?;
        let edge = irq.trigger.value == Trigger::Edge;
        Some(Resolved::Irq(IrqEntry {
            id,
            number: irq.irq.value,
            edge,
        }))
    });
    let own = &pd.name.value;
    entry.ok_or_else(|| {
        missing(
            wanted.span,
            format!("`{own}` has no interrupt {}", wanted.value),
        )
    })
}

fn resolve_child(system: &System, parent: usize, name: &Spanned<String>) -> Outcome {
    let mut children = system.children(parent).map(|child| &system.pds[child]);
    let child = children.find(|child| *child.name == **name);
    let id = child.and_then(|child| ChildId::new(u64::from(child.child_id?.value)));
    let own = &system.pds[parent].name.value;
    id.map(|id| Resolved::Child {
        id,
        pd: name.value.clone(),
    })
    .ok_or_else(|| missing(name.span, format!("`{own}` has no child `{}`", name.value)))
}

fn resolve_vcpu(pd: &ProtectionDomain, id: Spanned<u8>) -> Outcome {
    let mut vcpus = pd.virtual_machine.iter().flat_map(|vm| &vm.vcpus);
    let known = vcpus.any(|vcpu| vcpu.id.value == id.value);
    let found = VcpuId::new(u64::from(id.value))
        .filter(|_| known)
        .map(Resolved::Vcpu);
    let own = &pd.name.value;
    found.ok_or_else(|| missing(id.span, format!("`{own}` has no vCPU {}", id.value)))
}

fn resolve_region(
    system: &System,
    pd: &ProtectionDomain,
    name: &Spanned<String>,
    files: &dyn Files,
) -> Outcome {
    let Some(map) = pd.maps.iter().find(|map| *map.mr == **name) else {
        let message = format!("`{}` does not map `{}`", pd.name.value, name.value);
        return Err(missing(name.span, message));
    };
    let entry = region_entry(system, map, files);
    entry.map(Resolved::Region).ok_or_else(|| {
        missing(
            name.span,
            format!("address or size of `{}` is not known", name.value),
        )
    })
}

fn region_entry(system: &System, map: &Map, files: &dyn Files) -> Option<RegionEntry> {
    let mr = system.memory_region(&map.mr)?;
    let Perms {
        read,
        write,
        execute,
    } = map.perms.value;
    Some(RegionEntry {
        vaddr: PdVaddr::new(map.vaddr.value)?,
        size: Bytes::new(system.region(mr, files)?.size),
        rights: RegionRights {
            read,
            write,
            execute,
            cached: map.cached.value,
        },
        paddr: mr.phys_addr.map(|addr| PhysAddr::new(addr.value)),
    })
}

/// Devices reach memory by its physical address, so the file must fix that.
fn resolve_window(system: &System, name: &Spanned<String>, files: &dyn Files) -> Outcome {
    let Some(mr) = system.memory_region(name) else {
        let message = format!("there is no memory region `{}`", name.value);
        return Err(missing(name.span, message));
    };
    let Some(paddr) = mr.phys_addr else {
        let message = format!("`{}` has no physical address", name.value);
        let item = Diagnostic::new(&TARGET, name.span, message);
        let item = item.also(mr.span, "the region");
        return Err(Box::new(item.help("give the region a `phys_addr`")));
    };
    let Some(region) = system.region(mr, files) else {
        let message = format!("the size of `{}` is not known", name.value);
        return Err(missing(name.span, message));
    };
    Ok(Resolved::Window(WindowEntry {
        paddr: PhysAddr::new(paddr.value),
        size: Bytes::new(region.size),
    }))
}

fn resolve_channel(
    system: &System,
    pd: &ProtectionDomain,
    peer: &Spanned<String>,
    n: Option<Spanned<u64>>,
) -> Outcome {
    let own = &pd.name.value;
    let ends = system.ends(own).filter(|(_, other)| *other.pd == **peer);
    let ends: Vec<&ChannelEnd> = ends.map(|(own, _)| own).collect();
    let count = ends.len();
    if n.is_none() && count > 1 {
        let message = format!("`{own}` has {count} channels to `{}`", peer.value);
        let item = Diagnostic::new(&TARGET, peer.span, message);
        return Err(Box::new(
            item.help("pick one with `n`, counted from 0 in file order"),
        ));
    }
    let which = usize::try_from(n.map_or(0, |n| n.value)).unwrap_or(usize::MAX);
    let entry = ends.get(which).and_then(|end| {
        let id = ChannelId::new(u64::from(end.id.value))?;
        let rights = ChannelRights {
            notify: end.notify.value,
            call: end.pp.value,
        };
        Some(Resolved::Channel(ChannelEntry { id, rights }))
    });
    entry.ok_or_else(|| match n.filter(|_| count > 0) {
        Some(n) => missing(
            n.span,
            format!("`{own}` has only {count} channels to `{}`", peer.value),
        ),
        None => missing(
            peer.span,
            format!("`{own}` has no channel to `{}`", peer.value),
        ),
    })
}
