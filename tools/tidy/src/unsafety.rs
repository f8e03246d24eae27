// SPDX-License-Identifier: BSD-2-Clause
//! Unsafe code has an address: a short list of crates, each opting in with a reason.
//!
//! Answers BH-07.

use crate::mask::{Keep, mask};
use crate::{File, Finding};

/// The crates that may hold unsafe code; every other one forbids it.
pub(crate) const UNSAFE_CRATES: [&str; 9] = [
    "components/base/guest-mem",
    "components/base/mmio",
    "components/base/shm",
    "images/common",
    "images/dev/kernel",
    "images/dev/pds",
    "images/dev/port",
    "images/sel4/pds",
    "images/sel4/port",
];

/// What is in no partition: a program that checks kernels, the bare-metal guest, main programs that fault on purpose,
/// a QEMU plugin, and a test that is a guest's driver.
const UNSAFE_FOLDERS: [&str; 5] = [
    "images/dev/probe",
    "images/guests/rtos",
    "images/pds/accident.rs",
    "tests/guest-io",
    "tools/icount",
];

/// How many lines above an unsafe block its safety note may begin.
const NOTE_DISTANCE: usize = 12;

/// Whether unsafe code may live at `path`.
pub(crate) fn allowed(path: &str) -> bool {
    UNSAFE_CRATES.iter().chain(&UNSAFE_FOLDERS).any(|place| {
        let rest = path.strip_prefix(place);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Checks one file.
pub(crate) fn check(file: &File, findings: &mut Vec<Finding>) {
    if !file.is_rust() {
        return;
    }
    let is_root = ["src/lib.rs", "src/main.rs"]
        .iter()
        .any(|end| file.path.ends_with(end));
    if is_root && !allowed(&file.path) && !file.text.contains("#![forbid(unsafe_code)]") {
        let message = "the crate is not on the list of those with unsafe code: add \
                       #![forbid(unsafe_code)]";
        findings.push(Finding::new(&file.path, 0, "forbid-unsafe", message));
    }
    let code = mask(&file.text, Keep::Code);
    let lines: Vec<&str> = file.text.lines().collect();
    for (index, line) in code.lines().enumerate() {
        if line.contains("expect(unsafe_code") {
            check_opt_in(file, &lines, index, findings);
        }
        if opens_unsafe(line) {
            check_use(file, &lines, index, findings);
        }
    }
}

/// Attributes such as `#[unsafe(no_mangle)]` have their own reviewable form.
fn opens_unsafe(line: &str) -> bool {
    line.match_indices("unsafe").any(|(at, word)| {
        let before = line[..at].chars().next_back();
        let rest = line[at + word.len()..].trim_start();
        let whole = before.is_none_or(|c| !(c.is_alphanumeric() || c == '_'))
            && !line[at + word.len()..].starts_with(['_', '(']);
        whole && (rest.starts_with('{') || rest.starts_with("impl") || rest.is_empty())
    })
}

fn check_opt_in(file: &File, lines: &[&str], index: usize, findings: &mut Vec<Finding>) {
    if !allowed(&file.path) {
        let message = "this crate may not hold unsafe code";
        findings.push(Finding::new(
            &file.path,
            index + 1,
            "unsafe-address",
            message,
        ));
    }
    let near = &lines[index..lines.len().min(index + 4)];
    if !near.iter().any(|line| line.contains("UNSAFETY:")) {
        let message = "say why in the reason, after UNSAFETY:";
        findings.push(Finding::new(
            &file.path,
            index + 1,
            "unsafety-note",
            message,
        ));
    }
}

fn check_use(file: &File, lines: &[&str], index: usize, findings: &mut Vec<Finding>) {
    if !allowed(&file.path) {
        let message = "unsafe code in a crate that may not hold it";
        findings.push(Finding::new(
            &file.path,
            index + 1,
            "unsafe-address",
            message,
        ));
        return;
    }
    let above = &lines[index.saturating_sub(NOTE_DISTANCE)..=index];
    if !above
        .iter()
        .any(|line| line.contains("SAFETY:") || line.contains("# Safety"))
    {
        let message = "a // SAFETY: comment must say why this is sound";
        findings.push(Finding::new(&file.path, index + 1, "safety-note", message));
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

    // Shows BH-07.
    #[test]
    fn other_crates_must_forbid() {
        assert_eq!(rules("vmm/bus/src/lib.rs", ""), ["forbid-unsafe"]);
        assert!(rules("vmm/bus/src/lib.rs", "#![forbid(unsafe_code)]").is_empty());
        assert!(rules("components/base/shm/src/lib.rs", "").is_empty());
        assert_eq!(
            rules("vmm/bus/src/x.rs", "unsafe { f() }"),
            ["unsafe-address"]
        );
        assert!(!allowed("components/base/shmem/src/lib.rs"));
    }

    // Shows BH-07.
    #[test]
    fn blocks_need_a_note() {
        let path = "components/base/shm/src/cell.rs";
        assert_eq!(rules(path, "let x = unsafe { f() };"), ["safety-note"]);
        assert!(rules(path, "// SAFETY: f is fine.\nlet x = unsafe { f() };").is_empty());
        assert!(rules(path, "// unsafe { }\n#[unsafe(no_mangle)]\nunsafe_code").is_empty());
    }

    #[test]
    fn an_opt_in_needs_a_reason() {
        let path = "components/base/shm/src/lib.rs";
        assert_eq!(rules(path, "#![expect(unsafe_code)]"), ["unsafety-note"]);
        let good = "#![expect(unsafe_code, reason = \"UNSAFETY: maps memory\")]";
        assert!(rules(path, good).is_empty());
    }
}
