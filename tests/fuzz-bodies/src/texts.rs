// SPDX-License-Identifier: BSD-2-Clause
//! What people and tools write for our tools to read: layouts and system descriptions, manifests,
//! boards, boot scripts.

use std::sync::OnceLock;

use host::expect::Script;
use layout::manifest::Manifest;
use sdf::{Board, FileError, NoFiles};

/// A folder without files.
struct Empty;

impl layout::Tree for Empty {
    fn read(&self, _: &str) -> Result<String, FileError> {
        Err(FileError::NotFound)
    }
}

const BOARD: &str = include_str!("../../../images/boards/qemu_virt_aarch64.toml");
const TREE: &[u8] = include_bytes!("../../../images/boards/qemu_virt_aarch64.dtb");

fn board() -> Option<&'static Board> {
    static CELL: OnceLock<Option<Board>> = OnceLock::new();
    CELL.get_or_init(|| toml::from_str(BOARD).ok()).as_ref()
}

/// A layout with everything that follows from it.
fn layout(text: &str) {
    let checked = layout::check(layout::Input {
        name: "fuzz",
        text,
        board: board(),
        device_tree: Some(TREE),
        tree: &Empty,
        files: &NoFiles,
    });
    let findings = &checked.diagnostics;
    let _ = (findings.render(false), findings.brief(), findings.to_json());
    assert!(
        checked.system.is_some() || findings.has_errors(),
        "refused for no reason"
    );
    if let Some(system) = &checked.system {
        round_trip(system);
    }
}

/// What is written reads again, and says the same.
fn round_trip(system: &sdf::System) {
    let written = sdf::write(system);
    match sdf::parse(&written, "written") {
        Ok(again) => assert_eq!(sdf::write(&again), written, "it changed on the way"),
        Err(error) => unreachable!("what was written does not read:\n{written}\n{error}"),
    }
    if let Ok(lowered) = sdf::lower(system, &NoFiles) {
        let _ = sdf::write(&lowered.system);
    }
}

/// Reads a text as whatever it could be.
///
/// # Panics
/// If a reader does.
pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if text.trim_start().starts_with('<') {
        let plain = sdf::check(&text, "fuzz", None, &NoFiles);
        if let Some(system) = &plain.system {
            round_trip(system);
        }
        layout(&text);
    } else {
        drop((Manifest::parse(&text), Script::parse(&text)));
        drop(toml::from_str::<Board>(&text));
    }
}
