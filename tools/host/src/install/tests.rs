// SPDX-License-Identifier: BSD-2-Clause
//! Retries and the one line for root, without touching the machine.

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

const LOCKED: &str = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7";
const OFFLINE: &str = "E: Failed to fetch http://mirror/x  Temporary failure resolving 'mirror'";

#[test]
fn a_lock_is_waited_for() {
    let mut results = vec![ran(0, ""), ran(100, LOCKED), ran(100, LOCKED)];
    let mut pauses = 0;
    retry(
        || Ok(results.pop().unwrap()),
        |cause| {
            assert_eq!(cause, Cause::Locked);
            pauses += 1;
        },
    )
    .unwrap();
    assert_eq!(pauses, 2);
}

#[test]
fn a_dead_network_ends_with_advice() {
    let mut runs = 0;
    let failure = retry(
        || {
            runs += 1;
            Ok(ran(100, OFFLINE))
        },
        |_| {},
    )
    .unwrap_err();
    assert_eq!(runs, TRIES);
    let text = failure.to_string();
    assert!(text.contains("Temporary failure resolving"), "{text}");
    assert!(text.contains("check the network"), "{text}");
}

/// `apt-get update` exits with 0 although nothing could be fetched.
#[test]
fn an_update_that_only_warns_is_a_failure() {
    let failure = retry(|| Ok(ran(0, "W: Failed to fetch http://mirror/x")), |_| {}).unwrap_err();
    assert!(failure.to_string().contains("check the network"));
}

#[test]
fn what_cannot_go_away_is_tried_once() {
    for (stderr, advice) in [
        (
            "E: You don't have enough free space in /var/cache/apt/archives/.",
            "free some space",
        ),
        ("E: Unable to locate package x", "run that command by hand"),
    ] {
        let mut runs = 0;
        let failure = retry(
            || {
                runs += 1;
                Ok(ran(100, stderr))
            },
            |_| panic!("waited for what cannot change"),
        )
        .unwrap_err();
        assert_eq!(runs, 1);
        assert!(failure.to_string().contains(advice), "{failure}");
    }
}

#[test]
fn root_gets_one_line() {
    let know = Knowledge {
        release: "bookworm",
        updated: true,
        ..Knowledge::default()
    };
    let line = root_line(&know, &["device-tree-compiler"], true, || None);
    assert!(line.starts_with("apt-get update"), "{line}");
    assert!(line.contains(" && apt-get install"), "{line}");
    assert!(line.contains("device-tree-compiler"), "{line}");
    assert!(line.ends_with(QEMU_PACKAGE), "{line}");
}

#[test]
fn root_gets_the_suite_when_it_is_needed() {
    let utils = Policy {
        installed: Some("1:10.0.2~bpo12+1".to_owned()),
        ..Policy::default()
    };
    let know = Knowledge {
        release: "bookworm",
        updated: true,
        utils,
        ..Knowledge::default()
    };
    let entry = || Some("Types: deb\nURIs: http://mirror/debian\n".to_owned());
    let line = root_line(&know, &[], true, entry);
    assert!(
        line.contains("'URIs: http://mirror/debian' > /etc/apt/sources.list.d/"),
        "{line}"
    );
    assert!(
        line.contains("-t bookworm-backports qemu-system-arm qemu-utils"),
        "{line}"
    );
}
