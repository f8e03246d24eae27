// SPDX-License-Identifier: BSD-2-Clause
//! Beside the real thing: what the SDK's `microkit` tool accepts and rejects. Silent where no SDK 2.3.0
//! is (`MICROKIT_SDK`, else the home folder). `LIBVMM` may name a copy of libvmm.

#![expect(clippy::expect_used, reason = "what a helper panics at fails its test")]

use layout::{Folder, Input};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The SDK, if one is here.
fn sdk() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join("microkit-sdk-2.3.0"));
    let named = std::env::var_os("MICROKIT_SDK").map(PathBuf::from);
    let found = named
        .or(home)
        .filter(|sdk| sdk.join("bin/microkit").is_file());
    if found.is_none() {
        eprintln!("there is no Microkit SDK: nothing is compared");
    }
    found
}

/// What the SDK says to `text`: nothing, if it goes as far as looking for files, else its error.
fn verdict(sdk: &Path, folder: &Path, text: &str) -> Result<(), String> {
    let file = folder.join("a.system");
    std::fs::write(&file, text).expect("writable");
    let output = Command::new(sdk.join("bin/microkit"))
        .arg(&file)
        .args([
            "--board",
            "qemu_virt_aarch64",
            "--config",
            "debug",
            "--search-path",
        ])
        .arg(folder)
        .arg("-o")
        .arg(folder.join("image"))
        .arg("-r")
        .arg(folder.join("report"))
        .output()
        .expect("the tool runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() || said.contains("unable to find") {
        Ok(())
    } else {
        Err(said)
    }
}

fn board() -> sdf::Board {
    let path = root().join("images/boards/qemu_virt_aarch64.toml");
    let data = std::fs::read_to_string(path).expect("board file");
    toml::from_str(&data).expect("board data")
}

/// What we say to `text`, for a board or none.
fn ours(text: &str, board: Option<&sdf::Board>) -> Result<(), String> {
    let checked = layout::check(Input {
        name: "a.system",
        text,
        board,
        device_tree: None,
        tree: &Folder(PathBuf::new()),
        files: &sdf::NoFiles,
    });
    let errors = checked.diagnostics.brief();
    checked.system.map(drop).ok_or(errors)
}

/// Every `.system` file below `folder`.
fn systems(folder: &Path) -> Vec<PathBuf> {
    let mut open = vec![folder.to_path_buf()];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "system") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Compares the two verdicts on every file below `folder`; the result is how many there are.
fn compare(sdk: &Path, folder: &Path) -> usize {
    let scratch = tempfile::tempdir().expect("a folder");
    let files = systems(folder);
    for path in &files {
        let text = std::fs::read_to_string(path).expect("readable");
        let theirs = verdict(sdk, scratch.path(), &text);
        // Of the board they only look at the number of cores; addresses are another board's mostly.
        let cores = theirs.as_ref().is_err_and(|said| said.contains("cpu core"));
        let board = cores.then(board);
        let ours = ours(&text, board.as_ref());
        let name = path.display();
        assert_eq!(
            ours.is_ok(),
            theirs.is_ok(),
            "{name}\nours: {ours:?}\ntheirs: {theirs:?}"
        );
    }
    files.len()
}

#[test]
fn examples_of_the_sdk_are_judged_as_the_sdk_does() {
    if let Some(sdk) = sdk() {
        assert!(compare(&sdk, &sdk.join("example")) >= 6);
    }
}

#[test]
fn examples_of_libvmm_are_judged_as_the_sdk_does() {
    let Some(libvmm) = std::env::var_os("LIBVMM") else {
        eprintln!("LIBVMM names no copy of libvmm: nothing is compared");
        return;
    };
    if let Some(sdk) = sdk() {
        assert!(compare(&sdk, Path::new(&libvmm)) >= 10);
    }
}

#[test]
fn what_a_layout_stands_for_is_accepted_by_the_sdk() {
    let Some(sdk) = sdk() else { return };
    let board = board();
    let tree =
        std::fs::read(root().join("images/boards/qemu_virt_aarch64.dtb")).expect("device tree");
    for name in ["system.xml", "tests/boot/systems/reference.xml"] {
        let text = std::fs::read_to_string(root().join(name)).expect("readable");
        let checked = layout::check(Input {
            name,
            text: &text,
            board: Some(&board),
            device_tree: Some(&tree),
            tree: &Folder(PathBuf::new()),
            files: &sdf::NoFiles,
        });
        let mut system = checked.system.expect("it stands for a system");
        // Guests' images are the build's business.
        for record in system.pds.iter_mut().filter_map(|pd| pd.record.as_mut()) {
            record.guest = None;
        }
        let lowered = sdf::lower(&system, &sdf::NoFiles).expect("plain");
        let scratch = tempfile::tempdir().expect("a folder");
        for record in &lowered.records {
            let bytes = record.encode(&|_| None).expect("encoded");
            std::fs::write(scratch.path().join(&record.path), bytes).expect("writable");
        }
        let plain = sdf::write(&lowered.system);
        assert_eq!(verdict(&sdk, scratch.path(), &plain), Ok(()), "{name}");
        let broken = plain.replacen("<map ", "<map foo=\"1\" ", 1);
        assert!(
            verdict(&sdk, scratch.path(), &broken).is_err(),
            "{name}: it rejects nothing"
        );
    }
}
