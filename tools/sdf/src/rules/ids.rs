// SPDX-License-Identifier: BSD-2-Clause
//! Ids of channels, interrupts, children and vCPUs.

use super::{Context, Rule, Severity};
use crate::diag::Diagnostic;
use crate::span::{Span, Spanned};
use std::collections::HashMap;

/// Ids are 0 to 61.
pub static RANGE: Rule = Rule {
    id: "id-range",
    severity: Severity::Error,
    law: "Ids are 0 to 61",
    why: "An id is a bit of the badge, whose bits 62 and 63 mean fault and call; a larger child id would land in slots of another kind",
    fix: "use an id from 0 to 61",
};

/// Ids are unique in a protection domain: channels with interrupts, children with vCPUs.
pub static DUPLICATE: Rule = Rule {
    id: "id-duplicate",
    severity: Severity::Error,
    law: "Ids are unique in a protection domain: channels with interrupts, children with vCPUs",
    why: "The id is the slot of the capability and the bit of the badge, so two users of one id cannot be told apart",
    fix: "give one of them another id",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[&RANGE, &DUPLICATE];

/// Applies this group.
pub(super) fn check(cx: &mut Context<'_>) {
    let system = cx.system;
    for (index, pd) in system.pds.iter().enumerate() {
        let irqs = pd.irqs.iter().map(|irq| ("an interrupt", irq.id));
        let ends = system.ends(&pd.name).map(|(end, _)| ("a channel", end.id));
        unique(cx, &pd.name, irqs.chain(ends));
        let children = system
            .children(index)
            .filter_map(|child| system.pds[child].child_id);
        let vcpus = pd.virtual_machine.iter().flat_map(|vm| &vm.vcpus);
        let children = children.map(|id| ("a child", id));
        unique(
            cx,
            &pd.name,
            children.chain(vcpus.map(|vcpu| ("a vCPU", vcpu.id))),
        );
    }
}

/// Reports every id that was used before in the same space of protection domain `pd`.
fn unique(cx: &mut Context<'_>, pd: &str, ids: impl Iterator<Item = (&'static str, Spanned<u8>)>) {
    let mut seen: HashMap<u8, (&str, Span)> = HashMap::new();
    for (what, id) in ids {
        if let Some((first, place)) = seen.get(&id.value) {
            let message = format!("`{pd}` already uses id {}", id.value);
            let item = Diagnostic::new(&DUPLICATE, id.span, message).label(format!("for {what}"));
            cx.out.push(item.also(*place, format!("for {first}")));
        } else {
            seen.insert(id.value, (what, id.span));
        }
    }
}
