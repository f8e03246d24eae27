// SPDX-License-Identifier: BSD-2-Clause
//! Requirements, the code that answers them and the tests that show it, as one table.
//!
//! Requirements are data, `tests/requirements/*.toml`. Code names them in comments, tests in their
//! names or in the comment right above, boot scripts anywhere; see [`Id`] for the forms. [`trace()`]
//! joins the three, and says what does not fit: an unknown identifier, an offered requirement that no
//! test or no code names and that is not on the list of accepted gaps, and a gap on that list which
//! is none any more.
//!
//! The join says that a test exists, not that it passes: that is in the report of the test suite on
//! the same commit.
//!
//! Answers BH-34.
#![forbid(unsafe_code)]

mod catalogue;
mod matrix;
mod report;
mod scan;
mod tag;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use serde::Serialize;
use tidy::Tree;

use catalogue::{ACCEPTED, Accepted, Catalogue};
pub use catalogue::{Lack, Requirement, Set, Status};
pub use matrix::{Conformance, MatrixRow};
pub use scan::{Kind, Tag};
pub use tag::Id;

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file, relative to the repository.
    pub file: String,
    /// The line, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    fn new(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

/// A place in the tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file, relative to the repository.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// A test that names a requirement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Test {
    /// The function's name, or `boot/<script>`.
    pub name: String,
    /// Where it is.
    pub place: Place,
}

/// A requirement and what names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The requirement.
    #[serde(flatten)]
    pub requirement: Requirement,
    /// Code that names it.
    pub code: Vec<Place>,
    /// Tests that name it.
    pub tests: Vec<Test>,
    /// Documents and remarks that name it.
    pub notes: Vec<Place>,
}

/// An offered requirement that nothing of a kind names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Orphan {
    /// The requirement.
    pub id: Id,
    /// What it lacks.
    pub lacks: Lack,
    /// Why that is accepted; `None` is a problem.
    pub accepted: Option<String>,
}

/// How many requirements there are, by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// All.
    pub requirements: usize,
    /// Offered.
    pub offered: usize,
    /// Of these, with a test.
    pub tested: usize,
    /// Of the offered, with code that names them.
    pub located: usize,
    /// Deviating.
    pub deviating: usize,
    /// Not offered.
    pub not_offered: usize,
}

/// The trace table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// Version of this form.
    pub version: u32,
    /// Counts.
    pub totals: Totals,
    /// Families of requirements in the order of their files: letters and title.
    pub families: Vec<Family>,
    /// The requirements, family by family.
    pub rows: Vec<Row>,
    /// What offered requirements lack, accepted or not.
    pub orphans: Vec<Orphan>,
    /// What does not fit; the trace is in order if there is none.
    pub problems: Vec<Problem>,
}

/// A family of requirements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Family {
    /// The letters that its identifiers begin with.
    pub letters: String,
    /// What its requirements have in common.
    pub title: String,
}

/// Traces the requirements through the tree at `root`; it has problems if that cannot be read as it is.
///
/// # Errors
/// A file or folder cannot be read.
pub fn trace(root: &Path) -> io::Result<Trace> {
    Ok(trace_tree(&Tree::read(root)?))
}

/// Traces the requirements through `tree`. The same tree gives the same table.
pub fn trace_tree(tree: &Tree) -> Trace {
    let mut problems = Vec::new();
    let catalogue = Catalogue::read(tree, &mut problems);
    let tags = scan::scan(tree, &catalogue.families());
    let rows = join(&catalogue, &tags, &mut problems);
    let orphans = orphans(&rows, &catalogue.accepted, &mut problems);
    problems.sort();
    problems.dedup();
    let family = |set: &Set| Family {
        letters: set.family.clone(),
        title: set.title.clone(),
    };
    Trace {
        version: 1,
        totals: totals(&rows),
        families: catalogue.sets.iter().map(family).collect(),
        rows,
        orphans,
        problems,
    }
}

/// Every requirement with the tags that name it; tags that name none are problems.
fn join(catalogue: &Catalogue, tags: &[Tag], problems: &mut Vec<Problem>) -> Vec<Row> {
    let mut by_id: BTreeMap<&Id, Vec<&Tag>> = BTreeMap::new();
    for tag in tags {
        if catalogue.find(&tag.id).is_none() {
            let message = format!("{}: there is no such requirement", tag.id);
            problems.push(Problem::new(&tag.file, tag.line, message));
        }
        by_id.entry(&tag.id).or_default().push(tag);
    }
    let requirements = catalogue.sets.iter().flat_map(|set| &set.requirements);
    requirements
        .map(|requirement| {
            let tags = by_id.get(&requirement.id).map_or(&[][..], Vec::as_slice);
            row(requirement, tags)
        })
        .collect()
}

/// The row of a requirement. A test that is named at several lines is listed once, at the first.
fn row(requirement: &Requirement, tags: &[&Tag]) -> Row {
    let mut row = Row {
        requirement: requirement.clone(),
        code: Vec::new(),
        tests: Vec::new(),
        notes: Vec::new(),
    };
    for tag in tags {
        let place = Place {
            file: tag.file.clone(),
            line: tag.line,
        };
        match &tag.kind {
            Kind::Code => row.code.push(place),
            Kind::Note => row.notes.push(place),
            Kind::Test(name) => {
                let same = |test: &Test| test.name == *name && test.place.file == place.file;
                if !row.tests.iter().any(same) {
                    row.tests.push(Test {
                        name: name.clone(),
                        place,
                    });
                }
            }
        }
    }
    row
}

/// What offered requirements lack; what is not accepted, and what is accepted for nothing, is a problem.
fn orphans(rows: &[Row], accepted: &[Accepted], problems: &mut Vec<Problem>) -> Vec<Orphan> {
    let mut orphans = Vec::new();
    for row in rows {
        for lacks in gaps(row) {
            let id = row.requirement.id.clone();
            let entry = accepted.iter().find(|a| a.id == id && a.lacks == lacks);
            if entry.is_none() {
                let what = match lacks {
                    Lack::Test => "no test",
                    Lack::Code => "no code",
                };
                let message = format!("{id} is offered, and {what} names it");
                problems.push(Problem::new(ACCEPTED, 0, message));
            }
            orphans.push(Orphan {
                id,
                lacks,
                accepted: entry.map(|a| a.reason.clone()),
            });
        }
    }
    for Accepted { id, lacks, .. } in accepted {
        if !orphans.iter().any(|o| o.id == *id && o.lacks == *lacks) {
            let message = format!("{id} lacks nothing of this kind any more: remove it here");
            problems.push(Problem::new(ACCEPTED, 0, message));
        }
    }
    orphans
}

fn gaps(row: &Row) -> Vec<Lack> {
    let mut gaps = Vec::new();
    if row.requirement.status == Status::Offered {
        if row.tests.is_empty() {
            gaps.push(Lack::Test);
        }
        if row.code.is_empty() {
            gaps.push(Lack::Code);
        }
    }
    gaps
}

fn totals(rows: &[Row]) -> Totals {
    let mut totals = Totals {
        requirements: rows.len(),
        ..Totals::default()
    };
    for row in rows {
        match row.requirement.status {
            Status::Offered => {
                totals.offered += 1;
                totals.tested += usize::from(!row.tests.is_empty());
                totals.located += usize::from(!row.code.is_empty());
            }
            Status::Deviates => totals.deviating += 1,
            Status::NotOffered => totals.not_offered += 1,
        }
    }
    totals
}
