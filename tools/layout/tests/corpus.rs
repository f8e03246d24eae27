// SPDX-License-Identifier: BSD-2-Clause
//! The corpus of layouts in `tests/layout`: every bad one is refused with its message and nothing
//! else, every good one means what is recorded. `BLESS=1` records what the tool says now.

#![expect(clippy::expect_used, reason = "what a helper panics at fails its test")]

use layout::{Checked, Folder, Input};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn layouts(folder: &str) -> Vec<PathBuf> {
    let folder = root().join("tests/layout").join(folder);
    let entries = std::fs::read_dir(&folder).expect("the corpus exists");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "xml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

/// Checks the layout at `path` for the board that a comment in it names.
fn check(path: &Path) -> Checked {
    let text = std::fs::read_to_string(path).expect("readable");
    let wanted = text
        .split_once("<!-- board = ")
        .and_then(|(_, rest)| rest.split_once(" -->"));
    let wanted = wanted.map_or("qemu_virt_aarch64", |(name, _)| name);
    let name = if wanted.ends_with("-tree") {
        "qemu_virt_aarch64"
    } else {
        wanted
    };
    let boards = root().join("images/boards").join(name);
    let data = std::fs::read_to_string(boards.with_extension("toml")).expect("board file");
    let board: sdf::Board = toml::from_str(&data).expect("board data");
    let tree = std::fs::read(boards.with_extension("dtb")).expect("device tree");
    let broken = &tree[..tree.len() / 2];
    let name = path.file_name().expect("a name").to_string_lossy();
    layout::check(Input {
        name: &name,
        text: &text,
        board: Some(&board),
        device_tree: match wanted {
            "no-tree" => None,
            "broken-tree" => Some(broken),
            _ => Some(&tree),
        },
        tree: &Folder(path.parent().expect("a folder").to_path_buf()),
        files: &sdf::NoFiles,
    })
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

/// The rule that a bad file is named after.
fn rule_of(path: &Path) -> String {
    let stem = path.file_stem().expect("a name").to_string_lossy();
    stem.split("--").next().unwrap_or_default().to_owned()
}

#[test]
fn bad_layouts_are_refused_with_their_message() {
    let mut failures = String::new();
    for path in layouts("bad") {
        let checked = check(&path);
        let rule = rule_of(&path);
        let found = checked
            .diagnostics
            .items
            .iter()
            .any(|item| item.rule.id == rule);
        if rule != "many" && !found {
            writeln!(failures, "{}: {rule} was not reported", path.display()).expect("text");
        }
        assert_eq!(
            checked.system.is_none(),
            checked.diagnostics.has_errors(),
            "{rule}"
        );
        let mut actual = told(&checked.diagnostics);
        // Rendered in full at least once, with the lines it points to.
        if rule == "many" {
            actual.push_str(&checked.diagnostics.render(false));
        }
        compare(&path, &actual, &mut failures);
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

#[test]
fn every_rule_has_a_bad_layout() {
    let covered: BTreeSet<String> = layouts("bad").iter().map(|path| rule_of(path)).collect();
    let missing: Vec<&str> = layout::rules::all()
        .map(|rule| rule.id)
        .filter(|id| !covered.contains(*id))
        .collect();
    assert!(missing.is_empty(), "no bad layout for {missing:?}");
}

#[test]
fn rules_are_told_apart_and_explained() {
    let mut seen: BTreeSet<&str> = sdf::rules::all().map(|rule| rule.id).collect();
    for rule in layout::rules::all() {
        assert!(seen.insert(rule.id), "{} occurs twice", rule.id);
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
fn good_layouts_mean_what_is_recorded() {
    let mut failures = String::new();
    let mut files = layouts("good");
    files.push(root().join("tests/boot/systems/reference.xml"));
    for path in files {
        let checked = check(&path);
        let mut actual = told(&checked.diagnostics);
        for (pd, owner) in &checked.owners {
            writeln!(actual, "{pd} belongs to {owner}").expect("text");
        }
        for step in &checked.flows.steps {
            writeln!(actual, "flow {step} {:?}", step.service).expect("text");
        }
        for part in &checked.flows.separating {
            writeln!(actual, "{part} keeps its clients apart").expect("text");
        }
        let Some(system) = checked.system else {
            writeln!(failures, "{}:\n{actual}", path.display()).expect("text");
            continue;
        };
        actual.push_str(&sdf::write(&system));
        let name = path.file_name().expect("a name");
        compare(
            &root().join("tests/layout/good").join(name),
            &actual,
            &mut failures,
        );
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn what_good_layouts_stand_for_is_plain_and_right() {
    for path in layouts("good") {
        let checked = check(&path);
        let mut system = checked
            .system
            .unwrap_or_else(|| panic!("{}", checked.diagnostics));
        // Guests' images are the build's business.
        for record in system.pds.iter_mut().filter_map(|pd| pd.record.as_mut()) {
            record.guest = None;
        }
        let lowered = sdf::lower(&system, &sdf::NoFiles).unwrap_or_else(|error| panic!("{error}"));
        let text = sdf::write(&lowered.system);
        sdf::parse(&text, "lowered").unwrap_or_else(|error| panic!("{}\n{error}", path.display()));
        for record in &lowered.records {
            record
                .encode(&|_| None)
                .unwrap_or_else(|error| panic!("{}: {error}", record.path));
        }
    }
}

#[test]
fn plain_system_files_mean_the_same_here() {
    let mut count = 0;
    for folder in ["tests/sdf/good", "tests/sdf/bad", "tests/boot/systems"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("readable") {
            let path = entry.expect("readable").path();
            if path.extension().is_none_or(|ext| ext != "system") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("readable");
            let theirs = sdf::check(&text, "a", None, &sdf::NoFiles);
            let ours = layout::check(Input {
                name: "a",
                text: &text,
                board: None,
                device_tree: None,
                tree: &Folder(PathBuf::new()),
                files: &sdf::NoFiles,
            });
            assert_eq!(
                ours.diagnostics.brief(),
                theirs.diagnostics.brief(),
                "{}",
                path.display()
            );
            assert_eq!(ours.system, theirs.system, "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 50, "only {count} files");
}
