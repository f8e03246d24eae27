// SPDX-License-Identifier: BSD-2-Clause
//! Interrupts.

use super::{Context, Rule, Severity};
use crate::diag::Diagnostic;
use crate::model::Irq;
use crate::span::Span;
use std::collections::HashMap;

/// A trigger is level or edge.
pub static TRIGGER: Rule = Rule {
    id: "irq-trigger",
    severity: Severity::Error,
    law: "A trigger is level or edge",
    why: "The interrupt controller knows no other",
    fix: "write `level` or `edge`",
};

/// Interrupts are those that the board has and the kernel does not keep.
pub static RANGE: Rule = Rule {
    id: "irq-range",
    severity: Severity::Error,
    law: "Interrupts are those that the board has and the kernel does not keep",
    why: "The initialiser stops at an interrupt it cannot claim, and nothing boots",
    fix: "look the number up in the board’s manual; SPI n is n + 32",
};

/// An interrupt belongs to one protection domain.
pub static DUPLICATE: Rule = Rule {
    id: "irq-duplicate",
    severity: Severity::Error,
    law: "An interrupt belongs to one protection domain",
    why: "There is one handler object for each interrupt",
    fix: "remove one of them",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[&TRIGGER, &RANGE, &DUPLICATE];

/// Applies this group.
pub(super) fn check(cx: &mut Context<'_>) {
    let mut owners: HashMap<u32, (&str, Span)> = HashMap::new();
    for pd in &cx.system.pds {
        for irq in &pd.irqs {
            let number = irq.irq.value;
            if let Some((owner, place)) = owners.get(&number) {
                let message = format!("interrupt {number} already belongs to `{owner}`");
                let item = Diagnostic::new(&DUPLICATE, irq.irq.span, message);
                cx.out.push(item.also(*place, "first claimed here"));
            } else {
                owners.insert(number, (&pd.name, irq.irq.span));
            }
            range(cx, irq);
        }
    }
}

fn range(cx: &mut Context<'_>, irq: &Irq) {
    let Some(board) = cx.board else { return };
    let number = irq.irq.value;
    let message = if number > board.gic.max_irq {
        format!(
            "interrupt {number} is above {}, the highest of {}",
            board.gic.max_irq, board.name
        )
    } else if board.gic.reserved_irqs.contains(&number) {
        format!("interrupt {number} belongs to the kernel")
    } else {
        return;
    };
    cx.out.push(Diagnostic::new(&RANGE, irq.irq.span, message));
}
