// SPDX-License-Identifier: BSD-2-Clause
//! Item 50: findings on the description as SARIF 2.1.0.

use std::collections::BTreeMap;

use sdf::diag::Diagnostics;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Name of the file.
pub(crate) const SARIF: &str = "50-static.sarif";

/// A finding, as far as the verdict needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    /// The rule.
    pub(crate) rule: String,
    /// `error` or `warning`.
    pub(crate) level: String,
}

/// `diagnostics` as a log of one run. Files are named as the diagnostics name them.
#[must_use]
pub fn sarif(diagnostics: &Diagnostics) -> Value {
    let listed = diagnostics.to_json();
    let file = listed["file"].as_str().unwrap_or_default();
    let items = listed["diagnostics"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut rules: BTreeMap<String, Value> = BTreeMap::new();
    let mut results = Vec::new();
    for item in &items {
        let id = item["rule"].as_str().unwrap_or_default();
        rules.entry(id.to_owned()).or_insert_with(|| {
            json!({
                "id": id,
                "shortDescription": { "text": item["why"] },
                "help": { "text": item["help"] },
            })
        });
        results.push(json!({
            "ruleId": id,
            "level": item["severity"],
            "message": { "text": item["message"] },
            "locations": [location(&item["primary"], file)],
            "relatedLocations": related(&item["secondary"], file),
        }));
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "cargo bulkhead check",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.into_values().collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn related(labels: &Value, file: &str) -> Vec<Value> {
    let labels = labels.as_array().map(Vec::as_slice).unwrap_or_default();
    labels.iter().map(|label| location(label, file)).collect()
}

fn location(label: &Value, file: &str) -> Value {
    let uri = label["file"].as_str().unwrap_or(file);
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri },
            "region": {
                "startLine": label["line"], "startColumn": label["column"],
                "endLine": label["end_line"], "endColumn": label["end_column"],
            },
        },
    });
    if let Some(text) = label["label"].as_str().filter(|text| !text.is_empty()) {
        location["message"] = json!({ "text": text });
    }
    location
}

/// The results of a log.
pub(crate) fn read(log: &str) -> Option<Vec<Finding>> {
    let log: Value = serde_json::from_str(log).ok()?;
    let results = log["runs"][0]["results"].as_array()?;
    let finding = |result: &Value| {
        Some(Finding {
            rule: result["ruleId"].as_str()?.to_owned(),
            level: result["level"].as_str()?.to_owned(),
        })
    };
    results.iter().map(finding).collect()
}
