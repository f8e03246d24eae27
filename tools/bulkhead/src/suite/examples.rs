// SPDX-License-Identifier: BSD-2-Clause
//! The SDK's own C examples, compiled from the SDK's sources, unmodified: on the development kernel,
//! and on seL4 with the same script, which shows that the script says what seL4 does.

use std::fs;
use std::path::{Path, PathBuf};

use host::job::Job;
use host::provision::Need;
use host::sdk::Sdk;
use host::{Failure, Outcome};

use super::boots::{self, BOARD, Boot};
use super::{Step, StepResult};
use crate::cli::{Config, KernelChoice};
use crate::context::Context;

/// The compiler for them.
pub(super) const COMPILER: Need = Need::Program {
    program: "aarch64-linux-gnu-gcc",
    package: "gcc-aarch64-linux-gnu",
    why: "compiles the SDK's C examples",
};

const COMPILE: [&str; 9] = [
    "-nostdlib",
    "-ffreestanding",
    "-fno-pic",
    "-fno-stack-protector",
    "-mstrict-align",
    "-mno-outline-atomics",
    "-g",
    "-O3",
    "-c",
];

/// The steps: every script in `tests/boot/sdk`, whose system is relative to the SDK's examples.
pub(super) fn steps(context: &Context, sdk: &Sdk) -> Outcome<Vec<Step>> {
    let mut steps = Vec::new();
    for (name, script) in boots::scripts(&context.root.join("tests/boot/sdk"))? {
        for kernel in [KernelChoice::Dev, KernelChoice::Sel4] {
            let mut script = script.clone();
            script.system = sdk
                .root
                .join("example")
                .join(&script.system)
                .display()
                .to_string();
            let label = format!("sdk-{name}");
            let config = Config::Debug;
            let boot = Boot {
                name: label,
                script,
                kernel,
                config,
                search_path: Vec::new(),
            };
            let shows = boot.script.summary.clone();
            let sdk = sdk.clone();
            steps.push(Step::new(boot.step_name(), shows, move |context| {
                run(context, &sdk, &boot)
            }));
        }
    }
    Ok(steps)
}

fn run(context: &Context, sdk: &Sdk, boot: &Boot) -> Outcome<StepResult> {
    let system = Path::new(&boot.script.system);
    let sources = system.parent().unwrap_or(system);
    let output = context.output().join("sdk-examples").join(&boot.name);
    compile_all(context, sdk, sources, &output)?;
    boots::run_boot(context, &boot.with_search_path(output))
}

/// Compiles every C file to a program of its own, as the examples' makefiles do.
fn compile_all(context: &Context, sdk: &Sdk, sources: &Path, output: &Path) -> Outcome<()> {
    fs::create_dir_all(output).map_err(|e| Failure::io("create the folder", output, &e))?;
    let entries = fs::read_dir(sources).map_err(|e| Failure::io("read", sources, &e))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "c"));
    let board = sdk.board(BOARD, Config::Debug.name())?;
    for source in files {
        compile(context, &board, &source, output)?;
    }
    Ok(())
}

fn compile(context: &Context, board: &Path, source: &Path, output: &Path) -> Outcome<()> {
    let stem = source.file_stem().unwrap_or_default();
    let object = output.join(stem).with_extension("o");
    let program = output.join(stem).with_extension("elf");
    let compile = Job::new("aarch64-linux-gnu-gcc")
        .args(COMPILE)
        .arg("-I", &board.join("include"))
        .arg("", source)
        .args(["-o"])
        .arg("", &object);
    let link = Job::new("aarch64-linux-gnu-ld")
        .args(["--build-id=none", "-z", "max-page-size=4096"])
        .arg("-L", &board.join("lib"))
        .arg("", &object)
        .args(["-lmicrokit", "-Tmicrokit.ld", "-o"])
        .arg("", &program);
    for job in [compile, link] {
        let ran = job.run(&context.ui, "compiling the SDK's examples")?;
        if !ran.succeeded() {
            let what = format!("{} does not compile", source.display());
            let lines = ran.last_lines(10);
            return Err(lines.into_iter().fold(Failure::input(what), Failure::note));
        }
    }
    Ok(())
}
