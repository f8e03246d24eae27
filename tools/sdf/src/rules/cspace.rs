// SPDX-License-Identifier: BSD-2-Clause
//! Capabilities placed in a root CNode.

use super::{Context, Rule, Severity};
use crate::diag::Diagnostic;
use crate::span::Span;
use std::collections::HashMap;

/// Slots of <cspace> are 1 to 63.
pub static SLOT: Rule = Rule {
    id: "cspace-slot",
    severity: Severity::Error,
    law: "Slots of <cspace> are 1 to 63",
    why: "The root CNode has 64 slots and slot 0 holds the rest; the kernel takes larger numbers modulo 64, so slot 64 stops the boot and 100 means 36",
    fix: "use a slot from 1 to 63",
};

/// A slot of <cspace> is used once.
pub static DUPLICATE: Rule = Rule {
    id: "cspace-duplicate",
    severity: Severity::Error,
    law: "A slot of <cspace> is used once",
    why: "A slot holds one capability",
    fix: "use another slot",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[&SLOT, &DUPLICATE];

/// Applies this group.
pub(super) fn check(cx: &mut Context<'_>) {
    for pd in &cx.system.pds {
        let mut seen: HashMap<u8, Span> = HashMap::new();
        for cap in &pd.cspace {
            if let Some(first) = seen.get(&cap.slot.value) {
                let message = format!("slot {} of `{}` is taken", cap.slot.value, pd.name.value);
                let item = Diagnostic::new(&DUPLICATE, cap.slot.span, message);
                cx.out.push(item.also(*first, "first used here"));
            } else {
                seen.insert(cap.slot.value, cap.slot.span);
            }
        }
    }
}
