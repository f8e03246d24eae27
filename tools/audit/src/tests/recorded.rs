// SPDX-License-Identifier: BSD-2-Clause
//! What is said about known systems, word for word, as recorded in `recorded`: an assessor reads
//! evidence, not verdicts. `BLESS=1` records what is said now; read the difference.

use std::fmt::Write as _;
use std::path::Path;

use super::emitted;
use crate::report::{Inputs, audit};
use crate::{controls, sample};

/// Compares with the recorded text, or records it.
pub(crate) fn compare(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("recorded")
        .join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    let mut lines = expected.lines().zip(actual.lines()).enumerate();
    let differs = lines.find(|(_, (expected, actual))| expected != actual);
    assert!(
        expected == actual,
        "{name} is not as recorded, first in {differs:?}"
    );
}

/// The tables of a report, a row per line.
fn report(inputs: &Inputs, is_wanted: impl Fn(&str) -> bool) -> String {
    let mut report = serde_json::to_value(audit(inputs).unwrap()).unwrap();
    let tables = report.as_object_mut().unwrap();
    tables.retain(|table, _| is_wanted(table));
    rows(&report)
}

/// Tables, a row per line.
pub(crate) fn rows(tables: &serde_json::Value) -> String {
    let mut out = String::new();
    for (table, rows) in tables.as_object().unwrap() {
        let rows = match rows {
            serde_json::Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect(),
            serde_json::Value::Array(rows) => rows.iter().map(ToString::to_string).collect(),
            value => vec![value.to_string()],
        };
        writeln!(out, "{table}\n  {}", rows.join("\n  ")).unwrap();
    }
    out
}

#[test]
fn each_wrong_system_is_refused_with_the_recorded_evidence() {
    let mut out = String::new();
    for control in controls::run() {
        let (check, wrong) = (control.check, control.mutation);
        writeln!(out, "{check}: {wrong}").unwrap();
        for line in control.evidence {
            writeln!(out, "    {line}").unwrap();
        }
    }
    compare("controls.txt", &out);
}

#[test]
fn the_report_on_least_rights_is_as_recorded() {
    // The controls are recorded by themselves.
    let all = report(&sample::inputs(), |table| table != "controls");
    compare("least.txt", &all);
}

#[test]
fn the_report_on_the_rights_of_microkit_2_3_0_is_as_recorded() {
    // The other tables do not depend on rights.
    let tables = ["authority", "findings", "flows", "integrity"];
    let some = report(&emitted(), |table| tables.contains(&table));
    compare("emitted.txt", &some);
}
