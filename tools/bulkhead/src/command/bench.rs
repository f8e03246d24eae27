// SPDX-License-Identifier: BSD-2-Clause
//! `bench`: what guest programs cost on QEMU's own machine and on Bulkhead, in one run.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use bench::{Baseline, Options, Owner, Prepared, Program, Report, SEED, Target};
use disk::SectorSize;
use expand::Images;
use host::output;
use host::provision::{self, Need};
use host::{Failure, Outcome};

use super::build::{self, Built};
use super::run;
use crate::cli::{BenchArgs, BuildArgs, Format, SystemArgs};
use crate::context::Context;
use crate::devices::DiskImage;
use crate::guests::{self, Given};
use crate::kernel::Kernel;

/// The system that is measured, relative to the repository.
const SYSTEM: &str = "tests/boot/systems/bench.system";
/// The images of its guest.
const IMAGES: &str = "bench";
/// The program that counts as the VMM; all others are other protection domains.
const VMM: &str = "vmm";
/// Bytes of the guest's disk, natively the same.
const DISK_SIZE: u64 = 64 << 20;
const _: () = assert!(DISK_SIZE + 2 * disk::ALIGNMENT <= bench::DISK_MOST);
/// A request is done when the driver has told the device, not when another thread runs.
const SYNCHRONOUS: [&str; 2] = ["-global", "virtio-mmio.ioeventfd=off"];
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
    let baseline = args.against.as_deref().map(Baseline::read).transpose()?;
    let prepared = bench::prepare(&context.ui, &options)?;
    let built = build(context, args, &options.work, &prepared)?;
    let disk = disk(context, &built, &options.work)?;
    let target = target(args, &built, &disk)?;
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
    baseline.map_or(Ok(()), |baseline| compare(&baseline, &report))
}

/// Fails where anything has become slower.
fn compare(baseline: &Baseline, report: &Report) -> Outcome<()> {
    let regressions = baseline.regressions(report)?;
    if regressions.is_empty() {
        return Ok(());
    }
    let failure = Failure::input(format!("{} operations cost more", regressions.len()));
    let notes = regressions.iter().map(ToString::to_string);
    Err(notes.fold(failure, Failure::note).help(
        "if that is the price of something, commit the new figures as tools/bench/baseline.json",
    ))
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

/// A disk with a partition for the guest that takes no time and keeps nothing.
fn disk(context: &Context, built: &Built, work: &Path) -> Outcome<DiskImage> {
    let whole = work.join("disk.img");
    let sectors = SectorSize::default();
    let image = built
        .devices
        .create_disk(context, &whole, DISK_SIZE, sectors)?;
    let table = disk::read(&whole)?;
    let only = table.partitions.first();
    let part = only.map_or(0..0, |entry| entry.offset..entry.offset + entry.size);
    let size = fs::metadata(&whole).map_err(|e| Failure::io("read", &whole, &e))?;
    let overlay = work.join("overlay.qcow2");
    Ok(DiskImage {
        nodes: bench::disk_without(&whole, size.len(), &part, &overlay)?,
        ..image
    })
}

/// The image as something to measure.
fn target(args: &BenchArgs, built: &Built, disk: &DiskImage) -> Outcome<Target> {
    let mut devices = built.devices.arguments(Some(disk));
    devices.extend(SYNCHRONOUS.map(str::to_owned));
    let machine = run::machine(&built.board, &built.kernel, &built.image, &devices)?;
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
