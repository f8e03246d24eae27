// SPDX-License-Identifier: BSD-2-Clause
//! Wrong references, slots, badges and numbers.

use super::{Control, Wrong};
use crate::spec::{Cap, Object};
use crate::system::{badge, cptr};

pub(super) const CONTROLS: &[Control] = &[
    Control {
        check: "structure",
        mutation: "a capability in slot 100 of a root table with 64 slots",
        make: |wrong| {
            let cap = wrong.tcb("tcb_driver");
            wrong.put("cnode_client_root", 100, cap);
        },
    },
    Control {
        check: "slot-kind",
        mutation: "another's thread in the slot for one's own",
        make: |wrong| {
            let cap = wrong.tcb("tcb_driver");
            wrong.put("cnode_client", cptr::SELF, cap);
        },
    },
    Control {
        check: "structure",
        mutation: "one slot filled twice",
        make: |wrong| {
            let cap = wrong.tcb("tcb_vmm");
            wrong.put("cnode_safety", cptr::CHILD, cap);
        },
    },
    Control {
        check: "structure",
        mutation: "a capability to an object that does not exist",
        make: |wrong| {
            wrong.put(
                "cnode_client",
                11 + cptr::NOTIFY,
                Cap::Tcb { object: usize::MAX },
            )
        },
    },
    Control {
        check: "structure",
        mutation: "a thread capability that leads to an endpoint",
        make: |wrong| {
            let object = wrong.id("ep_safety");
            wrong.cap("cnode_safety", cptr::CHILD, |cap| {
                *cap = Cap::Tcb { object }
            });
        },
    },
    Control {
        check: "structure",
        mutation: "two objects of one name",
        make: |wrong| {
            wrong.add("ntfn_client", Object::Notification);
        },
    },
    Control {
        check: "structure",
        mutation: "a large page in a table for small ones",
        make: |wrong| {
            wrong.object("frame_mr_out_000000000", |object| {
                if let Object::Frame(frame) = object {
                    frame.size_bits = 21;
                }
            })
        },
    },
    Control {
        check: "slot-kind",
        mutation: "a child with id 70, which lands among the virtual CPUs' threads",
        make: |wrong| {
            let cap = wrong.tcb("tcb_vmm");
            wrong.put("cnode_safety", cptr::CHILD + 70, cap);
        },
    },
    Control {
        check: "slot-kind",
        mutation: "a page among the capabilities",
        make: |wrong| {
            let object = wrong.id("frame_mr_out_000000000");
            let rights = crate::spec::Rights::default();
            wrong.put(
                "cnode_client",
                400,
                Cap::Frame {
                    object,
                    rights,
                    cached: true,
                    executable: false,
                },
            );
        },
    },
    Control {
        check: "slot-kind",
        mutation: "a guest with a capability",
        make: |wrong| {
            let cap = wrong.tcb("tcb_g_0");
            wrong.put("cnode_g_0", 1, cap);
        },
    },
    Control {
        check: "badge-sender",
        mutation: "a client that signals with the badge of the interrupt",
        make: |wrong| wrong.cap("cnode_client", cptr::NOTIFY + 1, |cap| set_badge(cap, 1)),
    },
    Control {
        check: "badge-form",
        mutation: "a signal with two bits",
        make: |wrong| wrong.cap("cnode_client", cptr::NOTIFY + 1, |cap| set_badge(cap, 6)),
    },
    Control {
        check: "badge-form",
        mutation: "a call without its mark",
        make: |wrong| wrong.cap("cnode_client", cptr::CALL + 3, |cap| set_badge(cap, 4)),
    },
    Control {
        check: "badge-form",
        mutation: "a call from an id beyond the last",
        make: |wrong| {
            wrong.cap("cnode_client", cptr::CALL + 3, |cap| {
                set_badge(cap, badge::CALL | cptr::IDS)
            })
        },
    },
    Control {
        check: "badge-form",
        mutation: "a guest whose faults look like calls",
        make: |wrong| wrong.cap("tcb_g_0", 5, |cap| set_badge(cap, badge::CALL)),
    },
    Control {
        check: "channel-ends",
        mutation: "an answer that goes to another channel than the question",
        make: |wrong| {
            wrong.cap("cnode_driver", cptr::NOTIFY + 2, |cap| {
                set_badge(cap, 1 << 5)
            })
        },
    },
    Control {
        check: "number-range",
        mutation: "a budget of 10 µs",
        make: |wrong| {
            wrong.object("sched_context_client", |object| {
                if let Object::SchedContext(context) = object {
                    context.extra.budget = 10;
                }
            })
        },
    },
    Control {
        check: "number-range",
        mutation: "a budget beyond its period",
        make: |wrong| {
            wrong.object("sched_context_client", |object| {
                if let Object::SchedContext(context) = object {
                    context.extra.budget = context.extra.period + 1;
                }
            })
        },
    },
    Control {
        check: "number-range",
        mutation: "the monitor's priority",
        make: |wrong| thread(wrong, |extra| (extra.prio, extra.max_prio) = (255, 255)),
    },
    Control {
        check: "number-range",
        mutation: "the right to give a higher priority than one's own",
        make: |wrong| thread(wrong, |extra| extra.max_prio = 254),
    },
    Control {
        check: "number-range",
        mutation: "a core that the board lacks",
        make: |wrong| thread(wrong, |extra| extra.affinity = 1),
    },
    Control {
        check: "number-range",
        mutation: "domain 16",
        make: |wrong| thread(wrong, |extra| extra.domain = Some(16)),
    },
];

fn set_badge(cap: &mut Cap, to: u64) {
    if let Cap::Endpoint { badge, .. } | Cap::Notification { badge, .. } = cap {
        *badge = to;
    }
}

fn thread(wrong: &mut Wrong, change: impl FnOnce(&mut crate::spec::TcbExtra)) {
    wrong.object("tcb_client", |object| {
        if let Object::Tcb(tcb) = object {
            change(&mut tcb.extra);
        }
    });
}
