// SPDX-License-Identifier: BSD-2-Clause
//! The initialiser's archive of the sample.

use std::collections::BTreeMap;

use super::image::PAGE;
use super::{DATA, RECORD};
use crate::elf::Elf;
use crate::image::archive as to;
use crate::spec::{self as from, Content, Data, Object};
use crate::system::{System, Thread, cptr};

/// The initialiser's archive and the pages that are kept whole.
pub(super) fn archive(
    spec: &from::Spec,
    system: &System,
    programs: &BTreeMap<String, Elf>,
) -> (Vec<u8>, Vec<u8>) {
    let mut frames = Vec::new();
    let mut objects = Vec::new();
    for (index, named) in spec.objects.iter().enumerate() {
        let object = match &named.object {
            Object::Frame(frame) if frame.init.entries.iter().any(is_boot_info) => {
                to::Object::Frame(at_boot(frame))
            }
            Object::Frame(frame) => {
                let bytes = page(index, frame, system, programs);
                to::Object::Frame(self::frame(frame, bytes, &mut frames))
            }
            other => object(other),
        };
        objects.push(to::NamedObject { name: None, object });
    }
    let irqs = spec.irqs.iter().map(|entry| to::IrqEntry {
        irq: entry.irq,
        handler: id(entry.handler),
    });
    let schedule = spec.domain_schedule.as_ref();
    let archive = to::Spec {
        objects,
        irqs: irqs.collect(),
        domain_schedule: schedule.map(|entries| entries.iter().map(domain).collect()),
        domain_set_start: spec.domain_set_start,
        domain_idx_shift: spec.domain_idx_shift,
        asid_slots: Vec::new(),
        root_objects: 0..id(spec.objects.len()),
        untyped_covers: Vec::new(),
        cached_orig_cap_slots: None,
        log_level: None,
    };
    (archive.write().unwrap_or_default(), frames)
}

fn domain(entry: &from::DomainEntry) -> to::DomainEntry {
    to::DomainEntry {
        domain: entry.domain,
        duration: duration(entry.duration),
    }
}

const fn duration(duration: from::Duration) -> to::Duration {
    match duration {
        from::Duration::Ticks(ticks) => to::Duration::Ticks(ticks),
        from::Duration::Us(us) => to::Duration::Us(us),
        from::Duration::EndMarker => to::Duration::EndMarker,
    }
}

fn id(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// What a page holds: a program's part with its variables set, or the record.
fn page(
    index: usize,
    frame: &from::Frame,
    system: &System,
    programs: &BTreeMap<String, Elf>,
) -> Vec<u8> {
    let entry = frame.init.entries.first().map(|entry| &entry.content);
    let Some(Content::Data(Data::ElfContent(part))) = entry else {
        return entry.map_or_else(Vec::new, |_| RECORD.to_vec());
    };
    let owner = system
        .threads
        .iter()
        .find(|thread| thread.mappings.iter().any(|m| m.frame == index));
    let segment = usize::try_from(part.elf_seg_idx).unwrap_or(usize::MAX);
    let elf = owner.and_then(|owner| programs.get(&owner.name));
    let segment = elf.and_then(|elf| elf.segments.get(segment));
    let range = &part.elf_seg_data_range;
    let mut bytes = segment
        .and_then(|s| s.bytes(range.start, range.end))
        .unwrap_or_default();
    if let (Some(owner), Some(elf)) = (owner, elf)
        && segment.is_some_and(|segment| segment.vaddr == DATA)
    {
        set(&mut bytes, owner, elf);
    }
    bytes
}

fn set(bytes: &mut [u8], owner: &Thread, elf: &Elf) {
    let ids = |kind: from::Kind, first: u64| {
        let held = owner
            .caps
            .iter()
            .filter(|held| held.kind == kind && held.cptr >= first);
        held.filter(|held| held.cptr - first < cptr::IDS)
            .fold(0, |bits, held| bits | 1_u64 << (held.cptr - first))
    };
    let mut put = |name: &str, value: &[u8]| {
        let at = elf
            .symbol(name)
            .and_then(|symbol| usize::try_from(symbol.vaddr - DATA).ok());
        if let Some(place) = at.and_then(|at| bytes.get_mut(at..at + value.len())) {
            place.copy_from_slice(value);
        }
    };
    put(
        "microkit_irqs",
        &ids(from::Kind::Irq, cptr::IRQ).to_le_bytes(),
    );
    put(
        "microkit_notifications",
        &ids(from::Kind::Notification, cptr::NOTIFY).to_le_bytes(),
    );
    put(
        "microkit_pps",
        &ids(from::Kind::Endpoint, cptr::CALL).to_le_bytes(),
    );
    put("microkit_name", owner.name.as_bytes());
    put("microkit_passive", &[u8::from(owner.passive)]);
    if owner.name == "driver" {
        put("bulkhead_record", &0x3000_0000_u64.to_le_bytes());
    }
}

fn is_boot_info(entry: &from::FillEntry) -> bool {
    matches!(entry.content, Content::BootInfo { .. })
}

/// A page that the kernel's device tree is written to at boot.
fn at_boot(frame: &from::Frame) -> to::Frame {
    let entries = frame.init.entries.iter().filter_map(|entry| {
        let Content::BootInfo { offset, .. } = entry.content else {
            return None;
        };
        let id = to::BootInfoId::Fdt;
        let content = to::FillContent::BootInfo(to::BootInfo { id, offset });
        let range = entry.range.clone();
        Some(to::FillEntry { range, content })
    });
    to::Frame {
        size_bits: frame.size_bits,
        paddr: frame.paddr,
        init: to::FrameInit::Fill(to::Fill {
            entries: entries.collect(),
        }),
    }
}

fn frame(frame: &from::Frame, bytes: Vec<u8>, frames: &mut Vec<u8>) -> to::Frame {
    let init = match (bytes.is_empty(), frame.size_bits, frame.paddr) {
        (true, ..) => to::FrameInit::Fill(to::Fill {
            entries: Vec::new(),
        }),
        (false, 12, None) => {
            let number = frames.len() / PAGE;
            frames.extend(&bytes);
            frames.resize((number + 1) * PAGE, 0);
            to::FrameInit::Embedded(number as u64)
        }
        _ => {
            let range = 0..bytes.len() as u64;
            let deflated = miniz_oxide::deflate::compress_to_vec(&bytes, 6);
            let content = to::FillContent::Data(to::Content::DeflatedBytes(deflated));
            to::FrameInit::Fill(to::Fill {
                entries: vec![to::FillEntry { range, content }],
            })
        }
    };
    to::Frame {
        size_bits: frame.size_bits,
        paddr: frame.paddr,
        init,
    }
}

fn object(object: &Object) -> to::Object {
    match object {
        Object::Endpoint | Object::Frame(_) => to::Object::Endpoint,
        Object::Notification => to::Object::Notification,
        Object::Reply => to::Object::Reply,
        Object::VCpu => to::Object::VCpu,
        Object::ArmSmc => to::Object::ArmSmc,
        Object::PageTable(it) => to::Object::PageTable(to::PageTable {
            x86_ept: it.x86_ept,
            is_root: it.is_root,
            level: it.level,
            slots: slots(&it.slots),
        }),
        Object::CNode(it) => to::Object::CNode(to::CNode {
            size_bits: it.size_bits,
            slots: slots(&it.slots),
        }),
        Object::Tcb(it) => to::Object::Tcb(tcb(it)),
        Object::SchedContext(it) => to::Object::SchedContext(to::SchedContext {
            size_bits: it.size_bits,
            extra: to::SchedExtra {
                period: it.extra.period,
                budget: it.extra.budget,
                badge: it.extra.badge,
            },
        }),
        Object::ArmIrq(it) => to::Object::ArmIrq(to::ArmIrq {
            slots: slots(&it.slots),
            extra: Box::new(to::ArmIrqExtra {
                trigger: it.extra.trigger,
                target: it.extra.target,
            }),
        }),
    }
}

fn tcb(it: &from::Tcb) -> to::Tcb {
    let extra = &it.extra;
    to::Tcb {
        slots: slots(&it.slots),
        extra: Box::new(to::TcbExtra {
            ipc_buffer_addr: extra.ipc_buffer_addr,
            affinity: extra.affinity,
            prio: extra.prio,
            max_prio: extra.max_prio,
            fpu_disabled: extra.fpu_disabled,
            resume: extra.resume,
            domain: extra.domain,
            ip: extra.ip,
            sp: extra.sp,
            gprs: extra.gprs.clone(),
            master_fault_ep: extra.master_fault_ep,
        }),
    }
}

fn slots(slots: &[from::Slot]) -> Vec<to::Slot> {
    let slot = |slot: &from::Slot| to::Slot {
        slot: slot.slot,
        cap: cap(&slot.cap),
    };
    slots.iter().map(slot).collect()
}

const fn rights(it: from::Rights) -> to::Rights {
    to::Rights {
        read: it.read,
        write: it.write,
        grant: it.grant,
        grant_reply: it.grant_reply,
    }
}

const fn channel(object: u32, badge: u64, has: from::Rights) -> to::ChannelCap {
    to::ChannelCap {
        object,
        badge,
        rights: rights(has),
    }
}

fn cap(cap: &from::Cap) -> to::Cap {
    use from::Cap as From;
    let object = id(cap.object());
    match *cap {
        From::Endpoint { badge, rights, .. } => to::Cap::Endpoint(channel(object, badge, rights)),
        From::Notification { badge, rights, .. } => {
            to::Cap::Notification(channel(object, badge, rights))
        }
        From::CNode {
            guard, guard_size, ..
        } => to::Cap::CNode(to::CNodeCap {
            object,
            guard,
            guard_size,
        }),
        From::Frame {
            rights: has,
            cached,
            executable,
            ..
        } => {
            let rights = rights(has);
            to::Cap::Frame(to::FrameCap {
                object,
                rights,
                cached,
                executable,
            })
        }
        From::PageTable { .. } => to::Cap::PageTable(object),
        From::Tcb { .. } => to::Cap::Tcb(object),
        From::Reply { .. } => to::Cap::Reply(object),
        From::VCpu { .. } => to::Cap::VCpu(object),
        From::SchedContext { .. } => to::Cap::SchedContext(object),
        From::ArmIrqHandler { .. } => to::Cap::ArmIrqHandler(object),
        From::ArmSmc { .. } => to::Cap::ArmSmc(object),
    }
}
