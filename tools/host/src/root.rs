// SPDX-License-Identifier: BSD-2-Clause
//! Where the repository is.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};

/// The repository's top folder: the nearest ancestor of `start` that holds this tool's sources.
pub fn find(start: &Path) -> Outcome<PathBuf> {
    start
        .ancestors()
        .find(|folder| folder.join("tools/bulkhead/Cargo.toml").is_file())
        .map(Path::to_path_buf)
        .ok_or_else(|| {
            Failure::environment(format!("{} is not inside a Bulkhead tree", start.display()))
                .help("run this command from the folder that holds system.xml, or below it")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_this_repository_and_refuses_others() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(
            find(&here.join("src")).unwrap(),
            here.join("../..").canonicalize().unwrap()
        );
        assert!(
            find(Path::new("/"))
                .unwrap_err()
                .to_string()
                .contains("system.xml")
        );
    }
}
