// SPDX-License-Identifier: BSD-2-Clause
//! What the SDK's tool is given, and what becomes of its words.

use super::*;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

fn ran(code: i32, stderr: &str) -> Ran {
    Ran {
        status: ExitStatus::from_raw(code << 8),
        stdout: String::new(),
        stderr: stderr.to_owned(),
        time: Duration::ZERO,
        timed_out: false,
    }
}

#[test]
fn the_tools_words_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let text = judge(&ran(1, "Error: bad id\n"), &folder.path().join(IMAGE))
        .unwrap_err()
        .to_string();
    assert!(text.contains("refused the system (exit code 1)"), "{text}");
    assert!(text.contains("note: Error: bad id"), "{text}");
    let text = judge(
        &ran(101, "No space left on device"),
        &folder.path().join(IMAGE),
    )
    .unwrap_err()
    .to_string();
    assert!(
        text.contains("panicked") && text.contains("free some space"),
        "{text}"
    );
}

#[test]
fn success_without_an_image_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    assert!(judge(&ran(0, ""), &folder.path().join(IMAGE)).is_err());
    fs::write(folder.path().join(IMAGE), "image").unwrap();
    assert!(judge(&ran(0, ""), &folder.path().join(IMAGE)).is_ok());
}
