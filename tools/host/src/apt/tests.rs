// SPDX-License-Identifier: BSD-2-Clause
//! The decision on recorded outputs of `apt-cache policy` (mirror names shortened).

use super::*;

/// A fresh bookworm: neither package installed, no backports in the sources.
const FRESH: &str = "\
qemu-system-arm:
  Installed: (none)
  Candidate: 1:7.2+dfsg-7+deb12u18+b3
  Version table:
     1:7.2+dfsg-7+deb12u18+b3 500
        500 http://mirror/debian bookworm/main amd64 Packages
     1:7.2+dfsg-7+deb12u15 500
        500 http://mirror/debian-security bookworm-security/main amd64 Packages
qemu-utils:
  Installed: (none)
  Candidate: 1:7.2+dfsg-7+deb12u18+b3
  Version table:
     1:7.2+dfsg-7+deb12u18+b3 500
        500 http://mirror/debian bookworm/main amd64 Packages
     1:7.2+dfsg-7+deb12u15 500
        500 http://mirror/debian-security bookworm-security/main amd64 Packages
";

/// The same with backports in the sources.
const WITH_BACKPORTS: &str = "\
qemu-system-arm:
  Installed: (none)
  Candidate: 1:7.2+dfsg-7+deb12u18+b3
  Version table:
     1:10.0.2+ds-2+deb13u1~bpo12+1 100
        100 http://mirror/debian bookworm-backports/main amd64 Packages
     1:7.2+dfsg-7+deb12u18+b3 500
        500 http://mirror/debian bookworm/main amd64 Packages
qemu-utils:
  Installed: 1:7.2+dfsg-7+deb12u18+b3
  Candidate: 1:7.2+dfsg-7+deb12u18+b3
  Version table:
     1:10.0.2+ds-2+deb13u1~bpo12+1 100
        100 http://mirror/debian bookworm-backports/main amd64 Packages
 *** 1:7.2+dfsg-7+deb12u18+b3 500
        500 http://mirror/debian bookworm/main amd64 Packages
        100 /var/lib/dpkg/status
";

/// `qemu-utils` came from backports, which the sources do not list any more.
const ORPHANED_UTILS: &str = "\
qemu-system-arm:
  Installed: (none)
  Candidate: 1:7.2+dfsg-7+deb12u18+b3
  Version table:
     1:7.2+dfsg-7+deb12u18+b3 500
        500 http://mirror/debian bookworm/main amd64 Packages
qemu-utils:
  Installed: 1:10.0.2+ds-2+deb13u1~bpo12+1
  Candidate: 1:10.0.2+ds-2+deb13u1~bpo12+1
  Version table:
 *** 1:10.0.2+ds-2+deb13u1~bpo12+1 100
        100 /var/lib/dpkg/status
     1:7.2+dfsg-7+deb12u18+b3 500
        500 http://mirror/debian bookworm/main amd64 Packages
";

/// A release whose QEMU is too old.
const BULLSEYE: &str = "\
qemu-system-arm:
  Installed: (none)
  Candidate: 1:5.2+dfsg-11+deb11u3
  Version table:
     1:5.2+dfsg-11+deb11u3 500
        500 http://mirror/debian bullseye/main amd64 Packages
";

fn knowledge<'a>(release: &'a str, output: &str) -> Knowledge<'a> {
    Knowledge {
        release,
        system: Policy::parse(output, QEMU_PACKAGE),
        utils: Policy::parse(output, "qemu-utils"),
        updated: false,
        suite_added: false,
    }
}

#[test]
fn reads_versions_and_suites() {
    let policy = Policy::parse(WITH_BACKPORTS, "qemu-utils");
    assert_eq!(
        policy.installed.as_deref(),
        Some("1:7.2+dfsg-7+deb12u18+b3")
    );
    assert_eq!(policy.offers.len(), 2);
    assert_eq!(policy.offers[0].suites, ["bookworm-backports"]);
    assert_eq!(policy.offers[1].suites, ["bookworm"]);
    assert_eq!(Policy::parse(FRESH, QEMU_PACKAGE).installed, None);
    assert_eq!(Policy::parse("", QEMU_PACKAGE), Policy::default());
}

#[test]
fn reads_qemu_versions() {
    let version = |major, minor| Some(QemuVersion { major, minor });
    assert_eq!(
        QemuVersion::from_debian("1:7.2+dfsg-7+deb12u18+b3"),
        version(7, 2)
    );
    assert_eq!(
        QemuVersion::from_debian("1:10.0.2+ds-2~bpo12+1"),
        version(10, 0)
    );
    assert_eq!(
        QemuVersion::from_banner("QEMU emulator version 7.2.15 (Debian 1:7.2+dfsg-7)"),
        version(7, 2)
    );
    assert_eq!(QemuVersion::from_banner("something else"), None);
}

#[test]
fn a_fresh_machine_takes_the_release() {
    let Plan::Install {
        suite, packages, ..
    } = plan(&knowledge("bookworm", FRESH))
    else {
        panic!("not an installation");
    };
    assert_eq!((suite, packages), (None, vec![QEMU_PACKAGE]));
}

#[test]
fn a_known_backports_suite_wins_and_takes_qemu_utils_along() {
    let Plan::Install {
        suite,
        packages,
        why,
    } = plan(&knowledge("bookworm", WITH_BACKPORTS))
    else {
        panic!("not an installation");
    };
    assert_eq!(suite.as_deref(), Some("bookworm-backports"));
    assert_eq!(packages, [QEMU_PACKAGE, "qemu-utils"]);
    assert!(why.contains("QEMU 10.0"), "{why}");
}

#[test]
fn orphaned_utils_bring_their_suite_back() {
    let mut know = knowledge("bookworm", ORPHANED_UTILS);
    assert_eq!(plan(&know), Plan::Update);
    know.updated = true;
    let Plan::AddSuite { suite, why } = plan(&know) else {
        panic!("no suite added")
    };
    assert_eq!(suite, "bookworm-backports");
    assert!(why.contains("qemu-utils 10.0 is installed"), "{why}");
    // The suite was added, and still nobody offers the version: say so instead of trying again.
    know.suite_added = true;
    assert!(matches!(plan(&know), Plan::Impossible { .. }));
    // The usual end: the suite is there now.
    let mut know = knowledge("bookworm", WITH_BACKPORTS);
    know.utils = Policy::parse(ORPHANED_UTILS, "qemu-utils");
    assert!(matches!(plan(&know), Plan::Install { suite: Some(_), .. }));
}

#[test]
fn empty_lists_are_fetched_once() {
    let mut know = knowledge("bookworm", "");
    assert_eq!(plan(&know), Plan::Update);
    know.updated = true;
    let Plan::Impossible { why } = plan(&know) else {
        panic!("not impossible")
    };
    assert!(why.contains("no configured package source"), "{why}");
}

#[test]
fn an_old_release_without_backports_is_refused_with_both_versions() {
    let mut know = knowledge("bullseye", BULLSEYE);
    know.updated = true;
    let Plan::Impossible { why } = plan(&know) else {
        panic!("not impossible")
    };
    assert_eq!(why, "bullseye has QEMU 5.2, but 7.2 is needed");
}
