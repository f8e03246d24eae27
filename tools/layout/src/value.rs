// SPDX-License-Identifier: BSD-2-Clause
//! Values of attributes: their kinds, how they are written, and what they mean.

use crate::rules::{FORM, RANGE, UNIT};
use sdf::rules::Rule;

/// What an attribute's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "matched by the generators of this crate"
)]
pub enum Kind {
    /// A new name: a letter, then letters, digits, `_`, `-` and `.`, at most 40 characters.
    Name,
    /// A name that stands elsewhere.
    Ref,
    /// Names that stand elsewhere, separated by spaces.
    Refs,
    /// Any text that is not empty.
    Text,
    /// A file below the folder of the file that names it.
    Path,
    /// Bytes, `from` to `to`: a number, with K, M or G for powers of 1024.
    Size(u64, u64),
    /// A time from `from` to `to`, in microseconds: a number with `us`, `ms` or `s`.
    Time(u64, u64),
    /// Bytes per second: a number with `bit/s`, `kbit/s`, `Mbit/s`, `Gbit/s` or `B/s`.
    Rate,
    /// A number from `from` to `to`.
    Number(u64, u64),
    /// An Ethernet address of one station.
    Mac,
    /// One of a few words.
    Choice(&'static [&'static str]),
}

/// A value that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the three forms that records can hold"
)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number in the unit of its kind.
    Number(u64),
    /// Several texts.
    Texts(Vec<String>),
}

/// Why a text is no value of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The rule that it breaks.
    pub rule: &'static Rule,
    /// What is wrong, to follow the attribute's name and value.
    pub message: String,
}

impl Problem {
    fn new(rule: &'static Rule, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { rule, message }
    }
}

const SIZES: [(&str, u64); 4] = [("", 1), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)];
const TIMES: [(&str, u64); 3] = [("us", 1), ("ms", 1000), ("s", 1_000_000)];
/// In eighths of a byte per second.
const RATES: [(&str, u64); 5] = [
    ("bit/s", 1),
    ("kbit/s", 1000),
    ("Mbit/s", 1_000_000),
    ("Gbit/s", 1_000_000_000),
    ("B/s", 8),
];

impl Kind {
    /// Reads `text`.
    ///
    /// # Errors
    /// Why it is no such value.
    pub fn read(self, text: &str) -> Result<Value, Problem> {
        match self {
            Self::Name | Self::Ref => name(text).map(Value::Text),
            Self::Refs => {
                let names = text.split(' ').filter(|word| !word.is_empty());
                let names: Result<Vec<String>, Problem> = names.map(name).collect();
                names.and_then(|names| match names.as_slice() {
                    [] => Err(Problem::new(&FORM, "names nothing")),
                    _ => Ok(Value::Texts(names)),
                })
            }
            Self::Text => match text {
                "" => Err(Problem::new(&FORM, "is empty")),
                _ => Ok(Value::Text(text.to_owned())),
            },
            Self::Path => path(text).map(Value::Text),
            Self::Size(from, to) => {
                within(scaled(text, &SIZES)?, from, to, show_size).map(Value::Number)
            }
            Self::Time(from, to) => {
                within(scaled(text, &TIMES)?, from, to, show_time).map(Value::Number)
            }
            Self::Rate => Ok(Value::Number(scaled(text, &RATES)?.div_ceil(8))),
            Self::Number(from, to) => {
                within(scaled(text, &[("", 1)])?, from, to, |n| n.to_string()).map(Value::Number)
            }
            Self::Mac => mac(text).map(Value::Text),
            Self::Choice(words) => choice(text, words).map(Value::Text),
        }
    }

    /// A regular expression for what is accepted, apart from ranges; XML Schema's syntax, whole text.
    #[must_use]
    pub fn pattern(self) -> String {
        const NUMBER: &str = "([0-9][0-9_]*|0x[0-9a-fA-F_]*[0-9a-fA-F][0-9a-fA-F_]*)";
        const NAME: &str = "[A-Za-z][A-Za-z0-9_.\\-]{0,39}";
        match self {
            Self::Name | Self::Ref => NAME.to_owned(),
            Self::Refs => format!(" *{NAME}( +{NAME})* *"),
            Self::Text => "(.|\\n|\\r)+".to_owned(),
            Self::Path => {
                "[A-Za-z0-9_\\-][A-Za-z0-9_.\\-]*(/[A-Za-z0-9_\\-][A-Za-z0-9_.\\-]*)*".to_owned()
            }
            Self::Size(..) => format!("{NUMBER}[KMG]?"),
            Self::Time(..) => format!("{NUMBER}(us|ms|s)"),
            Self::Rate => format!("{NUMBER}([kMG]?bit/s|B/s)"),
            Self::Number(..) => NUMBER.to_owned(),
            Self::Mac => "[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}".to_owned(),
            Self::Choice(words) => format!("({})", words.join("|").replace('.', "\\.")),
        }
    }

    /// Kind, unit and range for the reference page.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Name => "name".to_owned(),
            Self::Ref => "name of something declared".to_owned(),
            Self::Refs => "names, separated by spaces".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Path => "file, relative to the file it stands in".to_owned(),
            Self::Size(from, to) => {
                format!("bytes, K, M or G; {} to {}", show_size(from), show_size(to))
            }
            Self::Time(from, to) => {
                format!("us, ms or s; {} to {}", show_time(from), show_time(to))
            }
            Self::Rate => "bit/s, kbit/s, Mbit/s, Gbit/s or B/s".to_owned(),
            Self::Number(from, u64::MAX) => format!("number from {from}"),
            Self::Number(from, to) => format!("number, {from} to {to}"),
            Self::Mac => "Ethernet address of one station".to_owned(),
            Self::Choice(words) => words.join(", "),
        }
    }
}

/// `bytes` with the largest unit that divides it.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    show(bytes, &SIZES)
}

/// `us` microseconds with the largest unit that divides it.
#[must_use]
pub fn show_time(us: u64) -> String {
    show(us, &TIMES)
}

fn show(value: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, scale): &&(&str, u64)| value != 0 && value.is_multiple_of(*scale);
    let unit = units.iter().rev().find(fits).or(units.first());
    unit.map_or_else(
        || value.to_string(),
        |(name, scale)| format!("{}{name}", value / scale),
    )
}

/// The number in `text` times its unit.
fn scaled(text: &str, units: &[(&str, u64)]) -> Result<u64, Problem> {
    let hex = text.starts_with("0x");
    let is_digit = |(at, c): (usize, char)| {
        c == '_' || c.is_ascii_digit() || (hex && (at == 1 || c.is_ascii_hexdigit()))
    };
    let end = text
        .char_indices()
        .find(|(at, c)| !is_digit((*at, *c)))
        .map_or(text.len(), |(at, _)| at);
    let (digits, unit) = text.split_at(end);
    if digits.is_empty() || digits.starts_with('_') {
        return Err(Problem::new(&UNIT, "does not begin with a number"));
    }
    let Some((_, scale)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(Problem::new(&UNIT, unknown_unit(unit, units)));
    };
    let plain = digits.trim_start_matches("0x").replace('_', "");
    if plain.is_empty() {
        return Err(Problem::new(&UNIT, "does not begin with a number"));
    }
    sdf::xml::parse_number(digits)
        .and_then(|number| number.checked_mul(*scale))
        .ok_or_else(|| Problem::new(&RANGE, "does not fit 64 bits"))
}

fn unknown_unit(unit: &str, units: &[(&str, u64)]) -> String {
    let names: Vec<&str> = units
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !name.is_empty())
        .collect();
    match (unit, names.is_empty()) {
        ("", _) => format!("has no unit; write {}", names.join(", ")),
        (_, true) => format!("ends in `{unit}`, but has no unit"),
        (_, false) => format!("has the unknown unit `{unit}`; known: {}", names.join(", ")),
    }
}

fn within(value: u64, from: u64, to: u64, show: fn(u64) -> String) -> Result<u64, Problem> {
    if (from..=to).contains(&value) {
        return Ok(value);
    }
    let message = format!("is not between {} and {}", show(from), show(to));
    Err(Problem::new(&RANGE, message))
}

fn name(text: &str) -> Result<String, Problem> {
    let letters = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
    if starts && text.len() <= 40 && text.chars().all(letters) {
        return Ok(text.to_owned());
    }
    let law = "is no name: a letter, then letters, digits, `_`, `-` or `.`, at most 40";
    Err(Problem::new(&FORM, law))
}

/// A relative path without `.` and `..`.
fn path(text: &str) -> Result<String, Problem> {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
    };
    if text.split('/').all(plain) {
        return Ok(text.to_owned());
    }
    let law =
        "is no path below this file's folder: names separated by `/`, none beginning with `.`";
    Err(Problem::new(&crate::rules::ESCAPE, law))
}

fn mac(text: &str) -> Result<String, Problem> {
    let pairs: Vec<&str> = text.split(':').collect();
    let hex = |pair: &&str| pair.len() == 2 && pair.chars().all(|c| c.is_ascii_hexdigit());
    if pairs.len() != 6 || !pairs.iter().all(hex) {
        return Err(Problem::new(
            &FORM,
            "is not six pairs of hexadecimal digits",
        ));
    }
    let first = pairs
        .first()
        .and_then(|pair| u8::from_str_radix(pair, 16).ok());
    if first.is_none_or(|first| first & 1 != 0) || pairs.iter().all(|pair| *pair == "00") {
        let message = "is not the address of one station: the first byte is odd, or all are zero";
        return Err(Problem::new(&FORM, message));
    }
    Ok(text.to_ascii_lowercase())
}

fn choice(text: &str, words: &[&str]) -> Result<String, Problem> {
    if words.contains(&text) {
        return Ok(text.to_owned());
    }
    let message = format!("is none of: {}", words.join(", "));
    Err(Problem::new(&FORM, message))
}
