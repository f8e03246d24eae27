// SPDX-License-Identifier: BSD-2-Clause
//! Running cargo and reading what it says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use host::job::Job;
use serde::Deserialize;

/// A cargo job in `folder`.
pub(crate) fn job(folder: &Path, args: &[&str]) -> Job {
    // Our own cargo told us about our own package; that must not leak into other builds.
    [
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_PKG_NAME",
        "CARGO_PKG_VERSION",
    ]
    .iter()
    .fold(Job::new("cargo"), |job, name| job.without_env(name))
    .args(args)
    .in_folder(folder)
    .env("CARGO_TERM_COLOR", "never")
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    #[serde(default)]
    kind: Vec<String>,
}

/// A program that cargo built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// The name of the binary target.
    pub(crate) name: String,
    /// The ELF file.
    pub(crate) path: PathBuf,
}

/// The programs in the output of `cargo build --message-format json-render-diagnostics`.
pub(crate) fn programs(stdout: &str) -> Vec<Program> {
    stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact")
        .filter_map(|message| Some((message.target?, message.executable?)))
        .filter(|(target, _)| target.kind.iter().any(|kind| kind == "bin"))
        .map(|(target, path)| Program {
            name: target.name,
            path,
        })
        .collect()
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    targets: Vec<Target>,
    features: BTreeMap<String, Vec<String>>,
}

/// A binary target of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binary {
    /// Its package.
    pub(crate) package: String,
    /// Its name.
    pub(crate) name: String,
    /// The features of its package.
    pub(crate) features: Vec<String>,
}

/// All binary targets in the output of `cargo metadata --no-deps`.
pub(crate) fn binaries(metadata: &str) -> Result<Vec<Binary>, serde_json::Error> {
    let metadata: Metadata = serde_json::from_str(metadata)?;
    let mut all = Vec::new();
    for package in metadata.packages {
        let features: Vec<String> = package.features.into_keys().collect();
        for target in package.targets {
            if target.kind.iter().any(|kind| kind == "bin") {
                let (package, features) = (package.name.clone(), features.clone());
                all.push(Binary {
                    package,
                    name: target.name,
                    features,
                });
            }
        }
    }
    Ok(all)
}

/// What a run of `cargo test` counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// Tests that passed.
    pub(crate) passed: usize,
    /// Tests that failed.
    pub(crate) failed: usize,
    /// Tests that were ignored.
    pub(crate) skipped: usize,
}

/// Adds up the `test result:` lines of a run.
pub(crate) fn test_counts(stdout: &str) -> Counts {
    let mut counts = Counts::default();
    for line in stdout
        .lines()
        .filter(|line| line.starts_with("test result: "))
    {
        let count = |what: &str| {
            let words: Vec<_> = line.split_whitespace().collect();
            words
                .windows(2)
                .find(|pair| pair[1].trim_end_matches(';') == what)
                .and_then(|pair| pair[0].parse().ok())
                .unwrap_or(0)
        };
        counts.passed += count("passed");
        counts.failed += count("failed");
        counts.skipped += count("ignored");
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_test_results() {
        let output = "\
running 2 tests
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.20s
test result: FAILED. 40 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out; finished in 1s
";
        assert_eq!(
            test_counts(output),
            Counts {
                passed: 42,
                failed: 1,
                skipped: 3
            }
        );
        assert_eq!(test_counts("error: could not compile"), Counts::default());
    }

    #[test]
    fn finds_the_programs_in_cargos_messages() {
        let output = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"port","kind":["lib"]},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"ping","kind":["bin"]},"executable":"/t/ping"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
            "\nnot json\n"
        );
        let ping = Program {
            name: "ping".to_owned(),
            path: PathBuf::from("/t/ping"),
        };
        assert_eq!(programs(output), [ping]);
    }

    #[test]
    fn finds_the_binaries_of_a_workspace() {
        let metadata = r#"{"packages":[
            {"name":"pds","features":{"fast":[]},
             "targets":[{"name":"ping","kind":["bin"]},{"name":"port","kind":["lib"]}]},
            {"name":"x","features":{},"targets":[{"name":"x","kind":["bin"]}]}]}"#;
        let found = binaries(metadata).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|b| (b.package.as_str(), b.name.as_str()))
            .collect();
        assert_eq!(names, [("pds", "ping"), ("x", "x")]);
        assert_eq!(found[0].features, ["fast"]);
        assert!(binaries("nothing").is_err());
    }
}
