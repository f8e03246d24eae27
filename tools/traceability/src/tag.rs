// SPDX-License-Identifier: BSD-2-Clause
//! Identifiers of requirements, and how they are found in text and in names of tests.
//!
//! In text an identifier stands as it is: `H-34`, or a range `H-25 to H-28` (also `H-25..H-28`). In a
//! test's name it is one word or two: `h34_…`, `h_34_…`, `…_h34`, `h_25_to_h_28_…`. Only families that
//! some requirement belongs to are identifiers; `SHA-256` is none.

use std::fmt;

use serde::{Serialize, Serializer};

/// A range names so many requirements at most; a longer one is a slip of the pen.
const LONGEST_RANGE: u16 = 40;

/// An identifier: its family, and its number of two digits or more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    family: String,
    number: u16,
}

impl Id {
    /// Reads an identifier as it is written in data: capital letters, a hyphen, two or three digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (family, digits) = text.split_once('-')?;
        let capital = |c: u8| c.is_ascii_uppercase();
        if family.is_empty() || !family.bytes().all(capital) || !(2..=3).contains(&digits.len()) {
            return None;
        }
        Some(Self {
            family: family.to_owned(),
            number: number(digits)?,
        })
    }

    /// The letters before the hyphen.
    pub fn family(&self) -> &str {
        &self.family
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:02}", self.family, self.number)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Digits alone; a sign is none.
fn number(digits: &str) -> Option<u16> {
    let all = digits.bytes().all(|c| c.is_ascii_digit());
    all.then(|| digits.parse().ok()).flatten()
}

/// The identifiers of `families` in running text, in order.
pub(crate) fn in_text(text: &str, families: &[String]) -> Vec<Id> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut before = None;
    while let Some((at, id, length)) = next_in_text(rest, before, families) {
        let joined = found.last().is_some() && is_range(&rest[..at]);
        push(&mut found, id, joined);
        before = rest[..at + length].chars().next_back();
        rest = &rest[at + length..];
    }
    found
}

/// Whether what stands between two identifiers makes them the ends of a range.
fn is_range(between: &str) -> bool {
    matches!(between.trim(), "to" | "..")
}

/// The next identifier: where it begins, what it is, how long. `before` is the character before `text`.
fn next_in_text(
    text: &str,
    before: Option<char>,
    families: &[String],
) -> Option<(usize, Id, usize)> {
    let mut previous = before;
    for (at, c) in text.char_indices() {
        let starts = !previous.is_some_and(|p| p.is_alphanumeric() || p == '-' || p == '_');
        previous = Some(c);
        if !starts || !c.is_ascii_uppercase() {
            continue;
        }
        let word = &text[at..];
        let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let word = &word[..end.unwrap_or(word.len())];
        if let Some(id) = Id::parse(word).filter(|id| families.contains(&id.family)) {
            return Some((at, id, word.len()));
        }
    }
    None
}

/// The identifiers of `families` that a test's name consists of in part.
pub(crate) fn in_name(name: &str, families: &[String]) -> Vec<Id> {
    let words: Vec<&str> = name.split('_').collect();
    let mut found = Vec::new();
    let mut at = 0;
    // Where the last identifier ended.
    let mut end = None;
    while at < words.len() {
        match at_word(&words[at..], families) {
            Some((id, length)) => {
                let joined = at > 0 && words[at - 1] == "to" && end == Some(at - 1);
                push(&mut found, id, joined);
                at += length;
                end = Some(at);
            }
            None => at += 1,
        }
    }
    found
}

/// The identifier that begins with the first of `words`, and of how many words it consists.
fn at_word(words: &[&str], families: &[String]) -> Option<(Id, usize)> {
    let [first, rest @ ..] = words else {
        return None;
    };
    let split = first.find(|c: char| c.is_ascii_digit());
    let (letters, digits, length) = match split {
        Some(at) => (&first[..at], &first[at..], 1),
        None => (*first, *rest.first()?, 2),
    };
    let family = letters.to_ascii_uppercase();
    let fits = families.contains(&family) && (2..=3).contains(&digits.len());
    let number = number(digits).filter(|_| fits)?;
    Some((Id { family, number }, length))
}

/// Adds an identifier, and those between it and the one before where `range` says so.
fn push(found: &mut Vec<Id>, id: Id, range: bool) {
    let from = found
        .last()
        .filter(|last| range && last.family == id.family);
    let first = match from.map(|last| last.number + 1) {
        Some(first) if first <= id.number && id.number - first < LONGEST_RANGE => first,
        _ => id.number,
    };
    for number in first..=id.number {
        found.push(Id {
            family: id.family.clone(),
            number,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<String> {
        vec!["Q".to_owned(), "QZ".to_owned()]
    }

    fn text(text: &str) -> String {
        shown(&in_text(text, &families()))
    }

    fn name(name: &str) -> String {
        shown(&in_name(name, &families()))
    }

    fn shown(ids: &[Id]) -> String {
        let ids: Vec<_> = ids.iter().map(Id::to_string).collect();
        ids.join(" ")
    }

    #[test]
    fn identifiers_are_read_strictly() {
        assert_eq!(Id::parse("Q-07").unwrap().to_string(), "Q-07");
        assert_eq!(Id::parse("QZ-107").unwrap().to_string(), "QZ-107");
        for wrong in [
            "Q-7", "q-07", "Q07", "-07", "Q-", "Q-+7", "Q-0007", "Q-07a", "",
        ] {
            assert_eq!(Id::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn text_has_whole_words_of_known_families() {
        assert_eq!(text("see Q-01, (QZ-02); Q-03."), "Q-01 QZ-02 Q-03");
        assert_eq!(
            text("SHA-256 AQ-01 X-Q-01 Q-01-02 Q-01a q-01 Q-1 ü Q-09"),
            "Q-09"
        );
        assert_eq!(text("Q-01Q-02"), "");
        assert_eq!(text(""), "");
    }

    #[test]
    fn ranges_in_text() {
        assert_eq!(text("Q-02 to Q-04, Q-08..Q-09"), "Q-02 Q-03 Q-04 Q-08 Q-09");
        assert_eq!(text("Q-02 and Q-04; to Q-06"), "Q-02 Q-04 Q-06");
        assert_eq!(text("Q-04 to Q-02, Q-05 to QZ-07"), "Q-04 Q-02 Q-05 QZ-07");
        assert_eq!(text("Q-01 to Q-999"), "Q-01 Q-999");
    }

    #[test]
    fn names_of_tests() {
        assert_eq!(name("q34_loops"), "Q-34");
        assert_eq!(name("q_34_loops_and_qz_02"), "Q-34 QZ-02");
        assert_eq!(name("any_call_is_answered_q40"), "Q-40");
        assert_eq!(name("q_25_to_q_28_odd"), "Q-25 Q-26 Q-27 Q-28");
        assert_eq!(name("q_25_odd_to_q_28"), "Q-25 Q-28");
        assert_eq!(name("sq34_q3_q_x_seq_34_q"), "");
        assert_eq!(name("q_1234_q12345"), "");
    }
}
