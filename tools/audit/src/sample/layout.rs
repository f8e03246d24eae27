// SPDX-License-Identifier: BSD-2-Clause
//! The distribution of the sample.

use super::RECORD;
use super::maker::{CALL, Maker, READ, READ_WRITE, SEND, cnode, page};
use crate::digest::Digest;
use crate::spec::{ArmIrq, ArmIrqExtra, Cap, Data, IrqEntry, Object, Rights, Slot, Spec, tcb_slot};
use crate::system::{badge, cptr};

/// Name, priority, budget in microseconds of every 10 ms.
const PDS: [(&str, u8, u64); 5] = [
    ("client", 150, 1000),
    ("driver", 180, 500),
    ("safety", 200, 500),
    ("timer", 190, 500),
    ("vmm", 101, 2000),
];
/// Who receives from an endpoint rather than from its notification alone.
const SERVERS: [&str; 3] = ["safety", "timer", "vmm"];
/// Makes the distribution.
pub(super) fn spec() -> Spec {
    let mut maker = Maker {
        spec: Spec::default(),
    };
    maker.add("ep_fault_monitor", Object::Endpoint);
    for (name, ..) in PDS {
        maker.add(&format!("ntfn_{name}"), Object::Notification);
        if SERVERS.contains(&name) {
            maker.add(&format!("ep_{name}"), Object::Endpoint);
        }
    }
    for (id, (name, priority, budget)) in (0..).zip(PDS) {
        maker.pd(id, name, priority, budget);
    }
    maker.monitor();
    maker.guest();
    maker.channels();
    maker.memory();
    maker.spec.root_objects = 0..maker.spec.objects.len();
    maker.spec
}

impl Maker {
    fn pd(&mut self, id: u64, name: &str, priority: u8, budget: u64) {
        let buffer = self.program(id, name);
        let table = self.cnode(&format!("cnode_{name}"), 9);
        let root = self.cnode(&format!("cnode_{name}_root"), 6);
        self.slot(root, 0, cnode(table, 49));
        let time = self.time(name, budget, 0x100 + id);
        let vspace = Cap::PageTable {
            object: self.id(&format!("pud_{name}")),
        };
        let fault = match name {
            "vmm" => self.endpoint("ep_safety", badge::FAULT, CALL),
            _ => self.endpoint("ep_fault_monitor", id + 1, CALL),
        };
        let bound = self.notification(name, 0, READ);
        let slots = vec![
            (tcb_slot::CSPACE, cnode(root, 0)),
            (tcb_slot::VSPACE, vspace),
            (tcb_slot::IPC_BUFFER, buffer),
            (tcb_slot::FAULT_EP, fault),
            (tcb_slot::SCHED_CONTEXT, time),
            (tcb_slot::NOTIFICATION, bound),
        ];
        self.tcb(name, slots, priority, true);
        let input = match SERVERS.contains(&name) {
            true => self.endpoint(&format!("ep_{name}"), 0, READ),
            false => self.notification(name, 0, READ),
        };
        let reply = Cap::Reply {
            object: self.add(&format!("reply_{name}"), Object::Reply),
        };
        for (slot, cap) in [
            (cptr::INPUT, input),
            (cptr::FAULT, fault),
            (cptr::VSPACE, vspace),
            (cptr::REPLY, reply),
        ] {
            self.slot(table, slot, cap);
        }
    }

    fn monitor(&mut self) {
        let buffer = self.program(PDS.len() as u64, "monitor");
        let table = self.cnode("cnode_monitor", 9);
        let time = self.time("monitor", 1000, 0);
        let object = self.id("pud_monitor");
        let space = Cap::PageTable { object };
        let slots = vec![
            (tcb_slot::CSPACE, cnode(table, 55)),
            (tcb_slot::VSPACE, space),
            (tcb_slot::IPC_BUFFER, buffer),
            (tcb_slot::SCHED_CONTEXT, time),
        ];
        self.tcb("monitor", slots, 255, true);
        let reply = Cap::Reply {
            object: self.add("reply_monitor", Object::Reply),
        };
        self.slot(table, 1, self.endpoint("ep_fault_monitor", 0, READ));
        self.slot(table, 2, reply);
        for (slot, (name, ..)) in (10..).zip(PDS) {
            let object = self.id(&format!("tcb_{name}"));
            self.slot(table, slot, Cap::Tcb { object });
        }
        // The timer is passive.
        let time = Cap::SchedContext {
            object: self.id("sched_context_timer"),
        };
        self.slot(table, 138, time);
        let none = Rights {
            read: false,
            ..READ
        };
        self.slot(table, 202, self.notification("timer", 0, none));
        let request = self.endpoint("ep_fault_monitor", 4, SEND);
        self.slot(self.id("cnode_timer"), cptr::MONITOR, request);
    }

    fn guest(&mut self) {
        let space = self.table("pud_g", 1);
        let table = self.cnode("cnode_g_0", 9);
        let time = self.time("g_0", 3000, 0x100);
        let buffer = self.frame("frame_ipcbuf_g_0", 12, None, None);
        let fault = self.endpoint("ep_vmm", badge::FAULT, CALL);
        let vcpu = Cap::VCpu {
            object: self.add("vcpu_g_0", Object::VCpu),
        };
        let slots = vec![
            (tcb_slot::CSPACE, cnode(table, 55)),
            (tcb_slot::VSPACE, Cap::PageTable { object: space }),
            (tcb_slot::IPC_BUFFER, page(buffer, READ_WRITE)),
            (tcb_slot::FAULT_EP, fault),
            (tcb_slot::SCHED_CONTEXT, time),
            (tcb_slot::VCPU, vcpu),
        ];
        let tcb = Cap::Tcb {
            object: self.tcb("g_0", slots, 100, false),
        };
        let (vmm, safety) = (self.id("cnode_vmm"), self.id("cnode_safety"));
        self.slot(vmm, cptr::VM_TCB, tcb);
        self.slot(vmm, cptr::VCPU, vcpu);
        self.slot(self.id("cnode_monitor"), 74, tcb);
        let child = Cap::Tcb {
            object: self.id("tcb_vmm"),
        };
        self.slot(safety, cptr::CHILD, child);
    }

    /// Client and driver signal each other by ids 1 and 2; the client calls the timer by ids 3 and 4.
    fn channels(&mut self) {
        let signal = |peer: u64| 1 << peer;
        let (client, driver) = (self.id("cnode_client"), self.id("cnode_driver"));
        self.slot(
            client,
            cptr::NOTIFY + 1,
            self.notification("driver", signal(2), SEND),
        );
        self.slot(
            driver,
            cptr::NOTIFY + 2,
            self.notification("client", signal(1), SEND),
        );
        self.slot(
            client,
            cptr::CALL + 3,
            self.endpoint("ep_timer", badge::CALL | 4, CALL),
        );
        let slots = vec![Slot {
            slot: 0,
            cap: self.notification("driver", signal(0), SEND),
        }];
        let extra = ArmIrqExtra {
            trigger: 0,
            target: 0,
        };
        let handler = self.add("irq_33_driver", Object::ArmIrq(ArmIrq { slots, extra }));
        self.slot(driver, cptr::IRQ, Cap::ArmIrqHandler { object: handler });
        self.spec.irqs.push(IrqEntry { irq: 33, handler });
    }

    fn memory(&mut self) {
        let bytes = Digest::of(&RECORD);
        let record = Some((RECORD.len() as u64, Data::BytesContent { bytes }));
        for (name, size_bits, paddr, content) in [
            ("uart", 12, Some(0x900_0000), None),
            ("ram", 21, Some(0x4000_0000), None),
            ("out", 12, None, None),
            ("in", 12, None, None),
            ("record", 12, None, record),
        ] {
            self.frame(
                &format!("frame_mr_{name}_000000000"),
                size_bits,
                paddr,
                content,
            );
        }
        let (normal, device) = ((true, false), (false, false));
        for (who, vaddr, region, rights, kind) in [
            ("driver", 0x2000_0000, "uart", READ_WRITE, device),
            ("driver", 0x2100_0000, "out", READ_WRITE, normal),
            ("client", 0x2100_0000, "out", READ, normal),
            ("client", 0x2200_0000, "in", READ_WRITE, normal),
            ("driver", 0x2200_0000, "in", READ, normal),
            ("driver", 0x3000_0000, "record", READ, normal),
            ("vmm", 0x4000_0000, "ram", READ_WRITE, normal),
            ("g", 0x4000_0000, "ram", READ_WRITE, (true, true)),
        ] {
            let frame = format!("frame_mr_{region}_000000000");
            self.map(who, vaddr, &frame, rights, kind);
        }
    }
}
