// SPDX-License-Identifier: BSD-2-Clause
//! Running targets and collecting what they did.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use host::job::{Job, Ran};
use host::provision::QEMU_PROGRAM;
use host::{Failure, Outcome, Ui};

use crate::console::{self, Line};
use crate::counts::Snapshots;
use crate::native;
use crate::prepare::{Options, Prepared};
use crate::report::Report;
use crate::suite::{self, Cost, OPERATIONS};
use crate::target::{CONSOLE_FILE, COUNTS_FILE, Target};

/// The line that the guest's init prints when all programs have run.
const COMPLETE: &str = "GB-ALL-DONE";

/// What a target did.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The target.
    pub target: Target,
    /// The cost of each operation that it ran.
    pub costs: BTreeMap<&'static str, Cost>,
    /// The guest programs' own figures.
    pub lines: Vec<Line>,
}

/// Measures QEMU's own machine and then `others`, and writes the table to `out`.
///
/// # Errors
/// [`Failure`] when QEMU cannot be run, a target does not come to its end in time, or `out` fails.
pub fn run(
    ui: &Ui,
    options: &Options,
    prepared: &Prepared,
    others: &[Target],
    out: &mut dyn Write,
) -> Outcome<Report> {
    let folder = options.work.join("native");
    create(&folder)?;
    let native = native::target(ui, prepared, &folder)?;
    let mut measured = Vec::new();
    for target in std::iter::once(&native).chain(others) {
        ui.say(&format!(
            "measuring {}: {}",
            target.name, target.description
        ));
        measured.push(measure(ui, options, prepared, target)?);
    }
    let report = Report::new(measured)?;
    write!(out, "{report}")
        .map_err(|e| Failure::environment(format!("cannot write the table: {e}")))?;
    Ok(report)
}

fn measure(ui: &Ui, options: &Options, prepared: &Prepared, target: &Target) -> Outcome<Measured> {
    let folder = options.work.join(&target.name);
    create(&folder)?;
    target.write_pages(&folder)?;
    let ran = Job::new(QEMU_PROGRAM)
        .args(target.command(&prepared.plugin, &folder, suite::END))
        .limit(options.limit)
        .run(ui, &target.name)?;
    let (console, counts) = (
        text(&folder.join(CONSOLE_FILE))?,
        text(&folder.join(COUNTS_FILE))?,
    );
    if !ran.succeeded() || !console.contains(COMPLETE) {
        return Err(unfinished(target, &ran, &console, &folder));
    }
    let snapshots = Snapshots::parse(&counts)?;
    let costs = OPERATIONS
        .iter()
        .filter_map(|op| Some((op.id, op.cost(target, &snapshots)?)));
    Ok(Measured {
        target: target.clone(),
        costs: costs.collect(),
        lines: console::lines(&console),
    })
}

fn unfinished(target: &Target, ran: &Ran, console: &str, folder: &Path) -> Failure {
    let how = match (ran.timed_out, ran.status.code()) {
        (true, _) => "took too long".to_owned(),
        (false, Some(0)) => "ended before the guest programs did".to_owned(),
        (false, status) => format!("failed: QEMU's exit code is {status:?}"),
    };
    let mut failure = Failure::input(format!("{}: the run {how}", target.name));
    for line in ran.last_lines(3) {
        failure = failure.note(format!("QEMU: {line}"));
    }
    for line in host::job::last_lines(console, 5) {
        failure = failure.note(format!("guest: {line}"));
    }
    failure.help(format!("see the files in {}", folder.display()))
}

fn create(folder: &Path) -> Outcome<()> {
    std::fs::create_dir_all(folder).map_err(|e| Failure::io("create the folder", folder, &e))
}

fn text(path: &Path) -> Outcome<String> {
    let bytes = std::fs::read(path).map_err(|e| Failure::io("read", path, &e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
