// SPDX-License-Identifier: BSD-2-Clause
//! What a guest is made of: the schema of `guest.toml`.

use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A guest's recipe.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// What the guest is, in one line.
    pub description: String,
    /// Where the kernel, firmware or program comes from.
    pub source: Source,
    /// The initramfs; only kernels from packages have one, and firmware has none.
    pub initramfs: Option<Initramfs>,
    /// The recipe's own folder, from which files of the initramfs are taken.
    pub dir: PathBuf,
}

/// Where the first image that runs in the guest comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file of a Debian package: `[kernel]`.
    Package(Kernel),
    /// A cargo workspace in the recipe's folder: `[build]`.
    Build(Build),
}

/// The file as it is written. Unknown keys are errors, so that a misspelt one is never ignored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    description: String,
    kernel: Option<Kernel>,
    build: Option<Build>,
    initramfs: Option<Initramfs>,
}

/// An image from a Debian package.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// A Debian package. A meta-package stands for the newest kernel it depends on.
    pub package: String,
    /// The image inside the package; `*` matches any run of characters in a file name.
    pub file: String,
}

/// A bare-metal program, built with cargo in the recipe's folder and placed as a raw image.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The name of the binary.
    pub binary: String,
    /// The Rust target that the folder's cargo configuration builds for.
    pub target: String,
}

/// The initramfs: busybox, modules with their dependencies, and files of the recipe's folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Initramfs {
    /// The Debian package that holds a static busybox in `bin/busybox`.
    pub busybox: String,
    /// Applets to link to busybox.
    pub applets: Vec<String>,
    /// Kernel modules by name, without folder or suffix; dependencies are added by themselves.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Files of the recipe's folder and where they go.
    #[serde(default)]
    pub files: Vec<File>,
    /// Programs of this tree and where they go.
    #[serde(default)]
    pub programs: Vec<Program>,
}

/// A program for Linux that is built with cargo and added to the initramfs, mode 0755.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Its cargo workspace, relative to the recipe's folder.
    pub from: PathBuf,
    /// The name of the binary.
    pub binary: String,
    /// The Rust target. The result must be static: there are no libraries beside it.
    pub target: String,
    /// Absolute path in the guest.
    pub to: String,
}

impl Program {
    /// How it is built.
    #[must_use]
    pub fn build(&self) -> Build {
        Build {
            binary: self.binary.clone(),
            target: self.target.clone(),
        }
    }
}

/// One file that the recipe adds to its initramfs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Path relative to the recipe's folder.
    pub from: PathBuf,
    /// Absolute path in the guest.
    pub to: String,
    /// Permission bits; plain files get 0644.
    #[serde(default = "plain_file_mode")]
    pub mode: u32,
}

fn plain_file_mode() -> u32 {
    0o644
}

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file could not be read.
    #[error("{path}: cannot read the guest's recipe: {source}", path = path.display())]
    Read {
        /// The recipe's file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is not a recipe.
    #[error("{path}: not a guest recipe: {source}", path = path.display())]
    Parse {
        /// The recipe's file.
        path: PathBuf,
        /// The parser's reason, with line and column.
        source: Box<toml::de::Error>,
    },
    /// The parts of the recipe do not go together.
    #[error("{path}: {reason}", path = path.display())]
    Contradiction {
        /// The recipe's file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: &'static str,
    },
}

impl Recipe {
    /// Reads `dir/guest.toml`.
    ///
    /// # Errors
    /// [`RecipeError`] when the file is missing, unreadable or not a recipe.
    pub fn load(dir: &Path) -> Result<Self, RecipeError> {
        let path = dir.join("guest.toml");
        let text = std::fs::read_to_string(&path).map_err(|source| RecipeError::Read {
            path: path.clone(),
            source,
        })?;
        let text: Text = toml::from_str(&text).map_err(|source| RecipeError::Parse {
            path: path.clone(),
            source: Box::new(source),
        })?;
        let source = match (text.kernel, text.build, &text.initramfs) {
            (Some(kernel), None, _) => Ok(Source::Package(kernel)),
            (None, Some(build), None) => Ok(Source::Build(build)),
            (None, Some(_), Some(_)) => Err("a program of ours takes no initramfs: remove one"),
            _ => Err("a guest has either a [kernel] or a [build] table"),
        };
        Ok(Self {
            description: text.description,
            source: source.map_err(|reason| RecipeError::Contradiction { path, reason })?,
            initramfs: text.initramfs,
            dir: dir.to_path_buf(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guests_dir() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../images/guests")
    }

    #[test]
    fn every_recipe_of_the_tree_parses_and_its_files_exist() {
        let mut seen = 0;
        for entry in std::fs::read_dir(guests_dir()).unwrap() {
            let dir = entry.unwrap().path();
            if !dir.join("guest.toml").is_file() {
                continue;
            }
            let recipe = Recipe::load(&dir).unwrap();
            for program in recipe.initramfs.iter().flat_map(|fs| &fs.programs) {
                let manifest = dir.join(&program.from).join("Cargo.toml");
                assert!(manifest.is_file(), "{}", manifest.display());
            }
            for file in recipe.initramfs.iter().flat_map(|fs| &fs.files) {
                assert!(
                    dir.join(&file.from).is_file(),
                    "{} of {}",
                    file.from.display(),
                    dir.display()
                );
            }
            seen += 1;
        }
        assert!(seen >= 4, "only {seen} recipes found");
    }

    #[test]
    fn unknown_keys_are_refused_with_their_line() {
        let dir = tempfile::tempdir().unwrap();
        let text = "description = \"x\"\nkernle = 1\n[kernel]\npackage = \"p\"\nfile = \"f\"\n";
        std::fs::write(dir.path().join("guest.toml"), text).unwrap();
        let error = Recipe::load(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("kernle") && error.contains("line 2"),
            "{error}"
        );
    }

    #[test]
    fn a_guest_has_exactly_one_source() {
        let kernel = "[kernel]\npackage = \"p\"\nfile = \"f\"\n";
        let build = "[build]\nbinary = \"b\"\ntarget = \"t\"\n";
        let initramfs = "[initramfs]\nbusybox = \"b\"\napplets = []\n";
        let dir = tempfile::tempdir().unwrap();
        for (parts, good) in [
            (vec![kernel], true),
            (vec![kernel, initramfs], true),
            (vec![build], true),
            (vec![build, initramfs], false),
            (vec![kernel, build], false),
            (vec![], false),
        ] {
            let text = format!("description = \"x\"\n{}", parts.concat());
            std::fs::write(dir.path().join("guest.toml"), text).unwrap();
            assert_eq!(Recipe::load(dir.path()).is_ok(), good, "{parts:?}");
        }
    }

    #[test]
    fn a_missing_recipe_names_its_path() {
        let error = Recipe::load(Path::new("/nonexistent"))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("/nonexistent/guest.toml"), "{error}");
    }
}
