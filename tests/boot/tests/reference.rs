// SPDX-License-Identifier: BSD-2-Clause
//! What the reference layout promises to whoever changes it: one line unplugs one device.
#![expect(clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sdf::model::RecordTarget;
use sdf::{NoFiles, System};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The system that a layout stands for; that there is one means that nothing is an error.
fn stands_for(text: &str) -> System {
    let boards = root().join("images/boards");
    let board = fs::read_to_string(boards.join("qemu_virt_aarch64.toml")).expect("readable");
    let board = toml::from_str(&board).expect("a board");
    let tree = fs::read(boards.join("qemu_virt_aarch64.dtb")).expect("readable");
    let checked = layout::check(layout::Input {
        name: "system.xml",
        text,
        board: Some(&board),
        device_tree: Some(&tree),
        tree: &layout::Folder(PathBuf::new()),
        files: &NoFiles,
    });
    let findings = checked.diagnostics.to_string();
    checked.system.expect(&findings)
}

fn names(system: &System) -> BTreeSet<String> {
    let names = system.pds.iter().map(|pd| pd.name.value.clone());
    names.collect()
}

/// Everything else stays as it is when a guest loses its card, disk or entropy device. (A peer's vsock
/// policy names the guest, so a vsock device is two lines.)
// Shows AV-15.
#[test]
fn one_line_unplugs_one_device() {
    let text = fs::read_to_string(root().join("system.xml")).expect("readable");
    let lines: Vec<&str> = text.lines().collect();
    let all = names(&stands_for(&text));
    let mut unplugged = BTreeSet::new();
    for (at, line) in lines.iter().enumerate() {
        let line = line.trim_start();
        if !["<nic ", "<disk ", "<rng/>"]
            .iter()
            .any(|tag| line.starts_with(tag))
        {
            continue;
        }
        let rest = [&lines[..at], &lines[at + 1..]].concat().join("\n");
        let left = names(&stands_for(&rest));
        let gone: Vec<_> = all.difference(&left).cloned().collect();
        assert_eq!(gone.len(), 1, "{line} takes {gone:?}");
        assert!(left.is_subset(&all));
        unplugged.extend(gone);
    }
    for name in ["net_ivi", "net_gateway", "blk_ivi", "rng_ivi"] {
        assert!(unplugged.contains(name), "{unplugged:?}");
    }
}

/// Each guest's port has its address, a rate and a limit for broadcasts.
// Shows AV-15.
#[test]
fn the_switch_is_shaped_by_policy() {
    let text = fs::read_to_string(root().join("system.xml")).expect("readable");
    let system = stands_for(&text);
    let switch = system.pds.iter().find(|pd| pd.name.value == "net_switch");
    let record = switch
        .and_then(|pd| pd.record.as_ref())
        .expect("a switch with a record");
    let has = |role: &str| {
        record.entries.iter().any(|entry| {
            *entry.role == role
                && match &entry.target {
                    RecordTarget::Value { value } => **value > 0,
                    RecordTarget::Text { value } => !value.is_empty(),
                    _ => false,
                }
        })
    };
    for guest in ["ivi", "gateway"] {
        for what in ["mac", "rate", "storm"] {
            assert!(has(&format!("{guest}.{what}")), "{guest} has no {what}");
        }
    }
}

/// With its six programs (476 KiB) and seven IPC buffers (28 KiB), a guest that has every device stays
/// within 1 MiB beside its RAM and images. Regions of unknown length are a device tree's page.
#[test]
fn a_guest_takes_half_a_mebibyte_beside_ram_images_and_programs() {
    let text = fs::read_to_string(root().join("system.xml")).expect("readable");
    let system = stands_for(&text);
    let of_ivi = |name: &str| name.starts_with("ivi_") || name.contains("_ivi");
    let regions = system
        .memory_regions
        .iter()
        .filter(|region| of_ivi(&region.name.value) && *region.name.value != *"ivi_ram")
        .map(|region| region.size.as_ref().map_or(0x1000, |size| **size));
    let stacks = system
        .pds
        .iter()
        .filter(|pd| pd.name.value.ends_with("_ivi"))
        .map(|pd| *pd.stack_size);
    assert_eq!(stacks.clone().count(), 6);
    let kib = regions.chain(stacks).sum::<u64>() / 1024;
    assert!((400..=520).contains(&kib), "{kib} KiB");
}
