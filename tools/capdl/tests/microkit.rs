// SPDX-License-Identifier: BSD-2-Clause
//! Our distribution against the one of the SDK's own tool, where an SDK is present.

#![expect(clippy::expect_used, reason = "what a helper panics at fails its test")]
#![expect(clippy::cast_possible_truncation, reason = "test programs are small")]

mod common;

use capdl::{Config, Elf, ElfSet};
use common::Program;
use sdf::{Overlay, SearchPath};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const BOARD: &str = "qemu_virt_aarch64";

/// `$MICROKIT_SDK`, or the newest `~/microkit-sdk-2.3.0*`.
fn sdk() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("MICROKIT_SDK") {
        return Some(PathBuf::from(path)).filter(|path| path.is_dir());
    }
    let home = PathBuf::from(std::env::var_os("HOME")?);
    let entries = std::fs::read_dir(home).ok()?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            name.starts_with("microkit-sdk-2.3.0") && path.is_dir()
        })
        .collect();
    found.sort();
    found.pop()
}

/// The SDK, or a line that says that the test was skipped.
macro_rules! sdk_or_skip {
    () => {
        match sdk() {
            Some(sdk) => sdk,
            None => {
                println!("skipped: no Microkit SDK");
                return;
            }
        }
    };
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs the SDK's tool; its `--capdl-json`, or what it said.
fn microkit(sdk: &Path, system: &str, config: Config, work: &Path) -> Result<String, String> {
    let file = work.join("test.system");
    let json = work.join("test.json");
    std::fs::write(&file, system).expect("writable");
    let _ = std::fs::remove_file(&json);
    let output = Command::new(sdk.join("bin/microkit"))
        .arg(&file)
        .args(["--board", BOARD, "--config", name(config)])
        .arg("-o")
        .arg(work.join("loader.img"))
        .arg("-r")
        .arg(work.join("report.txt"))
        .arg("--capdl-json")
        .arg(&json)
        .current_dir(work)
        .env("MICROKIT_SDK", sdk)
        .output()
        .expect("the SDK's tool runs");
    if output.status.success() {
        Ok(std::fs::read_to_string(&json).expect("the SDK's tool writes JSON"))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

const fn name(config: Config) -> &'static str {
    match config {
        Config::Debug => "debug",
        Config::Release => "release",
        Config::Benchmark => "benchmark",
    }
}

/// Every symbol that any protection domain of `system` wants set.
fn wanted(system: &sdf::System) -> Vec<String> {
    let mut symbols: Vec<String> = (0..system.pds.len())
        .flat_map(|pd| system.setvars(pd))
        .map(|setvar| setvar.symbol.value)
        .collect();
    symbols.sort();
    symbols.dedup();
    symbols
}

/// Builds `text` with both tools and says where they differ.
fn differences(sdk: &Path, text: &str, name: &str, config: Config) -> Vec<String> {
    let work = tempfile::tempdir().expect("a temporary directory");
    let base = SearchPath {
        dirs: vec![work.path().into(), root().join("tests/sdf/files")],
    };
    let system = sdf::parse(text, name).expect("a good system");
    let lowered = sdf::lower(&system, &base).expect("lowers");
    let symbols = wanted(&lowered.system);
    let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
    let mut files = HashMap::new();
    let program = Program::new(&symbols).bytes();
    for pd in &lowered.system.pds {
        files.insert(pd.image.path.value.clone(), program.clone());
        let symbols = pd.image.path_for_symbols.as_ref();
        files.extend(symbols.map(|path| (path.value.clone(), program.clone())));
    }
    for image in &lowered.records {
        files.insert(
            image.path.clone(),
            image.encode(&|_| Some(0x20_0000)).expect("encodes"),
        );
    }
    files.insert(
        "text.bin".to_owned(),
        std::fs::read(root().join("tests/sdf/files/text.bin")).expect("there"),
    );
    for (path, bytes) in &files {
        std::fs::write(work.path().join(path), bytes).expect("writable");
    }
    let files = Overlay { files, base: &base };
    let theirs = match microkit(sdk, &sdf::write(&lowered.system), config, work.path()) {
        Ok(json) => serde_json::from_str(&json).expect("JSON"),
        Err(error) => return vec![format!("{name}: the SDK's tool refuses: {error}")],
    };
    let ours = ours(&lowered.system, &files, sdk, config);
    let floating: Vec<&str> = lowered
        .system
        .memory_regions
        .iter()
        .filter(|mr| mr.phys_addr.is_none())
        .map(|mr| mr.name.as_str())
        .collect();
    let mut found = capdl::compare(&ours, &theirs, &floating);
    // The initialiser starts threads in this order. Regions whose address the tool chooses move.
    if !text.contains("region_paddr") && names(&ours) != names(&theirs) {
        found.push("objects are ordered differently".to_owned());
    }
    found
        .into_iter()
        .map(|line| format!("{name}: {line}"))
        .collect()
}

fn ours(
    system: &sdf::System,
    files: &Overlay<'_>,
    sdk: &Path,
    config: Config,
) -> serde_json::Value {
    let monitor = sdk
        .join("board")
        .join(BOARD)
        .join(name(config))
        .join("elf/monitor.elf");
    let monitor = std::fs::read(monitor).expect("the SDK has a monitor");
    let monitor = Elf::parse(&monitor, None).expect("the monitor is a program");
    capdl::monitor_patches(system, &monitor).expect("the monitor has its symbols");
    let mut elfs = ElfSet::load(system, files, Some(monitor)).expect("programs");
    let patches = capdl::patches(system, &elfs, files, &|_| None).expect("symbols");
    capdl::apply(&mut elfs, &patches).expect("patches");
    capdl::build(system, &elfs, files, config)
        .expect("a distribution")
        .to_json()
}

fn names(spec: &serde_json::Value) -> Vec<&str> {
    let objects = spec["objects"].as_array().expect("objects");
    objects
        .iter()
        .filter_map(|object| object["name"].as_str())
        .collect()
}

fn systems(folder: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|ext| ext == "system") {
            let text = std::fs::read_to_string(&path).expect("readable");
            all.push((
                path.file_name()
                    .expect("named")
                    .to_string_lossy()
                    .into_owned(),
                text,
            ));
        }
    }
    all.sort();
    all
}

fn good_systems() -> Vec<(String, String)> {
    systems(&root().join("tests/sdf/good"))
}

// Shows BH-10.
#[test]
fn good_systems_have_the_same_distribution() {
    let sdk = sdk_or_skip!();
    let mut found = Vec::new();
    // A kernel for several cores is another configuration.
    for (name, text) in good_systems()
        .iter()
        .filter(|(_, text)| !text.contains("kernel_cores"))
    {
        found.extend(differences(&sdk, text, name, Config::Debug));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn configurations_have_the_same_distribution() {
    let sdk = sdk_or_skip!();
    for (name, text) in good_systems()
        .iter()
        .filter(|(name, _)| name == "everything.system")
    {
        for config in [Config::Release, Config::Benchmark] {
            let found = differences(&sdk, text, name, config);
            assert!(found.is_empty(), "{config:?}\n{}", found.join("\n"));
        }
    }
}

// Shows BH-10.
#[test]
fn the_examples_of_the_sdk_have_the_same_distribution() {
    let sdk = sdk_or_skip!();
    let examples = std::fs::read_dir(sdk.join("example")).expect("the SDK has examples");
    let mut found = Vec::new();
    let mut count = 0;
    for folder in examples
        .map(|entry| entry.expect("readable").path())
        .filter(|p| p.is_dir())
    {
        for (name, text) in systems(&folder) {
            found.extend(differences(&sdk, &text, &name, Config::Debug));
            count += 1;
        }
    }
    assert!(count > 3, "only {count} examples");
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Bad files that the SDK's tool takes all the same; the README of `sdf` says why they are bad.
const STRICTER: [&str; 21] = [
    "budget-minimum--nineteen.system",
    "budget-minimum--vm.system",
    "device-shared--two-drivers.system",
    "domain-too-many--seventeen.system",
    "id-duplicate--one-channel-both-ends.system",
    "id-range--child.system",
    "irq-range--above-the-board.system",
    "irq-range--kernel-ppi.system",
    "irq-range--kernel-timer.system",
    "irq-range--one-above.system",
    "map-perms--empty.system",
    "map-perms--execute-only.system",
    "name-length--64-bytes.system",
    "name-length--empty.system",
    "name-length--vm.system",
    "period-maximum--one-above.system",
    "period-maximum--two-years.system",
    "priority-range--vm.system",
    "setvar-reserved--microkit.system",
    "xml-attribute--on-system.system",
    "xml-text--inside-pd.system",
];

/// A directory with everything that a bad file may name.
fn workshop() -> tempfile::TempDir {
    let work = tempfile::tempdir().expect("a temporary directory");
    for path in ["empty.bin", "text.bin"] {
        let from = root().join("tests/sdf/files").join(path);
        std::fs::copy(from, work.path().join(path)).expect("copied");
    }
    let program = Program::new(&["s"]).bytes();
    for path in ["a.elf", "b.elf", "monitor.elf"] {
        std::fs::write(work.path().join(path), &program).expect("writable");
    }
    work
}

#[test]
fn what_is_refused_here_is_refused_there_or_known() {
    let sdk = sdk_or_skip!();
    let board = root()
        .join("images/boards")
        .join(BOARD)
        .with_extension("toml");
    let board = std::fs::read_to_string(board).expect("board file");
    let board: sdf::Board = toml::from_str(&board).expect("board data");
    let files = SearchPath {
        dirs: vec![root().join("tests/sdf/files")],
    };
    let work = workshop();
    let mut different = Vec::new();
    for (name, text) in systems(&root().join("tests/sdf/bad")) {
        if text.contains("kernel_cores") {
            continue;
        }
        let ours = sdf::check(&text, &name, Some(&board), &files)
            .system
            .is_some();
        let theirs = microkit(&sdk, &text, Config::Debug, work.path()).is_ok();
        assert!(theirs || !ours, "{name}: refused by the SDK's tool only");
        if theirs && !ours {
            different.push(name);
        }
    }
    assert_eq!(different, STRICTER);
}
