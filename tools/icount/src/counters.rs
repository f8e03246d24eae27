// SPDX-License-Identifier: BSD-2-Clause
//! Which counter an instruction belongs to, and what a line of output looks like.

use crate::args::{Args, Probe, Program, Range};
use std::fmt::Write as _;

/// The name of the counter for all that is in no range and no known program.
const OTHER: &str = "other";

/// Before the name of a program, the name of the counter of its system calls.
const CALLS: &str = "calls-";

/// The counters in their order: one per range, one per program, `other`, one per probe, and for each
/// program one of its system calls.
#[derive(Debug)]
pub(crate) struct Layout {
    ranges: Vec<Range>,
    programs: Vec<Program>,
    probes: Vec<Probe>,
}

impl Layout {
    pub(crate) fn new(args: &Args) -> Self {
        Self {
            ranges: args.ranges.clone(),
            programs: args.programs.clone(),
            probes: args.probes.clone(),
        }
    }

    /// How many counters there are.
    pub(crate) fn len(&self) -> usize {
        self.first_calls() + self.programs.len()
    }

    fn first_calls(&self) -> usize {
        self.other() + 1 + self.probes.len()
    }

    /// The counter of the system calls of the program whose counter is `owner`.
    pub(crate) fn calls_of(&self, owner: usize) -> Option<usize> {
        let program = owner.checked_sub(self.ranges.len())?;
        (program < self.programs.len()).then(|| self.first_calls() + program)
    }

    /// The counter of all that belongs to no other one.
    pub(crate) fn other(&self) -> usize {
        self.ranges.len() + self.programs.len()
    }

    /// The counter of the range that holds `physical`.
    pub(crate) fn range_of(&self, physical: Option<u64>) -> Option<usize> {
        let holds = |range: &Range, at| (range.start..range.end).contains(&at);
        physical.and_then(|at| self.ranges.iter().position(|range| holds(range, at)))
    }

    /// The programs and their counters.
    pub(crate) fn programs(&self) -> impl Iterator<Item = (usize, &Program)> {
        let first = self.ranges.len();
        let programs = self.programs.iter().enumerate();
        programs.map(move |(index, program)| (first + index, program))
    }

    /// The counters of the probes at `physical`.
    pub(crate) fn probes_at(&self, physical: Option<u64>) -> impl Iterator<Item = usize> {
        let first = self.other() + 1;
        let hits = self.probes.iter().enumerate();
        hits.filter(move |(_, probe)| Some(probe.address) == physical)
            .map(move |(index, _)| first + index)
    }

    /// One line of output; `mark` is nothing at the end of the run.
    pub(crate) fn line(&self, mark: Option<u32>, value: impl Fn(usize) -> u64) -> String {
        let names = self.ranges.iter().map(|range| range.name.as_str());
        let programs = self.programs.iter().map(|program| program.name.as_str());
        let counts = names.chain(programs).chain([OTHER]).enumerate();
        let probes = self.probes.iter().enumerate();
        let probes = probes.map(|(at, probe)| (self.other() + 1 + at, probe.name.clone()));
        let calls = self.programs.iter().enumerate();
        let calls = calls.map(|(at, program)| {
            let name = format!("{CALLS}{}", program.name);
            (self.first_calls() + at, name)
        });
        let probes = probes.chain(calls);
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

fn object(
    line: &mut String,
    members: impl Iterator<Item = (usize, impl std::fmt::Display)>,
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
            "pages=c:/x",
            "probe=p:0x18",
        ];
        Layout::new(&Args::parse(words.into_iter()).unwrap())
    }

    #[test]
    fn the_first_range_that_fits_counts() {
        let layout = layout();
        for (at, counter) in [
            (0x0f, None),
            (0x10, Some(0)),
            (0x1f, Some(0)),
            (0x20, Some(1)),
            (0x30, None),
        ] {
            assert_eq!(layout.range_of(Some(at)), counter, "{at:#x}");
        }
        assert_eq!(layout.range_of(None), None);
        assert_eq!(layout.other(), 3);
        assert_eq!(layout.programs().next().unwrap().0, 2);
        assert_eq!(layout.probes_at(Some(0x18)).collect::<Vec<_>>(), [4]);
        assert_eq!(layout.probes_at(Some(0x19)).count(), 0);
        assert_eq!(layout.probes_at(None).count(), 0);
        assert_eq!((layout.calls_of(2), layout.len()), (Some(5), 6));
        assert_eq!([0, 3, 4].map(|owner| layout.calls_of(owner)), [None; 3]);
    }

    #[test]
    fn a_line_is_json() {
        let line = layout().line(Some(7), |index| index as u64 * 10);
        let expected = r#"{"mark":7,"counts":{"a":0,"b":10,"c":20,"other":30},"probes":{"p":40,"calls-c":50}}"#;
        assert_eq!(line, format!("{expected}\n"));
        assert!(layout().line(None, |_| 0).starts_with("{\"mark\":null,"));
    }
}
