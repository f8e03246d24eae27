// SPDX-License-Identifier: BSD-2-Clause
//! Item 99: the verdict, gate by gate, and what stays over in plain words.

use audit::flow::PolicyResult;
use serde::Serialize;

use crate::findings::Findings;
use crate::model::Model;
use crate::policy::Difference;
use crate::risks::risks;
use crate::sarif;
use crate::tables::percent;
use crate::view::View;

/// What became of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    Pass,
    Fail,
    Residual,
    NotMade,
}

impl Status {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Residual => "residual",
            Self::NotMade => "not made",
        }
    }
}

/// One demand on the system.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Gate {
    pub(crate) id: &'static str,
    pub(crate) demands: &'static str,
    pub(crate) status: Status,
    pub(crate) says: String,
    pub(crate) evidence: Vec<&'static str>,
}

/// The verdict.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) version: u32,
    pub(crate) system: String,
    pub(crate) target: crate::model::Target,
    /// No gate failed.
    pub(crate) passed: bool,
    /// No gate lacks what it needs.
    pub(crate) complete: bool,
    pub(crate) gates: Vec<Gate>,
    pub(crate) residual_risks: Vec<String>,
}

/// Everything that the verdict rests on.
pub(crate) struct Ground<'a> {
    pub(crate) model: &'a Model,
    pub(crate) view: &'a View,
    pub(crate) difference: Option<&'a Difference>,
    pub(crate) findings: Option<&'a Findings>,
    pub(crate) diagnostics: &'a [sarif::Finding],
    pub(crate) tests: Option<(u64, u64)>,
}

impl Verdict {
    pub(crate) fn of(ground: &Ground<'_>) -> Self {
        let gates = vec![
            description(ground),
            policy(ground),
            declared(ground),
            checker(ground),
            controls(ground),
            integrity(ground),
            time(ground),
            tests(ground),
            proof(ground),
        ];
        Self {
            version: 1,
            system: ground.model.name.clone(),
            target: ground.model.target.clone(),
            passed: gates.iter().all(|gate| gate.status != Status::Fail),
            complete: gates.iter().all(|gate| gate.status != Status::NotMade),
            residual_risks: risks(ground),
            gates,
        }
    }

    /// The verdict in one line.
    pub(crate) fn headline(&self) -> String {
        let named = |status| {
            let gates = self.gates.iter().filter(|gate| gate.status == status);
            gates.map(|gate| gate.id).collect::<Vec<_>>().join(", ")
        };
        let (failed, absent) = (named(Status::Fail), named(Status::NotMade));
        match (self.passed, self.complete) {
            (false, _) => format!("FAILED: {failed}"),
            (true, false) => format!("No gate failed; not made: {absent}"),
            (true, true) => "No gate failed; read the residual risks".to_owned(),
        }
    }
}

fn gate(
    id: &'static str,
    demands: &'static str,
    (status, says): (Status, String),
    evidence: &[&'static str],
) -> Gate {
    Gate {
        id,
        demands,
        status,
        says,
        evidence: evidence.to_vec(),
    }
}

fn no_image() -> (Status, String) {
    (Status::NotMade, "needs an image".to_owned())
}

fn description(ground: &Ground<'_>) -> Gate {
    let errors = ground
        .diagnostics
        .iter()
        .filter(|it| it.level == "error")
        .count();
    let warnings = ground.diagnostics.len() - errors;
    let status = match (errors, warnings) {
        (0, 0) => Status::Pass,
        (0, _) => Status::Residual,
        _ => Status::Fail,
    };
    gate(
        "description",
        "Every rule of the description holds.",
        (status, format!("{errors} errors, {warnings} warnings")),
        &["50-static.sarif", "10-model.json"],
    )
}

fn judged(result: &PolicyResult, statements: usize) -> (Status, String) {
    let broken = result.denied.iter().filter(|it| !it.holds).count();
    let rest = result
        .denied
        .iter()
        .filter(|it| !it.kept_apart_by.is_empty())
        .count();
    let says = format!(
        "{statements} statements, with what the description asks for; {broken} denied flows exist, {} flows nothing allows, {} unknown names; {rest} rest on separators",
        result.undeclared.len(),
        result.unknown.len()
    );
    let bad = broken + result.undeclared.len() + result.unknown.len();
    (if bad == 0 { Status::Pass } else { Status::Fail }, says)
}

fn policy(ground: &Ground<'_>) -> Gate {
    let policy = &ground.model.policy;
    let statements = policy.allow.len() + policy.deny.len();
    let outcome = match &ground.view.report {
        _ if statements == 0 => (Status::Residual, "no policy of flows is stated".to_owned()),
        None => no_image(),
        Some(report) => judged(&report.policy, statements),
    };
    gate(
        "policy",
        "Flows, direct and through others, are those that the stated policy allows.",
        outcome,
        &["13-policy-extracted.json"],
    )
}

fn declared(ground: &Ground<'_>) -> Gate {
    let outcome = ground.difference.map_or_else(no_image, |difference| {
        let bad = difference.undeclared.len() + difference.missing.len();
        let says = format!(
            "{} undeclared, {} missing; {} more by excess rights of the platform",
            difference.undeclared.len(),
            difference.missing.len(),
            difference.excess.len()
        );
        let status = match (bad, difference.excess.len()) {
            (0, 0) => Status::Pass,
            (0, _) => Status::Residual,
            _ => Status::Fail,
        };
        (status, says)
    });
    gate(
        "declared-is-real",
        "Flows and rights of the capability distribution are those of the description.",
        outcome,
        &["13-policy.diff", "12-capdl.json"],
    )
}

/// Checks that failed then, or fail now on what is in the package.
fn failed(ground: &Ground<'_>, findings: &Findings) -> Vec<String> {
    let bad = findings.findings.iter().filter(|it| it.verdict == "fail");
    let mut names: Vec<String> = bad.map(|it| it.check.clone()).collect();
    let again = ground
        .view
        .report
        .iter()
        .flat_map(|report| &report.findings);
    let again = again.filter(|it| it.verdict == audit::Verdict::Fail);
    names.extend(again.map(|it| it.check.to_owned()));
    names.sort();
    names.dedup();
    names
}

fn checker(ground: &Ground<'_>) -> Gate {
    let outcome = ground.findings.map_or_else(no_image, |findings| {
        let bad = failed(ground, findings);
        let residual = findings
            .findings
            .iter()
            .filter(|it| it.verdict == "residual");
        let residual: Vec<&str> = residual.map(|it| it.check.as_str()).collect();
        let says = match (bad.is_empty(), residual.is_empty()) {
            (false, _) => format!("failed: {}", bad.join(", ")),
            (true, false) => format!("residual: {}", residual.join(", ")),
            (true, true) => format!("all of {}", findings.findings.len()),
        };
        let status = match (bad.is_empty(), residual.is_empty()) {
            (false, _) => Status::Fail,
            (true, false) => Status::Residual,
            (true, true) => Status::Pass,
        };
        (status, says)
    });
    gate(
        "checker",
        "What was built passes the independent checker, which does not read the description.",
        outcome,
        &["14-findings.json"],
    )
}

fn controls(ground: &Ground<'_>) -> Gate {
    let outcome = ground.findings.map_or_else(no_image, |findings| {
        let found = findings.controls.iter().filter(|it| it.rejected).count();
        let all = findings.controls.len();
        let status = if found == all && all > 0 {
            Status::Pass
        } else {
            Status::Fail
        };
        (
            status,
            format!("{found} of {all} seeded mistakes were found"),
        )
    });
    gate(
        "controls",
        "The checker rejects what is made wrong on purpose.",
        outcome,
        &["43-negative-controls.json"],
    )
}

fn integrity(ground: &Ground<'_>) -> Gate {
    let outcome = ground.view.report.as_ref().map_or_else(no_image, |report| {
        let merged = |pick: fn(&audit::integrity::Integrity) -> bool| {
            report.integrity.iter().filter(|row| pick(row)).count()
        };
        let emitted = merged(|row| !row.merged_as_emitted.is_empty());
        let least = merged(|row| !row.merged_with_least_rights.is_empty());
        let status = if emitted == 0 {
            Status::Pass
        } else {
            Status::Residual
        };
        let all = report.integrity.len();
        let says = format!(
            "{emitted} of {all} subjects must share a label with another; with least rights {least}"
        );
        (status, says)
    });
    gate(
        "integrity-conditions",
        "No subject must share its label with another for the side conditions P1-P7 to hold.",
        outcome,
        &["14-wellformed.csv"],
    )
}

fn time(ground: &Ground<'_>) -> Gate {
    let unlimited: Vec<&str> = ground
        .view
        .cores
        .iter()
        .flat_map(|core| core.unlimited.iter().map(String::as_str))
        .collect();
    let over: Vec<String> = ground
        .view
        .cores
        .iter()
        .filter(|core| core.share > 1_000_000)
        .map(|core| format!("{} of core {}", percent(core.share), core.core))
        .collect();
    let outcome = match (over.is_empty(), unlimited.is_empty()) {
        (false, _) => (
            Status::Residual,
            format!("budgets add up to {}", over.join(", ")),
        ),
        (true, true) => (Status::Pass, "every thread is limited".to_owned()),
        (true, false) => (
            Status::Residual,
            format!("without limit: {}", unlimited.join(", ")),
        ),
    };
    gate(
        "time",
        "Every thread is held to a budget below its period, and the sums fit.",
        outcome,
        &["18-schedule.csv"],
    )
}

fn tests(ground: &Ground<'_>) -> Gate {
    let outcome = ground.tests.map_or_else(
        || {
            (
                Status::NotMade,
                "no test results were given (--tests FILE)".to_owned(),
            )
        },
        |(passed, failed)| {
            let status = if failed == 0 {
                Status::Pass
            } else {
                Status::Fail
            };
            (status, format!("{passed} passed, {failed} failed"))
        },
    );
    gate("tests", "The tests pass.", outcome, &["40-tests.xml"])
}

fn proof(ground: &Ground<'_>) -> Gate {
    let target = &ground.model.target;
    let says = match target.kernel.as_str() {
        "sel4" => format!(
            "no theorem about seL4 covers this configuration ({}, AArch64, MCS, hypervisor, {})",
            target.config, target.board
        ),
        _ => "the development kernel is not seL4 and nothing about it is proved".to_owned(),
    };
    gate(
        "kernel-proof",
        "Theorems about the kernel cover its configuration, architecture, property and version.",
        (Status::Residual, says),
        &["31-proof-status.csv", "30-kernel-config.csv"],
    )
}
