// SPDX-License-Identifier: BSD-2-Clause
//! Rights beyond need, and flows beyond policy.

use super::{Control, Wrong, allow, memory::map};
use crate::spec::{Cap, tcb_slot};
use crate::system::cptr;

pub(super) const CONTROLS: &[Control] = &[
    Control {
        check: "rights-excess",
        mutation: "all rights on the endpoint for faults, as Microkit 2.3.0 gives",
        make: |wrong| wrong.cap("cnode_vmm", cptr::FAULT, |cap| allow(cap, true, true, true)),
    },
    Control {
        check: "rights-excess",
        mutation: "the right to take a peer's signals",
        make: |wrong| {
            wrong.cap("cnode_client", cptr::NOTIFY + 1, |cap| {
                allow(cap, true, true, false)
            })
        },
    },
    Control {
        check: "control",
        mutation: "a client that has the driver's thread",
        make: driver_for_client,
    },
    Control {
        check: "control",
        mutation: "a supervisor that has the thread of somebody else's guest",
        make: |wrong| {
            let cap = wrong.tcb("tcb_g_0");
            wrong.put("cnode_client", cptr::VM_TCB, cap);
        },
    },
    Control {
        check: "time-control",
        mutation: "a client that has the driver's time",
        make: |wrong| {
            let object = wrong.id("sched_context_driver");
            wrong.put("cnode_client_root", 1, Cap::SchedContext { object });
        },
    },
    Control {
        check: "integrity-p1",
        mutation: "a client that has the driver's thread",
        make: driver_for_client,
    },
    Control {
        check: "integrity-p2",
        mutation: "grant on the endpoint for faults",
        make: |wrong| {
            wrong.cap("cnode_vmm", cptr::FAULT, |cap| {
                allow(cap, false, true, true)
            })
        },
    },
    Control {
        check: "integrity-p3",
        mutation: "a client that may grant to the timer",
        make: |wrong| {
            wrong.cap("cnode_client", cptr::CALL + 3, |cap| {
                allow(cap, false, true, true)
            })
        },
    },
    Control {
        check: "integrity-p4",
        mutation: "a call without the right to send",
        make: |wrong| {
            wrong.cap("cnode_client", cptr::CALL + 3, |cap| {
                if let Cap::Endpoint { rights, .. } = cap {
                    rights.write = false;
                }
            })
        },
    },
    Control {
        check: "integrity-p4",
        mutation: "a server without reply object",
        make: |wrong| wrong.remove("cnode_timer", cptr::REPLY),
    },
    Control {
        check: "integrity-p5",
        mutation: "a server that may grant on the endpoint of its callers",
        make: |wrong| {
            wrong.cap("cnode_timer", cptr::INPUT, |cap| {
                allow(cap, true, false, true)
            })
        },
    },
    Control {
        check: "integrity-p6",
        mutation: "a client in the driver's address space",
        make: |wrong| {
            let object = wrong.id("pud_driver");
            wrong.cap("tcb_client", tcb_slot::VSPACE.into(), |cap| {
                *cap = Cap::PageTable { object }
            });
        },
    },
    Control {
        check: "integrity-merge",
        mutation: "client and driver that have each other's threads",
        make: |wrong| {
            driver_for_client(wrong);
            let cap = wrong.tcb("tcb_client");
            wrong.put("cnode_driver_root", 1, cap);
        },
    },
    Control {
        check: "flow-policy",
        mutation: "guest memory that the client reads",
        make: |wrong| {
            map(
                wrong,
                "client",
                0x2100_1000,
                "frame_elf_vmm_000000001",
                false,
            )
        },
    },
    Control {
        check: "flow-policy",
        mutation: "a way from the driver to the guest through the client",
        make: vmm_reads_client,
    },
    Control {
        check: "flow-policy",
        mutation: "a policy about somebody whom nobody knows",
        make: |wrong| wrong.inputs.policy.separators.push("nobody".to_owned()),
    },
    Control {
        check: "flow-declared",
        mutation: "a ring from the client to the guest's monitor that nobody declared",
        make: vmm_reads_client,
    },
    Control {
        check: "flow-excess",
        mutation: "a client that can receive other domains' faults",
        make: |wrong| {
            wrong.cap("cnode_client", cptr::FAULT, |cap| {
                allow(cap, true, true, false)
            })
        },
    },
];

fn driver_for_client(wrong: &mut Wrong) {
    let cap = wrong.tcb("tcb_driver");
    wrong.put("cnode_client_root", 1, cap);
}

/// The guest's monitor reads what the client writes.
fn vmm_reads_client(wrong: &mut Wrong) {
    map(wrong, "vmm", 0x20_3000, "frame_mr_in_000000000", false);
}
