// SPDX-License-Identifier: BSD-2-Clause
//! The layer law, from what the crates' manifests declare.
//!
//! `components/base` <- `components/proto` <- rooms <- `images`; rooms never import each other; tools
//! import base and proto only; tests import anything.
//!
//! Answers BH-01, BH-31.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::{Finding, Tree};

/// A part of the tree with its own place in the law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Base,
    Proto,
    Services,
    DevKernel,
    Drivers,
    Vmm,
    Images,
    Tools,
    Tests,
}

const ROOMS: [(&str, Room); 9] = [
    ("components/base", Room::Base),
    ("components/proto", Room::Proto),
    ("components/services", Room::Services),
    ("components/devkernel", Room::DevKernel),
    ("drivers", Room::Drivers),
    ("vmm", Room::Vmm),
    ("images", Room::Images),
    ("tools", Room::Tools),
    ("tests", Room::Tests),
];

impl Room {
    /// The room of a crate's folder, relative to the repository.
    fn of(folder: &Path) -> Option<Self> {
        ROOMS
            .iter()
            .find(|(prefix, _)| folder.starts_with(prefix))
            .map(|(_, room)| *room)
    }

    /// Whether a crate here may depend on one there.
    fn may_import(self, other: Self) -> bool {
        match self {
            Self::Base => other == Self::Base,
            Self::Proto | Self::Tools => matches!(other, Self::Base | Self::Proto) || other == self,
            Self::Services | Self::DevKernel | Self::Drivers | Self::Vmm => {
                matches!(other, Self::Base | Self::Proto) || other == self
            }
            Self::Images => !matches!(other, Self::Tools | Self::Tests),
            Self::Tests => true,
        }
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = ROOMS
            .iter()
            .find(|(_, room)| room == self)
            .map_or("", |(prefix, _)| prefix);
        f.write_str(name)
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    path: Option<PathBuf>,
    source: Option<String>,
    kind: Option<String>,
}

/// Checks all workspaces.
pub(crate) fn check(root: &Path, tree: &Tree, findings: &mut Vec<Finding>) -> io::Result<()> {
    let root = root.canonicalize()?;
    for workspace in [
        "Cargo.toml",
        "images/dev/Cargo.toml",
        "images/sel4/Cargo.toml",
    ] {
        if tree.get(workspace).is_none() {
            continue;
        }
        match metadata(&root.join(workspace))? {
            Ok(metadata) => judge(&root, &metadata, findings),
            Err(why) => findings.push(Finding::new(workspace, 0, "layers", why)),
        }
    }
    Ok(())
}

fn metadata(manifest: &Path) -> io::Result<Result<Metadata, String>> {
    let output = Command::new("cargo")
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
            "--manifest-path",
        ])
        .arg(manifest)
        .output()?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Ok(Err(format!("cargo metadata failed: {}", stderr.trim())));
    }
    Ok(serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}")))
}

fn judge(root: &Path, metadata: &Metadata, findings: &mut Vec<Finding>) {
    for package in &metadata.packages {
        let manifest = package
            .manifest_path
            .strip_prefix(root)
            .unwrap_or(&package.manifest_path);
        let file = manifest.display().to_string();
        let Some(room) = Room::of(manifest) else {
            let message = "a crate outside the rooms: see the layers in the README";
            findings.push(Finding::new(file, 0, "layers", message));
            continue;
        };
        for dependency in &package.dependencies {
            let alone = manifest.starts_with(INDEPENDENT);
            let message = breach(root, room, dependency)
                .or_else(|| alone.then(|| shared(root, dependency))?);
            if let Some(message) = message {
                findings.push(Finding::new(&file, 0, "layers", message));
            }
        }
    }
}

/// The checker of images: what it shares with the tools that make them it cannot check.
const INDEPENDENT: &str = "tools/audit";

/// Why the independent checker may not have this dependency, not even in tests.
fn shared(root: &Path, dependency: &Dependency) -> Option<String> {
    let path = dependency.path.as_ref()?.strip_prefix(root).ok()?;
    let name = &dependency.name;
    (Room::of(path)? == Room::Tools).then(|| {
        format!("{INDEPENDENT} must not depend on {name}: a generator cannot check its own output")
    })
}

fn breach(root: &Path, room: Room, dependency: &Dependency) -> Option<String> {
    let name = &dependency.name;
    if let Some(path) = &dependency.path {
        let other = Room::of(path.strip_prefix(root).ok()?)?;
        // A test may look across, since nothing of it is shipped.
        let shipped = dependency.kind.as_deref() != Some("dev");
        return (shipped && !room.may_import(other))
            .then(|| format!("{room} must not depend on {name}, which is in {other}"));
    }
    let from_git = dependency
        .source
        .as_deref()
        .is_some_and(|s| s.starts_with("git+"));
    (from_git && room != Room::Images)
        .then(|| format!("{name} comes from git: only images may name a kernel's crates"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(json: &str) -> Vec<String> {
        let metadata: Metadata = serde_json::from_str(json).unwrap();
        let mut findings = Vec::new();
        judge(Path::new("/r"), &metadata, &mut findings);
        findings.iter().map(Finding::to_string).collect()
    }

    fn package(folder: &str, dependency: &str, kind: &str) -> String {
        format!(
            r#"{{"packages":[{{"manifest_path":"/r/{folder}/Cargo.toml","dependencies":
            [{{"name":"x","path":"/r/{dependency}","source":null,"kind":{kind}}}]}}]}}"#
        )
    }

    // Shows BH-01.
    #[test]
    fn the_law() {
        for (from, to, allowed) in [
            ("components/base/pd", "components/base/shm", true),
            ("components/base/pd", "components/proto/serial", false),
            ("components/proto/vio", "components/base/shm", true),
            ("vmm/core", "vmm/bus", true),
            ("vmm/core", "components/services/virtq", false),
            ("vmm/core", "drivers/serial/pl011", false),
            ("drivers/serial/pl011", "components/proto/serial", true),
            ("tools/pack", "components/proto/devimage", true),
            ("tools/pack", "components/devkernel", false),
            ("images/dev/kernel", "components/devkernel", true),
            ("images/dev/kernel", "tools/pack", false),
            ("tests/sim", "vmm/core", true),
        ] {
            let found = findings(&package(from, to, "null"));
            assert_eq!(found.is_empty(), allowed, "{from} -> {to}: {found:?}");
            assert!(findings(&package(from, to, "\"dev\"")).is_empty());
        }
    }

    // Shows BH-31.
    #[test]
    fn the_checker_shares_nothing_with_the_makers() {
        for kind in ["null", "\"dev\""] {
            let found = findings(&package("tools/audit", "tools/sdf", kind));
            assert!(found[0].contains("check its own output"), "{found:?}");
            assert!(findings(&package("tools/pack", "tools/audit", kind)).is_empty());
            let layout = package("tools/audit", "components/proto/devimage", kind);
            assert!(findings(&layout).is_empty());
        }
    }

    // Shows BH-01.
    #[test]
    fn strays_and_git_sources_are_found() {
        let stray = r#"{"packages":[{"manifest_path":"/r/misc/Cargo.toml","dependencies":[]}]}"#;
        assert!(findings(stray)[0].contains("outside the rooms"));
        let git = |folder: &str| {
            format!(
                r#"{{"packages":[{{"manifest_path":"/r/{folder}/Cargo.toml","dependencies":
                [{{"name":"sel4","path":null,"source":"git+https://x/y","kind":null}}]}}]}}"#
            )
        };
        assert!(findings(&git("vmm/core"))[0].contains("comes from git"));
        assert!(findings(&git("images/sel4/port")).is_empty());
    }
}
