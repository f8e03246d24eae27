// SPDX-License-Identifier: BSD-2-Clause
//! What must hold when things go wrong: this program is started, disturbed, and its traces are
//! inspected.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use host::processes;
use host::{Failure, Outcome};
use pack::names::IMAGE;

use super::{Step, StepResult};
use crate::context::Context;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// A file may have at most this many blocks of 512 bytes: less than an image, more than a program.
const FILE_LIMIT: u32 = 4096;
/// A system that is built quickly.
const SYSTEM: &str = "tests/boot/systems/first.system";

/// The steps.
pub(super) fn steps() -> Vec<Step> {
    vec![
        Step::new(
            "robust/bad-input",
            "nothing is written for a wrong description",
            bad_input,
        ),
        Step::new(
            "robust/missing-tool",
            "a missing tool is named, with what to do",
            missing_tool,
        ),
        Step::new(
            "robust/write-error",
            "an image that cannot be written leaves nothing",
            full,
        ),
        Step::new(
            "robust/interrupt",
            "an interrupted build leaves nothing",
            |context| interrupted(context, "INT"),
        ),
        Step::new(
            "robust/kill",
            "a killed build leaves no image, and the next one works",
            |context| interrupted(context, "KILL"),
        ),
        Step::new(
            "robust/dead-qemu",
            "a QEMU that dies is reported",
            dead_qemu,
        ),
        Step::new(
            "robust/dead-runner",
            "QEMU does not outlive a killed runner",
            dead_runner,
        ),
    ]
}

/// A fresh folder for a step.
fn folder(context: &Context, name: &str) -> Outcome<PathBuf> {
    let folder = context.output().join("robust").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| Failure::io("remove", &folder, &e))?;
    }
    fs::create_dir_all(&folder).map_err(|e| Failure::io("create", &folder, &e))?;
    Ok(folder)
}

/// This program, to be started with `words`.
fn this(context: &Context, words: &[&str]) -> Outcome<Command> {
    let program = std::env::current_exe()
        .map_err(|e| Failure::environment(format!("cannot find this program: {e}")))?;
    let mut command = Command::new(program);
    command
        .args(words)
        .current_dir(&context.root)
        .stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

fn output(mut command: Command) -> Outcome<Output> {
    command
        .output()
        .map_err(|e| Failure::environment(format!("cannot start this program: {e}")))
}

fn start(mut command: Command) -> Outcome<Child> {
    command
        .spawn()
        .map_err(|e| Failure::environment(format!("cannot start this program: {e}")))
}

/// Passes if every claim holds.
fn claims(claims: &[(bool, &str)], output: &Output) -> StepResult {
    let broken: Vec<String> = claims
        .iter()
        .filter(|(holds, _)| !holds)
        .map(|(_, what)| format!("not so: {what}"))
        .collect();
    if broken.is_empty() {
        return StepResult::passed("");
    }
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = host::job::last_lines(&stderr, 8);
    StepResult::failed("not robust", broken.into_iter().chain(said).collect())
}

fn stderr_has(output: &Output, text: &str) -> bool {
    String::from_utf8_lossy(&output.stderr).contains(text)
}

/// Names in `folder` but its lock.
fn left_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name != ".lock").collect()
}

fn bad_input(context: &Context) -> Outcome<StepResult> {
    let folder = folder(context, "bad-input")?;
    let bad = folder.join("bad.system");
    let text = "<system>\n<protection_domain name=\"a\" priority=\"300\"/>\n</system>\n";
    fs::write(&bad, text).map_err(|e| Failure::io("write", &bad, &e))?;
    let target = folder.join("out");
    let (bad, out) = (bad.display().to_string(), target.display().to_string());
    let output = output(this(
        context,
        &["build", "--kernel", "dev", &bad, "-o", &out],
    )?)?;
    Ok(claims(
        &[
            (output.status.code() == Some(1), "the exit code is 1"),
            (stderr_has(&output, "bad.system:2:"), "the place is named"),
            (
                stderr_has(&output, "nothing was written"),
                "the message says so",
            ),
            (left_in(&target).is_empty(), "nothing was written"),
        ],
        &output,
    ))
}

fn missing_tool(context: &Context) -> Outcome<StepResult> {
    let mut command = this(context, &["run", "--kernel", "dev", "--no-install"])?;
    command.env("PATH", "/nonexistent");
    let output = output(command)?;
    Ok(claims(
        &[
            (output.status.code() == Some(2), "the exit code is 2"),
            (
                stderr_has(&output, "missing: qemu-system-aarch64"),
                "the tool is named",
            ),
            (
                stderr_has(&output, "boots the image"),
                "the reason is given",
            ),
            (
                stderr_has(&output, "without --no-install"),
                "the message says what to do",
            ),
        ],
        &output,
    ))
}

fn full(context: &Context) -> Outcome<StepResult> {
    let folder = folder(context, "write-error")?;
    let built = output(build(context, &folder)?)?;
    let old = fs::read(folder.join(IMAGE)).unwrap_or_default();
    let inner = build(context, &folder)?;
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            &format!("trap '' XFSZ; ulimit -f {FILE_LIMIT}; exec \"$@\""),
            "sh",
        ])
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(&context.root)
        .stdin(Stdio::null());
    let output = output(command)?;
    Ok(claims(
        &[
            (
                built.status.success() && !old.is_empty(),
                "there is an image to begin with",
            ),
            (output.status.code() == Some(2), "the exit code is 2"),
            (
                stderr_has(&output, "cannot write"),
                "the message names the cause",
            ),
            (
                fs::read(folder.join(IMAGE)).ok() == Some(old),
                "the older image is untouched",
            ),
            (no_leftovers(&folder), "nothing unfinished is left"),
        ],
        &output,
    ))
}

fn build(context: &Context, folder: &Path) -> Outcome<Command> {
    let out = folder.display().to_string();
    this(context, &["build", SYSTEM, "--kernel", "dev", "-o", &out])
}

fn no_leftovers(folder: &Path) -> bool {
    left_in(folder).iter().all(|name| !name.starts_with('.'))
}

/// Ends a build by `signal` as soon as it has begun to write.
fn interrupted(context: &Context, signal: &str) -> Outcome<StepResult> {
    let folder = folder(context, &format!("signal-{signal}"))?;
    let child = start(build(context, &folder)?)?;
    let writing = wait_for(|| !no_leftovers(&folder));
    processes::signal(child.id(), signal)?;
    let ended = child
        .wait_with_output()
        .map_err(|e| Failure::environment(e.to_string()))?;
    let clean = no_leftovers(&folder);
    let image_after = folder.join(IMAGE).exists();
    let again = output(build(context, &folder)?)?;
    let expected = if signal == "INT" { Some(130) } else { None };
    // A build that was quicker than the signal has finished, which is as good.
    let finished = ended.status.success() && image_after;
    Ok(claims(
        &[
            (writing, "the build began to write"),
            (
                finished || ended.status.code() == expected,
                "the exit code tells",
            ),
            (finished || !image_after, "there is no half-written image"),
            (signal == "KILL" || clean, "unfinished files were removed"),
            (again.status.success(), "the next build works"),
            (
                folder.join(IMAGE).exists() && no_leftovers(&folder),
                "and leaves an image only",
            ),
        ],
        &ended,
    ))
}

fn wait_for(mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

/// Starts `run` and waits until the board prints something and QEMU can be seen.
fn running(context: &Context, name: &str) -> Outcome<(Child, Option<u32>)> {
    let out = folder(context, name)?.display().to_string();
    let words = [
        "run",
        SYSTEM,
        "--kernel",
        "dev",
        "--timeout",
        "120",
        "-o",
        &out,
    ];
    let mut child = start(this(context, &words)?)?;
    let mut first = [0];
    if let Some(stdout) = &mut child.stdout {
        // Whether something was read shows below: without QEMU there is no process to find.
        stdout.read(&mut first).map(|_| ()).unwrap_or_default();
    }
    let qemu = processes::children(child.id()).into_iter().next();
    Ok((child, qemu))
}

fn dead_qemu(context: &Context) -> Outcome<StepResult> {
    let (child, qemu) = running(context, "dead-qemu")?;
    if let Some(qemu) = qemu {
        processes::signal(qemu, "KILL")?;
    }
    let output = child
        .wait_with_output()
        .map_err(|e| Failure::environment(e.to_string()))?;
    Ok(claims(
        &[
            (qemu.is_some(), "QEMU ran"),
            (output.status.code() == Some(2), "the exit code is 2"),
            (
                stderr_has(&output, "killed by signal 9"),
                "the message tells how QEMU ended",
            ),
            (stderr_has(&output, "--dry-run"), "and what to do"),
        ],
        &output,
    ))
}

fn dead_runner(context: &Context) -> Outcome<StepResult> {
    let (child, qemu) = running(context, "dead-runner")?;
    processes::signal(child.id(), "KILL")?;
    let output = child
        .wait_with_output()
        .map_err(|e| Failure::environment(e.to_string()))?;
    let gone = qemu.is_some_and(|qemu| wait_for(|| !processes::is_running(qemu)));
    Ok(claims(
        &[(qemu.is_some(), "QEMU ran"), (gone, "QEMU is gone")],
        &output,
    ))
}
