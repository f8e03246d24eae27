// SPDX-License-Identifier: BSD-2-Clause
//! The plugin's output: all counters at each mark.

use std::collections::BTreeMap;

use host::{Failure, Outcome};

/// Counters by name.
pub(crate) type Counts = BTreeMap<String, u64>;

/// All counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct Snapshot {
    /// The mark that was executed; nothing at the end of the run.
    pub(crate) mark: Option<u32>,
    /// Instructions by range.
    pub(crate) counts: Counts,
    /// Executions by probe.
    pub(crate) probes: Counts,
}

/// The snapshots of a run, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshots(Vec<Snapshot>);

impl Snapshots {
    /// Reads the plugin's lines. A last line that was cut off is an error like any other.
    pub(crate) fn parse(text: &str) -> Outcome<Self> {
        let lines = text.lines().enumerate();
        let snapshots = lines.map(|(number, line)| {
            serde_json::from_str(line).map_err(|e| {
                Failure::environment(format!("line {} of the plugin's counts: {e}", number + 1))
            })
        });
        snapshots.collect::<Outcome<_>>().map(Self)
    }

    /// What happened from reset to the first time at `mark`.
    pub(crate) fn until(&self, mark: u32) -> Option<Snapshot> {
        self.0.iter().find(|at| at.mark == Some(mark)).cloned()
    }

    /// What happened between `mark` and `mark + 1`, the last time that these two followed each other.
    pub(crate) fn between(&self, mark: u32) -> Option<Snapshot> {
        let pair = self
            .0
            .windows(2)
            .rev()
            .find(|pair| pair[0].mark == Some(mark) && pair[1].mark == Some(mark + 1))?;
        Some(Snapshot {
            mark: Some(mark),
            counts: difference(&pair[1].counts, &pair[0].counts),
            probes: difference(&pair[1].probes, &pair[0].probes),
        })
    }
}

fn difference(later: &Counts, earlier: &Counts) -> Counts {
    let before = |name: &String| earlier.get(name).copied().unwrap_or(0);
    later
        .iter()
        .map(|(name, count)| (name.clone(), count.saturating_sub(before(name))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"mark":1,"counts":{"guest":100,"other":5},"probes":{}}
{"mark":10,"counts":{"guest":200,"other":5},"probes":{"sync":1}}
{"mark":11,"counts":{"guest":350,"other":6},"probes":{"sync":4}}
{"mark":10,"counts":{"guest":400,"other":6},"probes":{"sync":4}}
{"mark":null,"counts":{"guest":900,"other":6},"probes":{"sync":4}}
"#;

    #[test]
    fn differences_are_taken_between_a_mark_and_the_next() {
        let snapshots = Snapshots::parse(TEXT).unwrap();
        let found = snapshots.between(10).unwrap();
        assert_eq!((found.counts["guest"], found.counts["other"]), (150, 1));
        assert_eq!(found.probes["sync"], 3);
        assert_eq!(snapshots.between(11), None);
        assert_eq!(snapshots.until(1).unwrap().counts["guest"], 100);
        assert_eq!(snapshots.until(2), None);
    }

    #[test]
    fn a_broken_line_is_named() {
        let failure = Snapshots::parse(&TEXT[..TEXT.len() - 4]).unwrap_err();
        assert!(failure.message.starts_with("line 5"), "{failure}");
    }
}
