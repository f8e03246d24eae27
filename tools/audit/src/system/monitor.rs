// SPDX-License-Identifier: BSD-2-Clause
//! The monitor of the development kernel, which is a part of that kernel and no object of a distribution.

use super::{Held, ObjectId, ObjectInfo, Role, Thread, cptr};
use crate::spec::{Kind, Rights};

const NONE: Rights = Rights {
    read: false,
    write: false,
    grant: false,
    grant_reply: false,
};
const RECEIVE: Rights = Rights { read: true, ..NONE };

/// What it can do: it has every thread, and the endpoint for their faults.
pub(super) fn kernels_own([tcb, endpoint, reply]: [ObjectId; 3], threads: &[Thread]) -> Thread {
    let held = |cptr, object, kind, rights| Held {
        cptr,
        object,
        kind,
        badge: 0,
        rights,
    };
    let controls = (10..).zip(threads);
    let controls = controls.map(|(cptr, it)| held(cptr, it.tcb, Kind::Tcb, NONE));
    let input = held(cptr::INPUT, endpoint, Kind::Endpoint, RECEIVE);
    let own = [input, held(2, reply, Kind::Reply, NONE)];
    Thread {
        name: "monitor".to_owned(),
        role: Role::Monitor,
        tcb,
        vspace: None,
        tables: Vec::new(),
        caps: own.into_iter().chain(controls).collect(),
        mappings: Vec::new(),
        fault: None,
        bound: None,
        vcpu: None,
        ipc_buffer: None,
        ipc_buffer_vaddr: 0,
        time: None,
        priority: u8::MAX,
        max_priority: u8::MAX,
        core: 0,
        domain: 0,
        passive: false,
        starts: true,
        entry: 0,
        stack: 0,
    }
}

/// The monitor of a distribution for the development kernel, which does not list it, and who is passive
/// there: those that may ask it to take their time.
pub(super) fn missing(threads: &mut [Thread], objects: &mut Vec<ObjectInfo>) -> Option<Thread> {
    if threads.iter().any(|thread| thread.role == Role::Monitor) {
        return None;
    }
    let endpoint = objects
        .iter()
        .position(|object| object.name == "ep_fault_monitor")?;
    for thread in threads.iter_mut() {
        let mut caps = thread.caps.iter();
        thread.passive = caps.any(|held| held.cptr == cptr::MONITOR && held.object == endpoint);
    }
    let mut add = |name: &str, kind| {
        objects.push(ObjectInfo {
            name: name.to_owned(),
            kind,
        });
        objects.len() - 1
    };
    let tcb = add("tcb_monitor", Kind::Tcb);
    let reply = add("reply_monitor", Kind::Reply);
    Some(kernels_own([tcb, endpoint, reply], threads))
}
