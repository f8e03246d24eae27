// SPDX-License-Identifier: BSD-2-Clause
//! Kernel objects and capabilities as the payload's records.

use capdl::slots::tcb as bound;
use capdl::{Cap, Object, ObjectId, Rights, Slot as SpecSlot, Spec, Tcb as SpecTcb};
use devimage::{
    CAP_ENDPOINT, CAP_IRQ, CAP_NOTIFICATION, CAP_REPLY, CAP_SCHED_CONTEXT, CAP_SMC, CAP_TCB,
    CAP_VCPU, CAP_VSPACE, CSPACE_FLAT, CSPACE_PD, CSpace, DomainEntry, Irq, Mapping, NONE,
    RIGHT_GRANT, RIGHT_GRANT_REPLY, RIGHT_READ, RIGHT_WRITE, SchedContext, Slot, TCB_FPU_DISABLED,
    TCB_PASSIVE, TCB_RESUME, Tcb, VSpace,
};
use host::Failure;
use sdf::Board;
use sdf::model::{Duration, ProtectionDomain, System};
use zerocopy::little_endian::{U32, U64};

use super::payload::narrow;
use super::spaces::Spaces;

/// The payload's tables but the loads.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) vspaces: Vec<VSpace>,
    pub(super) mappings: Vec<Mapping>,
    pub(super) tcbs: Vec<Tcb>,
    pub(super) sched_contexts: Vec<SchedContext>,
    pub(super) irqs: Vec<Irq>,
    pub(super) cspaces: Vec<CSpace>,
    pub(super) slots: Vec<Slot>,
    pub(super) domains: Vec<DomainEntry>,
    pub(super) monitor_endpoint: U32,
    pub(super) endpoints: U32,
    pub(super) notifications: U32,
    pub(super) replies: U32,
    pub(super) vcpus: U32,
    pub(super) domain_start: U32,
}

/// A thread of the system and where it comes from.
struct Thread<'a> {
    id: ObjectId,
    name: &'a str,
    /// `None` for a guest's.
    pd: Option<&'a ProtectionDomain>,
    tcb: &'a SpecTcb,
}

/// Makes the tables.
pub(super) fn tables(
    system: &System,
    spec: &Spec,
    spaces: &Spaces,
    board: &Board,
) -> Result<Tables, Failure> {
    let index = Index::new(system, spec, spaces)?;
    let mut tables = Tables {
        endpoints: narrow(index.endpoints.len()),
        notifications: narrow(index.notifications.len()),
        replies: narrow(index.replies.len()),
        vcpus: narrow(index.vcpus.len()),
        monitor_endpoint: position(&index.endpoints, spec.find("ep_fault_monitor")),
        ..Tables::default()
    };
    tables.add_spaces(spaces);
    for id in &index.sched_contexts {
        tables.add_sched_context(spec, *id);
    }
    tables.add_irqs(spec, &index);
    let threads = &index.threads;
    for thread in threads {
        let order = threads.iter().filter(|other| other.id < thread.id).count();
        tables.add_thread(spec, &index, thread, order);
    }
    tables.add_domains(spec, board);
    Ok(tables)
}

/// Objects by kind, in the order of the payload's numbering.
struct Index<'a> {
    spaces: &'a Spaces,
    threads: Vec<Thread<'a>>,
    endpoints: Vec<ObjectId>,
    notifications: Vec<ObjectId>,
    replies: Vec<ObjectId>,
    vcpus: Vec<ObjectId>,
    sched_contexts: Vec<ObjectId>,
    irqs: Vec<ObjectId>,
}

impl<'a> Index<'a> {
    fn new(system: &'a System, spec: &'a Spec, spaces: &'a Spaces) -> Result<Self, Failure> {
        let all = |is: fn(&Object) -> bool| -> Vec<ObjectId> {
            let objects = spec.objects.iter().enumerate();
            objects
                .filter(|(_, named)| is(&named.object))
                .map(|(id, _)| id)
                .collect()
        };
        Ok(Self {
            spaces,
            threads: threads(system, spec)?,
            endpoints: all(|object| matches!(object, Object::Endpoint)),
            notifications: all(|object| matches!(object, Object::Notification)),
            replies: all(|object| matches!(object, Object::Reply)),
            vcpus: all(|object| matches!(object, Object::VCpu)),
            sched_contexts: all(|object| matches!(object, Object::SchedContext(_))),
            irqs: spec.irqs.iter().map(|irq| irq.handler).collect(),
        })
    }

    /// Kind, number, rights and badge of a capability in a CNode.
    fn cap(&self, cap: &Cap) -> Option<(u32, U32, Option<Rights>, u64)> {
        let threads = || {
            self.threads
                .iter()
                .position(|thread| thread.id == cap.object())
        };
        let plain =
            |kind, list: &[ObjectId]| Some((kind, position(list, Some(cap.object())), None, 0));
        match cap {
            Cap::Endpoint {
                object,
                badge,
                rights,
            } => {
                let number = position(&self.endpoints, Some(*object));
                Some((CAP_ENDPOINT, number, Some(*rights), *badge))
            }
            Cap::Notification {
                object,
                badge,
                rights,
            } => {
                let number = position(&self.notifications, Some(*object));
                Some((CAP_NOTIFICATION, number, Some(*rights), *badge))
            }
            Cap::Reply { .. } => plain(CAP_REPLY, &self.replies),
            Cap::VCpu { .. } => plain(CAP_VCPU, &self.vcpus),
            Cap::SchedContext { .. } => plain(CAP_SCHED_CONTEXT, &self.sched_contexts),
            Cap::ArmIrqHandler { .. } => plain(CAP_IRQ, &self.irqs),
            Cap::PageTable { .. } => plain(CAP_VSPACE, &self.spaces.roots),
            Cap::Tcb { .. } => Some((CAP_TCB, threads().map_or(NONE.into(), narrow), None, 0)),
            Cap::ArmSmc { .. } => Some((CAP_SMC, U32::ZERO, None, 0)),
            // The inner CNode is part of the space; frames are in no CNode.
            Cap::CNode { .. } | Cap::Frame { .. } => None,
        }
    }
}

/// All threads: protection domains in their order, then the vCPUs of each guest.
fn threads<'a>(system: &'a System, spec: &'a Spec) -> Result<Vec<Thread<'a>>, Failure> {
    let find = |name: String, pd: Option<&'a ProtectionDomain>| {
        let found = spec
            .objects
            .iter()
            .enumerate()
            .find(|(_, named)| named.name == name);
        match found.map(|(id, named)| (id, &named.object, named.name.strip_prefix("tcb_"))) {
            Some((id, Object::Tcb(tcb), Some(name))) => Ok(Thread { id, name, pd, tcb }),
            _ => Err(Failure::environment(format!(
                "the distribution lacks {name}"
            ))),
        }
    };
    let pds = system
        .pds
        .iter()
        .map(|pd| find(format!("tcb_{}", pd.name.value), Some(pd)));
    let vms = system
        .pds
        .iter()
        .filter_map(|pd| pd.virtual_machine.as_ref());
    let vcpus = vms.flat_map(|vm| {
        vm.vcpus
            .iter()
            .map(|vcpu| format!("tcb_{}_{}", vm.name.value, vcpu.id.value))
    });
    pds.chain(vcpus.map(|name| find(name, None))).collect()
}

/// The number of an object among those of its kind.
fn position(list: &[ObjectId], object: Option<ObjectId>) -> U32 {
    let found = object.and_then(|object| list.iter().position(|known| *known == object));
    found.map_or(U32::new(NONE), narrow)
}

/// What is bound in a slot of a thread.
fn bound_cap(slots: &[SpecSlot], number: u32) -> Option<&Cap> {
    slots
        .iter()
        .find(|slot| slot.slot == number)
        .map(|slot| &slot.cap)
}

fn rights(rights: Rights) -> u32 {
    let bit = |on: bool, bit: u32| if on { bit } else { 0 };
    bit(rights.write, RIGHT_WRITE)
        | bit(rights.read, RIGHT_READ)
        | bit(rights.grant, RIGHT_GRANT)
        | bit(rights.grant_reply, RIGHT_GRANT_REPLY)
}

fn flags(thread: &Thread<'_>) -> u32 {
    let flag = |on: bool, flag: u32| if on { flag } else { 0 };
    flag(thread.tcb.extra.fpu_disabled, TCB_FPU_DISABLED)
        | flag(thread.tcb.extra.resume, TCB_RESUME)
        | flag(thread.pd.is_some_and(|pd| *pd.passive), TCB_PASSIVE)
}

/// A name with a NUL behind it.
fn padded(name: &str) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes
        .iter_mut()
        .take(63)
        .zip(name.bytes())
        .for_each(|(to, from)| *to = from);
    bytes
}

impl Tables {
    fn add_spaces(&mut self, spaces: &Spaces) {
        for ranges in &spaces.ranges {
            self.vspaces.push(VSpace {
                first_mapping: narrow(self.mappings.len()),
                count: narrow(ranges.len()),
            });
            self.mappings.extend(ranges.iter().map(|range| Mapping {
                vaddr: range.vaddr.into(),
                paddr: range.paddr.into(),
                size: range.size.into(),
                flags: range.flags.into(),
            }));
        }
    }

    fn add_sched_context(&mut self, spec: &Spec, id: ObjectId) {
        if let Object::SchedContext(context) = &spec.objects[id].object {
            self.sched_contexts.push(SchedContext {
                budget_us: context.extra.budget.into(),
                period_us: context.extra.period.into(),
                badge: context.extra.badge.into(),
            });
        }
    }

    fn add_irqs(&mut self, spec: &Spec, index: &Index<'_>) {
        for entry in &spec.irqs {
            let Object::ArmIrq(irq) = &spec.objects[entry.handler].object else {
                continue;
            };
            let (notification, badge) = match bound_cap(&irq.slots, 0) {
                Some(Cap::Notification { object, badge, .. }) => (Some(*object), *badge),
                _ => (None, 0),
            };
            self.irqs.push(Irq {
                irq: U32::new(u32::try_from(entry.irq).unwrap_or(u32::MAX)),
                trigger: u32::from(irq.extra.trigger).into(),
                notification: position(&index.notifications, notification),
                reserved: U32::ZERO,
                badge: badge.into(),
            });
        }
    }

    fn add_thread(&mut self, spec: &Spec, index: &Index<'_>, thread: &Thread<'_>, order: usize) {
        let (slots, extra) = (&thread.tcb.slots, &thread.tcb.extra);
        let object = |slot| bound_cap(slots, slot).map(Cap::object);
        let (fault_endpoint, fault_badge) = match bound_cap(slots, bound::FAULT) {
            Some(Cap::Endpoint { object, badge, .. }) => (Some(*object), *badge),
            _ => (None, 0),
        };
        let buffer = object(bound::IPC_BUFFER).and_then(|frame| index.spaces.paddr(frame));
        let cspace = self.add_cspace(spec, index, object(bound::CSPACE));
        self.tcbs.push(Tcb {
            name: padded(thread.name),
            entry: extra.ip.into(),
            sp: extra.sp.into(),
            spsr: U64::ZERO,
            ipc_buffer_vaddr: extra.ipc_buffer_addr.into(),
            ipc_buffer_paddr: buffer.unwrap_or(0).into(),
            stack_bottom: thread.pd.map_or(0, ProtectionDomain::map_limit).into(),
            fault_badge: fault_badge.into(),
            fault_endpoint: position(&index.endpoints, fault_endpoint),
            vspace: position(&index.spaces.roots, object(bound::VSPACE)),
            cspace,
            sched_context: position(&index.sched_contexts, object(bound::SCHED_CONTEXT)),
            notification: position(&index.notifications, object(bound::NOTIFICATION)),
            vcpu: position(&index.vcpus, object(bound::VCPU)),
            priority: u32::from(extra.prio).into(),
            mcp: u32::from(extra.max_prio).into(),
            domain: u32::from(extra.domain.unwrap_or(0)).into(),
            flags: flags(thread).into(),
            start_order: narrow(order),
            reserved: U32::ZERO,
        });
    }

    /// Adds the space whose root is `root` and returns its number.
    fn add_cspace(&mut self, spec: &Spec, index: &Index<'_>, root: Option<ObjectId>) -> U32 {
        let slots_of = |id: ObjectId| spec.objects.get(id).map_or(&[][..], |n| n.object.slots());
        let Some(root) = root else {
            return U32::new(NONE);
        };
        let inner = slots_of(root).iter().find_map(|slot| match slot.cap {
            Cap::CNode { object, .. } if slot.slot == 0 => Some(object),
            _ => None,
        });
        let (first_slot, count) = self.add_slots(slots_of(inner.unwrap_or(root)), index);
        let (first_root_slot, root_count) = match inner {
            Some(_) => self.add_slots(slots_of(root), index),
            None => (first_slot, U32::ZERO),
        };
        self.cspaces.push(CSpace {
            kind: U32::new(if inner.is_some() {
                CSPACE_PD
            } else {
                CSPACE_FLAT
            }),
            first_slot,
            count,
            first_root_slot,
            root_count,
            reserved: U32::ZERO,
        });
        narrow(self.cspaces.len() - 1)
    }

    fn add_slots(&mut self, slots: &[SpecSlot], index: &Index<'_>) -> (U32, U32) {
        let first = self.slots.len();
        for slot in slots {
            let Some((kind, object, cap_rights, badge)) = index.cap(&slot.cap) else {
                continue;
            };
            self.slots.push(Slot {
                index: slot.slot.into(),
                kind: kind.into(),
                rights: cap_rights.map_or(0, rights).into(),
                object,
                badge: badge.into(),
            });
        }
        (narrow(first), narrow(self.slots.len() - first))
    }

    fn add_domains(&mut self, spec: &Spec, board: &Board) {
        let start = spec.domain_set_start.unwrap_or(0);
        self.domain_start = U32::new(u32::try_from(start).unwrap_or(u32::MAX));
        for entry in spec.domain_schedule.iter().flatten() {
            let ticks = match entry.duration {
                None => 0,
                Some(Duration::Ticks(ticks)) => ticks,
                Some(Duration::Us(us)) => us.saturating_mul(board.timer_hz / 1_000_000),
            };
            self.domains.push(DomainEntry {
                domain: u32::from(entry.domain).into(),
                reserved: U32::ZERO,
                ticks: ticks.into(),
            });
        }
    }
}
