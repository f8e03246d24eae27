// SPDX-License-Identifier: BSD-2-Clause
//! Names and references by name.

use super::{Rule, Severity};

/// Names are unique among their kind.
pub static DUPLICATE: Rule = Rule {
    id: "name-duplicate",
    severity: Severity::Error,
    law: "Names are unique among their kind",
    why: "A reference by name would have two meanings",
    fix: "rename one of them",
};

/// No protection domain is called monitor.
pub static RESERVED: Rule = Rule {
    id: "name-reserved",
    severity: Severity::Error,
    law: "No protection domain is called monitor",
    why: "Microkit uses this name for its own fault handler",
    fix: "choose another name",
};

/// Names of protection domains and virtual machines have 1 to 63 bytes.
pub static LENGTH: Rule = Rule {
    id: "name-length",
    severity: Severity::Error,
    law: "Names of protection domains and virtual machines have 1 to 63 bytes",
    why: "They are stored in 64 bytes; a name of 64 bytes leaves no room for the terminating NUL",
    fix: "shorten the name",
};

/// What is named exists.
pub static UNKNOWN: Rule = Rule {
    id: "name-unknown",
    severity: Severity::Error,
    law: "What is named exists",
    why: "A capability or mapping cannot be made for something that is not there",
    fix: "correct the name or declare it",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[&DUPLICATE, &RESERVED, &LENGTH, &UNKNOWN];
