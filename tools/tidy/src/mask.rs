// SPDX-License-Identifier: BSD-2-Clause
//! Rust source with comments and literals blanked out, so that braces and keywords can be counted.

/// Which part of the source is kept; everything else becomes spaces. Line breaks always stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Code, without comments and the contents of literals.
    Code,
    /// Comments alone.
    Comments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    LineComment,
    /// Nesting depth.
    BlockComment(usize),
    /// A string; with its number of `#` if raw.
    Text(Option<usize>),
    Character,
}

/// `source` with everything but `keep` blanked out; the length in characters is unchanged.
pub(crate) fn mask(source: &str, keep: Keep) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut part = Part::Code;
    let mut at = 0;
    while at < chars.len() {
        let (next, length) = step(part, &chars, at);
        let comment = |p| matches!(p, Part::LineComment | Part::BlockComment(_));
        let kept = match keep {
            Keep::Comments => comment(part) || comment(next),
            Keep::Code => part == Part::Code && next == Part::Code,
        };
        for &c in &chars[at..at + length] {
            out.push(if c == '\n' || kept { c } else { ' ' });
        }
        at += length;
        part = next;
    }
    out
}

/// The part that follows after the characters at `at`, and how many characters that takes.
fn step(part: Part, chars: &[char], at: usize) -> (Part, usize) {
    let rest = &chars[at..];
    match part {
        Part::Code => step_in_code(chars, at),
        Part::LineComment if rest[0] == '\n' => (Part::Code, 1),
        Part::LineComment => (part, 1),
        Part::BlockComment(depth) => match rest {
            ['/', '*', ..] => (Part::BlockComment(depth + 1), 2),
            ['*', '/', ..] if depth == 0 => (Part::Code, 2),
            ['*', '/', ..] => (Part::BlockComment(depth - 1), 2),
            _ => (part, 1),
        },
        Part::Text(None) | Part::Character if rest[0] == '\\' && rest.len() > 1 => (part, 2),
        Part::Text(None) if rest[0] == '"' => (Part::Code, 1),
        Part::Character if rest[0] == '\'' => (Part::Code, 1),
        Part::Text(Some(hashes)) if closes_raw(rest, hashes) => (Part::Code, 1 + hashes),
        Part::Text(_) | Part::Character => (part, 1),
    }
}

fn step_in_code(chars: &[char], at: usize) -> (Part, usize) {
    let rest = &chars[at..];
    match rest {
        ['/', '/', ..] => (Part::LineComment, 2),
        ['/', '*', ..] => (Part::BlockComment(0), 2),
        ['"', ..] => (Part::Text(None), 1),
        ['r', '"' | '#', ..] if !continues_word(chars, at) => raw_start(rest),
        // A lifetime is no literal: 'a is followed by no second quote.
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => (Part::Character, 1),
        _ => (Part::Code, 1),
    }
}

/// Whether the character before `at` belongs to an identifier (a `b` or `c` prefix does not).
fn continues_word(chars: &[char], at: usize) -> bool {
    let word = |i: usize| chars[i].is_alphanumeric() || chars[i] == '_';
    match at {
        0 => false,
        1 => word(0) && !matches!(chars[0], 'b' | 'c'),
        _ => word(at - 1) && (!matches!(chars[at - 1], 'b' | 'c') || word(at - 2)),
    }
}

fn raw_start(rest: &[char]) -> (Part, usize) {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) == Some(&'"') {
        (Part::Text(Some(hashes)), 2 + hashes)
    } else {
        (Part::Code, 1)
    }
}

fn closes_raw(rest: &[char], hashes: usize) -> bool {
    rest[0] == '"' && rest.len() > hashes && rest[1..=hashes].iter().all(|c| *c == '#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> String {
        mask(source, Keep::Code)
    }

    #[test]
    fn literals_and_comments_vanish_from_code() {
        assert_eq!(code("a // {\nb"), "a     \nb");
        assert_eq!(code("f(\"{\\\"\", x)").replace(' ', ""), "f(,x)");
        assert_eq!(code("/* { /* */ { */ c").trim(), "c");
        assert_eq!(code("r#\"{\"#; y").trim(), "; y");
        assert_eq!(code("br\"{\"; y").replace(' ', ""), "b;y");
        assert_eq!(code("let c = '{'; d").replace(' ', ""), "letc=;d");
        assert_eq!(code("let c = '\\''; {").replace(' ', ""), "letc=;{");
    }

    #[test]
    fn lifetimes_are_code() {
        assert_eq!(code("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
    }

    #[test]
    fn comments_alone() {
        assert_eq!(
            mask("a // why\n\"// no\"", Keep::Comments).trim_end(),
            "  // why"
        );
    }

    #[test]
    fn line_breaks_stay() {
        let source = "a\n\"x\ny\"\n/* \n */";
        assert_eq!(code(source).lines().count(), source.lines().count());
    }
}
