// SPDX-License-Identifier: BSD-2-Clause
//! A system from the payload of a development image: its tables are what that kernel obeys.

use std::collections::{BTreeMap, BTreeSet};

use devimage::{self as dev, Image, NONE};

use super::{
    Channel, Held, Irq, Mapping, ObjectId, ObjectInfo, Role, System, Thread, Time, monitor,
};
use crate::spec::{Duration, Kind, Rights};

impl System {
    /// Reads a payload that the kernel's own checks have passed.
    #[must_use]
    pub fn from_payload(image: &Image<'_>) -> Self {
        let mut objects = Objects::default();
        let pages = pages(image);
        let frames: Vec<ObjectId> = pages
            .iter()
            .map(|base| objects.get(Kind::Frame, *base, || format!("memory_{base:#x}")))
            .collect();
        let reader = Reader {
            image,
            pages,
            frames,
        };
        let tcbs = image.tcbs.iter().enumerate();
        let mut threads: Vec<Thread> = tcbs
            .map(|(at, tcb)| reader.thread(&mut objects, at, tcb))
            .collect();
        let irqs = image.irqs.iter().enumerate();
        let irqs = irqs.map(|(at, irq)| reader.irq(&mut objects, at, irq));
        let irqs = irqs.collect();
        if image.header.monitor_endpoint.get() != NONE {
            let endpoint = objects.plain(Kind::Endpoint, image.header.monitor_endpoint.get());
            let reply = objects.get(Kind::Reply, u64::MAX, || "reply_monitor".to_owned());
            let tcb = objects.get(Kind::Tcb, u64::MAX, || "tcb_monitor".to_owned());
            threads.push(monitor::kernels_own([tcb, endpoint, reply], &threads));
        }
        threads.sort_by(|a, b| a.name.cmp(&b.name));
        let mut system = Self {
            objects: objects.list,
            threads,
            irqs,
            domains: image.domains.iter().map(domain).collect(),
            defects: Vec::new(),
        };
        name_channels(&mut system);
        system
    }
}

/// Payloads have no names for endpoints and notifications: they are named after who receives.
fn name_channels(system: &mut System) {
    for (object, thread) in system.receivers_meant() {
        let kind = match system.objects[object].kind {
            Kind::Endpoint => "ep",
            _ => "ntfn",
        };
        system.objects[object].name = format!("{kind}_{}", system.threads[thread].name);
    }
}

fn domain(entry: &dev::DomainEntry) -> (u8, Duration) {
    let domain = u8::try_from(entry.domain.get()).unwrap_or(u8::MAX);
    let duration = match entry.ticks.get() {
        0 => Duration::EndMarker,
        ticks => Duration::Ticks(ticks),
    };
    (domain, duration)
}

/// Objects, numbered as they are met.
#[derive(Default)]
struct Objects {
    list: Vec<ObjectInfo>,
    known: BTreeMap<(Kind, u64), ObjectId>,
}

impl Objects {
    fn get(&mut self, kind: Kind, index: u64, name: impl FnOnce() -> String) -> ObjectId {
        *self.known.entry((kind, index)).or_insert_with(|| {
            self.list.push(ObjectInfo { name: name(), kind });
            self.list.len() - 1
        })
    }

    fn plain(&mut self, kind: Kind, index: u32) -> ObjectId {
        self.get(kind, index.into(), || {
            format!("{kind:?}_{index}").to_lowercase()
        })
    }
}

/// Addresses at which the use of physical memory may change: the ends of all mappings.
fn pages(image: &Image<'_>) -> Vec<u64> {
    let ends = image.mappings.iter().flat_map(|mapping| {
        let base = mapping.paddr.get();
        [base, base.saturating_add(mapping.size.get())]
    });
    ends.collect::<BTreeSet<u64>>().into_iter().collect()
}

struct Reader<'a> {
    image: &'a Image<'a>,
    pages: Vec<u64>,
    frames: Vec<ObjectId>,
}

impl Reader<'_> {
    fn thread(&self, objects: &mut Objects, at: usize, tcb: &dev::Tcb) -> Thread {
        let index = u32::try_from(at).unwrap_or(NONE);
        let some = |field: u32| Some(field).filter(|index| *index != NONE);
        let name = name_of(tcb);
        let vcpu = some(tcb.vcpu.get()).map(|it| objects.plain(Kind::VCpu, it));
        let endpoint = some(tcb.fault_endpoint.get()).map(|it| objects.plain(Kind::Endpoint, it));
        let notification = some(tcb.notification.get());
        let notification = notification.map(|it| objects.plain(Kind::Notification, it));
        let flags = tcb.flags.get();
        let named = |kind: &str| format!("{kind}_{name}");
        let buffer = tcb.ipc_buffer_paddr.get();
        Thread {
            role: if vcpu.is_some() { Role::Vcpu } else { Role::Pd },
            tcb: objects.get(Kind::Tcb, index.into(), || named("tcb")),
            vspace: Some(objects.plain(Kind::PageTable, tcb.vspace.get())),
            tables: Vec::new(),
            caps: self.caps(objects, tcb),
            mappings: self.mappings(tcb),
            fault: endpoint.map(|object| channel(object, tcb.fault_badge.get(), FAULT)),
            bound: notification.map(|object| channel(object, 0, BOUND)),
            vcpu,
            ipc_buffer: self.frame_at(buffer).filter(|_| buffer != 0),
            ipc_buffer_vaddr: tcb.ipc_buffer_vaddr.get(),
            time: some(tcb.sched_context.get()).and_then(|it| self.time(objects, it)),
            priority: u8::try_from(tcb.priority.get()).unwrap_or(u8::MAX),
            max_priority: u8::try_from(tcb.mcp.get()).unwrap_or(u8::MAX),
            core: 0,
            domain: u8::try_from(tcb.domain.get()).unwrap_or(u8::MAX),
            passive: flags & dev::TCB_PASSIVE != 0,
            starts: flags & dev::TCB_RESUME != 0,
            entry: tcb.entry.get(),
            stack: tcb.sp.get(),
            name,
        }
    }

    fn time(&self, objects: &mut Objects, index: u32) -> Option<Time> {
        let context = self
            .image
            .sched_contexts
            .get(usize::try_from(index).ok()?)?;
        Some(Time {
            object: objects.plain(Kind::SchedContext, index),
            budget: context.budget_us.get(),
            period: context.period_us.get(),
            badge: context.badge.get(),
        })
    }

    fn caps(&self, objects: &mut Objects, tcb: &dev::Tcb) -> Vec<Held> {
        let at = usize::try_from(tcb.cspace.get()).unwrap_or(usize::MAX);
        let Some(space) = self.image.cspaces.get(at) else {
            return Vec::new();
        };
        let inner = self
            .image
            .cspace_slots(space)
            .iter()
            .map(|slot| (slot.index.get().into(), slot));
        let root = self.image.cspace_root_slots(space).iter();
        let root = root.map(|slot| (u64::from(slot.index.get()) << super::cptr::ROOT_SHIFT, slot));
        let slots: Vec<(u64, &dev::Slot)> = inner.chain(root).collect();
        slots
            .into_iter()
            .filter_map(|(cptr, slot)| self.held(objects, cptr, slot))
            .collect()
    }

    fn held(&self, objects: &mut Objects, cptr: u64, slot: &dev::Slot) -> Option<Held> {
        let kind = match slot.kind.get() {
            dev::CAP_ENDPOINT => Kind::Endpoint,
            dev::CAP_NOTIFICATION => Kind::Notification,
            dev::CAP_REPLY => Kind::Reply,
            dev::CAP_TCB => Kind::Tcb,
            dev::CAP_SCHED_CONTEXT => Kind::SchedContext,
            dev::CAP_IRQ => Kind::Irq,
            dev::CAP_VCPU => Kind::VCpu,
            dev::CAP_VSPACE => Kind::PageTable,
            dev::CAP_SMC => Kind::Smc,
            _ => return None, // refused by the kernel's checks
        };
        let index = slot.object.get();
        let object = match kind {
            Kind::Tcb => objects.get(kind, index.into(), || {
                let tcb = usize::try_from(index)
                    .ok()
                    .and_then(|at| self.image.tcbs.get(at));
                format!("tcb_{}", tcb.map_or_else(String::new, name_of))
            }),
            _ => objects.plain(kind, index),
        };
        let bits = slot.rights.get();
        let rights = Rights {
            read: bits & dev::RIGHT_READ != 0,
            write: bits & dev::RIGHT_WRITE != 0,
            grant: bits & dev::RIGHT_GRANT != 0,
            grant_reply: bits & dev::RIGHT_GRANT_REPLY != 0,
        };
        Some(Held {
            cptr,
            object,
            kind,
            badge: slot.badge.get(),
            rights,
        })
    }

    /// The object of the memory at `paddr`, whose first address must be in `pages`.
    fn frame_at(&self, paddr: u64) -> Option<ObjectId> {
        let at = self
            .pages
            .partition_point(|base| *base <= paddr)
            .checked_sub(1)?;
        self.frames.get(at).copied()
    }

    /// Mappings, cut where the use of the memory behind them changes.
    fn mappings(&self, tcb: &dev::Tcb) -> Vec<Mapping> {
        let at = usize::try_from(tcb.vspace.get()).unwrap_or(usize::MAX);
        let space = self.image.vspaces.get(at);
        let mappings = space.map_or(&[][..], |space| self.image.vspace_mappings(space));
        let mut out = Vec::new();
        for mapping in mappings {
            let (base, size) = (mapping.paddr.get(), mapping.size.get());
            let flags = mapping.flags.get();
            let read = flags & dev::MAP_READ != 0;
            let from = self.pages.partition_point(|cut| *cut < base);
            let cuts = self
                .pages
                .iter()
                .skip(from)
                .take_while(|cut| **cut < base + size);
            for (number, start) in cuts.enumerate() {
                let end = self
                    .pages
                    .get(from + number + 1)
                    .copied()
                    .unwrap_or(base + size);
                out.push(Mapping {
                    vaddr: mapping.vaddr.get() + (start - base),
                    size: end.min(base + size) - start,
                    paddr: Some(*start),
                    frame: self.frames[from + number],
                    program: None,
                    read,
                    write: read && flags & dev::MAP_WRITE != 0,
                    execute: read && flags & dev::MAP_EXECUTE != 0,
                    cached: flags & dev::MAP_CACHED != 0,
                });
            }
        }
        out
    }

    fn irq(&self, objects: &mut Objects, at: usize, irq: &dev::Irq) -> Irq {
        let index = u32::try_from(at).unwrap_or(NONE);
        let notification = Some(irq.notification.get()).filter(|it| *it != NONE);
        Irq {
            number: irq.irq.get().into(),
            object: objects.plain(Kind::Irq, index),
            notification: notification.map(|it| Channel {
                object: objects.plain(Kind::Notification, it),
                badge: irq.badge.get(),
                rights: SIGNAL,
            }),
            edge: irq.trigger.get() == dev::TRIGGER_EDGE,
            core: 0,
        }
    }
}

const fn channel(object: ObjectId, badge: u64, rights: Rights) -> Channel {
    Channel {
        object,
        badge,
        rights,
    }
}

const BOUND: Rights = Rights {
    read: true,
    write: false,
    grant: false,
    grant_reply: false,
};
const SIGNAL: Rights = Rights {
    read: false,
    write: true,
    grant: false,
    grant_reply: false,
};
/// What that kernel does with a fault endpoint: send, and take the answer.
const FAULT: Rights = Rights {
    read: false,
    write: true,
    grant: false,
    grant_reply: true,
};

/// A thread's name without its padding.
fn name_of(tcb: &dev::Tcb) -> String {
    let end = tcb
        .name
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(tcb.name.len());
    String::from_utf8_lossy(&tcb.name[..end]).into_owned()
}

#[cfg(test)]
mod tests;
