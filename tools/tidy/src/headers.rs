// SPDX-License-Identifier: BSD-2-Clause
//! Every source file names its licence; every Rust file says what it is for.

use crate::{File, Finding};

const LICENCE: &str = "SPDX-License-Identifier: BSD-2-Clause";

/// Checks the first lines of a source file.
pub(crate) fn check(file: &File, findings: &mut Vec<Finding>) {
    let source = [".rs", ".s", ".S", ".ld"]
        .iter()
        .any(|end| file.path.ends_with(end));
    if !source {
        return;
    }
    let mut lines = file.text.lines();
    if !lines.next().is_some_and(|line| line.contains(LICENCE)) {
        let message = format!("the first line must be a comment with {LICENCE}");
        findings.push(Finding::new(&file.path, 1, "licence", message));
    }
    let second = lines
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    if file.is_rust() && !second.starts_with("//! ") {
        let message = "say what the file is for, in a //! comment below the licence";
        findings.push(Finding::new(&file.path, 2, "file-doc", message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::file;

    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        let mut findings = Vec::new();
        check(&file(path, text), &mut findings);
        findings.into_iter().map(|f| f.rule).collect()
    }

    #[test]
    fn a_licence_and_a_purpose_are_needed() {
        let licence = format!("// {LICENCE}\n");
        assert!(rules("a.rs", &format!("{licence}//! Does things.\n")).is_empty());
        assert_eq!(rules("a.rs", &licence), ["file-doc"]);
        assert_eq!(rules("a.rs", "//! Does things.\n"), ["licence", "file-doc"]);
        assert_eq!(rules("a.S", "nop\n"), ["licence"]);
        assert!(rules("a.toml", "").is_empty());
    }
}
