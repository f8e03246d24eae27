// SPDX-License-Identifier: BSD-2-Clause
//! The sample with the rights that Microkit 2.3.0 gives, for what was measured on such a system.

use crate::report::Inputs;
use crate::spec::{Cap, Object, Rights};

/// The rights of every endpoint and notification capability in Microkit 2.3.0.
const ENDPOINT: Rights = Rights {
    read: true,
    write: true,
    grant: true,
    grant_reply: false,
};
const NOTIFICATION: Rights = Rights {
    grant: false,
    ..ENDPOINT
};

/// Gives all capabilities the rights that they have in Microkit 2.3.0.
pub(crate) fn as_emitted(inputs: &mut Inputs) {
    let objects = inputs.spec.iter_mut().flat_map(|spec| &mut spec.objects);
    let slots = objects.filter_map(|named| match &mut named.object {
        // An interrupt's notification is the kernel's own.
        Object::ArmIrq(_) => None,
        other => other.slots_mut(),
    });
    for slot in slots.flatten() {
        match &mut slot.cap {
            Cap::Endpoint { rights, .. } => *rights = ENDPOINT,
            Cap::Notification { rights, .. } => *rights = NOTIFICATION,
            _ => {}
        }
    }
}
