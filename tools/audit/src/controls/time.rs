// SPDX-License-Identifier: BSD-2-Clause
//! Too little time, and calls that wait for ever.

use super::{Control, Wrong};
use crate::spec::{Cap, DomainEntry, Duration, Object, Rights};
use crate::system::{badge, cptr};

pub(super) const CONTROLS: &[Control] = &[
    Control {
        check: "core-share",
        mutation: "90 % of the core for the client",
        make: |wrong| time(wrong, "client", 9000, 10_000),
    },
    Control {
        check: "response-time",
        mutation: "a driver that takes 4 ms of every 5 ms, before a guest that needs 3 ms of every 10 ms",
        make: |wrong| time(wrong, "driver", 4000, 5000),
    },
    Control {
        check: "time-limit",
        mutation: "a client without limit",
        make: |wrong| time(wrong, "client", 10_000, 10_000),
    },
    Control {
        check: "call-priority",
        mutation: "a call from priority 195 to 190",
        make: |wrong| {
            wrong.object("tcb_client", |object| {
                if let Object::Tcb(tcb) = object {
                    (tcb.extra.prio, tcb.extra.max_prio) = (195, 195);
                }
            })
        },
    },
    Control {
        check: "call-cycle",
        mutation: "a server that calls its client",
        make: call_back,
    },
    Control {
        check: "vcpu-core",
        mutation: "a guest on another core than its monitor",
        make: |wrong| {
            wrong.object("tcb_g_0", |object| {
                if let Object::Tcb(tcb) = object {
                    tcb.extra.affinity = 1;
                }
            })
        },
    },
    Control {
        check: "vm-domain",
        mutation: "a guest in domain 0, its monitor in domain 1",
        make: domains,
    },
];

fn time(wrong: &mut Wrong, who: &str, budget: u64, period: u64) {
    wrong.object(&format!("sched_context_{who}"), |object| {
        if let Object::SchedContext(context) = object {
            (context.extra.budget, context.extra.period) = (budget, period);
        }
    });
}

fn call_back(wrong: &mut Wrong) {
    let object = wrong.add("ep_client", Object::Endpoint);
    let receive = Rights {
        read: true,
        ..Rights::default()
    };
    let call = Rights {
        write: true,
        grant_reply: true,
        ..Rights::default()
    };
    let input = Cap::Endpoint {
        object,
        badge: 0,
        rights: receive,
    };
    wrong.cap("cnode_client", cptr::INPUT, |cap| *cap = input);
    let back = Cap::Endpoint {
        object,
        badge: badge::CALL | 3,
        rights: call,
    };
    wrong.put("cnode_timer", cptr::CALL + 4, back);
}

fn domains(wrong: &mut Wrong) {
    let entry = |domain| DomainEntry {
        domain,
        duration: Duration::Us(5000),
    };
    wrong.spec().domain_schedule = Some(vec![entry(0), entry(1)]);
    wrong.object("tcb_vmm", |object| {
        if let Object::Tcb(tcb) = object {
            tcb.extra.domain = Some(1);
        }
    });
}
