// SPDX-License-Identifier: BSD-2-Clause
//! The corpus of system files in `tests/sdf`: every bad one is refused with its message, every good
//! one reads as recorded. `BLESS=1` records what the tool says now.

#![expect(clippy::expect_used, reason = "what a helper panics at fails its test")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn systems(folder: &str) -> Vec<PathBuf> {
    let folder = root().join("tests/sdf").join(folder);
    let entries = std::fs::read_dir(&folder).expect("the corpus exists");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "system"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

fn board(text: &str) -> sdf::Board {
    let path = root().join("images/boards/qemu_virt_aarch64.toml");
    let data = std::fs::read_to_string(path).expect("board file");
    let mut board: sdf::Board = toml::from_str(&data).expect("board data");
    if text.contains("<!-- kernel_cores = 4 -->") {
        board.kernel_cores = 4;
    }
    board
}

fn check(path: &Path) -> sdf::parse::Checked {
    let text = std::fs::read_to_string(path).expect("readable");
    let name = path.file_name().expect("a name").to_string_lossy();
    let files = sdf::SearchPath {
        dirs: vec![root().join("tests/sdf/files")],
    };
    sdf::check(&text, &name, Some(&board(&text)), &files)
}

/// Compares with the recorded text beside `path`, or records it.
fn compare(path: &Path, actual: &str, failures: &mut String) {
    let expected_path = path.with_extension("expected");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&expected_path, actual).expect("writable");
        return;
    }
    let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
    if expected != actual {
        let name = path.display();
        writeln!(
            failures,
            "{name}\n--- expected\n{expected}--- actual\n{actual}"
        )
        .expect("text");
    }
}

// Shows BH-11.
#[test]
fn bad_files_are_refused_with_their_message() {
    let mut failures = String::new();
    for path in systems("bad") {
        let checked = check(&path);
        let stem = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let rule = stem.split("--").next().unwrap_or_default();
        let found = checked
            .diagnostics
            .items
            .iter()
            .any(|item| item.rule.id == rule);
        if rule != "many" && !found {
            writeln!(failures, "{stem}: {rule} was not reported").expect("text");
        }
        let errors = checked.diagnostics.has_errors();
        assert_eq!(checked.system.is_none(), errors, "{stem}");
        compare(&path, &told(&checked.diagnostics), &mut failures);
    }
    assert!(failures.is_empty(), "\n{failures}");
}

/// The findings as `brief` lists them, each with everything else that it points to: how far the place
/// reaches, labels, other places, a remedy of its own.
fn told(diagnostics: &sdf::Diagnostics) -> String {
    let mut out = String::new();
    let source = &diagnostics.source;
    for (line, item) in diagnostics.brief().lines().zip(&diagnostics.items) {
        let place = |label: &sdf::diag::Label| {
            let (line, column) = source.position(label.span.end);
            let start = source.place(label.span.start);
            format!("{start}-{line}:{column} {}", label.text)
        };
        writeln!(out, "{line}").expect("text");
        writeln!(out, "    at {}", place(&item.primary)).expect("text");
        for other in &item.secondary {
            writeln!(out, "    and {}", place(other)).expect("text");
        }
        if let Some(help) = &item.help {
            writeln!(out, "    help: {help}").expect("text");
        }
    }
    out
}

// Shows BH-12.
#[test]
fn every_rule_has_a_bad_file() {
    let covered: BTreeSet<String> = systems("bad")
        .iter()
        .filter_map(|path| {
            path.file_stem()?
                .to_str()?
                .split("--")
                .next()
                .map(str::to_owned)
        })
        .collect();
    let missing: Vec<&str> = sdf::rules::all()
        .map(|rule| rule.id)
        .filter(|id| !covered.contains(*id))
        .collect();
    assert!(missing.is_empty(), "no bad file for {missing:?}");
}

// Shows BH-12.
#[test]
fn rules_are_told_apart_and_explained() {
    let mut seen = BTreeSet::new();
    for rule in sdf::rules::all() {
        assert!(seen.insert(rule.id), "{} occurs twice", rule.id);
        assert_eq!(sdf::rules::find(rule.id), Some(rule));
        for text in [rule.law, rule.why, rule.fix] {
            assert!(
                !text.is_empty() && !text.ends_with('.'),
                "{}: {text}",
                rule.id
            );
        }
    }
}

#[test]
fn good_files_read_as_recorded() {
    let mut failures = String::new();
    for path in systems("good") {
        let checked = check(&path);
        let warnings = checked.diagnostics.brief();
        let Some(system) = checked.system else {
            writeln!(failures, "{}:\n{warnings}", path.display()).expect("text");
            continue;
        };
        let files = sdf::SearchPath {
            dirs: vec![root().join("tests/sdf/files")],
        };
        let lowered = sdf::lower(&system, &files).expect("a checked system lowers");
        let mut actual = warnings;
        for (index, pd) in system.pds.iter().enumerate() {
            writeln!(actual, "pd {index} {}", pd.name.value).expect("text");
        }
        for (mr, region) in system.memory_regions.iter().zip(system.regions(&files)) {
            let region = region.expect("a checked region has a size");
            let (size, page) = (region.size, region.page_size);
            writeln!(actual, "mr {} {size:#x} {page:?}", mr.name.value).expect("text");
        }
        for record in &lowered.records {
            writeln!(actual, "record {record:x?}").expect("text");
        }
        actual.push_str(&sdf::write(&lowered.system));
        compare(&path, &actual, &mut failures);
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn writing_and_reading_again_changes_nothing() {
    for path in systems("good") {
        let name = path.display();
        let system = check(&path).system.expect("good");
        let written = sdf::write(&system);
        let again = sdf::parse(&written, "written").unwrap_or_else(|e| panic!("{name}:\n{e}"));
        assert_eq!(sdf::write(&again), written, "{name}");
    }
}

#[test]
fn lowered_systems_are_plain_and_correct() {
    for path in systems("good") {
        let system = check(&path).system.expect("good");
        let files = sdf::SearchPath {
            dirs: vec![root().join("tests/sdf/files")],
        };
        let lowered = sdf::lower(&system, &files).expect("lowers");
        assert!(lowered.system.pds.iter().all(|pd| pd.record.is_none()));
        let written = sdf::write(&lowered.system);
        let board = board(&system.source.text);
        let again = sdf::check(&written, "lowered", Some(&board), &sdf::NoFiles);
        assert!(
            again.system.is_some(),
            "{}\n{}",
            path.display(),
            again.diagnostics
        );
        for image in &lowered.records {
            let bytes = image.encode(&|_| Some(0x20_0000)).expect("encodes");
            assert_eq!(u64::try_from(bytes.len()), Ok(image.size));
            let read = record::Record::parse(&bytes).expect("a valid record");
            assert_eq!(read.entries().count(), image.entries.len());
        }
    }
}
