// SPDX-License-Identifier: BSD-2-Clause
//! Item 22: what each protection domain's program consists of, counted in the tree.

use serde::{Deserialize, Serialize};

use crate::table::Table;

/// Name of the recorded counts.
pub const SOURCES: &str = "22-sources.json";

/// A crate in a program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The program.
    pub program: String,
    /// The crate; `name version` for those of the registry, which are not counted.
    pub part: String,
    /// Lines that are neither blank nor comments nor tests; none: not counted.
    pub lines: Option<u64>,
    /// Blocks, functions and implementations that are `unsafe`.
    pub unsafe_uses: Option<u64>,
}

/// The counts of one source file: lines of code and uses of `unsafe`, up to its tests.
#[must_use]
pub fn count(source: &str) -> (u64, u64) {
    let (mut lines, mut uses) = (0, 0);
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        lines += 1;
        let code = line.split("//").next().unwrap_or_default();
        let words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        uses += words
            .filter(|word| *word == "unsafe")
            .map(|_| 1)
            .sum::<u64>();
    }
    (lines, uses)
}

pub(crate) fn table(parts: &[Part]) -> Table {
    let mut table = Table::new(
        "Trusted computing base of each program",
        "Counted in the tree: lines without blanks, comments and tests, uses of `unsafe`. Crates of the registry are named, not \
         counted; the kernel, the monitor and the initialiser are trusted by all and not in this table.",
        "program|crate|lines|unsafe",
    );
    let number = |value: Option<u64>| crate::table::or_dash(value);
    for part in parts {
        table.push([
            part.program.clone(),
            part.part.clone(),
            number(part.lines),
            number(part.unsafe_uses),
        ]);
    }
    let mut programs: Vec<&str> = parts.iter().map(|part| part.program.as_str()).collect();
    programs.dedup();
    for program in programs {
        let mine = || parts.iter().filter(|part| part.program == program);
        let sum = |pick: fn(&Part) -> Option<u64>| mine().filter_map(pick).sum::<u64>().to_string();
        table.push([
            program.to_owned(),
            "sum of those counted".to_owned(),
            sum(|it| it.lines),
            sum(|it| it.unsafe_uses),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_blanks_and_tests_do_not_count() {
        let text = "//! Doc.\n\nfn a() {\n    // SAFETY: x\n    unsafe { b() } // unsafe\n}\n#[cfg(test)]\nmod tests { unsafe {} }\n";
        assert_eq!(count(text), (3, 1));
    }
}
