// SPDX-License-Identifier: BSD-2-Clause
//! Reading a system description and showing what is wrong with it.

use std::fs;
use std::path::{Path, PathBuf};

use host::{Failure, Outcome};
use sdf::{Board, Diagnostics, Files, NoFiles, SearchPath, System};

use crate::board;
use crate::cli::{Format, SystemArgs};
use crate::context::Context;

/// A system description file, read but not yet checked.
pub(crate) struct SystemFile {
    /// Its path.
    pub(crate) path: PathBuf,
    /// Its name in messages, as the user wrote it.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
    /// The board it is for.
    pub(crate) board: Board,
}

impl SystemFile {
    /// Reads the file that `args` name.
    pub(crate) fn open(context: &Context, args: &SystemArgs) -> Outcome<Self> {
        let board = board::load(&context.root, &args.board)?;
        let path = args
            .system
            .clone()
            .unwrap_or_else(|| context.root.join("system.xml"));
        let name = context.show(&path);
        let bytes = fs::read(&path).map_err(|e| {
            Failure::io("read the system description", &path, &e)
                .help("name one: cargo bulkhead check FILE")
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::input(format!("{name} is not UTF-8 text")))?;
        Ok(Self {
            path,
            name,
            text,
            board,
        })
    }

    /// The folders where its files are looked for: the user's, its own, then `last`.
    pub(crate) fn search_path(&self, users: &[PathBuf], last: &[PathBuf]) -> SearchPath {
        let own = self.path.parent().unwrap_or(Path::new("")).to_path_buf();
        let dirs = users.iter().chain([&own]).chain(last).cloned().collect();
        SearchPath { dirs }
    }

    /// Applies every rule; shows the findings and fails if there is an error among them.
    pub(crate) fn check(&self, context: &Context, files: &dyn Files) -> Outcome<System> {
        let checked = sdf::check(&self.text, &self.name, Some(&self.board), files);
        show(context, &checked.diagnostics);
        checked
            .system
            .ok_or_else(|| refused(&self.name, &checked.diagnostics))
    }

    /// Applies the rules that need no files, silently if nothing is wrong.
    pub(crate) fn check_without_files(&self, context: &Context) -> Outcome<System> {
        let checked = sdf::check(&self.text, &self.name, Some(&self.board), &NoFiles);
        checked.system.ok_or_else(|| {
            show(context, &checked.diagnostics);
            refused(&self.name, &checked.diagnostics)
        })
    }
}

/// What a build shows: findings only if there is an error, warnings on standard error.
impl SystemFile {
    /// Applies all rules with all files at hand.
    pub(crate) fn check_files(&self, context: &Context, files: &dyn Files) -> Outcome<System> {
        let checked = sdf::check(&self.text, &self.name, Some(&self.board), files);
        let Some(system) = checked.system else {
            show(context, &checked.diagnostics);
            return Err(refused(&self.name, &checked.diagnostics));
        };
        context
            .ui
            .say_lines(&checked.diagnostics.render(context.ui.colours()));
        Ok(system)
    }
}

/// Findings are a result in JSON, and messages otherwise.
pub(crate) fn show(context: &Context, diagnostics: &Diagnostics) {
    match context.format {
        Format::Json => out!("{}", diagnostics.to_json()),
        Format::Human if diagnostics.items.is_empty() => {}
        Format::Human => eprint!("{}", diagnostics.render(context.ui.colours())),
    }
}

/// The failure for a description with errors.
pub(crate) fn refused(name: &str, diagnostics: &Diagnostics) -> Failure {
    let (errors, warnings) = diagnostics.counts();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let mut failure = Failure::input(format!(
        "{name} has {errors} error{} and {warnings} warning{}; nothing was written",
        plural(errors),
        plural(warnings)
    ));
    if let Some(first) = diagnostics.items.first() {
        failure = failure.help(format!("cargo bulkhead explain {}", first.rule.id));
    }
    failure
}
