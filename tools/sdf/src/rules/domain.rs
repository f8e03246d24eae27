// SPDX-License-Identifier: BSD-2-Clause
//! The domain schedule.

use super::{Rule, Severity};

/// <domains> comes before the first protection domain.
pub static ORDER: Rule = Rule {
    id: "domain-order",
    severity: Severity::Error,
    law: "<domains> comes before the first protection domain",
    why: "Microkit reads the file in order and would ignore the domain of what came before",
    fix: "move <domains> to the top",
};

/// Domain ids are 0 to 15 and unique.
pub static ID: Rule = Rule {
    id: "domain-id",
    severity: Severity::Error,
    law: "Domain ids are 0 to 15 and unique",
    why: "The kernel is built with 16 domains",
    fix: "use a free id from 0 to 15, or none",
};

/// There are at most 16 domains.
pub static TOO_MANY: Rule = Rule {
    id: "domain-too-many",
    severity: Severity::Error,
    law: "There are at most 16 domains",
    why: "The kernel is built with 16",
    fix: "remove a domain",
};

/// A duration is a non-zero number, a space, and us or ticks.
pub static DURATION: Rule = Rule {
    id: "domain-duration",
    severity: Severity::Error,
    law: "A duration is a non-zero number, a space, and us or ticks",
    why: "The kernel needs a length it can count",
    fix: "write for example \"1000 us\"",
};

/// The schedule has entries, its start lies inside, and with index_shift it fits the kernel’s 100.
pub static SCHEDULE: Rule = Rule {
    id: "domain-schedule",
    severity: Severity::Error,
    law: "The schedule has entries, its start lies inside, and with index_shift it fits the kernel’s 100",
    why: "The kernel would refuse it at boot",
    fix: "correct start_index, index_shift or the number of entries",
};

/// With <domains>, every protection domain names its domain; without, none does.
pub static ASSIGNED: Rule = Rule {
    id: "domain-assigned",
    severity: Severity::Error,
    law: "With <domains>, every protection domain names its domain; without, none does",
    why: "A protection domain outside every domain would never run, or in one that nobody intended",
    fix: "add or remove the attribute `domain`",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[&ORDER, &ID, &TOO_MANY, &DURATION, &SCHEDULE, &ASSIGNED];
