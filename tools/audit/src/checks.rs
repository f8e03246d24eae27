// SPDX-License-Identifier: BSD-2-Clause
//! The checks: each has an id, what it demands and why, and a verdict with evidence.

mod devices;
mod image;
mod memory;
mod programs;
mod rights;
mod structure;
mod time;

pub(crate) use programs::settings;
use serde::Serialize;

use crate::report::Facts;

/// A check.
pub struct Check {
    /// Its id, for reports and for tools.
    pub id: &'static str,
    /// What it demands.
    pub law: &'static str,
    /// Why, in plain words.
    pub reason: &'static str,
    run: fn(&Facts<'_>) -> Outcome,
}

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The demand is met.
    Pass,
    /// It is not.
    Fail,
    /// It is not, in a way that every system on this platform shares or that the integrator must
    /// accept: listed for the reader, not counted as a failure.
    Residual,
    /// It has no object here, or what it needs was not given.
    NotApplicable,
}

/// A verdict with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check.
    pub check: &'static str,
    /// What it demands.
    pub law: &'static str,
    /// Why.
    pub reason: &'static str,
    /// What became of it.
    pub verdict: Verdict,
    /// What the verdict rests on, in order.
    pub evidence: Vec<String>,
}

/// What a check found out.
enum Outcome {
    /// Fails if there are any.
    Breaches(Vec<String>, String),
    /// Residual if there are any.
    Residuals(Vec<String>, String),
    /// Nothing to look at.
    Nothing(&'static str),
}

impl Outcome {
    /// Fails with these lines; passes with `otherwise` as evidence if there are none.
    fn breaches(lines: impl IntoIterator<Item = String>, otherwise: impl Into<String>) -> Self {
        Self::Breaches(lines.into_iter().collect(), otherwise.into())
    }

    /// Is residual with these lines; passes with `otherwise` as evidence if there are none.
    fn residuals(lines: impl IntoIterator<Item = String>, otherwise: impl Into<String>) -> Self {
        Self::Residuals(lines.into_iter().collect(), otherwise.into())
    }
}

impl Check {
    /// Applies it.
    #[must_use]
    pub fn apply(&self, facts: &Facts<'_>) -> Finding {
        let (verdict, evidence) = match (self.run)(facts) {
            Outcome::Nothing(why) => (Verdict::NotApplicable, vec![why.to_owned()]),
            Outcome::Breaches(lines, otherwise) | Outcome::Residuals(lines, otherwise)
                if lines.is_empty() =>
            {
                (Verdict::Pass, vec![otherwise])
            }
            Outcome::Breaches(lines, _) => (Verdict::Fail, lines),
            Outcome::Residuals(lines, _) => (Verdict::Residual, lines),
        };
        Finding {
            check: self.id,
            law: self.law,
            reason: self.reason,
            verdict,
            evidence,
        }
    }
}

/// All checks, in the order of reports.
#[must_use]
pub fn all() -> Vec<&'static Check> {
    let groups = [
        structure::CHECKS,
        memory::CHECKS,
        devices::CHECKS,
        rights::CHECKS,
        time::CHECKS,
        programs::CHECKS,
        image::CHECKS,
    ];
    groups.into_iter().flatten().collect()
}

/// The check with this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Check> {
    all().into_iter().find(|check| check.id == id)
}
