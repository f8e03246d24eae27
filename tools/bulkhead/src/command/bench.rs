// SPDX-License-Identifier: BSD-2-Clause
//! `bench`: what guest programs cost on QEMU's own machine and on Bulkhead, in one run.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use bench::{Options, Owner, Prepared, Program, SEED, Target};
use expand::Images;
use host::output;
use host::provision::{self, Need};
use host::{Failure, Outcome};

use super::build::{self, Built};
use super::run;
use crate::cli::{BenchArgs, BuildArgs, Format, SystemArgs};
use crate::context::Context;
use crate::guests::{self, Given};
use crate::kernel::Kernel;

/// The system that is measured, relative to the repository.
const SYSTEM: &str = "tests/boot/systems/bench.system";
/// The images of its guest.
const IMAGES: &str = "bench";
/// The program that counts as the VMM; all others are other protection domains.
const VMM: &str = "vmm";
/// What one target may take in real time: counting makes QEMU slow, and so do other programs.
const LIMIT: Duration = Duration::from_secs(1800);

/// Measures, and prints the table or the JSON document.
pub(crate) fn run(context: &Context, args: &BenchArgs) -> Outcome<()> {
    let mut needs = bench::NEEDS.to_vec();
    needs.push(Need::RustTarget);
    provision::ensure(&context.ui, &needs, context.may_install)?;
    let work = context.output().join("bench");
    let _claim = output::claim(&work, || context.ui.say("waiting for another benchmark"))?;
    let options = Options {
        root: context.root.clone(),
        cache: guests::cache(context),
        programs: args.programs.clone(),
        limit: LIMIT,
        work,
    };
    let prepared = bench::prepare(&context.ui, &options)?;
    let built = build(context, args, &options.work, &prepared)?;
    let target = target(args, &built)?;
    let mut sink = io::sink();
    let mut stdout = io::stdout();
    let table: &mut dyn io::Write = match context.format {
        Format::Human => &mut stdout,
        Format::Json => &mut sink,
    };
    let report = bench::run(&context.ui, &options, &prepared, &[target], table)?;
    if context.format == Format::Json {
        out!("{}", report.to_json());
    }
    Ok(())
}

fn build(context: &Context, args: &BenchArgs, work: &Path, prepared: &Prepared) -> Outcome<Built> {
    let read = |path: &Path| fs::read(path).map_err(|e| Failure::io("read", path, &e));
    let images = Images {
        kernel: read(&prepared.kernel)?,
        initrd: Some(read(&prepared.initrd)?),
        command_line: Some(prepared.command_line.clone()),
        rng_seed: Some(SEED),
    };
    let args = BuildArgs {
        system: SystemArgs {
            system: Some(context.root.join(SYSTEM)),
            board: "qemu_virt_aarch64".to_owned(),
            search_path: Vec::new(),
        },
        kernel: args.kernel,
        config: args.config,
        output: Some(work.join("image")),
    };
    build::build_with(context, &args, &Given::from([(IMAGES.to_owned(), images)]))
}

/// The image as something to measure.
fn target(args: &BenchArgs, built: &Built) -> Outcome<Target> {
    let machine = run::machine(&built.board, &built.kernel, &built.image, &[])?;
    let mut programs: Vec<Program> = built.programs.iter().map(|file| program(file)).collect();
    if matches!(built.kernel, Kernel::Sel4(_)) {
        programs.extend(starters(&built.kernel_file));
    }
    let name = format!("{}-{}", built.kernel.name(), args.config.name());
    Target::image(&name, &machine, &built.kernel_file, programs)
}

fn program(file: &Path) -> Program {
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = name.into_owned();
    let owner = if name == VMM {
        Owner::Vmm
    } else {
        Owner::Domain
    };
    Program {
        name,
        owner,
        file: file.to_path_buf(),
    }
}

/// What the SDK runs beside the kernel until a system is up; it counts as the kernel's.
fn starters(kernel: &Path) -> impl Iterator<Item = Program> {
    ["loader", "initialiser", "monitor"]
        .map(|name| Program {
            name: name.to_owned(),
            owner: Owner::Kernel,
            file: kernel.with_file_name(format!("{name}.elf")),
        })
        .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vmm_is_told_from_other_domains() {
        let owner = |file: &str| program(Path::new(file)).owner;
        assert_eq!(owner("/t/vmm.elf"), Owner::Vmm);
        assert_eq!(owner("/vmm/console_mux.elf"), Owner::Domain);
    }

    #[test]
    fn the_systems_guest_boots_the_benchmarks_images() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let text = fs::read_to_string(root.join(SYSTEM)).unwrap();
        let system = sdf::parse(&text, SYSTEM).unwrap();
        let records = system.pds.iter().filter_map(|pd| pd.record.as_ref());
        let guests: Vec<_> = records.filter_map(|record| record.guest.as_ref()).collect();
        assert_eq!(guests.len(), 1);
        assert_eq!(*guests[0].image, IMAGES);
        assert_eq!(guests[0].cmdline, None, "it comes with the images");
    }
}
