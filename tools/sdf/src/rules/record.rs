// SPDX-License-Identifier: BSD-2-Clause
//! Our <record> extension.

use super::{Context, Rule, Severity};
use crate::diag::Diagnostic;
use crate::lower::{place, resolve_all};

/// Roles have 1 to 32 bytes of printable ASCII.
pub static ROLE: Rule = Rule {
    id: "record-role",
    severity: Severity::Error,
    law: "Roles have 1 to 32 bytes of printable ASCII",
    why: "The record keeps a role in 32 bytes",
    fix: "shorten the role",
};

/// A record speaks of what its protection domain has.
pub static TARGET: Rule = Rule {
    id: "record-target",
    severity: Severity::Error,
    law: "A record speaks of what its protection domain has",
    why: "The protection domain would be told of something it cannot reach",
    fix: "correct the entry, or add the map, channel, interrupt, child or vCPU",
};

/// There is room for the record.
pub static SPACE: Rule = Rule {
    id: "record-space",
    severity: Severity::Error,
    law: "There is room for the record",
    why: "The record becomes a region and a mapping of its own",
    fix: "rename the region, or free some address space",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[&ROLE, &TARGET, &SPACE];

/// Applies this group.
pub(super) fn check(cx: &mut Context<'_>) {
    for (index, pd) in cx.system.pds.iter().enumerate() {
        let Some(record) = &pd.record else { continue };
        for entry in &record.entries {
            if let Err(error) = record::Role::new(&entry.role)
                && cx.given(&entry.role)
            {
                let message = format!("`{}`: {error}", entry.role.value);
                cx.out
                    .push(Diagnostic::new(&ROLE, entry.role.span, message));
            }
        }
        let entries = resolve_all(cx.system, index, record, cx.files, cx.out);
        if let Err(item) = place(cx.system, pd, &entries, cx.files) {
            cx.out.push(*item);
        }
    }
}
