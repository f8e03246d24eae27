// SPDX-License-Identifier: BSD-2-Clause
//! What must not be written down: unfinished business, host names, paths of one machine.

use crate::mask::{Keep, mask};
use crate::{File, Finding};

/// Words that mark unfinished work. Split so that this file does not contain them.
fn unfinished() -> [String; 3] {
    [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat())
}

/// Hosts of package registries and folders of one machine.
fn places() -> [String; 7] {
    [
        ["crates", ".io"],
        ["deb.debian", ".org"],
        ["snapshot.debian", ".org"],
        ["pypi", ".org"],
        ["/ro", "ot/"],
        ["/wo", "rk/"],
        ["/ho", "me/"],
    ]
    .map(|parts| parts.concat())
}

/// Checks the words of one file. Lock files are cargo's own.
pub(crate) fn check(file: &File, findings: &mut Vec<Finding>) {
    if file.path.ends_with("Cargo.lock") {
        return;
    }
    for (index, line) in file.text.lines().enumerate() {
        if let Some(place) = places().iter().find(|place| names_place(line, place)) {
            let message = format!("{place} names a host or a machine's folder");
            findings.push(Finding::new(&file.path, index + 1, "place", message));
        }
    }
    if !file.is_rust() {
        return;
    }
    for (index, line) in mask(&file.text, Keep::Comments).lines().enumerate() {
        if let Some(word) = unfinished().iter().find(|word| has_word(line, word)) {
            let message = format!("{word} marks unfinished work: finish it or open an issue");
            findings.push(Finding::new(&file.path, index + 1, "unfinished", message));
        }
    }
}

/// A folder counts only where a path begins, a host anywhere.
fn names_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !place.starts_with('/')
            || before.is_none_or(|c| !(c.is_alphanumeric() || "._-/}>".contains(c)))
    })
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric())
        .any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::file;

    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        let mut findings = Vec::new();
        check(&file(path, text), &mut findings);
        findings.into_iter().map(|f| f.rule).collect()
    }

    #[test]
    fn unfinished_work_is_found_in_comments_only() {
        let word = &unfinished()[0];
        assert_eq!(rules("a.rs", &format!("// {word}: later")), ["unfinished"]);
        assert!(rules("a.rs", &format!("let x = \"{word}\";")).is_empty());
        assert!(rules("a.rs", &format!("// {word}s of the day")).is_empty());
    }

    #[test]
    fn hosts_and_machine_folders_are_found_everywhere() {
        for place in places() {
            assert_eq!(
                rules("a.toml", &format!("x = \"{place}x\"")),
                ["place"],
                "{place}"
            );
        }
        assert!(rules("a.toml", &format!("x = \"a{}x\"", places()[4])).is_empty());
        assert!(rules("Cargo.lock", &places()[0]).is_empty());
    }
}
