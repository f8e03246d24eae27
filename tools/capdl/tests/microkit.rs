// SPDX-License-Identifier: BSD-2-Clause
//! Our distribution against the one of the SDK's own tool, where an SDK is present.

#![expect(clippy::expect_used, reason = "what a helper panics at fails its test")]

use capdl::{Config, Elf, ElfSet};
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

/// A program with the symbols that `symbols` names, each of eight bytes: the monitor's, patched to
/// carry other names would not do, so a minimal ELF is written here.
fn program(symbols: &[&str]) -> Vec<u8> {
    tiny_elf::build(symbols)
}

mod tiny_elf {
    //! The smallest ELF that both tools accept: a page of code, a page of data, a symbol table.

    fn put(out: &mut Vec<u8>, bytes: &[u8]) {
        out.extend_from_slice(bytes);
    }

    fn u16s(out: &mut Vec<u8>, values: &[u16]) {
        values.iter().for_each(|v| put(out, &v.to_le_bytes()));
    }

    fn u32s(out: &mut Vec<u8>, values: &[u32]) {
        values.iter().for_each(|v| put(out, &v.to_le_bytes()));
    }

    fn u64s(out: &mut Vec<u8>, values: &[u64]) {
        values.iter().for_each(|v| put(out, &v.to_le_bytes()));
    }

    const CODE: u64 = 0x20_0000;
    const DATA: u64 = 0x20_1000;

    pub(super) fn build(extra: &[&str]) -> Vec<u8> {
        let mut symbols = vec![("microkit_name", 64_u64), ("microkit_passive", 1)];
        for name in ["irqs", "notifications", "pps", "ioports"] {
            symbols.push((
                [
                    "microkit_irqs",
                    "microkit_notifications",
                    "microkit_pps",
                    "microkit_ioports",
                ][["irqs", "notifications", "pps", "ioports"]
                    .iter()
                    .position(|other| *other == name)
                    .unwrap_or(0)],
                8,
            ));
        }
        symbols.extend(extra.iter().map(|name| (*name, 8)));
        let (mut table, mut strings) = (vec![0_u8; 24], vec![0_u8]);
        let mut address = DATA;
        for (name, size) in &symbols {
            u32s(&mut table, &[u32::try_from(strings.len()).unwrap_or(0)]);
            put(&mut table, &[0x11, 0]);
            u16s(&mut table, &[2]);
            u64s(&mut table, &[address, *size]);
            put(&mut strings, name.as_bytes());
            put(&mut strings, &[0]);
            address += size.next_multiple_of(8);
        }
        file(&table, &strings, address - DATA)
    }

    fn file(table: &[u8], strings: &[u8], data_size: u64) -> Vec<u8> {
        let data_len = usize::try_from(data_size).unwrap_or(0);
        let sections = 0x3000_u64;
        let (tab, str_at) = (0x4000_u64, 0x4000 + table.len() as u64);
        let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        u16s(&mut out, &[2, 183]);
        u32s(&mut out, &[1]);
        u64s(&mut out, &[CODE, 64, sections]);
        u32s(&mut out, &[0]);
        u16s(&mut out, &[64, 56, 2, 64, 4, 3]);
        // Code: R+X, 4 bytes. Data: R+W, in the file in part, zero for one page more.
        u32s(&mut out, &[1, 5]);
        u64s(&mut out, &[0x1000, CODE, CODE, 0x10, 0x10, 0x1000]);
        u32s(&mut out, &[1, 6]);
        u64s(
            &mut out,
            &[0x2000, DATA, DATA, data_size, data_size + 0x1000, 0x1000],
        );
        out.resize(0x2000 + data_len, 0);
        out.resize(0x3000, 0);
        out.extend_from_slice(&[0; 64]);
        let tab_len = table.len() as u64;
        let str_len = strings.len() as u64;
        for (kind, at, len, link, entry) in [
            (2_u32, tab, tab_len, 2_u32, 24_u64),
            (3, str_at, str_len, 0, 0),
            (3, str_at, str_len, 0, 0),
        ] {
            u32s(&mut out, &[0, kind]);
            u64s(&mut out, &[0, 0, at, len]);
            u32s(&mut out, &[link, 1]);
            u64s(&mut out, &[8, entry]);
        }
        out.resize(0x4000, 0);
        out.extend_from_slice(table);
        out.extend_from_slice(strings);
        out
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
    for pd in &lowered.system.pds {
        for path in [Some(&pd.image.path), pd.image.path_for_symbols.as_ref()] {
            if let Some(path) = path {
                files.insert(path.value.clone(), program(&symbols));
            }
        }
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
    let found = capdl::compare(&ours, &theirs, &floating);
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

fn good_systems() -> Vec<(String, String)> {
    let folder = root().join("tests/sdf/good");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the corpus exists") {
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

#[test]
fn good_systems_have_the_same_distribution() {
    let sdk = sdk_or_skip!();
    let mut found = Vec::new();
    for (name, text) in good_systems() {
        // Several cores need another kernel; Microkit drops a vCPU's setvar_id, so it is no test.
        if text.contains("kernel_cores") {
            continue;
        }
        found.extend(differences(&sdk, &text, &name, Config::Debug));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn configurations_have_the_same_distribution() {
    let sdk = sdk_or_skip!();
    let (name, text) = good_systems()
        .into_iter()
        .find(|(name, _)| name == "vm.system")
        .expect("there");
    for config in [Config::Release, Config::Benchmark] {
        let found = differences(&sdk, &text, &name, config);
        assert!(found.is_empty(), "{config:?}\n{}", found.join("\n"));
    }
}
