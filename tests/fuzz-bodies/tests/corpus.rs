// SPDX-License-Identifier: BSD-2-Clause
//! Every body over its corpus and a fixed number of pseudo-random scripts.

use std::fs;
use std::path::{Path, PathBuf};

use fuzz_bodies::{Body, TARGETS};

/// Scripts of each length per body.
const SCRIPTS: u64 = 24;
/// Bytes of a script.
const LENGTHS: [usize; 4] = [40, 200, 600, 1500];

fn fuzz_room() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// Bytes that are the same in every run (xorshift64*).
fn script(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let [.., byte] = state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes();
        byte
    };
    (0..len).map(|_| next()).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn run(name: &str) {
    let found: Option<&(&str, Body)> = TARGETS.iter().find(|(target, _)| *target == name);
    let Some((_, body)) = found else {
        unreachable!("no body is called {name}");
    };
    for path in files(&fuzz_room().join("seeds").join(name)) {
        println!("{}", path.display());
        let bytes = fs::read(&path);
        assert!(bytes.is_ok(), "{bytes:?}");
        body(&bytes.unwrap_or_default());
    }
    for seed in 0..SCRIPTS {
        for len in LENGTHS {
            println!("script {seed} of {len} bytes");
            body(&script(seed, len));
        }
    }
}

// Shows BH-23, H-25, H-26, H-28, H-29, H-34.
#[test]
fn blk() {
    run("blk");
}

// Shows BH-23, H-29, H-37.
#[test]
fn console() {
    run("console");
}

// Shows BH-20, BH-23, H-03, H-39.
#[test]
fn devices() {
    run("devices");
}

// Shows BH-16, BH-23, H-02, H-40, H-41, H-43.
#[test]
fn exits() {
    run("exits");
}

// Shows BH-23.
#[test]
fn guest() {
    run("guest");
}

#[test]
fn images() {
    run("images");
}

// Shows BH-23, H-29, H-35, H-36.
#[test]
fn net() {
    run("net");
}

// Shows BH-26, H-34.
#[test]
fn partition() {
    run("partition");
}

// Shows H-21, H-22, H-23, H-24, H-25, H-26, H-27, H-29, H-30, H-31, H-32.
#[test]
fn queue() {
    run("queue");
}

#[test]
fn records() {
    run("records");
}

#[test]
fn rings() {
    run("rings");
}

// Shows BH-23, H-29, H-38.
#[test]
fn rng() {
    run("rng");
}

#[test]
fn services() {
    run("services");
}

// Shows H-35, H-36.
#[test]
fn switch() {
    run("switch");
}

#[test]
fn texts() {
    run("texts");
}

// Shows BH-23, H-29, H-38.
#[test]
fn vsock() {
    run("vsock");
}

#[test]
fn every_body_has_a_target_and_a_test() {
    let tests = include_str!("corpus.rs");
    let manifest = fs::read_to_string(fuzz_room().join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        let target = fuzz_room().join("targets").join(format!("{name}.rs"));
        assert!(target.is_file(), "{name} has no target");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        assert!(tests.contains(&format!("run(\"{name}\")")), "{name}");
        assert!(!files(&fuzz_room().join("seeds").join(name)).is_empty());
    }
    assert_eq!(files(&fuzz_room().join("targets")).len(), TARGETS.len());
}
