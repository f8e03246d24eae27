// SPDX-License-Identifier: BSD-2-Clause
//! Symbols that the tool patches.

use super::{Rule, Severity};

/// A symbol is set once.
pub static DUPLICATE: Rule = Rule {
    id: "setvar-duplicate",
    severity: Severity::Error,
    law: "A symbol is set once",
    why: "The second value would overwrite the first",
    fix: "use another symbol",
};

/// The symbols microkit_* are not set by the file.
pub static RESERVED: Rule = Rule {
    id: "setvar-reserved",
    severity: Severity::Error,
    law: "The symbols microkit_* are not set by the file",
    why: "The tool writes them itself",
    fix: "use a symbol of your own",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[&DUPLICATE, &RESERVED];
