// SPDX-License-Identifier: BSD-2-Clause
//! The same programs wherever the tree is. Cargo mixes the folder of every crate into the name of its
//! symbols, since the workspaces of `images` use crates above themselves, and the compiler puts the
//! folders of sources into messages. Cargo calls us instead of the compiler, and we call it with names
//! and folders that are the same everywhere.

use std::path::Path;
use std::process::{Command, ExitCode};

use host::job::Job;

/// Tells our program that cargo calls it; holds the top of the tree.
const TREE: &str = "BULKHEAD_RUSTC_TREE";

/// Has `job`, which runs cargo, call the compiler through us.
pub(super) fn through_us(job: Job, tree: &Path) -> Job {
    match std::env::current_exe() {
        Ok(own) => job.env("RUSTC_WRAPPER", own).env(TREE, tree),
        Err(_) => job,
    }
}

/// Calls the compiler, if it is cargo that called us.
pub(crate) fn run() -> Option<ExitCode> {
    let tree = std::env::var(TREE).ok()?;
    let mut given = std::env::args().skip(1);
    let compiler = given.next()?;
    let given: Vec<String> = given.collect();
    let home =
        std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|it| it + "/.cargo"));
    let status = Command::new(compiler)
        .args(arguments(&given, &package()))
        .args(folders(&tree, home.ok().as_deref()))
        .status();
    let code = status.ok().and_then(|status| status.code());
    Some(
        code.and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from),
    )
}

/// Name and version of the package that cargo builds.
fn package() -> String {
    let text = |name| std::env::var(name).unwrap_or_default();
    format!("{}-{}", text("CARGO_PKG_NAME"), text("CARGO_PKG_VERSION"))
}

/// `given` with metadata of what the crate is, not of where it is.
fn arguments(given: &[String], package: &str) -> Vec<String> {
    let value = |name: &str| {
        let all = given.iter().zip(given.iter().skip(1));
        let found = all.filter(|(key, _)| *key == name);
        found
            .map(|(_, value)| value.as_str())
            .collect::<Vec<_>>()
            .join("-")
    };
    let parts = ["--crate-name", "--crate-type", "--cfg", "--target"].map(value);
    let metadata =
        format!("metadata={package}-{}", parts.join("-")).replace(char::is_whitespace, "-");
    let same = |argument: &String| match argument.starts_with("metadata=") {
        true => metadata.clone(),
        false => argument.clone(),
    };
    given.iter().map(same).collect()
}

/// Where sources are, by names that are the same everywhere.
fn folders(tree: &str, home: Option<&str>) -> Vec<String> {
    let home = home.map(|home| format!("--remap-path-prefix={home}=/cargo"));
    let tree = format!("--remap-path-prefix={tree}=/bulkhead");
    home.into_iter().chain([tree]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_say_what_a_crate_is_and_not_where() {
        let given = [
            "--crate-name",
            "ring",
            "a/lib.rs",
            "--cfg",
            "feature=\"x y\"",
            "-C",
            "metadata=0123",
            "-C",
            "opt-level=3",
        ];
        let given = given.map(str::to_owned);
        let made = arguments(&given, "ring-0.1.0");
        assert_eq!(made[6], "metadata=ring-0.1.0-ring--feature=\"x-y\"-");
        assert_eq!((&made[..6], &made[7..]), (&given[..6], &given[7..]));
    }

    #[test]
    fn what_cargo_asks_of_the_compiler_itself_stays() {
        let given = ["-vV".to_owned()];
        assert_eq!(arguments(&given, "-"), given);
    }

    #[test]
    fn folders_have_the_same_names_everywhere() {
        assert_eq!(
            folders("/a/tree", Some("/me/.cargo")),
            [
                "--remap-path-prefix=/me/.cargo=/cargo",
                "--remap-path-prefix=/a/tree=/bulkhead"
            ]
        );
    }
}
