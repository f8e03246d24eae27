// SPDX-License-Identifier: BSD-2-Clause
//! What is written from the tables is up to date: schema, reference page, list of manifests. The schema
//! and the parser agree. `BLESS=1` writes anew.

#![expect(clippy::expect_used, reason = "what a helper panics at fails its test")]

use layout::value::Kind;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn is_current(file: &str, wanted: &str) {
    let path = root().join(file);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, wanted).expect("writable");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "{file} is out of date: BLESS=1 cargo test -p layout"
    );
}

#[test]
fn the_schema_is_up_to_date() {
    is_current("tools/layout/layout.xsd", &layout::xsd::schema());
}

#[test]
fn the_reference_page_is_up_to_date() {
    is_current("tools/layout/REFERENCE.md", &layout::reference::page());
}

/// Every pd.toml of the rooms that hold programs, sorted.
fn manifests() -> Vec<String> {
    let mut open: Vec<PathBuf> = ["components", "drivers", "vmm"]
        .map(|room| root().join(room))
        .into();
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|name| name == "pd.toml") {
                let path = path.strip_prefix(root()).expect("below the root");
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_list_of_manifests_is_up_to_date() {
    let mut list = "// SPDX-License-Identifier: BSD-2-Clause\n\
        // Written by `BLESS=1 cargo test -p layout`: every pd.toml of the repository.\n\
        const TEXTS: &[(&str, &str)] = &[\n"
        .to_owned();
    for path in manifests() {
        list.push_str(&format!(
            "    (\n        \"{path}\",\n        include_str!(\"../../../{path}\"),\n    ),\n"
        ));
    }
    list.push_str("];\n");
    is_current("tools/layout/src/manifests.list", &list);
}

#[test]
fn every_manifest_is_valid_and_of_its_own_class() {
    let mut seen = Vec::new();
    for (path, text) in layout::manifests::texts() {
        let manifest = layout::manifest::Manifest::parse(text);
        let manifest = manifest.unwrap_or_else(|problem| panic!("{path}: {problem}"));
        let key = (format!("{:?}", manifest.kind), manifest.class.clone());
        assert!(!seen.contains(&key), "{path}: {key:?} twice");
        seen.push(key);
        assert!(manifest.elf.ends_with(".elf"), "{path}");
    }
}

/// One kind of each, as the table uses them.
fn kinds() -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    for element in layout::schema::all() {
        for attribute in element.all_attributes() {
            if !kinds.contains(&attribute.kind) {
                kinds.push(attribute.kind);
            }
        }
    }
    kinds
}

/// Whether the pattern that the schema has for `kind` matches all of `text`.
fn matches(kind: Kind, text: &str) -> bool {
    let pattern = format!("^(?:{})$", kind.pattern());
    regex_lite::Regex::new(&pattern)
        .expect("a pattern")
        .is_match(text)
}

fn agree(text: &str) {
    for kind in kinds() {
        match kind.read(text) {
            Ok(_) => assert!(
                matches(kind, text),
                "{kind:?} reads `{text}`, the schema does not"
            ),
            // Ranges, and what an address means, are not the schema's business.
            Err(problem) if problem.rule.id == "value-range" => {}
            Err(_) if matches!(kind, Kind::Mac) => {}
            Err(problem) => {
                assert!(
                    !matches(kind, text),
                    "the schema takes `{text}` as {kind:?}: {problem:?}"
                );
            }
        }
    }
}

#[test]
fn schema_and_parser_agree_on_typical_values() {
    for text in [
        "",
        "a",
        "A-b_c.d",
        "1a",
        "é",
        "a b",
        " a",
        "a ",
        "64K",
        "64k",
        "64 K",
        "0x40M",
        "0xK",
        "0x",
        "_1",
        "1_",
        "1__0",
        "0x_1",
        "0x1_",
        "10ms",
        "10",
        "10us",
        "1s",
        "1Mbit/s",
        "8B/s",
        "1mbit/s",
        "52:54:00:00:00:01",
        "52:54:00:00:00",
        "5254:00:00:00:01",
        "rw",
        "RW",
        "a/b.xml",
        "../b",
        "/a",
        "a//b",
        "a/.b",
        "-a",
        "a/-b",
        "QM",
        "ASIL-B",
        "ro",
        "restart",
        "99999999999999999999",
        "0b1",
        "0x1g",
        "\u{a0}",
        "1\n",
    ] {
        agree(text);
    }
}

proptest! {
    #[test]
    fn schema_and_parser_agree(text in "[0-9a-fxKMGbits/_:. -]{0,12}") {
        agree(&text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        for kind in kinds() {
            let _ = kind.read(&text);
        }
    }
}

#[test]
fn layouts_of_the_repository_keep_the_schema() {
    if Command::new("xmllint").arg("--version").output().is_err() {
        eprintln!("xmllint is not installed: the schema is not tried");
        return;
    }
    let mut files = vec![
        root().join("tests/boot/systems/reference.xml"),
        root().join("system.xml"),
    ];
    for entry in std::fs::read_dir(root().join("tests/layout/good")).expect("readable") {
        files.push(entry.expect("readable").path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "xml"));
    let output = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema"])
        .arg(root().join("tools/layout/layout.xsd"))
        .args(&files)
        .output()
        .expect("xmllint runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn device_trees_are_what_their_sources_say() {
    if Command::new("dtc").arg("--version").output().is_err() {
        eprintln!("dtc is not installed: device trees are not compared");
        return;
    }
    for board in ["qemu_virt_aarch64", "imx8mp_evk"] {
        let path = root().join("images/boards").join(board);
        let output = Command::new("dtc")
            .args(["-I", "dts", "-O", "dtb"])
            .arg(path.with_extension("dts"))
            .output()
            .expect("dtc runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let kept = std::fs::read(path.with_extension("dtb")).expect("the blob is kept");
        assert!(output.stdout == kept, "{board}.dtb is not of {board}.dts");
    }
}
