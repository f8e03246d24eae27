// SPDX-License-Identifier: BSD-2-Clause
//! What the guest programs print: lines of `GB name key=value …`.

use std::collections::BTreeMap;

/// One result line of a guest program.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// The program: `cpu`, `blk`, …
    pub name: String,
    /// Its figures, as printed.
    pub fields: BTreeMap<String, String>,
}

impl Line {
    /// A figure as a number.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.fields.get(key)?.parse().ok()
    }
}

/// All result lines of a console, also where a multiplexer put a label and colours before them.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    text.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<Line> {
    let at = text.match_indices("GB ").map(|(at, _)| at).find(|at| {
        // Not the end of a longer word: program output may contain anything.
        !text[..*at].ends_with(|c: char| c.is_alphanumeric()) || colour_ends(&text[..*at])
    })?;
    let mut words = text[at + 3..].split_whitespace();
    let name = words.next()?;
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    is_name(name).then(|| Line {
        name: name.to_owned(),
        fields: words
            .filter_map(|word| word.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    })
}

/// Whether `text` ends in a colour sequence, whose last character is the letter `m`.
fn colour_ends(text: &str) -> bool {
    text.rfind('\x1b').is_some_and(|at| {
        let body = text[at..]
            .strip_prefix("\x1b[")
            .and_then(|rest| rest.strip_suffix('m'));
        body.is_some_and(|body| body.chars().all(|c| c.is_ascii_digit() || c == ';'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_behind_labels_and_colours() {
        for text in [
            "GB cpu n=5 total_ns=10 x=ab",
            "[ivi] GB cpu n=5 total_ns=10 x=ab\r",
            "\x1b[1;32mivi\x1b[0mGB cpu n=5 total_ns=10 x=ab",
        ] {
            let line = line(text).unwrap();
            assert_eq!(line.name, "cpu");
            assert_eq!(line.number("n"), Some(5.0));
            assert_eq!(line.number("x"), None);
            assert_eq!(line.fields["x"], "ab");
        }
    }

    #[test]
    fn other_text_is_left_alone() {
        for text in [
            "",
            "GB",
            "GB ",
            "128 MGB cpu n=1",
            "LOG 4 GB memory",
            "2 GB 100%",
        ] {
            let found = line(text);
            assert!(found.is_none_or(|line| line.name == "memory"), "{text}");
        }
        assert_eq!(lines("a\nGB fork n=1\n\nGB idle ms=2\n").len(), 2);
    }
}
