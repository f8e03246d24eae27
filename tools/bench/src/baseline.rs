// SPDX-License-Identifier: BSD-2-Clause
//! Whether anything has become slower than it was.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use host::{Failure, Outcome};

use crate::report::Report;

/// How much more an operation may cost, as a factor. Counts are exact, but ticks of the guest's
/// kernel fall into one operation or another.
const TOLERANCE: f64 = 1.02;
/// What any operation may cost more, in instructions.
const SLACK: f64 = 2.0;
/// How many more kernel entries one operation may take: less than one.
const ENTRIES: f64 = 0.5;
/// Operations of more entries than that contain ticks.
const COUNTABLE: f64 = 50.0;

/// What an operation cost.
#[derive(Debug, Clone, Copy, PartialEq, serde::Deserialize, serde::Serialize)]
struct Cost {
    total: f64,
    entries: f64,
}

/// The figures of an earlier run: the JSON document of `bench`, or what [`Baseline`] keeps of it.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Baseline {
    targets: Vec<Target>,
}

#[derive(Debug, Clone, PartialEq, serde::Deserialize, serde::Serialize)]
struct Target {
    name: String,
    operations: BTreeMap<String, Cost>,
}

/// An operation that costs more than it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Regression {
    target: String,
    operation: String,
    before: Cost,
    now: Cost,
}

impl Baseline {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`Failure`] when it cannot be read or is no such document.
    pub fn read(path: &Path) -> Outcome<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Failure::io("read", path, &e))?;
        serde_json::from_str(&text).map_err(|e| {
            Failure::input(format!("{}: {e}", path.display()))
                .help("a baseline is what `cargo bulkhead bench --format json` prints")
        })
    }

    /// What `report` has that costs more than here. An error if the two have nothing in common.
    ///
    /// # Errors
    /// [`Failure`] when no target of the report is in the baseline.
    pub fn regressions(&self, report: &Report) -> Outcome<Vec<Regression>> {
        let now = report.measured().iter().skip(1).map(|measured| Target {
            name: measured.target.name.clone(),
            operations: measured
                .costs
                .iter()
                .map(|(id, cost)| {
                    let (total, entries) = (cost.total, cost.entries);
                    ((*id).to_owned(), Cost { total, entries })
                })
                .collect(),
        });
        let known: Vec<_> = now
            .filter_map(|now| {
                let before = self.targets.iter().find(|before| before.name == now.name)?;
                Some(before.regressions(&now))
            })
            .collect();
        if known.is_empty() {
            return Err(Failure::input(
                "the baseline has none of the targets of this run",
            ));
        }
        Ok(known.concat())
    }
}

impl Target {
    fn regressions(&self, now: &Self) -> Vec<Regression> {
        let both = now.operations.iter().filter_map(|(operation, now)| {
            let before = self.operations.get(operation)?;
            Some((operation, *before, *now))
        });
        both.filter(|(_, before, now)| now.is_worse_than(before))
            .map(|(operation, before, now)| Regression {
                target: self.name.clone(),
                operation: operation.clone(),
                before,
                now,
            })
            .collect()
    }
}

impl Cost {
    fn is_worse_than(&self, before: &Self) -> bool {
        let costs_more = self.total > before.total * TOLERANCE + SLACK;
        let counted = before.entries < COUNTABLE;
        costs_more || counted && self.entries > before.entries + ENTRIES
    }
}

impl fmt::Display for Regression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            target,
            operation,
            before,
            now,
        } = self;
        write!(
            f,
            "{target}: {operation} took {:.0} instructions and {:.1} kernel entries, takes {:.0} and {:.1}",
            before.total, before.entries, now.total, now.entries
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(total: f64, entries: f64) -> Target {
        let cost = Cost { total, entries };
        Target {
            name: "t".into(),
            operations: [("op".to_owned(), cost)].into(),
        }
    }

    #[test]
    fn two_percent_or_half_an_entry_more_is_a_regression() {
        let before = target(1000.0, 4.0);
        let finds = |total, entries| before.regressions(&target(total, entries)).len();
        assert_eq!((finds(1021.0, 4.4), finds(500.0, 3.0)), (0, 0));
        assert_eq!((finds(1023.0, 4.0), finds(1000.0, 5.0)), (1, 1));
        let found = &before.regressions(&target(1100.0, 5.0))[0];
        assert_eq!(
            found.to_string(),
            "t: op took 1000 instructions and 4.0 kernel entries, takes 1100 and 5.0"
        );
    }

    #[test]
    fn what_is_not_in_both_is_not_compared() {
        let mut now = target(1e9, 9.0);
        let cost = now.operations.remove("op").unwrap();
        now.operations.insert("new".into(), cost);
        assert_eq!(target(1.0, 1.0).regressions(&now), []);
    }

    #[test]
    fn the_committed_baseline_is_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.json");
        let baseline = Baseline::read(&path).unwrap();
        let target = &baseline.targets[0];
        assert!(target.operations.contains_key("mmio-read"), "{target:?}");
        assert!(Baseline::read(&path.with_extension("none")).is_err());
    }
}
