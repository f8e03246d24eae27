// SPDX-License-Identifier: BSD-2-Clause
//! Everything that follows from the recorded items of a package, and from them alone.

use audit::AuditError;
use audit::spec::Spec;
use serde::de::DeserializeOwned;

use crate::findings::{FINDINGS, Findings};
use crate::model::Model;
use crate::package::Package;
use crate::table::Table;
use crate::verdict::{Ground, Verdict};
use crate::view::View;
use crate::{CAPDL, MODEL, curated, ffi, gsn, page, pictures, policy, results, sarif, tables, tcb};

/// Why a package cannot be made or checked.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// A recorded item that every package has.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A recorded item that cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(&'static str, String),
    /// The checker.
    #[error("12-capdl.json: {0}")]
    Audit(#[from] AuditError),
}

/// Reads a recorded item, if it is there.
pub(crate) fn read<T: DeserializeOwned>(
    package: &Package,
    name: &'static str,
) -> Result<Option<T>, ReviewError> {
    let Some(bytes) = package.files.get(name) else {
        return Ok(None);
    };
    let value = serde_json::from_slice(bytes);
    value
        .map(Some)
        .map_err(|error| ReviewError::Unreadable(name, error.to_string()))
}

/// Tables with their names, in the order of pages.
type Sections = Vec<(&'static str, Table)>;

/// Adds everything that follows.
pub(crate) fn derive(package: &mut Package) -> Result<(), ReviewError> {
    let model: Model = read(package, MODEL)?.ok_or(ReviewError::Missing(MODEL))?;
    let findings: Option<Findings> = read(package, FINDINGS)?;
    let spec: Option<Spec> = read(package, CAPDL)?;
    let log = package.text(sarif::SARIF).and_then(sarif::read);
    let diagnostics = log.ok_or(ReviewError::Missing(sarif::SARIF))?;
    let view = View::of(&model, spec.as_ref())?;
    let difference = policy::emit(&model, &view, package);
    let sections = sections(&model, &view, findings.as_ref(), package)?;
    for (name, table) in &sections {
        package.put(&format!("{name}.csv"), table.csv());
        package.put(&format!("{name}.json"), table.json());
        if MARKDOWN.contains(name) {
            package.put(&format!("{name}.md"), table.markdown());
        }
    }
    let verdict = Verdict::of(&Ground {
        model: &model,
        view: &view,
        difference: difference.as_ref(),
        findings: findings.as_ref(),
        diagnostics: &diagnostics,
        tests: results::tests(package)?,
    });
    package.put_json("99-verdict.json", &verdict);
    gsn::emit(&verdict, package);
    let pictures = pictures::emit(&model, &view, package);
    page::emit(&verdict, &sections, &pictures, package);
    Ok(())
}

/// Tables that are pages of their own as well.
const MARKDOWN: [&str; 5] = [
    "02-assumptions",
    "14-wellformed",
    "17-dma",
    "21-interference",
    "31-proof-status",
];

fn sections(
    model: &Model,
    view: &View,
    findings: Option<&Findings>,
    package: &mut Package,
) -> Result<Sections, ReviewError> {
    let mut all = curated::tables(&model.target)?;
    all.push(("15-memory-map", tables::memory(view)));
    all.push(("16-irq-device", tables::interrupts(view)));
    all.push(("17-dma", tables::dma(view)));
    all.push(("18-schedule", tables::schedule(view)));
    all.push(("19-channels", tables::channels(view)));
    all.push(("20-ffi-matrix", ffi::matrix(model, view)));
    if let Some(findings) = findings {
        all.push(("14-findings-table", findings.table()));
        all.push(("43-negative-controls", findings.controls()));
    }
    if let Some(report) = &view.report {
        let table = tables::wellformed(&report.integrity, &view.origin);
        all.push(("14-wellformed", table));
        package.put_json("14-authority.json", &report.authority);
    }
    let tcb: Option<Vec<tcb::Part>> = read(package, tcb::SOURCES)?;
    all.extend(tcb.map(|parts| ("22-tcb", tcb::table(&parts))));
    all.extend(curated::kernel_config(package)?.map(|table| ("30-kernel-config", table)));
    all.extend(results::mutants(package)?.map(|table| ("42-mutation-score", table)));
    all.extend(results::timing(package)?.map(|table| ("46-timing", table)));
    all.sort_by_key(|(name, _)| *name);
    Ok(all)
}
