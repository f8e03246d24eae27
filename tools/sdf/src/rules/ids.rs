// SPDX-License-Identifier: BSD-2-Clause
//! Ids of channels, interrupts, children and vCPUs.

use super::{Rule, Severity};

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
