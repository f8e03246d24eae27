// SPDX-License-Identifier: BSD-2-Clause
//! Reading a system description and showing what is wrong with it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use host::{Failure, Outcome};
use layout::Checked;
use sdf::{Board, Diagnostics, Files, NoFiles, SearchPath, System};

use crate::board;
use crate::cli::{Format, SystemArgs};
use crate::context::Context;
use crate::guests;

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
    /// The board's device tree, if it has one.
    device_tree: Option<Vec<u8>>,
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
        let text = read(&path, &name)?;
        Ok(Self {
            path,
            name,
            text,
            board,
            device_tree: board::tree(&context.root, &args.board)?,
        })
    }

    /// The folders where its files are looked for: the user's, its own, then `last`.
    pub(crate) fn search_path(&self, users: &[PathBuf], last: &[PathBuf]) -> SearchPath {
        let own = self.path.parent().unwrap_or(Path::new("")).to_path_buf();
        let dirs = users.iter().chain([&own]).chain(last).cloned().collect();
        SearchPath { dirs }
    }

    /// Expands the layout and applies every rule.
    pub(crate) fn checked(&self, files: &dyn Files) -> Checked {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        layout::check(layout::Input {
            name: &self.name,
            text: &self.text,
            board: Some(&self.board),
            device_tree: self.device_tree.as_deref(),
            tree: &layout::Folder(folder.to_path_buf()),
            files,
        })
    }

    /// Applies every rule, and looks whether recipes are there; shows the findings and fails if there
    /// is an error among them.
    pub(crate) fn check(&self, context: &Context, files: &dyn Files) -> Outcome<System> {
        let mut checked = self.checked(files);
        for pd in checked.system.iter().flat_map(|system| &system.pds) {
            let guest = pd.record.iter().find_map(|record| record.guest.as_ref());
            let missing = guest.and_then(|guest| guests::missing(context, guest));
            checked.diagnostics.items.extend(missing);
        }
        checked.diagnostics.sort();
        show(context, &checked.diagnostics);
        let system = checked.system.filter(|_| !checked.diagnostics.has_errors());
        system.ok_or_else(|| refused(&self.name, &checked.diagnostics))
    }

    /// Applies the rules that need no files, silently if nothing is wrong.
    pub(crate) fn check_without_files(&self, context: &Context) -> Outcome<System> {
        let checked = self.checked(&NoFiles);
        checked.system.ok_or_else(|| {
            show(context, &checked.diagnostics);
            refused(&self.name, &checked.diagnostics)
        })
    }
}

/// The text of the description at `path`, called `name`. It may come through a pipe, so that its length
/// is known only after reading.
fn read(path: &Path, name: &str) -> Outcome<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(layout::LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|e| {
            Failure::io("read the system description", path, &e)
                .help("name one: cargo bulkhead check FILE")
        })?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > layout::LARGEST) {
        let failure = Failure::input(format!("{name} has more than {} bytes", layout::LARGEST));
        return Err(failure.help("a system has at most 63 protection domains: is this the file?"));
    }
    layout::text(bytes).map_err(|problem| Failure::input(format!("{name}: {problem}")))
}

/// What a build shows: findings only if there is an error, warnings on standard error.
impl SystemFile {
    /// Applies all rules with all files at hand.
    pub(crate) fn check_files(&self, context: &Context, files: &dyn Files) -> Outcome<System> {
        let checked = self.checked(files);
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
        Format::Json if context.sarif => out!("{:#}", review::sarif(diagnostics)),
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
