// SPDX-License-Identifier: BSD-2-Clause
//! Curated items: assumptions, shared hardware, theorems, known issues, tools; and the kernel's
//! configuration against its verified one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use crate::derive::{ReviewError, read};
use crate::model::Target;
use crate::package::Package;
use crate::table::Table;

/// The kernel's options as the SDK lists them (recorded).
pub const GEN_CONFIG: &str = "30-gen-config.json";

/// File name and text; the last says whether it is about seL4 alone.
const TABLES: [(&str, &str, bool); 5] = [
    (
        "02-assumptions",
        include_str!("../data/assumptions.toml"),
        false,
    ),
    (
        "21-interference",
        include_str!("../data/interference.toml"),
        false,
    ),
    ("31-proof-status", include_str!("../data/proof.toml"), true),
    ("65-tools", include_str!("../data/tools.toml"), false),
    ("71-known-issues", include_str!("../data/issues.toml"), true),
];

/// The version of the SDK that the tables are about.
const SDK: &str = "2.3.0";

/// An option's value in the verified configuration.
#[derive(Deserialize)]
struct Verified {
    value: String,
    means: String,
}

/// The curated tables for `target`.
pub(crate) fn tables(target: &Target) -> Result<Vec<(&'static str, Table)>, ReviewError> {
    let mut out = Vec::new();
    for (name, text, of_sel4) in TABLES {
        let mut table: Table =
            toml::from_str(text).map_err(|e| ReviewError::Unreadable(name, e.to_string()))?;
        if of_sel4 && target.kernel != "sel4" {
            table.origin = "This system is built for the development kernel, about which nothing is proved and \
                            no list of issues is kept: the table has no object."
                .to_owned();
            table.rows.clear();
        } else if of_sel4
            && target
                .sdk
                .as_deref()
                .is_none_or(|sdk| !sdk.starts_with(SDK))
        {
            table.origin = format!(
                "NOT VALID: the table is about Microkit SDK {SDK}. {}",
                table.origin
            );
        }
        out.push((name, table));
    }
    Ok(out)
}

fn verified() -> BTreeMap<String, Verified> {
    // A test reads it.
    toml::from_str(include_str!("../data/verified.toml")).unwrap_or_default()
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Item 30, if the options were recorded.
pub(crate) fn kernel_config(package: &mut Package) -> Result<Option<Table>, ReviewError> {
    let built: Option<BTreeMap<String, Value>> = read(package, GEN_CONFIG)?;
    let Some(built) = built else { return Ok(None) };
    let mut table = Table::new(
        "Kernel configuration against the verified one",
        "Built: the SDK's gen_config.json. Verified: AArch64_verified for imx8mm (seL4 without MCS). Equality of these options \
         would not make the build verified.",
        "option|verified|built|deviates|meaning",
    );
    let mut diff = String::from("--- verified (AArch64, imx8mm)\n+++ built\n");
    for (name, Verified { value, means }) in verified() {
        let here = built.get(&name).map_or_else(|| "absent".to_owned(), show);
        let deviates = here != value;
        if deviates {
            // Writing to a String cannot fail.
            writeln!(diff, "-{name}={value}\n+{name}={here}").unwrap_or_default();
        }
        let means = if deviates { means } else { "-".to_owned() };
        table.push([name, value, here, crate::table::yes(deviates), means]);
    }
    package.put("30-kernel-config.diff", diff);
    Ok(Some(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tables_are_readable_and_every_row_is_whole() {
        let target = Target {
            kernel: "sel4".to_owned(),
            sdk: Some("2.3.0".to_owned()),
            ..Target::default()
        };
        for (name, table) in tables(&target).unwrap() {
            assert!(!table.rows.is_empty(), "{name}");
            let columns = table.columns.len();
            assert!(table.rows.iter().all(|row| row.len() == columns), "{name}");
        }
        assert_eq!(verified().len(), 20);
    }

    #[test]
    fn deviations_are_named() {
        let mut package = Package::default();
        package.put(GEN_CONFIG, r#"{"KERNEL_MCS": true, "MAX_NUM_NODES": "1"}"#);
        let table = kernel_config(&mut package).unwrap().unwrap();
        let row = |name: &str| {
            table
                .rows
                .iter()
                .find(|row| row[0] == name)
                .unwrap()
                .clone()
        };
        assert_eq!(row("KERNEL_MCS")[1..4], ["false", "true", "yes"]);
        assert_eq!(row("MAX_NUM_NODES")[3], "no");
        assert!(
            package
                .text("30-kernel-config.diff")
                .unwrap()
                .contains("+KERNEL_MCS=true")
        );
    }

    #[test]
    fn tables_about_another_version_say_so() {
        let target = Target {
            kernel: "sel4".to_owned(),
            sdk: Some("9.9".to_owned()),
            ..Target::default()
        };
        let tables = tables(&target).unwrap();
        let proof = tables
            .iter()
            .find(|(name, _)| *name == "31-proof-status")
            .unwrap();
        assert!(proof.1.origin.starts_with("NOT VALID"));
    }
}
