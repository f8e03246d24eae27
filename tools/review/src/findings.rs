// SPDX-License-Identifier: BSD-2-Clause
//! What was found when the package was made and cannot be found again without the image: the checker's
//! findings and negative controls.

use audit::Report;
use audit::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::table::{Table, yes};

/// Name of the file.
pub(crate) const FINDINGS: &str = "14-findings.json";

/// What the checker said about what was built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// What it looked at.
    pub looked_at: String,
    /// Every check.
    pub findings: Vec<Finding>,
    /// Every check tried on something that it must reject.
    pub controls: Vec<Control>,
    /// Hashes of the image and its parts.
    pub hashes: Vec<Hash>,
}

/// What became of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Its id.
    pub check: String,
    /// `pass`, `fail`, `residual` or `not-applicable`.
    pub verdict: String,
    /// What it demands.
    pub law: String,
    /// Why.
    pub reason: String,
    /// What the verdict rests on.
    pub evidence: Vec<String>,
}

/// What became of a negative control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// The check that was tried.
    pub check: String,
    /// What was made wrong.
    pub mutation: String,
    /// Whether the check found it.
    pub rejected: bool,
    /// What it said.
    pub evidence: Vec<String>,
}

/// Length and hash of a part of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hash {
    /// The part.
    pub part: String,
    /// Bytes.
    pub len: u64,
    /// SHA-256.
    pub sha256: String,
}

impl Hash {
    /// The hash of `bytes`.
    #[must_use]
    pub fn of(part: &str, bytes: &[u8]) -> Self {
        Self::from((&part.to_owned(), &Digest::of(bytes)))
    }
}

impl From<(&String, &Digest)> for Hash {
    fn from((part, digest): (&String, &Digest)) -> Self {
        Self {
            part: part.clone(),
            len: digest.len,
            sha256: digest.sha256.clone(),
        }
    }
}

/// A verdict by its name in reports.
pub(crate) fn name(verdict: audit::Verdict) -> &'static str {
    match verdict {
        audit::Verdict::Pass => "pass",
        audit::Verdict::Fail => "fail",
        audit::Verdict::Residual => "residual",
        audit::Verdict::NotApplicable => "not-applicable",
    }
}

impl Findings {
    /// What `report` says.
    #[must_use]
    pub fn of(looked_at: &str, report: &Report) -> Self {
        let findings = report.findings.iter().map(|it| Finding {
            check: it.check.to_owned(),
            verdict: name(it.verdict).to_owned(),
            law: it.law.to_owned(),
            reason: it.reason.to_owned(),
            evidence: it.evidence.clone(),
        });
        let controls = report.controls.iter().map(|it| Control {
            check: it.check.to_owned(),
            mutation: it.mutation.to_owned(),
            rejected: it.rejected,
            evidence: it.evidence.clone(),
        });
        Self {
            looked_at: looked_at.to_owned(),
            findings: findings.collect(),
            controls: controls.collect(),
            hashes: report
                .hashes
                .iter()
                .map(|(part, digest)| Hash::from((part, digest)))
                .collect(),
        }
    }

    pub(crate) fn table(&self) -> Table {
        let origin = format!("tools/audit on {}.", self.looked_at);
        let mut table = Table::new(
            "Findings of the independent checker",
            &origin,
            "check|verdict|demands|evidence",
        );
        for it in &self.findings {
            let evidence = it.evidence.join("; ");
            table.push([
                it.check.clone(),
                it.verdict.clone(),
                it.law.clone(),
                evidence,
            ]);
        }
        table
    }

    pub(crate) fn controls(&self) -> Table {
        let mut table = Table::new(
            "Negative controls",
            "Each check tried on a sample that is made wrong in one place (tools/audit, in this run).",
            "check|made wrong|found|said",
        );
        for it in &self.controls {
            let said = it.evidence.join("; ");
            table.push([
                it.check.clone(),
                it.mutation.clone(),
                yes(it.rejected),
                said,
            ]);
        }
        table
    }
}
