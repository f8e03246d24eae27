// SPDX-License-Identifier: BSD-2-Clause
//! The conformance matrix of one family of requirements.
//!
//! Answers AV-01.

use std::fmt;

use serde::Serialize;

use crate::{Id, Requirement, Row, Status, Trace};

/// What can be said about a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conformance {
    /// Offered, with tests that show it: it holds where the suite passes.
    Pass,
    /// Offered, without a test: nothing is claimed.
    Unproven,
    /// The feature is not there.
    NotOffered,
    /// The feature is there and differs.
    Deviates,
}

impl fmt::Display for Conformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Unproven => "unproven",
            Self::NotOffered => "not offered",
            Self::Deviates => "deviates",
        })
    }
}

/// A line of the matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatrixRow {
    /// The requirement.
    pub id: Id,
    /// Who asks for it, and where.
    pub source: String,
    /// What is asked for.
    pub text: String,
    /// How strongly.
    pub level: String,
    /// What can be said about it.
    pub conformance: Conformance,
    /// How it is met, or why not.
    pub remark: String,
    /// Tests that show it.
    pub tests: Vec<String>,
}

impl Trace {
    /// The conformance matrix of the requirements whose identifiers begin with `family`, as `AV`.
    pub fn matrix(&self, family: &str) -> Vec<MatrixRow> {
        let rows = self.rows.iter();
        rows.filter(|row| row.requirement.id.family() == family)
            .map(line)
            .collect()
    }

    /// The matrix as comma-separated values with a header line (RFC 4180, lines end with `\n`).
    pub fn matrix_csv(&self, family: &str) -> String {
        let mut csv = "id,source,requirement,level,conformance,remark,tests\n".to_owned();
        for row in self.matrix(family) {
            let cells = [
                row.id.to_string(),
                row.source,
                row.text,
                row.level,
                row.conformance.to_string(),
                row.remark,
                row.tests.join(" "),
            ];
            let cells: Vec<_> = cells.iter().map(|cell| quoted(cell)).collect();
            csv += &cells.join(",");
            csv.push('\n');
        }
        csv
    }
}

fn line(row: &Row) -> MatrixRow {
    let Requirement {
        id,
        source,
        text,
        level,
        status,
        remark,
    } = row.requirement.clone();
    MatrixRow {
        id,
        source,
        text,
        level,
        conformance: match status {
            Status::NotOffered => Conformance::NotOffered,
            Status::Deviates => Conformance::Deviates,
            Status::Offered if row.tests.is_empty() => Conformance::Unproven,
            Status::Offered => Conformance::Pass,
        },
        remark,
        tests: row.tests.iter().map(|test| test.name.clone()).collect(),
    }
}

/// A cell, in quotes where it has to be.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}
