// SPDX-License-Identifier: BSD-2-Clause
//! The command line, as `--help` shows it.

mod disk;
mod form;
mod new;
mod pictures;
mod review;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use host::Ui;
use host::ui::Colour;

pub(crate) use disk::{DiskArgs, DiskCommand, DiskCreateArgs, DiskShowArgs};
pub(crate) use form::{Format, Wish};
pub(crate) use new::{NewArgs, NewTemplate};
use pictures::{DIFF_EXAMPLES, GRAPH_EXAMPLES, MAP_EXAMPLES};
pub(crate) use pictures::{DiffArgs, GraphArgs, MapArgs, Picture};
use review::REVIEW_EXAMPLES;
pub(crate) use review::ReviewArgs;

/// Check, build, run and test a system of protection domains on seL4 Microkit.
///
/// Where a Microkit SDK is found (MICROKIT_SDK, then ~/microkit-sdk-2.3.0*), images are made for
/// seL4; elsewhere for our development kernel, which is unverified and only for development.
#[derive(Parser)]
#[command(name = "cargo bulkhead", bin_name = "cargo bulkhead", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  cargo bulkhead run                      build system.xml and boot it on this terminal
  cargo bulkhead test                     run every test
  cargo bulkhead check my.system          check a Microkit system description
  cargo bulkhead build --kernel sel4 --config release -o target/product

Exit codes: 0 done; 1 the input is wrong or a test failed; 2 usage or environment;
130 interrupted.";

/// Options of every command.
#[derive(Args, Clone)]
pub(crate) struct Global {
    /// Form of results on standard output.
    #[arg(long, global = true, value_enum, default_value = "human")]
    pub(crate) format: Wish,
    /// When to use colour; NO_COLOR is respected.
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub(crate) color: Color,
    /// Errors only.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Show what the tools we run say.
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Report missing tools instead of installing them.
    #[arg(long, global = true)]
    pub(crate) no_install: bool,
}

impl Global {
    /// How to talk to the user.
    pub(crate) fn ui(&self) -> Ui {
        let colour = match self.color {
            Color::Auto => Colour::Auto,
            Color::Always => Colour::Always,
            Color::Never => Colour::Never,
        };
        Ui::new(colour, i8::from(self.verbose) - i8::from(self.quiet))
    }
}

/// When to use colour.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Color {
    /// On terminals.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Build a system image.
    #[command(after_help = BUILD_EXAMPLES)]
    Build(BuildArgs),
    /// Build a system image and boot it in QEMU with its console on this terminal.
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Run every test: house rules, lints, host tests, boots.
    #[command(after_help = TEST_EXAMPLES)]
    Test(TestArgs),
    /// Count what guest programs cost, on QEMU's own machine and on Bulkhead.
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(BenchArgs),
    /// Begin a system of your own: a folder with a layout that checks and runs.
    New(NewArgs),
    /// Check a system description and report all errors at once.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Print the plain Microkit system description that a file stands for.
    #[command(after_help = SDF_EXAMPLES)]
    Sdf(SdfArgs),
    /// Draw a system: its parts, its information flows, or its schedule.
    #[command(after_help = GRAPH_EXAMPLES)]
    Graph(GraphArgs),
    /// Show memory: physical, and as every domain and guest sees it.
    #[command(after_help = MAP_EXAMPLES)]
    Map(MapArgs),
    /// Say what a change of a system changes: authority, flows, memory, time, devices.
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(DiffArgs),
    /// Explain a rule: why it exists and what to do.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// List the boards, and whether an SDK is here for them.
    Boards,
    /// Make or show disk images for the guests of a system.
    #[command(after_help = DISK_EXAMPLES)]
    Disk(DiskArgs),
    /// Judge a built image by itself: authority, information flow, memory, time, contents.
    #[command(after_help = AUDIT_EXAMPLES)]
    Audit(AuditArgs),
    /// Make the package that an assessor reads, or check one.
    #[command(after_help = REVIEW_EXAMPLES)]
    Review(ReviewArgs),
    /// Join requirements with the code that answers them and the tests that show it.
    #[command(after_help = TRACE_EXAMPLES)]
    Trace,
    /// Check the house rules: layers, unsafe code, documentation, sizes.
    #[command(after_help = TIDY_EXAMPLES)]
    Tidy(TidyArgs),
}

const BUILD_EXAMPLES: &str = "\
Examples:
  cargo bulkhead build
  cargo bulkhead build my.system --search-path my/build --kernel dev
  cargo bulkhead build --kernel sel4 --config release -o target/product

The image and everything beside it (plain SDF, report, patched ELFs) go to the output folder,
target/bulkhead/<kernel>-<config> unless -o names another one.";

const RUN_EXAMPLES: &str = "\
Examples:
  cargo bulkhead run
  cargo bulkhead run --kernel dev my.system --search-path my/build
  cargo bulkhead run --dry-run
  cargo bulkhead run --fresh              begin with empty disks
  echo hello | cargo bulkhead run --timeout 20

Every key goes to the board, Ctrl-C and Ctrl-A included; Ctrl-] leaves.

The guests' disks are partitions of target/bulkhead/disks/<system>.img. It is made when it is not there
and kept from run to run.";

const TEST_EXAMPLES: &str = "\
Examples:
  cargo bulkhead test
  cargo bulkhead test --list
  cargo bulkhead test --filter boot/";

const BENCH_EXAMPLES: &str = "\
Examples:
  cargo bulkhead bench
  cargo bulkhead bench --kernel dev --format json > figures.json
  cargo bulkhead bench --programs ../shared/guest-bench

Figures are instructions per operation, counted in QEMU with fixed seeds, so they do not depend on
this machine; times on a board do not follow from them. Logs and counts of each target go to
target/bulkhead/bench.";

const CHECK_EXAMPLES: &str = "\
Examples:
  cargo bulkhead check
  cargo bulkhead check my.system --search-path my/build --format json
  cargo bulkhead check --format sarif > findings.sarif";

const SDF_EXAMPLES: &str = "\
Examples:
  cargo bulkhead sdf > plain.system";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  cargo bulkhead explain              list all rules
  cargo bulkhead explain map-overlap  explain one";

const DISK_EXAMPLES: &str = "\
Examples:
  cargo bulkhead disk create                       for system.xml, in target/bulkhead/disks
  cargo bulkhead disk create my.system -o my.img --size 1G --sector-size 4096
  cargo bulkhead disk show my.img

An image has a GPT and, for each partition that the system names, an empty ext4 file system.";

const AUDIT_EXAMPLES: &str = "\
Examples:
  cargo bulkhead audit
  cargo bulkhead audit --no-build --kernel sel4 --config release --policy flows.json
  cargo bulkhead audit my.system -o target/product --format json

Reads the image, its capability distribution and its programs, never the system description. Residual
findings are those that the platform or the layout accepts; only failed checks fail the command.";

const TRACE_EXAMPLES: &str = "\
Examples:
  cargo bulkhead trace
  cargo bulkhead trace --format json > trace.json

Requirements are in tests/requirements. A tag that names none, or an offered requirement that no test
names and that accepted.toml does not list, fails the command.";

const TIDY_EXAMPLES: &str = "\
Examples:
  cargo bulkhead tidy
  cargo bulkhead tidy --bless         accept sizes that have shrunk as the new limits";

/// Which kernel to build for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KernelChoice {
    /// seL4 where an SDK is found, else the development kernel.
    Auto,
    /// seL4 through the Microkit SDK.
    Sel4,
    /// The development kernel: unverified, for development only.
    Dev,
}

/// Which of the SDK's configurations to build for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Config {
    /// With the kernel's console and checks.
    Debug,
    /// As shipped.
    Release,
    /// As shipped, with the kernel's measuring system calls.
    Benchmark,
}

impl Config {
    /// The name that the SDK uses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
            Self::Benchmark => "benchmark",
        }
    }
}

/// A system description and where to find its files.
#[derive(Args, Clone)]
pub(crate) struct SystemArgs {
    /// The system description [default: system.xml at the top of the repository].
    pub(crate) system: Option<PathBuf>,
    /// Board, as `cargo bulkhead boards` lists them.
    #[arg(long, default_value = "qemu_virt_aarch64", value_name = "BOARD")]
    pub(crate) board: String,
    /// Further folders for program images and prefills; may be repeated.
    #[arg(long, value_name = "DIR")]
    pub(crate) search_path: Vec<PathBuf>,
}

/// Arguments of `build`.
#[derive(Args, Clone)]
pub(crate) struct BuildArgs {
    /// What to build.
    #[command(flatten)]
    pub(crate) system: SystemArgs,
    /// Kernel to build for.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) kernel: KernelChoice,
    /// Kernel configuration to build for.
    #[arg(long, value_enum, default_value = "debug")]
    pub(crate) config: Config,
    /// Output folder [default: target/bulkhead/<kernel>-<config>].
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
}

/// Arguments of `run`.
#[derive(Args, Clone)]
pub(crate) struct RunArgs {
    /// What to build and boot.
    #[command(flatten)]
    pub(crate) build: BuildArgs,
    /// Print the QEMU command instead of running it.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The guests' disk image [default: target/bulkhead/disks/<system>.img].
    #[arg(long, value_name = "FILE")]
    pub(crate) disk: Option<PathBuf>,
    /// Begin with a new disk image; what is on the old one is lost.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Give the keyboard to this guest (or other client of the console) as soon as it is up.
    #[arg(long, value_name = "NAME")]
    pub(crate) guest: Option<String>,
    /// Leave after this many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub(crate) timeout: Option<u64>,
    /// Further arguments for QEMU, after `--`.
    #[arg(last = true, value_name = "QEMU ARGUMENT")]
    pub(crate) qemu: Vec<String>,
}

/// Arguments of `test`.
#[derive(Args, Clone)]
pub(crate) struct TestArgs {
    /// Only steps whose name contains this; may be repeated.
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Vec<String>,
    /// List the steps instead of running them.
    #[arg(long)]
    pub(crate) list: bool,
}

/// Arguments of `bench`.
#[derive(Args, Clone)]
pub(crate) struct BenchArgs {
    /// Kernel to measure.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) kernel: KernelChoice,
    /// Kernel configuration to measure.
    #[arg(long, value_enum, default_value = "release")]
    pub(crate) config: Config,
    /// Folder of the guest programs [default: BULKHEAD_GUEST_BENCH, then ../shared/guest-bench].
    #[arg(long, value_name = "DIR")]
    pub(crate) programs: Option<PathBuf>,
    /// Fail where an operation costs more than in this JSON document of an earlier run.
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,
}

/// Arguments of `check`.
#[derive(Args, Clone)]
pub(crate) struct CheckArgs {
    /// What to check.
    #[command(flatten)]
    pub(crate) system: SystemArgs,
}

/// Arguments of `sdf`.
#[derive(Args, Clone)]
pub(crate) struct SdfArgs {
    /// What to print.
    #[command(flatten)]
    pub(crate) system: SystemArgs,
}

/// Arguments of `explain`.
#[derive(Args, Clone)]
pub(crate) struct ExplainArgs {
    /// The rule, as diagnostics name it; all are listed without one.
    pub(crate) rule: Option<String>,
}

/// Arguments of `audit`.
#[derive(Args, Clone)]
pub(crate) struct AuditArgs {
    /// What to build and audit.
    #[command(flatten)]
    pub(crate) build: BuildArgs,
    /// Audit what is in the output folder as it is.
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Flows that must not and that may be (JSON: groups, separators, deny, allow).
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
}

/// Arguments of `tidy`.
#[derive(Args, Clone)]
pub(crate) struct TidyArgs {
    /// Write sizes that have shrunk into the list of limits; nothing may grow this way.
    #[arg(long)]
    pub(crate) bless: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_line_in_the_help_is_accepted() {
        let all = [
            EXAMPLES,
            BUILD_EXAMPLES,
            RUN_EXAMPLES,
            TEST_EXAMPLES,
            BENCH_EXAMPLES,
            CHECK_EXAMPLES,
            SDF_EXAMPLES,
            EXPLAIN_EXAMPLES,
            DISK_EXAMPLES,
            GRAPH_EXAMPLES,
            MAP_EXAMPLES,
            DIFF_EXAMPLES,
            REVIEW_EXAMPLES,
            TRACE_EXAMPLES,
            TIDY_EXAMPLES,
        ];
        let mut count = 0;
        for line in all.iter().flat_map(|text| text.lines()) {
            let Some((_, words)) = line.split_once("cargo bulkhead ") else {
                continue;
            };
            let words = words.split("  ").next().unwrap().split('>').next().unwrap();
            let words = std::iter::once("cargo bulkhead").chain(words.split_whitespace());
            Cli::try_parse_from(words).unwrap_or_else(|e| panic!("{line}: {e}"));
            count += 1;
        }
        assert!(count > 12, "only {count} examples found");
    }

    #[test]
    fn wrong_usage_is_refused() {
        for words in [
            &["build", "--kernel", "linux"][..],
            &["run", "--timeout", "0"],
            &["-q", "-v", "boards"],
            &[],
        ] {
            let words = std::iter::once("cargo bulkhead").chain(words.iter().copied());
            let error = Cli::try_parse_from(words).err().expect("accepted");
            assert_eq!(error.exit_code(), 2);
        }
    }
}
