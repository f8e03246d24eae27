// SPDX-License-Identifier: BSD-2-Clause
//! Size budgets as a ratchet: what is within the budget stays there, what is above may only shrink.
//!
//! `tools/tidy/budget.toml` lists what is above, with its length. Nothing may be above the hard
//! limits.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::mask::{Keep, mask};
use crate::{File, Finding, Tree};

const BUDGET_FILE: &str = "tools/tidy/budget.toml";
const FUNCTION: Limit = Limit {
    budget: 40,
    hard: 80,
};
const FILE: Limit = Limit {
    budget: 400,
    hard: 600,
};

struct Limit {
    budget: usize,
    hard: usize,
}

/// What is above its budget, with its length in lines.
#[derive(Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Baseline {
    /// By path.
    #[serde(default)]
    files: BTreeMap<String, usize>,
    /// By `path::function`.
    #[serde(default)]
    functions: BTreeMap<String, usize>,
}

/// A function's place and length.
#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    line: usize,
    length: usize,
}

/// Checks all Rust files.
pub(crate) fn check(root: &Path, tree: &Tree, findings: &mut Vec<Finding>) -> io::Result<()> {
    let baseline = read(root)?;
    for file in sources(tree) {
        let source = without_tests(&file.text);
        let length = source.lines().count();
        let known = baseline.files.get(&file.path).copied();
        if let Some(message) = judge(length, known, &FILE) {
            findings.push(Finding::new(&file.path, 0, "file-size", message));
        }
        for function in functions(source) {
            let known = baseline.functions.get(&key(file, &function)).copied();
            if let Some(message) = judge(function.length, known, &FUNCTION) {
                let message = format!("{}: {message}", function.name);
                findings.push(Finding::new(
                    &file.path,
                    function.line,
                    "function-size",
                    message,
                ));
            }
        }
    }
    Ok(())
}

/// Takes over lengths that have shrunk; what has grown or is new stays a finding.
pub(crate) fn bless(root: &Path, tree: &Tree) -> io::Result<()> {
    let old = read(root)?;
    let mut new = Baseline::default();
    for file in sources(tree) {
        let source = without_tests(&file.text);
        lower(
            &mut new.files,
            &old.files,
            file.path.clone(),
            source.lines().count(),
            &FILE,
        );
        for function in functions(source) {
            let key = key(file, &function);
            lower(
                &mut new.functions,
                &old.functions,
                key,
                function.length,
                &FUNCTION,
            );
        }
    }
    if new == old {
        return Ok(());
    }
    let text = toml::to_string(&new).map_err(io::Error::other)?;
    let header = "# What is above its size budget, in lines. Entries may only shrink or go:\n\
                  # `cargo bulkhead tidy --bless` takes over what has shrunk.\n";
    fs::write(root.join(BUDGET_FILE), format!("{header}{text}"))
}

fn lower(
    new: &mut BTreeMap<String, usize>,
    old: &BTreeMap<String, usize>,
    key: String,
    length: usize,
    limit: &Limit,
) {
    if let Some(known) = old.get(&key).filter(|_| length > limit.budget) {
        new.insert(key, length.min(*known));
    }
}

fn read(root: &Path) -> io::Result<Baseline> {
    match fs::read_to_string(root.join(BUDGET_FILE)) {
        Ok(text) => toml::from_str(&text).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Baseline::default()),
        Err(error) => Err(error),
    }
}

fn sources(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files
        .iter()
        .filter(|file| file.is_rust() && !file.is_test())
}

fn key(file: &File, function: &Function) -> String {
    format!("{}::{}", file.path, function.name)
}

fn judge(length: usize, known: Option<usize>, limit: &Limit) -> Option<String> {
    let Limit { budget, hard } = limit;
    if length > *hard {
        return Some(format!(
            "{length} lines; the hard limit is {hard}: split it"
        ));
    }
    match known {
        Some(known) if length > known => Some(format!(
            "{length} lines, grown from {known}: it may only shrink"
        )),
        None if length > *budget => {
            Some(format!("{length} lines; the budget is {budget}: split it"))
        }
        _ => None,
    }
}

/// The source up to its test module.
fn without_tests(text: &str) -> &str {
    let end = text
        .match_indices("#[cfg(test)]\n")
        .find(|(at, found)| text[at + found.len()..].starts_with("mod "))
        .map_or(text.len(), |(at, _)| at);
    &text[..end]
}

/// All functions with a body.
fn functions(source: &str) -> Vec<Function> {
    let code = mask(source, Keep::Code);
    let lines: Vec<&str> = code.lines().collect();
    let named = lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| Some((at, definition(line)?)));
    named
        .filter_map(|(at, (name, rest))| {
            let length = body_length(rest, &lines[at + 1..])?;
            Some(Function {
                name: name.to_owned(),
                line: at + 1,
                length,
            })
        })
        .collect()
}

/// The name of the function whose definition begins on this line, and what follows it.
fn definition(line: &str) -> Option<(&str, &str)> {
    let at = line
        .find("fn ")
        .filter(|at| *at == 0 || line[..*at].ends_with(' '))?;
    let rest = &line[at + 3..];
    let end = rest
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(rest.len());
    (end > 0).then(|| rest.split_at(end))
}

/// Lines from the definition to the closing brace; `None` for a declaration.
fn body_length(first: &str, rest: &[&str]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut brackets = 0_usize;
    for (index, line) in std::iter::once(&first).chain(rest).enumerate() {
        for c in line.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth <= 1 => return (depth == 1).then_some(index + 1),
                '}' => depth -= 1,
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets = brackets.saturating_sub(1),
                ';' if depth == 0 && brackets == 0 => return None,
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::file;

    #[test]
    fn functions_are_measured() {
        let source = "trait T { fn declared(x: [u8; 2]); }\n\
                      /// fn not_this() {\n\
                      pub fn long(\n    a: u8,\n) -> u8 {\n    let b = \"}\";\n    a\n}\n\
                      const fn short() {}\n";
        let found = functions(source);
        let short = Function {
            name: "short".to_owned(),
            line: 9,
            length: 1,
        };
        let long = Function {
            name: "long".to_owned(),
            line: 3,
            length: 6,
        };
        assert_eq!(found, [long, short]);
    }

    #[test]
    fn tests_do_not_count() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\n";
        assert_eq!(without_tests(text), "fn a() {}\n");
        assert_eq!(
            without_tests("#[cfg(test)]\nuse x;\nfn a() {}\n")
                .lines()
                .count(),
            3
        );
    }

    #[test]
    fn the_ratchet_only_goes_down() {
        assert_eq!(judge(40, None, &FUNCTION), None);
        assert!(judge(41, None, &FUNCTION).unwrap().contains("budget is 40"));
        assert_eq!(judge(60, Some(60), &FUNCTION), None);
        assert!(
            judge(61, Some(60), &FUNCTION)
                .unwrap()
                .contains("grown from 60")
        );
        assert!(
            judge(81, Some(90), &FUNCTION)
                .unwrap()
                .contains("hard limit")
        );
    }

    #[test]
    fn blessing_takes_over_what_shrank_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("tools/tidy")).unwrap();
        let budget = root.join(BUDGET_FILE);
        fs::write(&budget, "[files]\n\"a.rs\" = 500\n\"gone.rs\" = 450\n").unwrap();
        let lines = |count: usize| "\n".repeat(count);
        let files = vec![file("a.rs", &lines(420)), file("new.rs", &lines(401))];
        let tree = Tree {
            files,
            ..Tree::default()
        };
        bless(root, &tree).unwrap();
        let baseline = read(root).unwrap();
        assert_eq!(baseline.files, BTreeMap::from([("a.rs".to_owned(), 420)]));
        let mut findings = Vec::new();
        check(root, &tree, &mut findings).unwrap();
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].file, "new.rs");
    }
}
