// SPDX-License-Identifier: BSD-2-Clause
//! Warnings that the policy accepts, with a reason for reviewers.

use crate::model::Policy;
use crate::rules::ACCEPT;
use sdf::rules::Severity;
use sdf::{Diagnostic, Diagnostics};

/// Drops the warnings that `policy` accepts, and reports what it accepts for nothing.
pub(crate) fn apply(policy: &Policy, out: &mut Diagnostics) {
    for (rule, _) in &policy.accept {
        let is_it = |item: &Diagnostic| {
            item.rule.severity == Severity::Warning && item.rule.id == rule.value
        };
        let before = out.items.len();
        out.items.retain(|item| !is_it(item));
        if out.items.len() == before {
            let message = format!("there is no warning `{}` here", rule.value);
            out.push(Diagnostic::new(&ACCEPT, rule.span, message));
        }
    }
}
