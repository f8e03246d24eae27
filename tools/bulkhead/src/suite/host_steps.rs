// SPDX-License-Identifier: BSD-2-Clause
//! Steps that need no board: house rules, formatting, lints, host tests, bare-metal builds.

use std::path::Path;
use std::time::Duration;

use host::job::Ran;
use host::{Outcome, output};

use super::boots::BOARD;
use super::{Step, StepResult};
use crate::cargo;
use crate::context::Context;

/// How many lines of a failing tool are shown; all are kept in its log.
const SHOWN: usize = 40;
/// A tool that takes longer is stuck.
const LIMIT: Duration = Duration::from_secs(1800);

/// The workspace that needs an SDK.
const SEL4: &str = "images/sel4";
const DENY_WARNINGS: [&str; 3] = ["--", "-D", "warnings"];

/// The workspaces beside the root's: folder, what it holds, arguments for clippy.
const OTHERS: [(&str, &str, &[&str]); 5] = [
    (
        "images/dev",
        "the bare-metal programs",
        &["clippy", "--workspace", "--release"],
    ),
    (
        "images/sel4",
        "the programs for seL4",
        &["clippy", "--workspace", "--release"],
    ),
    (
        "images/guests/rtos",
        "the RTOS guest",
        &["clippy", "--release"],
    ),
    (
        NETLOAD,
        "a program of Linux guests",
        &["clippy", "--all-targets"],
    ),
    (
        VSOCK,
        "a program of Linux guests",
        &["clippy", "--all-targets"],
    ),
];

/// Workspaces of Linux guests' programs, which have tests of their own for the host.
const NETLOAD: &str = "images/guests/tools/netload";
const VSOCK: &str = "images/guests/tools/vsock";

/// The fuzz targets: what is in them is tested in the root workspace, and to compile them takes tools that
/// nobody needs otherwise.
const FUZZ: (&str, &str) = ("tests/fuzz", "the fuzz targets");

/// The steps; those that need an SDK only where one is.
pub(super) fn steps(has_sdk: bool) -> Vec<Step> {
    let rules = "house rules: layers, unsafe code, documentation, sizes";
    let mut steps = vec![Step::new("tidy", rules, tidy)];
    steps.push(formatting("host", ".", "the root workspace"));
    let others = OTHERS.map(|(workspace, what, _)| (workspace, what));
    for (workspace, what) in others.into_iter().chain([FUZZ]) {
        steps.push(formatting(workspace, workspace, what));
    }
    let all = &["clippy", "--workspace", "--all-targets"];
    steps.push(linting("host", ".", "the root workspace", all));
    steps.push(testing("host", ".", "the root workspace"));
    for workspace in [NETLOAD, VSOCK] {
        steps.push(testing(workspace, workspace, "a program of Linux guests"));
    }
    let lintable = OTHERS
        .into_iter()
        .filter(|(workspace, ..)| has_sdk || *workspace != SEL4);
    for (workspace, what, args) in lintable {
        steps.push(linting(workspace, workspace, what, args));
    }
    steps
}

fn formatting(name: &str, workspace: &'static str, what: &str) -> Step {
    Step::new(
        format!("format/{name}"),
        format!("rustfmt on {what}"),
        move |context| format(context, workspace),
    )
}

fn linting(name: &str, workspace: &'static str, what: &str, args: &'static [&str]) -> Step {
    Step::new(
        format!("lints/{name}"),
        format!("clippy on {what}"),
        move |context| lints(context, workspace, args),
    )
}

fn testing(name: &str, workspace: &'static str, what: &str) -> Step {
    Step::new(
        format!("tests/{name}"),
        format!("cargo test on {what}"),
        move |context| tests(context, workspace),
    )
}

fn tidy(context: &Context) -> Outcome<StepResult> {
    let report = tidy::check(&context.root, false)
        .map_err(|e| host::Failure::environment(format!("cannot look at the tree: {e}")))?;
    if report.findings.is_empty() {
        return Ok(StepResult::passed(format!("{} files", report.files)));
    }
    let lines = report.findings.iter().map(ToString::to_string).collect();
    Ok(StepResult::failed(
        format!("{} breaches", report.findings.len()),
        lines,
    ))
}

fn format(context: &Context, workspace: &str) -> Outcome<StepResult> {
    let args = ["fmt", "--all", "--check"];
    let ran = run(context, workspace, &args, &format!("format {workspace}"))?;
    Ok(plain(&ran, "cargo fmt --all puts this right"))
}

fn lints(context: &Context, workspace: &str, args: &[&str]) -> Outcome<StepResult> {
    let args: Vec<_> = args.iter().chain(&DENY_WARNINGS).copied().collect();
    let ran = run(context, workspace, &args, &format!("lints {workspace}"))?;
    Ok(plain(&ran, "clippy found something"))
}

fn tests(context: &Context, workspace: &str) -> Outcome<StepResult> {
    let args = ["test", "--workspace", "--no-fail-fast"];
    let ran = run(context, workspace, &args, &format!("tests {workspace}"))?;
    Ok(judge_tests(&ran))
}

fn judge_tests(ran: &Ran) -> StepResult {
    let counts = cargo::test_counts(&ran.stdout);
    let mut result = StepResult {
        passed: counts.passed,
        failed: counts.failed,
        skipped: counts.skipped,
        remark: format!("{} tests passed", counts.passed),
        details: Vec::new(),
    };
    if !ran.succeeded() {
        // A program that does not compile or aborts counts no failed test of its own.
        result.failed = result.failed.max(1);
        result.remark = format!("{} tests failed", result.failed);
        result.details = failures(ran);
    }
    result
}

/// The interesting lines of a failed `cargo test`.
fn failures(ran: &Ran) -> Vec<String> {
    let names = ran
        .stdout
        .lines()
        .filter(|l| l.starts_with("test ") && l.ends_with("FAILED"));
    let panics = ran.stdout.lines().filter(|l| l.contains("panicked at"));
    let mut lines: Vec<String> = names.chain(panics).map(str::to_owned).collect();
    lines.extend(host::job::last_lines(&ran.stderr, SHOWN));
    lines
}

fn plain(ran: &Ran, complaint: &str) -> StepResult {
    if ran.succeeded() {
        return StepResult::passed("");
    }
    let remark = if ran.timed_out {
        "took too long"
    } else {
        complaint
    };
    StepResult::failed(remark, ran.last_lines(SHOWN))
}

/// Runs cargo in a workspace and keeps all that it said.
fn run(context: &Context, workspace: &str, args: &[&str], label: &str) -> Outcome<Ran> {
    let folder = context.root.join(workspace);
    let mut job = cargo::job(&folder, args).limit(LIMIT);
    if let Some(sdk) = context.sdk()? {
        // Some tests compare with the SDK's tool where there is one.
        job = job.env("MICROKIT_SDK", &sdk.root);
        if workspace == SEL4 {
            let include = sdk.board(BOARD, "debug")?.join("include");
            job = job
                .env("SEL4_INCLUDE_DIRS", include)
                .env("RUSTC_BOOTSTRAP", "1");
        }
    }
    let ran = job.run(&context.ui, label)?;
    let log = context
        .output()
        .join("logs")
        .join(format!("{}.txt", label.replace([' ', '/'], "-")));
    keep_log(&log, &ran)?;
    Ok(ran)
}

fn keep_log(path: &Path, ran: &Ran) -> Outcome<()> {
    output::write(path, format!("{}\n{}", ran.stdout, ran.stderr).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn ran(code: i32, stdout: &str, stderr: &str) -> Ran {
        Ran {
            status: ExitStatus::from_raw(code << 8),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
            time: Duration::ZERO,
            timed_out: false,
        }
    }

    #[test]
    fn test_results_add_up() {
        let out = "test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n";
        let result = judge_tests(&ran(0, out, ""));
        assert_eq!((result.passed, result.failed, result.skipped), (7, 0, 1));
    }

    /// Nothing was counted, and still it is a failure.
    #[test]
    fn a_crate_that_does_not_compile_is_one_failure() {
        let result = judge_tests(&ran(101, "", "error[E0308]: mismatched types\n"));
        assert_eq!((result.passed, result.failed), (0, 1));
        assert_eq!(result.details, ["error[E0308]: mismatched types"]);
    }
}
