// SPDX-License-Identifier: BSD-2-Clause
//! Boot tests: the scripts in `tests/boot`, each on the kernels and configurations it names.

use std::fs;
use std::path::{Path, PathBuf};

use disk::SectorSize;
use host::expect::{self, Case, Script};
use host::qemu::Machine;
use host::ui::elapsed;
use host::{Failure, Outcome};

use super::{Step, StepResult};
use crate::cli::{BuildArgs, Config, KernelChoice, SystemArgs};
use crate::command::build::{self, Built};
use crate::command::run;
use crate::context::Context;
use crate::devices::DiskImage;

/// Board that tests boot on.
pub(super) const BOARD: &str = "qemu_virt_aarch64";

/// What a boot test boots.
pub(super) struct Boot {
    /// The script's name: its file without the extension.
    pub(crate) name: String,
    /// The script.
    pub(crate) script: Script,
    /// The kernel.
    pub(crate) kernel: KernelChoice,
    /// The configuration.
    pub(crate) config: Config,
    /// Where program images are found, beside the build's own.
    pub(crate) search_path: Vec<PathBuf>,
}

impl Boot {
    fn case(&self) -> Case<'static> {
        Case {
            kernel: kernel_name(self.kernel),
            config: self.config.name(),
        }
    }

    /// The same with programs from `folder`.
    pub(super) fn with_search_path(&self, folder: PathBuf) -> Self {
        Self {
            name: self.name.clone(),
            script: self.script.clone(),
            search_path: vec![folder],
            ..*self
        }
    }

    /// `boot/<script>/<kernel>/<config>`.
    pub(crate) fn step_name(&self) -> String {
        let Case { kernel, config } = self.case();
        format!("boot/{}/{kernel}/{config}", self.name)
    }
}

fn kernel_name(kernel: KernelChoice) -> &'static str {
    if kernel == KernelChoice::Dev {
        "dev"
    } else {
        "sel4"
    }
}

/// The steps: all scripts on the development kernel, and on seL4 where an SDK is.
pub(super) fn steps(context: &Context, has_sdk: bool) -> Outcome<Vec<Step>> {
    let scripts = scripts(&context.root.join("tests/boot"))?;
    let mut steps = Vec::new();
    let kernels = [KernelChoice::Dev, KernelChoice::Sel4];
    for kernel in kernels
        .into_iter()
        .filter(|kernel| has_sdk || *kernel == KernelChoice::Dev)
    {
        for (name, script) in &scripts {
            for config in [Config::Debug, Config::Release, Config::Benchmark] {
                let case = Case {
                    kernel: kernel_name(kernel),
                    config: config.name(),
                };
                if script.applies(case) {
                    let (name, script) = (name.clone(), script.clone());
                    let search_path = Vec::new();
                    steps.push(step(Boot {
                        name,
                        script,
                        kernel,
                        config,
                        search_path,
                    }));
                }
            }
        }
    }
    Ok(steps)
}

fn step(boot: Boot) -> Step {
    let shows = boot.script.summary.clone();
    Step::new(boot.step_name(), shows, move |context| {
        run_boot(context, &boot)
    })
}

/// Builds the image and runs the script.
pub(super) fn run_boot(context: &Context, boot: &Boot) -> Outcome<StepResult> {
    let label = boot.step_name().replace('/', "-");
    let args = BuildArgs {
        system: SystemArgs {
            system: Some(context.root.join(&boot.script.system)),
            board: BOARD.to_owned(),
            search_path: boot.search_path.clone(),
        },
        kernel: boot.kernel,
        config: boot.config,
        output: Some(context.output().join("test").join(&label)),
    };
    let built = build::build(context, &args)?;
    let machine = machine(context, boot, &built)?;
    let result = play(context, &machine, &boot.script, boot.case(), &label)?;
    if result.failed == 0 {
        discard(&built)?;
    }
    Ok(result)
}

/// Boots `machine` and has the conversation of `script`, of which a transcript is kept as `label`.
pub(super) fn play(
    context: &Context,
    machine: &Machine,
    script: &Script,
    case: Case<'_>,
    label: &str,
) -> Outcome<StepResult> {
    let transcripts = context.output().join("transcripts");
    let transcript = transcripts.join(format!("{label}.txt"));
    let report = expect::boot(&context.ui, machine, script, case, &transcript)?;
    Ok(match report.reason {
        None => StepResult::passed(format!("booted and checked in {}", elapsed(report.time))),
        Some(reason) => {
            let mut details = report.last_lines;
            details.push(format!("transcript: {}", context.show(&transcript)));
            details.push(format!("command: {}", machine.command_line()));
            StepResult::failed(reason.to_string(), details)
        }
    })
}

/// Removes what a test that passed was built from: an image and a disk are hundreds of megabytes, and
/// there are dozens of tests. What a failed one booted stays, to be booted again.
pub(super) fn discard(built: &Built) -> Outcome<()> {
    let folder = built.image.parent().unwrap_or(&built.image);
    fs::remove_dir_all(folder).map_err(|e| Failure::io("remove", folder, &e))
}

fn machine(context: &Context, boot: &Boot, built: &Built) -> Outcome<Machine> {
    let disk = new_disk(context, boot, built)?;
    let mut extra = built.devices.arguments(disk.as_ref());
    extra.extend(boot.script.qemu.iter().cloned());
    run::machine(&built.board, &built.kernel, &built.image, &extra)
}

/// Every boot begins with a disk of its own that nothing was written to.
fn new_disk(context: &Context, boot: &Boot, built: &Built) -> Outcome<Option<DiskImage>> {
    if !built.devices.have_disk() {
        return Ok(None);
    }
    let sectors = match boot.script.sector_size {
        4096 => SectorSize::B4096,
        _ => SectorSize::B512,
    };
    let path = built.image.with_file_name("disk.img");
    built
        .devices
        .create_disk(context, &path, boot.script.partition_mib << 20, sectors)
        .map(Some)
}

/// All scripts of a folder, sorted by name.
pub(super) fn scripts(folder: &Path) -> Outcome<Vec<(String, Script)>> {
    let entries = fs::read_dir(folder).map_err(|e| Failure::io("read", folder, &e))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "toml") && !is_manifest(path));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn is_manifest(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "Cargo.toml")
}

fn read(path: &Path) -> Outcome<(String, Script)> {
    let text = fs::read_to_string(path).map_err(|e| Failure::io("read", path, &e))?;
    let script = Script::parse(&text)
        .map_err(|e| Failure::input(format!("{} is not a boot script: {e}", path.display())))?;
    let name = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok((name, script))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A script with a mistake must be found without booting anything.
    #[test]
    fn all_scripts_of_the_repository_are_readable() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (name, script) in scripts(&root.join("tests/boot")).unwrap() {
            assert!(
                root.join(&script.system).is_file(),
                "{name}: no {}",
                script.system
            );
            assert!(!script.steps.is_empty(), "{name} waits for nothing");
        }
    }
}
