// SPDX-License-Identifier: BSD-2-Clause
//! The house rules as code.
//!
//! Each module is one rule over the files of the tree; all findings of a run are reported.
#![forbid(unsafe_code)]

mod headers;
mod layers;
mod links;
mod lints;
mod mains;
mod mask;
mod sizes;
mod tree;
mod unsafety;
mod words;

use std::fmt;
use std::io;
use std::path::Path;

use serde::Serialize;

pub use tree::{File, Tree};

/// A breach of a house rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file, relative to the repository.
    pub file: String,
    /// The line, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// The rule's name.
    pub rule: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl Finding {
    pub(crate) fn new(
        file: impl Into<String>,
        line: usize,
        rule: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            file: file.into(),
            line,
            rule,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            rule,
            message,
        } = self;
        match line {
            0 => write!(f, "{file}: {rule}: {message}"),
            line => write!(f, "{file}:{line}: {rule}: {message}"),
        }
    }
}

/// What a run over the tree found.
#[derive(Debug, Default)]
pub struct Report {
    /// Breaches, in the order of their place.
    pub findings: Vec<Finding>,
    /// How many files were looked at.
    pub files: usize,
}

/// Checks the tree at `root`. With `bless`, sizes that have shrunk become the new limits first.
pub fn check(root: &Path, bless: bool) -> io::Result<Report> {
    let tree = Tree::read(root)?;
    if bless {
        sizes::bless(root, &tree)?;
    }
    let mut findings = Vec::new();
    for file in &tree.files {
        headers::check(file, &mut findings);
        words::check(file, &mut findings);
        unsafety::check(file, &mut findings);
        mains::check(file, &mut findings);
        links::check(file, &tree, &mut findings);
    }
    sizes::check(root, &tree, &mut findings)?;
    lints::check(&tree, &mut findings);
    layers::check(root, &tree, &mut findings)?;
    findings.sort();
    findings.dedup();
    Ok(Report {
        findings,
        files: tree.files.len(),
    })
}
