// SPDX-License-Identifier: BSD-2-Clause
//! Board files: `images/boards/<name>.toml`.

use std::fs;
use std::path::Path;

use host::{Failure, Outcome};
use sdf::Board;

/// Reads the board called `name`.
pub(crate) fn load(root: &Path, name: &str) -> Outcome<Board> {
    let path = root.join("images/boards").join(format!("{name}.toml"));
    if !path.is_file() {
        let known = names(root)?.join(", ");
        return Err(
            Failure::environment(format!("there is no board called {name}"))
                .help(format!("choose one of: {known}")),
        );
    }
    let text = fs::read_to_string(&path).map_err(|e| Failure::io("read", &path, &e))?;
    toml::from_str(&text)
        .map_err(|e| Failure::input(format!("{} is not a board file: {e}", path.display())))
}

/// The device tree of the board called `name`, if there is one.
pub(crate) fn tree(root: &Path, name: &str) -> Outcome<Option<Vec<u8>>> {
    let path = root.join("images/boards").join(format!("{name}.dtb"));
    match fs::read(&path) {
        Ok(tree) => Ok(Some(tree)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::io("read", &path, &error)),
    }
}

/// The names of all boards, sorted.
pub(crate) fn names(root: &Path) -> Outcome<Vec<String>> {
    let folder = root.join("images/boards");
    let entries = fs::read_dir(&folder).map_err(|e| Failure::io("read", &folder, &e))?;
    let mut names: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some(name.strip_suffix(".toml")?.to_owned())
        })
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn every_board_file_is_readable_and_named_after_its_board() {
        let names = names(&root()).unwrap();
        assert!(names.iter().any(|name| name == "qemu_virt_aarch64"));
        for name in names {
            assert_eq!(load(&root(), &name).unwrap().name, name);
        }
    }

    #[test]
    fn an_unknown_board_lists_the_known_ones() {
        let failure = load(&root(), "toaster").unwrap_err();
        assert!(
            failure.to_string().contains("qemu_virt_aarch64"),
            "{failure}"
        );
    }
}
