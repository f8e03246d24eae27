// SPDX-License-Identifier: BSD-2-Clause
//! Negative controls: a good system is made wrong in one place, and the check for it must say so.
//!
//! A checker that has never been seen to reject anything proves nothing. The results are a part of
//! every report.
//!
//! Answers BH-32.

#[cfg(test)]
mod further;
mod image;
mod memory;
mod rights;
mod structure;
mod time;

use serde::Serialize;

use crate::checks::{self, Finding, Verdict};
use crate::report::{Facts, Inputs};
use crate::sample;
use crate::spec::{Cap, NamedObject, Object, Slot, Spec};

/// What became of a control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ControlResult {
    /// The check that is tried.
    pub check: &'static str,
    /// What was made wrong.
    pub mutation: &'static str,
    /// Whether the check rejected it, after it had not rejected the good system.
    pub rejected: bool,
    /// What it said.
    pub evidence: Vec<String>,
}

/// A control: a check, what is made wrong, and how.
pub(crate) struct Control {
    check: &'static str,
    mutation: &'static str,
    make: fn(&mut Wrong),
}

/// A system that is being made wrong.
pub(crate) struct Wrong {
    inputs: Inputs,
}

fn all() -> impl Iterator<Item = &'static Control> {
    let groups = [
        structure::CONTROLS,
        memory::CONTROLS,
        rights::CONTROLS,
        time::CONTROLS,
        image::CONTROLS,
    ];
    groups.into_iter().flatten()
}

/// Tries every check on everything that it must reject.
#[must_use]
pub fn run() -> Vec<ControlResult> {
    let good = sample::inputs();
    let Ok(facts) = Facts::gather(&good) else {
        return Vec::new();
    };
    all()
        .map(|control| try_one(control, &good, &facts))
        .collect()
}

fn try_one(control: &Control, good: &Inputs, facts: &Facts<'_>) -> ControlResult {
    let before = checks::find(control.check).map(|check| check.apply(facts));
    let mut wrong = Wrong {
        inputs: good.clone(),
    };
    (control.make)(&mut wrong);
    let after = Facts::gather(&wrong.inputs).ok();
    let after = after
        .zip(checks::find(control.check))
        .map(|(facts, check)| check.apply(&facts));
    let rejected = before
        .as_ref()
        .zip(after.as_ref())
        .is_some_and(|(a, b)| is_rejected(a, b));
    ControlResult {
        check: control.check,
        mutation: control.mutation,
        rejected,
        evidence: after.map_or_else(Vec::new, |finding| finding.evidence),
    }
}

/// Whether the check says more against the second than against the first.
fn is_rejected(before: &Finding, after: &Finding) -> bool {
    before.verdict != Verdict::Fail
        && matches!(after.verdict, Verdict::Fail | Verdict::Residual)
        && (before.verdict, &before.evidence) != (after.verdict, &after.evidence)
}

impl Wrong {
    fn spec(&mut self) -> &mut Spec {
        self.inputs.spec.get_or_insert_default()
    }

    fn id(&mut self, name: &str) -> usize {
        self.spec().find(name).unwrap_or(usize::MAX)
    }

    fn object(&mut self, name: &str, change: impl FnOnce(&mut Object)) {
        let id = self.id(name);
        if let Some(named) = self.spec().objects.get_mut(id) {
            change(&mut named.object);
        }
    }

    fn add(&mut self, name: &str, object: Object) -> usize {
        let objects = &mut self.spec().objects;
        objects.push(NamedObject {
            name: Some(name.to_owned()),
            object,
        });
        objects.len() - 1
    }

    /// Fills a slot, once more if it is filled.
    fn put(&mut self, table: &str, slot: u64, cap: Cap) {
        let slot = u32::try_from(slot).unwrap_or(u32::MAX);
        self.object(table, |object| {
            if let Some(slots) = object.slots_mut() {
                slots.push(Slot { slot, cap });
            }
        });
    }

    /// Changes what is in a slot.
    fn cap(&mut self, table: &str, slot: u64, change: impl FnOnce(&mut Cap)) {
        self.object(table, |object| {
            let mut slots = object.slots_mut().into_iter().flatten();
            if let Some(found) = slots.find(|found| u64::from(found.slot) == slot) {
                change(&mut found.cap);
            }
        });
    }

    /// Empties a slot.
    fn remove(&mut self, table: &str, slot: u64) {
        self.object(table, |object| {
            if let Some(slots) = object.slots_mut() {
                slots.retain(|found| u64::from(found.slot) != slot);
            }
        });
    }

    fn tcb(&mut self, name: &str) -> Cap {
        Cap::Tcb {
            object: self.id(name),
        }
    }
}

/// Sets the rights of a capability.
fn allow(cap: &mut Cap, read: bool, write: bool, grant: bool) {
    if let Cap::Endpoint { rights, .. }
    | Cap::Notification { rights, .. }
    | Cap::Frame { rights, .. } = cap
    {
        rights.read |= read;
        rights.write |= write;
        rights.grant |= grant;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn nothing_is_wrong_with_the_sample() {
        let inputs = sample::inputs();
        let facts = Facts::gather(&inputs).unwrap();
        // What any parent, any driver and any device confers.
        let expected = ["integrity-p1", "integrity-p7"];
        // A sample without domains has nothing to say about them.
        let without = ["vm-domain"];
        for check in checks::all() {
            let finding = check.apply(&facts);
            let wanted = match finding.check {
                it if expected.contains(&it) => Verdict::Residual,
                it if without.contains(&it) => Verdict::NotApplicable,
                _ => Verdict::Pass,
            };
            assert_eq!(finding.verdict, wanted, "{finding:?}");
        }
    }

    // Shows BH-32.
    #[test]
    fn every_check_has_a_control_and_rejects_it() {
        let results = run();
        let tried: BTreeSet<&str> = results.iter().map(|result| result.check).collect();
        let all: BTreeSet<&str> = checks::all().iter().map(|check| check.id).collect();
        assert_eq!(tried, all);
        let missed: Vec<_> = results.iter().filter(|result| !result.rejected).collect();
        assert!(missed.is_empty(), "{missed:#?}");
    }

    #[test]
    fn a_control_that_changes_nothing_is_not_rejected() {
        let good = sample::inputs();
        let facts = Facts::gather(&good).unwrap();
        for check in ["structure", "integrity-p1"] {
            let control = Control {
                check,
                mutation: "nothing",
                make: |_| {},
            };
            assert!(!try_one(&control, &good, &facts).rejected, "{check}");
        }
    }
}
