// SPDX-License-Identifier: BSD-2-Clause
//! The order in which the initialiser makes objects: fixed addresses first, then large before
//! small, then by name.

use crate::spec::{Object, Spec};
use std::cmp::Reverse;

/// Size of an object's memory as a power of two; 0 for what has none.
fn size_bits(object: &Object, tcb_bits: u8) -> u8 {
    match object {
        Object::Endpoint => 4,
        Object::Notification => 6,
        Object::Reply => 5,
        Object::VCpu => 12,
        Object::Frame(frame) => frame.size_bits,
        Object::PageTable(table) if table.is_root => 13,
        Object::PageTable(_) => 12,
        Object::CNode(cnode) => cnode.size_bits + 5,
        Object::Tcb(_) => tcb_bits,
        Object::SchedContext(context) => context.size_bits,
        Object::ArmSmc | Object::ArmIrq(_) => 0,
    }
}

/// Sorts objects, slots and interrupts, keeping every reference.
pub(crate) fn sort(spec: &mut Spec, tcb_bits: u8) {
    let mut order: Vec<usize> = (0..spec.objects.len()).collect();
    order.sort_by_cached_key(|&index| {
        let named = &spec.objects[index];
        let paddr = match &named.object {
            Object::Frame(frame) => frame.paddr,
            _ => None,
        };
        let size = Reverse(size_bits(&named.object, tcb_bits));
        (paddr.is_none(), paddr, size, named.name.clone())
    });
    let mut place = vec![0; order.len()];
    for (new, &old) in order.iter().enumerate() {
        place[old] = new;
    }
    let mut objects: Vec<_> = std::mem::take(&mut spec.objects)
        .into_iter()
        .map(Some)
        .collect();
    spec.objects = order
        .iter()
        .filter_map(|&old| objects[old].take())
        .collect();
    for named in &mut spec.objects {
        for slot in named.object.slots_mut().into_iter().flatten() {
            let object = slot.cap.object_mut();
            *object = place[*object];
        }
        if let Some(slots) = named.object.slots_mut() {
            slots.sort_by_key(|slot| slot.slot);
        }
    }
    for irq in &mut spec.irqs {
        irq.handler = place[irq.handler];
    }
    spec.irqs.sort_by_key(|irq| irq.irq);
}
