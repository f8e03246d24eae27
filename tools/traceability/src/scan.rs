// SPDX-License-Identifier: BSD-2-Clause
//! The tags of a tree: comments, documents, names of tests, boot scripts.

use std::collections::BTreeSet;

use serde::Serialize;
use tidy::{File, Tree};

use crate::catalogue;
use crate::tag::{self, Id};

/// Scripts that boot a system and watch its console.
const BOOTS: &str = "tests/boot/";

/// What a tag belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Code that is part of the system or of a tool.
    Code,
    /// A test: the function's name, or `boot/<script>`.
    Test(String),
    /// A document, or a remark in what tests consist of: says something, shows nothing.
    Note,
}

/// A tag and its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Tag {
    /// The identifier.
    pub id: Id,
    /// The file, relative to the repository.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What it belongs to.
    pub kind: Kind,
}

/// All tags of `families` in the tree, sorted, each once.
pub(crate) fn scan(tree: &Tree, families: &[String]) -> Vec<Tag> {
    let tests = test_modules(tree);
    let mut tags = BTreeSet::new();
    for file in &tree.files {
        if file.path.starts_with(catalogue::FOLDER) {
            continue;
        }
        let mut found = Found {
            file,
            families,
            tags: &mut tags,
        };
        match file.path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("rs") => rust(&mut found, file.is_test() || tests.contains(&file.path)),
            Some("md") => found.whole(&Kind::Note),
            Some("toml") if file.path.starts_with(BOOTS) => {
                let name = file.path["tests/".len()..].trim_end_matches(".toml");
                found.whole(&Kind::Test(name.to_owned()));
            }
            Some("toml" | "xml" | "system" | "S" | "sh" | "dts") => found.whole(&Kind::Code),
            _ => {}
        }
    }
    tags.into_iter().collect()
}

/// Files that a `#[cfg(test)] mod …;` of another file names.
fn test_modules(tree: &Tree) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for file in tree.files.iter().filter(|file| file.is_rust()) {
        let mut armed = false;
        for line in file.text.lines().map(str::trim) {
            if let Some(name) = module(line).filter(|_| armed) {
                paths.insert(format!("{}/{name}.rs", submodules(file)));
            }
            armed = line.starts_with("#[cfg(test)]") || (armed && line.starts_with("#["));
        }
    }
    paths
}

/// The name in `mod name;`, whatever its visibility.
fn module(line: &str) -> Option<&str> {
    let (before, name) = line.strip_suffix(';')?.rsplit_once(' ')?;
    (before == "mod" || before.ends_with(" mod")).then_some(name)
}

/// The folder of a file's modules.
fn submodules(file: &File) -> &str {
    match file.path.rsplit('/').next() {
        Some("lib.rs" | "main.rs" | "mod.rs") => file.folder(),
        _ => file.path.trim_end_matches(".rs"),
    }
}

/// What is collected from one file.
struct Found<'a> {
    file: &'a File,
    families: &'a [String],
    tags: &'a mut BTreeSet<Tag>,
}

impl Found<'_> {
    fn add(&mut self, id: Id, line: usize, kind: &Kind) {
        self.tags.insert(Tag {
            id,
            file: self.file.path.clone(),
            line,
            kind: kind.clone(),
        });
    }

    fn text(&mut self, text: &str, line: usize, kind: &Kind) {
        for id in tag::in_text(text, self.families) {
            self.add(id, line, kind);
        }
    }

    fn whole(&mut self, kind: &Kind) {
        for (at, line) in self.file.text.lines().enumerate() {
            self.text(line, at + 1, kind);
        }
    }
}

/// A Rust file: comments, and names of test functions with the comments right above them.
fn rust(found: &mut Found<'_>, all_tests: bool) {
    let mut in_tests = all_tests;
    // Comments since the last line of code, which may belong to a test.
    let mut above: Vec<(usize, &str)> = Vec::new();
    let mut is_test = false;
    let mut tests_follow = false;
    for (at, line) in found.file.text.lines().enumerate() {
        let (code, comment) = split_comment(line);
        if let Some(comment) = comment {
            above.push((at + 1, comment));
        }
        let code = code.trim();
        if code.is_empty() && comment.is_some() {
            continue;
        }
        if code.starts_with("#[") {
            is_test |= code.contains("#[test]");
            tests_follow |= line.starts_with("#[cfg(test)]");
            continue;
        }
        // Tests come last in a file, in a module of their own.
        in_tests |= tests_follow && code.ends_with('{') && code.contains("mod ");
        let kind = match function(code).filter(|_| is_test) {
            Some(name) => {
                for id in tag::in_name(name, found.families) {
                    found.add(id, at + 1, &Kind::Test(name.to_owned()));
                }
                Kind::Test(name.to_owned())
            }
            None if in_tests => Kind::Note,
            None => Kind::Code,
        };
        for (line, comment) in above.drain(..) {
            found.text(comment, line, &kind);
        }
        is_test = false;
        tests_follow = false;
    }
}

/// A line's code and its comment. Two slashes in a literal count as a comment only if no quote follows.
fn split_comment(line: &str) -> (&str, Option<&str>) {
    match line.find("//") {
        Some(at) if !line[at..].contains('"') || line[..at].trim().is_empty() => {
            (&line[..at], Some(&line[at..]))
        }
        _ => (line, None),
    }
}

/// The name of the function that begins on this line.
fn function(code: &str) -> Option<&str> {
    let at = code.find("fn ")?;
    let plain = at == 0 || code[..at].ends_with(' ');
    let name = code[at + 3..].split(['(', '<']).next()?.trim();
    (plain && !name.is_empty()).then_some(name)
}
