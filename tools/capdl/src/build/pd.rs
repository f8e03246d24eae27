// SPDX-License-Identifier: BSD-2-Clause
//! Objects of one protection domain.

use super::{Builder, Config, PdObjects, READ_WRITE, domain_id, thread};
use crate::elf::Elf;
use crate::slots::{self, tcb};
use crate::spec::{ArmIrq, ArmIrqExtra, Cap, IrqEntry, Object, ObjectId, Slot, TcbExtra};
use crate::vspace::VSpace;
use sdf::layout::IPC_BUFFER;
use sdf::model::{Irq, PageSize, ProtectionDomain, Trigger};

impl Builder<'_> {
    /// Everything of protection domain `index` but its channels and `<cspace>`.
    pub(super) fn protection_domain(&mut self, index: usize) {
        let (system, elfs) = (self.system, self.elfs);
        let (Some(pd), Some(elf)) = (system.pds.get(index), elfs.pds.get(index)) else {
            return;
        };
        let (vspace, buffer) = self.address_space(index, pd, elf);
        let fault = self.fault_cap(index, pd);
        let mut objects = self.objects(index, pd, vspace.root);
        let bound = bound(&objects, &vspace, buffer, fault.clone());
        objects.tcb = self.tcb(&pd.name, &bound, self.parameters(pd, elf.entry));
        self.spec.insert(objects.cnode, slots::FAULT, fault);
        self.own_caps(index, pd, &objects);
        self.parent_and_monitor(index, pd, &objects);
        self.pds.push(objects);
        self.virtual_machine(index, pd);
    }

    /// The address space with everything that is mapped in it, and the IPC buffer.
    fn address_space(&mut self, index: usize, pd: &ProtectionDomain, elf: &Elf) -> (VSpace, Cap) {
        let name = &pd.name.value;
        let vspace = VSpace::new(&mut self.spec, name);
        self.program(&vspace, name, index, elf);
        pd.maps.iter().for_each(|map| self.map(&vspace, map));
        let buffer = self.ipc_buffer(name);
        vspace.map(&mut self.spec, IPC_BUFFER, PageSize::Small, buffer.clone());
        let stack = format!("frame_{name}_stack");
        self.stack(&vspace, &stack, pd.stack_size.value, true);
        (vspace, buffer)
    }

    /// The objects that others refer to. The thread comes later: it refers to them.
    fn objects(&mut self, index: usize, pd: &ProtectionDomain, vspace: ObjectId) -> PdObjects {
        let name = &pd.name.value;
        let cnode = self.cnode(name, slots::CNODE_BITS);
        let badge = slots::SCHED_CONTEXT_BADGE + u64::try_from(index).unwrap_or_default();
        let (period, budget) = (pd.period_us.value, pd.budget_us.value);
        let endpoint = self.system.needs_endpoint(index);
        PdObjects {
            tcb: vspace,
            vspace,
            root: self.root_cnode(name, cnode),
            cnode,
            notification: self.spec.add(format!("ntfn_{name}"), Object::Notification),
            endpoint: endpoint.then(|| self.spec.add(format!("ep_{name}"), Object::Endpoint)),
            sched_context: self.sched_context(name, period, budget, badge),
        }
    }

    fn parameters(&self, pd: &ProtectionDomain, entry: u64) -> TcbExtra {
        let domains = self.system.domains.as_ref();
        let domain = domains
            .zip(pd.domain.as_ref())
            .and_then(|(all, name)| domain_id(all, name));
        TcbExtra {
            fpu_disabled: !pd.fpu.value,
            domain,
            ..thread(entry, pd.cpu.value, pd.priority.value)
        }
    }

    /// The root CNode, with the other in slot 0.
    fn root_cnode(&mut self, name: &str, cnode: ObjectId) -> ObjectId {
        let root = self.cnode(&format!("{name}_root"), slots::ROOT_BITS);
        let guard_size = slots::CPTR_BITS - slots::CNODE_BITS - slots::ROOT_BITS;
        self.spec.insert(
            root,
            0,
            Cap::CNode {
                object: cnode,
                guard: 0,
                guard_size,
            },
        );
        root
    }

    /// Where faults go: to the parent, or to the monitor.
    fn fault_cap(&self, index: usize, pd: &ProtectionDomain) -> Cap {
        let parent = pd.parent.and_then(|parent| self.pds.get(parent)?.endpoint);
        match (parent, pd.child_id) {
            (Some(object), Some(id)) => {
                self.endpoint_cap(object, slots::FAULT_BADGE | u64::from(id.value))
            }
            _ => self.monitor_cap(index),
        }
    }

    /// The monitor's endpoint, as protection domain `index` is known there.
    fn monitor_cap(&self, index: usize) -> Cap {
        let badge = u64::try_from(index).unwrap_or_default() + 1;
        self.endpoint_cap(self.monitor_endpoint, badge)
    }

    /// Fills the inner CNode with everything but what others decide.
    fn own_caps(&mut self, index: usize, pd: &ProtectionDomain, objects: &PdObjects) {
        let cnode = objects.cnode;
        let input = match objects.endpoint {
            Some(object) => self.endpoint_cap(object, 0),
            None => own_notification(objects),
        };
        self.spec.insert(cnode, slots::INPUT, input);
        let vspace = Cap::PageTable {
            object: objects.vspace,
        };
        self.spec.insert(cnode, slots::VSPACE, vspace);
        let reply = self
            .spec
            .add(format!("reply_{}", pd.name.value), Object::Reply);
        self.spec
            .insert(cnode, slots::REPLY, Cap::Reply { object: reply });
        if pd.passive.value {
            let cap = self.monitor_cap(index);
            self.spec.insert(cnode, slots::MONITOR, cap);
        }
        if self.config == Config::Benchmark {
            self.spec.insert(
                cnode,
                slots::TCB,
                Cap::Tcb {
                    object: objects.tcb,
                },
            );
        }
        if let Some(object) = self.smc.filter(|_| pd.smc.value) {
            self.spec.insert(cnode, slots::SMC, Cap::ArmSmc { object });
        }
        for irq in &pd.irqs {
            let object = self.irq(pd, irq, objects.notification);
            let slot = slots::IRQS + u32::from(irq.id.value);
            self.spec.insert(cnode, slot, Cap::ArmIrqHandler { object });
        }
    }

    fn irq(&mut self, pd: &ProtectionDomain, irq: &Irq, notification: ObjectId) -> ObjectId {
        let badge = 1 << irq.id.value;
        let cap = Cap::Notification {
            object: notification,
            badge,
            rights: READ_WRITE,
        };
        let trigger = match irq.trigger.value {
            Trigger::Level => 0,
            Trigger::Edge => 1,
        };
        let extra = ArmIrqExtra {
            trigger,
            target: u64::from(pd.cpu.value),
        };
        let object = Object::ArmIrq(ArmIrq {
            slots: vec![Slot { slot: 0, cap }],
            extra,
        });
        let handler = self
            .spec
            .add(format!("irq_{}_{}", irq.irq.value, pd.name.value), object);
        self.spec.irqs.push(IrqEntry {
            irq: u64::from(irq.irq.value),
            handler,
        });
        handler
    }

    /// What the parent and the monitor get of this protection domain.
    fn parent_and_monitor(&mut self, index: usize, pd: &ProtectionDomain, objects: &PdObjects) {
        let thread = Cap::Tcb {
            object: objects.tcb,
        };
        let parent = pd.parent.and_then(|parent| self.pds.get(parent));
        if let (Some(parent), Some(id)) = (parent, pd.child_id) {
            let slot = slots::CHILD_TCBS + u32::from(id.value);
            self.spec.insert(parent.cnode, slot, thread.clone());
        }
        self.tell_monitor(slots::MONITOR_TCBS, index, thread);
        if pd.passive.value {
            let context = Cap::SchedContext {
                object: objects.sched_context,
            };
            self.tell_monitor(slots::MONITOR_SCHED_CONTEXTS, index, context);
            let notification = own_notification(objects);
            self.tell_monitor(slots::MONITOR_NOTIFICATIONS, index, notification);
        }
    }
}

/// A protection domain's own notification, without badge.
const fn own_notification(objects: &PdObjects) -> Cap {
    Cap::Notification {
        object: objects.notification,
        badge: 0,
        rights: READ_WRITE,
    }
}

/// What a protection domain's thread is bound to.
fn bound(objects: &PdObjects, vspace: &VSpace, buffer: Cap, fault: Cap) -> [(u32, Cap); 6] {
    let root = Cap::CNode {
        object: objects.root,
        guard: 0,
        guard_size: 0,
    };
    let context = Cap::SchedContext {
        object: objects.sched_context,
    };
    [
        (tcb::CSPACE, root),
        (tcb::VSPACE, vspace.cap()),
        (tcb::IPC_BUFFER, buffer),
        (tcb::FAULT, fault),
        (tcb::SCHED_CONTEXT, context),
        (tcb::NOTIFICATION, own_notification(objects)),
    ]
}
