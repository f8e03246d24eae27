// SPDX-License-Identifier: BSD-2-Clause
//! No PD logic is in a binary: a PD main is short and decides nothing.
//!
//! Answers BH-02.

use crate::mask::{Keep, mask};
use crate::{File, Finding};

const LONGEST: usize = 40;

/// Checks the mains that both kernels share.
pub(crate) fn check(file: &File, findings: &mut Vec<Finding>) {
    let is_main = file.path.starts_with("images/pds/") && file.is_rust();
    // Not a main: instructions that fault on purpose, for the main that must.
    if !is_main || crate::unsafety::allowed(&file.path) {
        return;
    }
    let lines = file.text.lines().count();
    if lines > LONGEST {
        let message = format!("{lines} lines; a PD main has at most {LONGEST}: move logic out");
        findings.push(Finding::new(&file.path, 0, "pd-main", message));
    }
    for (index, line) in mask(&file.text, Keep::Code).lines().enumerate() {
        let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        if words.any(|word| matches!(word, "if" | "match" | "while" | "loop" | "for")) {
            let message = "a PD main decides nothing: move this into the PD's logic crate";
            findings.push(Finding::new(&file.path, index + 1, "pd-main", message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::file;

    fn count(path: &str, text: &str) -> usize {
        let mut findings = Vec::new();
        check(&file(path, text), &mut findings);
        findings.len()
    }

    // Shows BH-02.
    #[test]
    fn decisions_and_length_are_found_in_mains_only() {
        assert_eq!(
            count(
                "images/pds/ping.rs",
                "port::protection_domain!(demo::Ping);"
            ),
            0
        );
        assert_eq!(count("images/pds/ping.rs", "if x {}"), 1);
        assert_eq!(count("images/pds/ping.rs", &"\n".repeat(41)), 1);
        assert_eq!(count("vmm/bus/src/lib.rs", "if x {}"), 0);
    }
}
