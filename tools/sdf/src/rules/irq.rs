// SPDX-License-Identifier: BSD-2-Clause
//! Interrupts.

use super::{Rule, Severity};

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
