// SPDX-License-Identifier: BSD-2-Clause
//! Objects, slots, badges and times.

use super::*;

pub(super) const STRUCTURE: &[Change] = &[
    ("a thread without capability space", |w| {
        w.remove("tcb_client", tcb_slot::CSPACE.into());
    }),
    ("a thread without address space", |w| {
        w.remove("tcb_client", tcb_slot::VSPACE.into());
    }),
    ("a thread whose time is an endpoint", |w| {
        let object = w.id("ep_safety");
        w.cap("tcb_client", tcb_slot::SCHED_CONTEXT.into(), |cap| {
            *cap = Cap::SchedContext { object };
        });
    }),
    ("a thread with a thread for a capability space", |w| {
        let it = w.tcb("tcb_client");
        w.cap("tcb_client", tcb_slot::CSPACE.into(), |cap| *cap = it);
    }),
    ("a capability space that is reached twice", |w| {
        let (object, guard, guard_size) = (w.id("cnode_client"), 0, 49);
        let again = Cap::CNode {
            object,
            guard,
            guard_size,
        };
        w.put("cnode_client_root", 1, again);
    }),
    ("a guard with which addresses get too long", |w| {
        guard(w, 0, 60)
    }),
    ("a guard that leaves addresses too short", |w| {
        guard(w, 0, 48)
    }),
    ("a guard of ones", |w| guard(w, 3, 49)),
    ("a guard that does not fit its bits", |w| guard(w, 4, 2)),
    ("a table inside of a table inside", |w| {
        let inner = CNode {
            size_bits: 3,
            slots: Vec::new(),
        };
        let object = w.add("cnode_inner", Object::CNode(inner));
        let cap = Cap::CNode {
            object,
            guard: 1,
            guard_size: 55,
        };
        w.put("cnode_client_root", 5, cap);
        let it = w.tcb("tcb_driver");
        w.put("cnode_inner", 2, it);
    }),
    ("an address space that is its own part", |w| {
        let object = w.id("pud_client");
        w.put("pud_client", 77, Cap::PageTable { object });
    }),
    ("a table of another level", |w| {
        w.object("pt_client_0x21000000", |object| {
            if let Object::PageTable(PageTable { level, .. }) = object {
                *level = Some(2);
            }
        });
    }),
    ("a table that says that it is the root", |w| {
        w.object("pt_client_0x21000000", |object| {
            if let Object::PageTable(PageTable { is_root, .. }) = object {
                *is_root = true;
            }
        });
    }),
    ("a table below the tables for pages", |w| {
        let object = w.id("pt_client_0x22000000");
        w.put("pt_client_0x21000000", 9, Cap::PageTable { object });
    }),
    ("an interrupt without object", |w| {
        let handler = w.id("ep_safety");
        w.spec().irqs.push(IrqEntry { irq: 50, handler });
    }),
    ("an object without name", |w| {
        w.add("", Object::Endpoint);
        w.spec().objects.last_mut().unwrap().name = None;
    }),
    ("a page that can only be written", |w| {
        w.cap("pt_client_0x22000000", 0, |cap| {
            if let Cap::Frame { rights, .. } = cap {
                rights.read = false;
            }
        });
    }),
];

pub(super) const SLOTS: &[Change] = &[
    ("the firmware in its slot", |w| {
        let object = w.add("smc", Object::ArmSmc);
        w.put("cnode_client", cptr::SMC, Cap::ArmSmc { object });
    }),
    ("the firmware in another slot", |w| {
        let object = w.add("smc", Object::ArmSmc);
        w.put("cnode_client", 8, Cap::ArmSmc { object });
    }),
    ("one's own thread in its slot", |w| {
        let it = w.tcb("tcb_client");
        w.put("cnode_client", cptr::SELF, it);
    }),
    ("another's address space for one's own", |w| {
        let object = w.id("pud_driver");
        w.cap("cnode_client", cptr::VSPACE, |cap| {
            *cap = Cap::PageTable { object };
        });
    }),
    ("an endpoint where the reply object belongs", |w| {
        let it = endpoint(w, "ep_safety", 0);
        w.cap("cnode_client", cptr::REPLY, |cap| *cap = it);
    }),
    ("another endpoint for the monitor's", |w| {
        let it = endpoint(w, "ep_safety", 4);
        w.cap("cnode_timer", cptr::MONITOR, |cap| *cap = it);
    }),
    ("an input with a badge", |w| {
        w.cap("cnode_client", cptr::INPUT, |cap| set_badge(cap, 1));
    }),
    ("a fault handler other than the thread's", |w| {
        w.cap("cnode_client", cptr::FAULT, |cap| set_badge(cap, 9));
    }),
    ("an endpoint in the root table", |w| {
        let it = endpoint(w, "ep_timer", badge::CALL | 4);
        w.put("cnode_client_root", 1, it);
    }),
    ("a guest's thread among the children", |w| {
        let it = w.tcb("tcb_g_0");
        w.put("cnode_vmm", cptr::CHILD + 1, it);
    }),
    ("a child among the guests' threads", |w| {
        let it = w.tcb("tcb_vmm");
        w.put("cnode_safety", cptr::VM_TCB + 1, it);
    }),
    ("the last id of a channel", |w| {
        let it = signal(w, "ntfn_driver", 1 << 61);
        w.put("cnode_client", cptr::NOTIFY + 61, it);
    }),
    ("an id behind the last of a channel", |w| {
        let it = signal(w, "ntfn_driver", 1 << 5);
        w.put("cnode_client", cptr::NOTIFY + 62, it);
    }),
    ("a signal in a slot for calls", |w| {
        let it = signal(w, "ntfn_driver", 1 << 5);
        w.put("cnode_client", cptr::CALL + 5, it);
    }),
    ("a monitor with a thread in a low slot", |w| {
        let it = w.tcb("tcb_client");
        w.put("cnode_monitor", 9, it);
    }),
    ("a monitor with another's endpoint", |w| {
        let it = endpoint(w, "ep_safety", 0);
        w.put("cnode_monitor", 400, it);
    }),
];

pub(super) const BADGES: &[Change] = &[
    ("a signal of bit 62", |w| {
        let cap = "cnode_client";
        w.cap(cap, cptr::NOTIFY + 1, |cap| set_badge(cap, 1 << 62));
    }),
    ("a signal without badge", |w| {
        w.cap("cnode_client", cptr::NOTIFY + 1, |cap| set_badge(cap, 0));
    }),
    ("an interrupt with two bits", |w| {
        w.cap("irq_33_driver", 0, |cap| set_badge(cap, 3));
    }),
    ("an interrupt with the badge of a peer", |w| {
        w.cap("irq_33_driver", 0, |cap| set_badge(cap, 4));
    }),
    ("a fault without badge at the monitor", |w| {
        fault(w, "client", 0)
    }),
    ("the last badge of faults at the monitor", |w| {
        fault(w, "client", 255)
    }),
    ("a fault beyond the last badge at the monitor", |w| {
        fault(w, "client", 256)
    }),
    ("a child with the last id", |w| {
        fault(w, "vmm", badge::FAULT | 61)
    }),
    ("a child with an id beyond the last", |w| {
        fault(w, "vmm", badge::FAULT | 62)
    }),
    ("a child without the mark of faults", |w| {
        fault(w, "vmm", 3);
    }),
    ("two with one badge at the monitor", |w| {
        fault(w, "client", 2)
    }),
    ("a fault handler from whom nobody receives", |w| {
        w.add("ep_nobody", Object::Endpoint);
        let it = endpoint(w, "ep_nobody", 1);
        w.cap("tcb_client", tcb_slot::FAULT_EP.into(), |cap| *cap = it);
        w.cap("cnode_client", cptr::FAULT, |cap| *cap = it);
    }),
    ("a channel to whom nobody receives from", |w| {
        w.add("ntfn_nobody", Object::Notification);
        let it = signal(w, "ntfn_nobody", 1 << 5);
        w.put("cnode_client", cptr::NOTIFY + 5, it);
    }),
    ("a channel that leads to two", |w| {
        let it = signal(w, "ntfn_safety", 1 << 7);
        w.put("cnode_client", cptr::NOTIFY + 3, it);
    }),
    ("no channels, no calls", |w| {
        w.remove("cnode_client", cptr::NOTIFY + 1);
        w.remove("cnode_driver", cptr::NOTIFY + 2);
        w.remove("cnode_client", cptr::CALL + 3);
    }),
];

fn fault(wrong: &mut Wrong, who: &str, to: u64) {
    wrong.cap(&format!("tcb_{who}"), tcb_slot::FAULT_EP.into(), |cap| {
        set_badge(cap, to);
    });
    wrong.cap(&format!("cnode_{who}"), cptr::FAULT, |cap| {
        set_badge(cap, to)
    });
}

pub(super) const TIMES: &[Change] = &[
    ("a thread without time", |w| {
        w.remove("tcb_client", tcb_slot::SCHED_CONTEXT.into());
    }),
    ("the smallest budget", |w| time(w, "client", 20, 10_000)),
    ("a budget below the smallest", |w| {
        time(w, "client", 19, 10_000)
    }),
    ("a guest that starts by itself", |w| {
        tcb(w, "g_0", |it| it.resume = true)
    }),
    ("a domain that nobody starts", |w| {
        tcb(w, "client", |it| it.resume = false)
    }),
    ("the highest priority", |w| {
        tcb(w, "safety", |it| (it.prio, it.max_prio) = (254, 254));
    }),
    ("a call to an equal", |w| {
        tcb(w, "client", |it| (it.prio, it.max_prio) = (190, 190));
    }),
    ("a call to one just above", |w| {
        tcb(w, "client", |it| (it.prio, it.max_prio) = (189, 189));
    }),
    ("two cores", |w| {
        platform(w, |it| it.cores = 2);
        tcb(w, "client", |it| it.affinity = 1);
    }),
    ("the last domain, in a schedule", |w| {
        tcb(w, "client", |it| it.domain = Some(15));
        schedule(w, vec![(0, Duration::Us(500)), (15, Duration::Ticks(1))]);
    }),
    ("a schedule with impossible entries", |w| {
        let (none, no_time) = (Duration::Ticks(0), Duration::Us(0));
        schedule(w, vec![(1, none), (2, no_time), (16, Duration::Us(1))]);
    }),
    ("the longest schedule", |w| {
        schedule(w, vec![(0, Duration::Us(5)); 100])
    }),
    ("a schedule that is too long", |w| {
        schedule(w, vec![(0, Duration::Us(5)); 101])
    }),
    ("guest and monitor in one domain", |w| {
        schedule(w, vec![(0, Duration::Us(500)), (3, Duration::Us(500))]);
        tcb(w, "g_0", |it| it.domain = Some(3));
        tcb(w, "vmm", |it| it.domain = Some(3));
    }),
    ("the whole core", |w| time(w, "client", 4000, 10_000)),
    ("a hair more than the whole core", |w| {
        time(w, "client", 4001, 10_000)
    }),
    ("a response at the end of the period", |w| {
        time(w, "g_0", 5000, 10_000)
    }),
    ("a response behind the end of the period", |w| {
        time(w, "g_0", 5001, 10_000)
    }),
    ("one without limit above another", |w| {
        time(w, "driver", 10_000, 10_000);
        time(w, "g_0", 9000, 10_000);
    }),
    ("short periods above long ones", |w| {
        time(w, "driver", 100, 1000);
        time(w, "client", 300, 3000);
        time(w, "safety", 700, 7000);
    }),
    ("nobody with a limit", |w| {
        for who in [
            "client", "driver", "safety", "timer", "vmm", "g_0", "monitor",
        ] {
            time(w, who, 10_000, 10_000);
        }
    }),
];
