// SPDX-License-Identifier: BSD-2-Clause
//! Maps must not rot: links and paths in Markdown files lead somewhere.

use crate::{File, Finding, Tree};

/// Top-level folders: a code span that begins with one of them is a path.
const ROOMS: [&str; 6] = [
    "components/",
    "drivers/",
    "images/",
    "tests/",
    "tools/",
    "vmm/",
];

/// Checks the links and paths of one Markdown file.
pub(crate) fn check(file: &File, tree: &Tree, findings: &mut Vec<Finding>) {
    if !file.path.ends_with(".md") {
        return;
    }
    for (index, line) in file.text.lines().enumerate() {
        let links = targets(line).filter(|t| !resolves_link(t, file, tree));
        let spans = code_spans(line).filter(|span| is_path(span) && !resolves_path(span, tree));
        for dead in links.chain(spans) {
            let message = format!("{dead} leads nowhere");
            findings.push(Finding::new(&file.path, index + 1, "dead-link", message));
        }
    }
}

/// The targets of inline links: `[text](target)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("](")
        .filter_map(|(at, _)| line[at + 2..].split(')').next())
}

fn resolves_link(target: &str, file: &File, tree: &Tree) -> bool {
    let external = target.contains("://") || target.starts_with("mailto:");
    let path = target.split('#').next().unwrap_or_default();
    external || path.is_empty() || exists(&join(file.folder(), path), tree)
}

fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// A path of ours, with nothing in it that stands for something else.
fn is_path(span: &str) -> bool {
    ROOMS.iter().any(|room| span.starts_with(room))
        && span
            .chars()
            .all(|c| c.is_alphanumeric() || "/._-:".contains(c))
}

/// `path` or `path:line`.
fn resolves_path(span: &str, tree: &Tree) -> bool {
    exists(
        span.split(':')
            .next()
            .unwrap_or_default()
            .trim_end_matches('/'),
        tree,
    )
}

fn exists(path: &str, tree: &Tree) -> bool {
    path.is_empty() || tree.paths.contains(path)
}

/// `path` relative to `folder`, with `.` and `..` resolved.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::file;

    #[test]
    fn dead_links_and_paths_are_found() {
        let text = "[a](src/lib.rs) [b](../bus/none.md#x) [c](https://x.y) [d](#here)\n\
                    `vmm/bus/src/lib.rs:12` `vmm/none` `vmm/<device>` `vmm/bus/`\n";
        let tree = Tree {
            files: Vec::new(),
            paths: ["vmm/bus", "vmm/bus/src/lib.rs"].map(str::to_owned).into(),
        };
        let mut findings = Vec::new();
        check(&file("vmm/bus/README.md", text), &tree, &mut findings);
        let dead: Vec<_> = findings
            .iter()
            .map(|f| (f.line, f.message.as_str()))
            .collect();
        assert_eq!(
            dead,
            [
                (1, "../bus/none.md#x leads nowhere"),
                (2, "vmm/none leads nowhere")
            ]
        );
    }
}
