// SPDX-License-Identifier: BSD-2-Clause
//! The rules: one table, one module per group.

pub mod channel;
pub mod cspace;
pub mod domain;
pub mod ids;
pub mod irq;
pub mod map;
pub mod name;
pub mod pd;
pub mod record;
pub mod region;
pub mod setvar;
pub mod xml;

use crate::board::Board;
use crate::diag::Diagnostics;
use crate::files::Files;
use crate::model::System;
use serde::Serialize;

/// How bad it is to break a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The system would not be built, not boot, or not do what it says.
    Error,
    /// The system works as described, but likely not as intended.
    Warning,
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// A rule that a system description keeps.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Stable name, for `explain` and for the corpus.
    pub id: &'static str,
    /// What breaking it means.
    pub severity: Severity,
    /// The rule in one line.
    pub law: &'static str,
    /// Why it exists.
    pub why: &'static str,
    /// What to do in general.
    pub fix: &'static str,
}

/// The groups, in the order of `explain`.
static GROUPS: &[&[&Rule]] = &[
    xml::RULES,
    ids::RULES,
    name::RULES,
    pd::RULES,
    map::RULES,
    irq::RULES,
    region::RULES,
    channel::RULES,
    setvar::RULES,
    cspace::RULES,
    domain::RULES,
    record::RULES,
];

/// Every rule of this crate.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    GROUPS.iter().flat_map(|group| group.iter().copied())
}

/// The rule called `id`.
#[must_use]
pub fn find(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id == id)
}

/// Applies every rule that looks at the whole system.
pub(crate) fn run(
    _system: &System,
    _board: Option<&Board>,
    _files: &dyn Files,
    _out: &mut Diagnostics,
) {
}
