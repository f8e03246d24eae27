// SPDX-License-Identifier: BSD-2-Clause
//! The rules: one table, one module per group.
//!
//! Answers BH-12.

pub mod channel;
pub mod cspace;
pub mod domain;
pub mod guest;
pub mod ids;
pub mod irq;
pub mod map;
pub mod name;
pub mod pd;
pub mod record;
pub mod region;
pub mod setvar;
pub mod sharing;
pub mod xml;

use crate::board::Board;
use crate::diag::Diagnostics;
use crate::files::Files;
use crate::layout::Region;
use crate::model::System;
use crate::span::Spanned;
use serde::Serialize;
use std::collections::HashMap;

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
    guest::RULES,
    sharing::RULES,
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

/// What a rule looks at, and where it reports.
struct Context<'a> {
    system: &'a System,
    board: Option<&'a Board>,
    files: &'a dyn Files,
    regions: HashMap<&'a str, Option<Region>>,
    out: &'a mut Diagnostics,
}

impl Context<'_> {
    /// What the kernel will see of the region called `name`, if that is known.
    fn region(&self, name: &str) -> Option<Region> {
        self.regions.get(name).copied().flatten()
    }

    /// Whether the file gives this name, as opposed to a missing attribute reported elsewhere.
    fn given(&self, name: &Spanned<String>) -> bool {
        !self.out.source.text[name.span.start..].starts_with('<')
    }

    /// Cores that the kernel uses, when the board is known.
    fn cores(&self) -> Option<u8> {
        self.board.map(|board| board.kernel_cores)
    }
}

/// Applies every rule that looks at the whole system.
pub(crate) fn run(
    system: &System,
    board: Option<&Board>,
    files: &dyn Files,
    out: &mut Diagnostics,
) {
    let names = system.memory_regions.iter().map(|mr| mr.name.as_str());
    let regions = names.zip(system.regions(files)).collect();
    let mut cx = Context {
        system,
        board,
        files,
        regions,
        out,
    };
    name::check(&mut cx);
    ids::check(&mut cx);
    pd::check(&mut cx);
    domain::check(&mut cx);
    map::check(&mut cx);
    region::check(&mut cx);
    irq::check(&mut cx);
    channel::check(&mut cx);
    setvar::check(&mut cx);
    cspace::check(&mut cx);
    record::check(&mut cx);
    guest::check(&mut cx);
    sharing::check(&mut cx);
}
