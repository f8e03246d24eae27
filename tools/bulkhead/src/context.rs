// SPDX-License-Identifier: BSD-2-Clause
//! What every command knows: the repository, the user's wishes, the SDK.

use std::path::{Path, PathBuf};

use host::sdk::{Places, Sdk};
use host::{Failure, Outcome, Ui, root};

use crate::cli::{Format, Global, Wish};

/// What every command knows.
pub(crate) struct Context {
    /// The repository's top folder.
    pub(crate) root: PathBuf,
    /// How to talk to the user.
    pub(crate) ui: Ui,
    /// Form of results.
    pub(crate) format: Format,
    /// Whether findings on a description are wanted as SARIF.
    pub(crate) sarif: bool,
    /// Whether missing tools may be installed.
    pub(crate) may_install: bool,
    places: Places,
}

impl Context {
    /// The context of this process.
    pub(crate) fn new(global: &Global, ui: Ui) -> Outcome<Self> {
        let here = std::env::current_dir()
            .map_err(|e| Failure::environment(format!("there is no working folder: {e}")))?;
        Ok(Self {
            root: root::find(&here)?,
            ui,
            format: match global.format {
                Wish::Human => Format::Human,
                Wish::Json | Wish::Sarif => Format::Json,
            },
            sarif: global.format == Wish::Sarif,
            may_install: !global.no_install,
            places: Places::of_process(),
        })
    }

    /// The Microkit SDK, if there is one.
    pub(crate) fn sdk(&self) -> Outcome<Option<Sdk>> {
        self.places.find()
    }

    /// Where everything that commands make goes.
    pub(crate) fn output(&self) -> PathBuf {
        self.root.join("target/bulkhead")
    }

    /// `path` as the user would write it: relative to the working folder where that is shorter.
    pub(crate) fn show(&self, path: &Path) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        path.strip_prefix(&here)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}
