// SPDX-License-Identifier: BSD-2-Clause
//! `audit`: what a built image really is, judged without the system description that it came from.

use std::fs;
use std::path::Path;

use audit::elf::Elf;
use audit::flow::Policy;
use audit::platform::{Area, Platform};
use audit::spec::Spec;
use audit::{Finding, Image, Inputs, Report, Sel4Image, Verdict};
use host::{Failure, Outcome};
use pack::names;
use sdf::Board;

use crate::board;
use crate::cli::{AuditArgs, Config, Format};
use crate::command::build;
use crate::context::Context;
use crate::kernel::{self, Kernel};

/// How much of a finding's evidence people are shown: lines, and characters of each.
const SHOWN: usize = 8;
const WIDTH: usize = 160;

/// Builds unless told not to, audits what is there, and fails if a check does.
pub(crate) fn run(context: &Context, args: &AuditArgs) -> Outcome<()> {
    let (kernel, _) = kernel::choose(args.build.kernel, context.sdk()?)?;
    let config = args.build.config.name();
    let folder = args
        .build
        .output
        .clone()
        .unwrap_or_else(|| context.output().join(format!("{}-{config}", kernel.name())));
    if !args.no_build {
        build::build(context, &args.build)?;
    }
    let board = board::load(&context.root, &args.build.system.board)?;
    let wishes = (args.build.config, args.policy.as_deref());
    let inputs = inputs(&kernel, &board, &folder, wishes)?;
    let report = audit::audit(&inputs).map_err(|error| Failure::input(error.to_string()))?;
    match context.format {
        Format::Json => out!("{}", serde_json::json!(report)),
        Format::Human => print(&report),
    }
    if report.passed {
        return Ok(());
    }
    Err(Failure::input("the image did not pass its audit"))
}

/// Everything that there is to look at in `folder`.
pub(crate) fn inputs(
    kernel: &Kernel,
    board: &Board,
    folder: &Path,
    (config, flows): (Config, Option<&Path>),
) -> Outcome<Inputs> {
    let mut inputs = Inputs {
        platform: platform(board),
        policy: policy(flows)?,
        ..Inputs::default()
    };
    match kernel {
        Kernel::Sel4(sdk) => {
            let elf = sdk.board(&board.name, config.name())?.join("elf");
            sel4(&mut inputs, folder, &elf, config != Config::Debug)?;
        }
        Kernel::Dev => inputs.image = Some(Image::Dev(read(&folder.join(names::IMAGE))?)),
    }
    Ok(inputs)
}

/// Reads a file that a build makes.
pub(crate) fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path)
        .map_err(|e| Failure::io("read", path, &e).help("build it first: cargo bulkhead build"))
}

fn elf(path: &Path) -> Outcome<Elf> {
    Elf::parse(&read(path)?).map_err(|error| Failure::input(format!("{}: {error}", path.display())))
}

/// Everything about an image for seL4: its folder and the SDK's files.
fn sel4(inputs: &mut Inputs, folder: &Path, sdk: &Path, needs_traps: bool) -> Outcome<()> {
    let listing = folder.join(names::CAPDL);
    let spec = Spec::from_json(&read(&listing)?)
        .map_err(|error| Failure::input(format!("{}: {error}", listing.display())))?;
    for pd in pds(&spec) {
        let program = match pd {
            "monitor" => elf(&sdk.join("monitor.elf"))?,
            _ => program(folder, pd)?,
        };
        inputs.programs.insert(pd.to_owned(), program);
    }
    inputs.spec = Some(spec);
    inputs.image = Some(Image::Sel4(Sel4Image {
        bytes: read(&folder.join(names::IMAGE))?,
        kernel: Some(elf(&sdk.join("sel4.elf"))?),
        initialiser: Some(elf(&sdk.join("initialiser.elf"))?),
        loader: Some(elf(&sdk.join("loader.elf"))?),
        needs_traps,
    }));
    Ok(())
}

/// The threads that have a program: those with an address space of that name and code in it.
fn pds(spec: &Spec) -> impl Iterator<Item = &str> {
    let names = spec
        .objects
        .iter()
        .filter_map(|object| object.name.as_deref());
    names
        .filter_map(|name| name.strip_prefix("tcb_"))
        .filter(|name| spec.find(&format!("frame_elf_{name}_000000000")).is_some())
}

/// The program of `pd`, with the symbols of another file if it has them there.
fn program(folder: &Path, pd: &str) -> Outcome<Elf> {
    let mut program = elf(&folder.join(names::program(pd)))?;
    let symbols = folder.join(names::symbols(pd));
    if symbols.is_file() {
        program.symbols = elf(&symbols)?.symbols;
    }
    Ok(program)
}

/// What the checker must know of a board.
pub(crate) fn platform(board: &Board) -> Platform {
    let range = |name: &str, range: &sdf::board::Range| Area {
        name: name.to_owned(),
        base: range.base,
        size: range.size,
    };
    let named = |it: &sdf::board::Reserved| Area {
        name: it.name.clone(),
        base: it.base,
        size: it.size,
    };
    Platform {
        name: board.name.clone(),
        ram: board.ram.iter().map(|it| range("RAM", it)).collect(),
        device_ram: board
            .device_ram
            .iter()
            .map(|it| range("guests' RAM", it))
            .collect(),
        reserved: board.reserved.iter().map(named).collect(),
        banked: board.shared.iter().map(named).collect(),
        max_irq: board.gic.max_irq.into(),
        reserved_irqs: board
            .gic
            .reserved_irqs
            .iter()
            .map(|irq| u64::from(*irq))
            .collect(),
        cores: board.kernel_cores.into(),
        dma: Vec::new(),
    }
}

/// The policy in a file; none says nothing.
pub(crate) fn policy(path: Option<&Path>) -> Outcome<Policy> {
    let Some(path) = path else {
        return Ok(Policy::default());
    };
    let text = fs::read(path).map_err(|e| Failure::io("read", path, &e))?;
    serde_json::from_slice(&text)
        .map_err(|error| Failure::input(format!("{}: {error}", path.display())))
}

fn print(report: &Report) {
    report.findings.iter().for_each(print_finding);
    let rejected = report
        .controls
        .iter()
        .filter(|control| control.rejected)
        .count();
    let count = |verdict| report.counts.get(&verdict).copied().unwrap_or(0);
    out!(
        "{} pass, {} fail, {} residual, {} without object; {rejected} of {} seeded mistakes were found",
        count(Verdict::Pass),
        count(Verdict::Fail),
        count(Verdict::Residual),
        count(Verdict::NotApplicable),
        report.controls.len()
    );
}

fn print_finding(finding: &Finding) {
    let verdict = match finding.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Residual => "residual",
        Verdict::NotApplicable => "-",
    };
    if matches!(finding.verdict, Verdict::Pass | Verdict::NotApplicable) {
        let why = finding.evidence.join("; ");
        return out!("{verdict:8}  {:18} {why}", finding.check);
    }
    out!("{verdict:8}  {:18} not met: {}", finding.check, finding.law);
    for line in finding.evidence.iter().take(SHOWN) {
        let short: String = line.chars().take(WIDTH).collect();
        let dots = if short.len() < line.len() { " …" } else { "" };
        out!("{:30}{short}{dots}", "");
    }
    let more = finding.evidence.len().saturating_sub(SHOWN);
    if more > 0 {
        out!("{:30}and {more} more (--format json shows all)", "");
    }
    out!("{:30}why it matters: {}", "", finding.reason);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_board_is_handed_over_whole() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let platform = platform(&board::load(&root, "qemu_virt_aarch64").unwrap());
        assert_eq!((platform.max_irq, platform.cores), (159, 1));
        assert_eq!(platform.reserved_irqs, [25, 26, 27]);
        assert!(platform.is_device(0x900_0000, 0x1000));
        assert!(!platform.is_device(0x4000_0000, 0x1000));
        assert!(platform.banked(0x804_0000, 0x1000).is_some());
        assert_eq!(platform.reserved.len(), 3);
    }

    #[test]
    fn threads_with_programs_are_told_from_guests() {
        let object = |name: &str| audit::spec::NamedObject {
            name: Some(name.to_owned()),
            object: audit::spec::Object::Notification,
        };
        let names = ["tcb_a", "frame_elf_a_000000000", "tcb_guest_0", "ntfn_a"];
        let spec = Spec {
            objects: names.map(object).into(),
            ..Spec::default()
        };
        assert_eq!(pds(&spec).collect::<Vec<_>>(), ["a"]);
    }
}
