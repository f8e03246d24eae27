// SPDX-License-Identifier: BSD-2-Clause
//! Which counter an instruction belongs to, and what a line of output looks like.

use crate::args::{Args, Probe, Range};
use std::fmt::Write as _;

/// The name of the counter for what lies in no range.
const OTHER: &str = "other";

/// The counters in their order: one per range, `other`, one per probe.
#[derive(Debug)]
pub(crate) struct Layout {
    ranges: Vec<Range>,
    probes: Vec<Probe>,
}

impl Layout {
    pub(crate) fn new(args: &Args) -> Self {
        Self {
            ranges: args.ranges.clone(),
            probes: args.probes.clone(),
        }
    }

    /// How many counters there are.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len() + 1 + self.probes.len()
    }

    /// The counter of the range that holds `physical`, or of what lies outside of RAM.
    pub(crate) fn range_of(&self, physical: Option<u64>) -> usize {
        let holds = |range: &Range, at| (range.start..range.end).contains(&at);
        physical
            .and_then(|at| self.ranges.iter().position(|range| holds(range, at)))
            .unwrap_or(self.ranges.len())
    }

    /// The counters of the probes at `physical`.
    pub(crate) fn probes_at(&self, physical: Option<u64>) -> impl Iterator<Item = usize> {
        let first = self.ranges.len() + 1;
        let hits = self.probes.iter().enumerate();
        hits.filter(move |(_, probe)| Some(probe.address) == physical)
            .map(move |(index, _)| first + index)
    }

    /// One line of output; `mark` is nothing at the end of the run.
    pub(crate) fn line(&self, mark: Option<u32>, value: impl Fn(usize) -> u64) -> String {
        let names = self.ranges.iter().map(|range| range.name.as_str());
        let counts = names.chain([OTHER]).enumerate();
        let probes = self.probes.iter().enumerate();
        let probes = probes.map(|(at, probe)| (self.ranges.len() + 1 + at, probe.name.as_str()));
        let mut line = String::from("{\"mark\":");
        // Writing to a string cannot fail.
        let _ = match mark {
            Some(mark) => write!(line, "{mark}"),
            None => write!(line, "null"),
        };
        line.push_str(",\"counts\":");
        object(&mut line, counts, &value);
        line.push_str(",\"probes\":");
        object(&mut line, probes, &value);
        line.push_str("}\n");
        line
    }
}

fn object<'a>(
    line: &mut String,
    members: impl Iterator<Item = (usize, &'a str)>,
    value: &impl Fn(usize) -> u64,
) {
    line.push('{');
    for (position, (index, name)) in members.enumerate() {
        let comma = if position == 0 { "" } else { "," };
        let _ = write!(line, "{comma}\"{name}\":{}", value(index));
    }
    line.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        let words = [
            "out=x",
            "range=a:0x10-0x20",
            "range=b:0x18-0x30",
            "probe=p:0x18",
        ];
        Layout::new(&Args::parse(words.into_iter()).unwrap())
    }

    #[test]
    fn the_first_range_that_fits_counts() {
        let layout = layout();
        for (at, counter) in [(0x0f, 2), (0x10, 0), (0x1f, 0), (0x20, 1), (0x30, 2)] {
            assert_eq!(layout.range_of(Some(at)), counter, "{at:#x}");
        }
        assert_eq!(layout.range_of(None), 2);
        assert_eq!(layout.probes_at(Some(0x18)).collect::<Vec<_>>(), [3]);
        assert_eq!(layout.probes_at(Some(0x19)).count(), 0);
        assert_eq!(layout.probes_at(None).count(), 0);
        assert_eq!(layout.len(), 4);
    }

    #[test]
    fn a_line_is_json() {
        let line = layout().line(Some(7), |index| index as u64 * 10);
        let expected = r#"{"mark":7,"counts":{"a":0,"b":10,"other":20},"probes":{"p":30}}"#;
        assert_eq!(line, format!("{expected}\n"));
        assert!(layout().line(None, |_| 0).starts_with("{\"mark\":null,"));
    }
}
