// SPDX-License-Identifier: BSD-2-Clause
//! Finding the Microkit SDK: `MICROKIT_SDK`, as everywhere in the ecosystem, else the home folder.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};

/// The release that images are built with.
pub const SDK_VERSION: &str = "2.3.0";

/// A Microkit SDK on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sdk {
    /// Its top folder.
    pub root: PathBuf,
    /// How it was found, for the user.
    pub found_by: String,
}

impl Sdk {
    /// The `microkit` tool.
    pub fn tool(&self) -> PathBuf {
        self.root.join("bin/microkit")
    }

    /// The folder of one board and configuration, checked to exist.
    pub fn board(&self, board: &str, config: &str) -> Outcome<PathBuf> {
        let folder = self.root.join("board").join(board).join(config);
        if folder.is_dir() {
            return Ok(folder);
        }
        Err(Failure::environment(format!(
            "the SDK at {} has no board {board} with configuration {config}",
            self.root.display()
        ))
        .help(format!("it has: {}", self.boards().join(", "))))
    }

    /// All `board/config` pairs.
    pub fn boards(&self) -> Vec<String> {
        let names = |folder: &Path| -> Vec<String> {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let mut names: Vec<_> = entries
                .map(|e| e.file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        };
        let top = self.root.join("board");
        names(&top)
            .into_iter()
            .flat_map(|b| {
                names(&top.join(&b))
                    .into_iter()
                    .map(move |c| format!("{b}/{c}"))
            })
            .collect()
    }

    /// The version that the SDK itself names.
    pub fn version(&self) -> String {
        fs::read_to_string(self.root.join("VERSION"))
            .unwrap_or_default()
            .trim()
            .to_owned()
    }
}

/// Where an SDK could be: the environment and the home folder.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The value of `MICROKIT_SDK`.
    pub variable: Option<OsString>,
    /// The home folder.
    pub home: Option<PathBuf>,
}

impl Places {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self {
            variable: std::env::var_os("MICROKIT_SDK").filter(|v| !v.is_empty()),
            home: std::env::var_os("HOME").map(PathBuf::from),
        }
    }

    /// The SDK, `None` where there is none. A `MICROKIT_SDK` that is no SDK is an error.
    pub fn find(&self) -> Outcome<Option<Sdk>> {
        if let Some(variable) = &self.variable {
            let root = PathBuf::from(variable);
            return if is_sdk(&root) {
                Ok(Some(Sdk {
                    root,
                    found_by: "MICROKIT_SDK".to_owned(),
                }))
            } else {
                Err(Failure::environment(format!(
                    "MICROKIT_SDK is {}, which is not a Microkit SDK (no bin/microkit)",
                    root.display()
                ))
                .help("correct or unset MICROKIT_SDK"))
            };
        }
        Ok(self.home.as_deref().and_then(in_home))
    }
}

fn is_sdk(root: &Path) -> bool {
    root.join("bin/microkit").is_file() && root.join("board").is_dir()
}

fn in_home(home: &Path) -> Option<Sdk> {
    let wanted = format!("microkit-sdk-{SDK_VERSION}");
    let mut roots: Vec<_> = fs::read_dir(home)
        .ok()?
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with(&wanted))
        .map(|e| e.path())
        .filter(|path| is_sdk(path))
        .collect();
    roots.sort();
    let root = roots.into_iter().next()?;
    Some(Sdk {
        root,
        found_by: format!("~/{wanted}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make_sdk(root: &Path) {
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::write(root.join("bin/microkit"), "").unwrap();
        fs::create_dir_all(root.join("board/qemu_virt_aarch64/debug")).unwrap();
        fs::write(root.join("VERSION"), "2.3.0\n").unwrap();
    }

    #[test]
    fn the_variable_wins_over_the_home_folder() {
        let home = tempfile::tempdir().unwrap();
        let places = Places {
            variable: None,
            home: Some(home.path().to_owned()),
        };
        assert_eq!(places.find().unwrap(), None);
        make_sdk(&home.path().join("microkit-sdk-2.3.0-dev"));
        let sdk = places.find().unwrap().unwrap();
        assert_eq!(sdk.found_by, "~/microkit-sdk-2.3.0");
        assert_eq!(sdk.boards(), ["qemu_virt_aarch64/debug"]);
        assert_eq!(sdk.version(), "2.3.0");
        let other = home.path().join("other");
        make_sdk(&other);
        let places = Places {
            variable: Some(other.clone().into()),
            ..places
        };
        assert_eq!(places.find().unwrap().unwrap().root, other);
    }

    #[test]
    fn a_wrong_variable_is_an_error_and_not_ignored() {
        let places = Places {
            variable: Some("/nonexistent".into()),
            home: None,
        };
        assert!(
            places
                .find()
                .unwrap_err()
                .to_string()
                .contains("unset MICROKIT_SDK")
        );
    }

    #[test]
    fn an_unknown_board_lists_the_known_ones() {
        let home = tempfile::tempdir().unwrap();
        make_sdk(home.path());
        let sdk = Sdk {
            root: home.path().to_owned(),
            found_by: String::new(),
        };
        assert!(sdk.board("qemu_virt_aarch64", "debug").is_ok());
        let failure = sdk.board("pi", "debug").unwrap_err();
        assert!(
            failure
                .to_string()
                .contains("it has: qemu_virt_aarch64/debug"),
            "{failure}"
        );
    }
}
