// SPDX-License-Identifier: BSD-2-Clause
//! The text files of the repository.

use std::fs;
use std::io;
use std::path::Path;

/// Folders that hold what tools make.
const GENERATED: [&str; 2] = ["target", "node_modules"];

/// A text file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path relative to the repository, with `/`.
    pub path: String,
    /// Contents.
    pub text: String,
}

impl File {
    /// Whether it is Rust source.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it holds only tests.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs")
            || self.path.starts_with("tests/")
            || self.path.contains("/tests/")
    }

    /// The folder it is in, `""` at the top.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// All text files of the repository, sorted by path.
#[derive(Debug, Default)]
pub struct Tree {
    /// The files.
    pub files: Vec<File>,
    /// Paths of all files and folders, text or not.
    pub paths: std::collections::BTreeSet<String>,
}

impl Tree {
    /// Reads the tree below `root`, hidden and generated folders left out.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        tree.visit(root, "")?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn visit(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() {
                if !name.starts_with('.') && !GENERATED.contains(&name.as_str()) {
                    self.paths.insert(path.clone());
                    self.visit(&entry.path(), &format!("{path}/"))?;
                }
            } else if kind.is_file() {
                self.paths.insert(path.clone());
                // What is not UTF-8 is not text.
                if let Ok(text) = String::from_utf8(fs::read(entry.path())?) {
                    self.files.push(File { path, text });
                }
            }
        }
        Ok(())
    }

    /// The text of one file.
    pub fn get(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

#[cfg(test)]
pub(crate) fn file(path: &str, text: &str) -> File {
    File {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_text_and_leaves_generated_folders_out() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in [
            "a/src/lib.rs",
            "target/x.rs",
            ".git/config",
            "b/target/y.rs",
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        }
        fs::write(root.join("blob"), [0xff, 0xfe]).unwrap();
        let tree = Tree::read(root).unwrap();
        let paths: Vec<_> = tree.files.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(paths, ["a/src/lib.rs"]);
        assert!(tree.paths.contains("blob") && tree.paths.contains("a/src"));
    }
}
