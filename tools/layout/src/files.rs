// SPDX-License-Identifier: BSD-2-Clause
//! The files of a layout: the description, the fragments that it includes, third parties' manifests.

use crate::rules::{ESCAPE, INCLUDE, ONCE};
use crate::value::Kind;
use sdf::xml::Element;
use sdf::{Diagnostic, Diagnostics, FileError, Source, Span};
use std::collections::HashMap;
use std::path::PathBuf;

/// Reads files below the folder of a layout.
pub trait Tree {
    /// The text of the file at `path`: parts separated by `/`, none beginning with `.`.
    ///
    /// # Errors
    /// When it cannot be found or read, or lies elsewhere after all.
    fn read(&self, path: &str) -> Result<String, FileError>;
}

/// A folder of the machine.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "built by every caller")]
pub struct Folder(pub PathBuf);

impl Tree for Folder {
    fn read(&self, path: &str) -> Result<String, FileError> {
        let problem = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => FileError::NotFound,
            _ => FileError::Unreadable(error.to_string()),
        };
        // An empty path is the working folder, which cannot be resolved by that name.
        let top = if self.0.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            self.0.clone()
        };
        let top = top.canonicalize().map_err(problem)?;
        let full = top.join(path).canonicalize().map_err(problem)?;
        if !full.starts_with(&top) {
            let reason = "it is a link to a file outside of the layout's folder";
            return Err(FileError::Unreadable(reason.to_owned()));
        }
        let about = full.metadata().map_err(problem)?;
        if !about.is_file() {
            return Err(FileError::Unreadable("it is no file".to_owned()));
        }
        if about.len() > LARGEST {
            return Err(FileError::Unreadable(too_large(about.len())));
        }
        let bytes = std::fs::read(full).map_err(problem)?;
        text(bytes).map_err(FileError::Unreadable)
    }
}

/// A description above this many bytes is a mistake, or an attempt to keep the reader busy.
pub const LARGEST: u64 = 4 << 20;

/// What is wrong with a description of `bytes` bytes.
#[must_use]
pub fn too_large(bytes: u64) -> String {
    format!("it has {bytes} bytes, more than {LARGEST}")
}

/// The text of a description.
///
/// # Errors
/// Where it ceases to be UTF-8.
pub fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = &error.as_bytes()[..good];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("it is not UTF-8 text: line {line}, byte {good} of the file")
    })
}

/// Files in memory, by path.
impl Tree for HashMap<String, String> {
    fn read(&self, path: &str) -> Result<String, FileError> {
        self.get(path).cloned().ok_or(FileError::NotFound)
    }
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct File {
    /// Its path below the layout's folder; empty for the layout itself.
    pub(crate) path: String,
    /// Its name in messages.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
    /// Where its text begins in the source.
    pub(crate) base: usize,
}

/// All files of a layout, in the order in which they are named.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) all: Vec<File>,
    /// Files by the place of the `file` attribute that includes them.
    pub(crate) by_include: HashMap<Span, usize>,
}

impl Files {
    /// Adds the fragment at `path` that the attribute at `include` names.
    fn push(&mut self, include: Span, path: String, text: String) {
        let last = self
            .all
            .last()
            .map_or(0, |last| last.base + last.text.len() + 1);
        let home = self.all[0]
            .name
            .rsplit_once('/')
            .map_or("", |(home, _)| home);
        let name = join(&format!("{home}/"), &path);
        self.by_include.insert(include, self.all.len());
        self.all.push(File {
            name,
            path,
            text,
            base: last,
        });
    }
}

/// Reads the layout `text` called `name` and every fragment, and the source that they make together.
/// What is wrong with an include is reported; broken XML is left to whoever reads the elements.
pub(crate) fn load(name: &str, text: &str, tree: &dyn Tree) -> (Files, Diagnostics) {
    let mut files = Files {
        all: vec![File {
            path: String::new(),
            name: name.to_owned(),
            text: text.to_owned(),
            base: 0,
        }],
        by_include: HashMap::new(),
    };
    let mut found = Diagnostics::new(Source::new(name, text));
    let mut at = 0;
    while at < files.all.len() {
        let (text, base) = (files.all[at].text.clone(), files.all[at].base);
        let mut ignored = Diagnostics::new(Source::new("", ""));
        if let Some(doc) = sdf::parse::document(&text, base, &mut ignored) {
            let includes = Element::root(&doc, base).children();
            for include in includes.filter(|child| child.name() == "include") {
                add(include, at, &mut files, tree, &mut found);
            }
        }
        at += 1;
    }
    let parts: Vec<(&str, &str)> = files
        .all
        .iter()
        .map(|file| (file.name.as_str(), file.text.as_str()))
        .collect();
    found.source = Source::joined(&parts);
    (files, found)
}

/// Reads the file of one include.
fn add(
    include: Element<'_, '_>,
    from: usize,
    files: &mut Files,
    tree: &dyn Tree,
    out: &mut Diagnostics,
) {
    let Some(attr) = include.get("file") else {
        return;
    };
    if Kind::Path.read(attr.value).is_err() {
        return;
    }
    let path = join(&files.all[from].path, attr.value);
    if files.all.iter().any(|file| file.path == path) {
        let message = format!("`{path}` is included already");
        out.push(Diagnostic::new(&ONCE, attr.span, message));
        return;
    }
    let text = match tree.read(&path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("`{path}`: {}", reason(&error));
            out.push(Diagnostic::new(rule(&error), attr.span, message));
            return;
        }
    };
    files.push(attr.span, path, text);
}

/// What keeps a file from being used, for a message.
pub(crate) fn reason(error: &FileError) -> String {
    match error {
        FileError::NotFound => "there is no such file".to_owned(),
        other => other.to_string(),
    }
}

fn rule(error: &FileError) -> &'static sdf::rules::Rule {
    match error {
        FileError::Unreadable(why) if why.contains("outside") => &ESCAPE,
        _ => &INCLUDE,
    }
}

/// `path` as named by the file `from`.
pub(crate) fn join(from: &str, path: &str) -> String {
    match from.rsplit_once('/') {
        Some(("", _)) | None => path.to_owned(),
        Some((folder, _)) => format!("{folder}/{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_refused_with_its_place() {
        let problem = text(b"<a>\n<b \xff/>".to_vec()).unwrap_err();
        assert_eq!(problem, "it is not UTF-8 text: line 2, byte 7 of the file");
    }

    #[test]
    fn only_files_of_a_sane_size_are_read() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = Folder(here.to_path_buf());
        assert!(folder.read("Cargo.toml").is_ok());
        let refused = |folder: &Folder, path: &str| match folder.read(path) {
            Err(FileError::Unreadable(why)) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(&folder, "src"), "it is no file");
        let made = Folder(std::env::temp_dir());
        let name = format!("bulkhead-large-{}", std::process::id());
        let path = made.0.join(&name);
        std::fs::File::create(&path)
            .unwrap()
            .set_len(LARGEST + 1)
            .unwrap();
        let why = refused(&made, &name);
        std::fs::remove_file(path).unwrap();
        assert_eq!(why, too_large(LARGEST + 1));
    }
}
