// SPDX-License-Identifier: BSD-2-Clause
//! From the initialiser's archive to the form in which the SDK's tool lists distributions.

use miniz_oxide::inflate::decompress_slice_iter_to_slice;

use super::{ImageError, archive as from};
use crate::digest::Digest;
use crate::spec as to;

/// A distribution out of an image, and what its pages hold.
#[derive(Debug, Clone)]
pub struct Embedded {
    /// The distribution; contents by digest.
    pub spec: to::Spec,
    /// Contents of each page, in the order of objects; empty where it holds nothing or is no page.
    pub contents: Vec<Vec<Part>>,
}

/// A part of a page's contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// First byte in the page.
    pub start: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Converts `archive`; pages in `frames` follow each other, 4 KiB each.
pub(crate) fn convert(archive: from::Spec, frames: &[u8]) -> Result<Embedded, ImageError> {
    let mut contents = Vec::with_capacity(archive.objects.len());
    let mut objects = Vec::with_capacity(archive.objects.len());
    for named in archive.objects {
        let (object, parts) = object(named.object, frames)?;
        objects.push(to::NamedObject {
            name: named.name,
            object,
        });
        contents.push(parts);
    }
    let entry = |entry: &from::IrqEntry| to::IrqEntry {
        irq: entry.irq,
        handler: index(entry.handler),
    };
    let schedule = archive
        .domain_schedule
        .map(|entries| entries.iter().map(domain).collect());
    let spec = to::Spec {
        objects,
        irqs: archive.irqs.iter().map(entry).collect(),
        domain_schedule: schedule,
        domain_set_start: archive.domain_set_start,
        domain_idx_shift: archive.domain_idx_shift,
        asid_slots: archive.asid_slots.iter().copied().map(index).collect(),
        root_objects: index(archive.root_objects.start)..index(archive.root_objects.end),
        untyped_covers: archive
            .untyped_covers
            .iter()
            .map(|it| format!("{it:?}").into())
            .collect(),
    };
    Ok(Embedded { spec, contents })
}

fn index(id: u32) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}

fn domain(entry: &from::DomainEntry) -> to::DomainEntry {
    let duration = match entry.duration {
        from::Duration::Ticks(ticks) => to::Duration::Ticks(ticks),
        from::Duration::Us(us) => to::Duration::Us(us),
        from::Duration::EndMarker => to::Duration::EndMarker,
    };
    to::DomainEntry {
        domain: entry.domain,
        duration,
    }
}

fn object(object: from::Object, frames: &[u8]) -> Result<(to::Object, Vec<Part>), ImageError> {
    let converted = match object {
        from::Object::Endpoint => to::Object::Endpoint,
        from::Object::Notification => to::Object::Notification,
        from::Object::Reply => to::Object::Reply,
        from::Object::VCpu => to::Object::VCpu,
        from::Object::ArmSmc => to::Object::ArmSmc,
        from::Object::Frame(it) => {
            let (init, parts) = fill(it.init, frames)?;
            let frame = to::Frame {
                size_bits: it.size_bits,
                paddr: it.paddr,
                init,
            };
            return Ok((to::Object::Frame(frame), parts));
        }
        from::Object::PageTable(it) => to::Object::PageTable(to::PageTable {
            x86_ept: it.x86_ept,
            is_root: it.is_root,
            level: it.level,
            slots: slots(&it.slots)?,
        }),
        from::Object::CNode(it) => to::Object::CNode(to::CNode {
            size_bits: it.size_bits,
            slots: slots(&it.slots)?,
        }),
        from::Object::Tcb(it) => to::Object::Tcb(tcb(it)?),
        from::Object::SchedContext(it) => to::Object::SchedContext(time(&it)),
        from::Object::ArmIrq(it) => to::Object::ArmIrq(to::ArmIrq {
            slots: slots(&it.slots)?,
            extra: to::ArmIrqExtra {
                trigger: it.extra.trigger,
                target: it.extra.target,
            },
        }),
        other => return Err(ImageError::Foreign(format!("{other:?}"))),
    };
    Ok((converted, Vec::new()))
}

const fn time(it: &from::SchedContext) -> to::SchedContext {
    to::SchedContext {
        size_bits: it.size_bits,
        extra: to::SchedExtra {
            period: it.extra.period,
            budget: it.extra.budget,
            badge: it.extra.badge,
        },
    }
}

fn tcb(it: from::Tcb) -> Result<to::Tcb, ImageError> {
    let extra = *it.extra;
    Ok(to::Tcb {
        slots: slots(&it.slots)?,
        extra: to::TcbExtra {
            ipc_buffer_addr: extra.ipc_buffer_addr,
            affinity: extra.affinity,
            prio: extra.prio,
            max_prio: extra.max_prio,
            fpu_disabled: extra.fpu_disabled,
            resume: extra.resume,
            domain: extra.domain,
            ip: extra.ip,
            sp: extra.sp,
            gprs: extra.gprs,
            master_fault_ep: extra.master_fault_ep,
        },
    })
}

fn slots(slots: &[from::Slot]) -> Result<Vec<to::Slot>, ImageError> {
    slots
        .iter()
        .map(|slot| {
            Ok(to::Slot {
                slot: slot.slot,
                cap: cap(&slot.cap)?,
            })
        })
        .collect()
}

const fn rights(it: from::Rights) -> to::Rights {
    to::Rights {
        read: it.read,
        write: it.write,
        grant: it.grant,
        grant_reply: it.grant_reply,
    }
}

fn cap(cap: &from::Cap) -> Result<to::Cap, ImageError> {
    Ok(match cap {
        from::Cap::Endpoint(it) => to::Cap::Endpoint {
            object: index(it.object),
            badge: it.badge,
            rights: rights(it.rights),
        },
        from::Cap::Notification(it) => to::Cap::Notification {
            object: index(it.object),
            badge: it.badge,
            rights: rights(it.rights),
        },
        from::Cap::CNode(it) => to::Cap::CNode {
            object: index(it.object),
            guard: it.guard,
            guard_size: it.guard_size,
        },
        from::Cap::Frame(it) => to::Cap::Frame {
            object: index(it.object),
            rights: rights(it.rights),
            cached: it.cached,
            executable: it.executable,
        },
        from::Cap::PageTable(it) => to::Cap::PageTable { object: index(*it) },
        from::Cap::Tcb(it) => to::Cap::Tcb { object: index(*it) },
        from::Cap::Reply(it) => to::Cap::Reply { object: index(*it) },
        from::Cap::VCpu(it) => to::Cap::VCpu { object: index(*it) },
        from::Cap::SchedContext(it) => to::Cap::SchedContext { object: index(*it) },
        from::Cap::ArmIrqHandler(it) => to::Cap::ArmIrqHandler { object: index(*it) },
        from::Cap::ArmSmc(it) => to::Cap::ArmSmc { object: index(*it) },
        other => return Err(ImageError::Foreign(format!("{other:?}"))),
    })
}

/// Bytes of a page that is kept whole.
const EMBEDDED: usize = 0x1000;

fn fill(init: from::FrameInit, frames: &[u8]) -> Result<(to::Fill, Vec<Part>), ImageError> {
    let (mut entries, mut parts) = (Vec::new(), Vec::new());
    match init {
        from::FrameInit::Embedded(number) => {
            let start = usize::try_from(number).ok();
            let start = start.and_then(|at| at.checked_mul(EMBEDDED));
            let page = start.and_then(|at| frames.get(at..at.checked_add(EMBEDDED)?));
            let bytes = page.ok_or(ImageError::Page(number))?.to_vec();
            parts.push(Part { start: 0, bytes });
        }
        from::FrameInit::Fill(fill) => {
            for from::FillEntry { range, content } in fill.entries {
                match content {
                    from::FillContent::Data(content) => parts.push(part(&range, content)?),
                    from::FillContent::BootInfo(info) => {
                        let (id, offset) = (format!("{:?}", info.id), info.offset);
                        let content = to::Content::BootInfo { id, offset };
                        entries.push(to::FillEntry { range, content });
                    }
                }
            }
        }
    }
    entries.extend(parts.iter().map(|part| to::FillEntry {
        range: part.start..part.start + part.bytes.len() as u64,
        content: to::Content::Data(to::Data::BytesContent {
            bytes: Digest::of(&part.bytes),
        }),
    }));
    Ok((to::Fill { entries }, parts))
}

/// Contents of a range of a page.
fn part(range: &std::ops::Range<u64>, content: from::Content) -> Result<Part, ImageError> {
    let len = range.end.checked_sub(range.start);
    let len = len.and_then(|len| usize::try_from(len).ok());
    let len = len
        .filter(|len| *len <= LARGEST)
        .ok_or(ImageError::Contents)?;
    Ok(Part {
        start: range.start,
        bytes: inflate(content, len)?,
    })
}

/// The largest page.
const LARGEST: usize = 0x20_0000;

fn inflate(content: from::Content, len: usize) -> Result<Vec<u8>, ImageError> {
    let bytes = match content {
        from::Content::Bytes(bytes) => bytes,
        from::Content::DeflatedBytes(deflated) => {
            let mut bytes = vec![0; len];
            let source = std::iter::once(deflated.as_slice());
            let written = decompress_slice_iter_to_slice(&mut bytes, source, false, true);
            bytes.truncate(written.map_err(|_| ImageError::Contents)?);
            bytes
        }
    };
    (bytes.len() == len)
        .then_some(bytes)
        .ok_or(ImageError::Contents)
}

impl Embedded {
    /// The listing `listed` with the contents that the image has where the listing names none or names
    /// bytes. Parts of programs stay references to the programs.
    #[must_use]
    pub fn fill_in(&self, listed: &to::Spec) -> to::Spec {
        let mut spec = listed.clone();
        for (named, own) in spec.objects.iter_mut().zip(&self.spec.objects) {
            if let (to::Object::Frame(frame), to::Object::Frame(own)) =
                (&mut named.object, &own.object)
                && frame.init.entries.is_empty()
            {
                frame.init = own.init.clone();
            }
        }
        spec
    }
}
