// SPDX-License-Identifier: BSD-2-Clause
//! One house, three workspaces: the same lints and the same edition everywhere.

use toml::{Table, Value};

use crate::{Finding, Tree};

const ROOT: &str = "Cargo.toml";
const OTHERS: [&str; 2] = ["images/dev/Cargo.toml", "images/sel4/Cargo.toml"];

/// Compares the workspaces' tables.
pub(crate) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    let Some(root) = manifest(tree, ROOT, findings) else {
        return;
    };
    for other in OTHERS {
        if tree.get(other).is_none() {
            continue;
        }
        let Some(manifest) = manifest(tree, other, findings) else {
            continue;
        };
        for path in [
            ["lints", "rust"],
            ["lints", "clippy"],
            ["package", "edition"],
        ] {
            if at(&manifest, &path) != at(&root, &path) {
                let message = format!("workspace.{} differs from {ROOT}'s", path.join("."));
                findings.push(Finding::new(other, 0, "one-house", message));
            }
        }
    }
    for file in tree
        .files
        .iter()
        .filter(|f| f.path.ends_with("/Cargo.toml"))
    {
        let is_package = file.text.contains("[package]");
        let own_table = file.text.contains("[lints.rust]");
        if is_package && !own_table && !file.text.contains("[lints]\nworkspace = true") {
            let message = "add [lints] with workspace = true";
            findings.push(Finding::new(&file.path, 0, "one-house", message));
        }
    }
}

fn manifest(tree: &Tree, path: &str, findings: &mut Vec<Finding>) -> Option<Table> {
    let file = tree.get(path)?;
    match file.text.parse() {
        Ok(table) => Some(table),
        Err(error) => {
            findings.push(Finding::new(
                path,
                0,
                "one-house",
                format!("not TOML: {error}"),
            ));
            None
        }
    }
}

fn at<'a>(manifest: &'a Table, path: &[&str]) -> Option<&'a Value> {
    let mut value = manifest.get("workspace")?;
    for key in path {
        value = value.get(key)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::file;

    #[test]
    fn workspaces_that_differ_are_found() {
        let root = "[workspace.lints.rust]\nunsafe_code = \"deny\"\n";
        let files = vec![
            file(ROOT, root),
            file(OTHERS[0], root),
            file(OTHERS[1], "[workspace.lints.rust]\n"),
            file("a/Cargo.toml", "[package]\nname = \"a\"\n"),
        ];
        let tree = Tree {
            files,
            ..Tree::default()
        };
        let mut findings = Vec::new();
        check(&tree, &mut findings);
        let files: Vec<_> = findings.iter().map(|f| f.file.as_str()).collect();
        assert_eq!(files, [OTHERS[1], "a/Cargo.toml"]);
    }
}
