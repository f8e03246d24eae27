// SPDX-License-Identifier: BSD-2-Clause
//! The power fails while a guest appends to a file and syncs each line: whatever was acknowledged as
//! synced must be there.
//!
//! QEMU logs every write and flush that reaches its disk (`blklogwrites`). Each line that the guest
//! says it has synced marks a point of that log; the disk is put together again as of that point,
//! without what was never flushed, and the file is read back by Debian's ext4 tools.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use disk::{Entry, SectorSize, WriteLog};
use host::qemu::{Event, Qemu};
use host::{Failure, Outcome};

use super::boots::{self, BOARD};
use super::{Step, StepResult};
use crate::cli::{BuildArgs, Config, KernelChoice, SystemArgs};
use crate::command::build::{self, Built};
use crate::command::run;
use crate::context::Context;
use crate::devices::DiskImage;

/// The system, and its guest whose console has the keys at first.
const SYSTEM: &str = "system.xml";
const GUEST: &str = "ivi";
/// Bytes of each partition: what a journal and the file need, since many copies are checked.
const PARTITION: u64 = 32 << 20;
/// Lines to be acknowledged before the power fails for good.
const LINES: usize = 60;
/// Every how many lines the state of the disk is checked.
const STRIDE: usize = 4;
/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(240);
/// What the guest runs. The echo of it has no digit behind `acked`.
const LOOP: &str = "i=0; while :; do i=$((i+1)); echo line $i | dd of=/data/journal oflag=append conv=notrunc,fsync 2>/dev/null && echo \"acked $i.\"; done\n";

/// The steps.
pub(super) fn steps(has_sdk: bool) -> Vec<Step> {
    let kernels = [(KernelChoice::Dev, "dev"), (KernelChoice::Sel4, "sel4")];
    let kernels = kernels
        .into_iter()
        .filter(|(kernel, _)| has_sdk || *kernel == KernelChoice::Dev);
    let step = |(kernel, name): (KernelChoice, &'static str)| {
        Step::new(
            format!("storage/power-cut/{name}/release"),
            "what a guest has synced survives a power cut at any time",
            move |context| test(context, kernel, name),
        )
    };
    kernels.map(step).collect()
}

fn test(context: &Context, kernel: KernelChoice, name: &str) -> Outcome<StepResult> {
    let folder = context
        .output()
        .join("test")
        .join(format!("power-cut-{name}"));
    let built = build(context, kernel, &folder)?;
    let image = folder.join("power-cut.img");
    let mut disk = built
        .devices
        .create_disk(context, &image, PARTITION, SectorSize::default())?;
    let before = read(&image)?;
    let partition = disk::read(&image)?
        .partitions
        .into_iter()
        .find(|entry| entry.label == GUEST);
    let partition =
        partition.ok_or_else(|| Failure::input(format!("{SYSTEM} gives {GUEST} no partition")))?;
    let log = folder.join("power-cut.log");
    fs::write(&log, []).map_err(|e| Failure::io("write", &log, &e))?;
    disk.log = Some(log.clone());
    let acknowledged = converse(context, &built, &disk)?;
    let log = read(&log)?;
    let mut check = Check {
        context,
        before: &before,
        partition: &partition,
        file: folder.join("power-cut.ext4"),
        states: 0,
    };
    let complaints = check.all(&log, &acknowledged)?;
    if complaints.is_empty() {
        boots::discard(&built)?;
    }
    Ok(verdict(check.states, acknowledged.len(), complaints))
}

fn verdict(states: usize, lines: usize, complaints: Vec<String>) -> StepResult {
    if complaints.is_empty() {
        return StepResult::passed(format!("{states} states of the disk, up to {lines} lines"));
    }
    let count = complaints.len();
    let remark = format!("{count} of {states} states lack what was synced");
    StepResult::failed(remark, complaints)
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).map_err(|e| Failure::io("read", path, &e))
}

fn build(context: &Context, kernel: KernelChoice, folder: &Path) -> Outcome<Built> {
    let args = BuildArgs {
        system: SystemArgs {
            system: Some(context.root.join(SYSTEM)),
            board: BOARD.to_owned(),
            search_path: Vec::new(),
        },
        kernel,
        config: Config::Release,
        output: Some(folder.to_path_buf()),
    };
    build::build(context, &args)
}

/// Lets the guest work; how long the log was, at most, when each line was acknowledged. QEMU is
/// killed in the end.
fn converse(context: &Context, built: &Built, disk: &DiskImage) -> Outcome<BTreeMap<usize, usize>> {
    let extra = built.devices.arguments(Some(disk));
    let machine = run::machine(&built.board, &built.kernel, &built.image, &extra)?;
    let (mut qemu, events, _sender) = Qemu::start(&machine)?;
    let mut console = Console::new(events);
    console.wait(context, &format!("{GUEST} login:"))?;
    qemu.send(b"root\n");
    console.wait(context, "login[")?;
    qemu.send(LOOP.as_bytes());
    let log = disk.log.as_deref().unwrap_or(Path::new(""));
    let mut acknowledged = BTreeMap::new();
    while acknowledged.len() < LINES {
        console.read(context)?;
        let length = fs::metadata(log)
            .map_err(|e| Failure::io("look at", log, &e))?
            .len();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        for number in acknowledgements(&console.text) {
            acknowledged.entry(number).or_insert(length);
        }
    }
    Ok(acknowledged)
}

/// The numbers of the lines that the guest says it has synced.
fn acknowledgements(text: &str) -> Vec<usize> {
    let numbers = text.split("acked ").skip(1);
    numbers
        .filter_map(|rest| rest.split_once('.')?.0.parse().ok())
        .collect()
}

/// The console's text so far.
struct Console {
    events: Receiver<Event>,
    text: String,
    began: Instant,
}

impl Console {
    fn new(events: Receiver<Event>) -> Self {
        Self {
            events,
            text: String::new(),
            began: Instant::now(),
        }
    }

    fn wait(&mut self, context: &Context, wanted: &str) -> Outcome<()> {
        while !self.text.contains(wanted) {
            self.read(context)?;
        }
        Ok(())
    }

    fn read(&mut self, context: &Context) -> Outcome<()> {
        let left = LIMIT.saturating_sub(self.began.elapsed());
        match self.events.recv_timeout(left) {
            Ok(Event::Output(bytes)) => {
                self.text.push_str(&String::from_utf8_lossy(&bytes));
                let last = host::job::last_lines(&self.text, 1).concat();
                context.ui.status(&format!("  console: {last}"));
                Ok(())
            }
            Ok(Event::Input(_)) => Ok(()),
            Ok(Event::Closed) | Err(_) => {
                let lines = host::job::last_lines(&self.text, 12);
                let failure = Failure::input("the guest did not come to sync its lines");
                Err(lines.into_iter().fold(failure, Failure::note))
            }
        }
    }
}

/// Puts disks together and looks at them.
struct Check<'a> {
    context: &'a Context,
    before: &'a [u8],
    partition: &'a Entry,
    file: PathBuf,
    states: usize,
}

impl Check<'_> {
    /// What is missing in any state of the disk that a power cut could have left.
    fn all(&mut self, log: &[u8], acknowledged: &BTreeMap<usize, usize>) -> Outcome<Vec<String>> {
        let mut complaints = Vec::new();
        for (number, length) in acknowledged.iter().step_by(STRIDE) {
            let cut = log.get(..*length).unwrap_or(log);
            let log = WriteLog::read(cut)
                .map_err(|e| Failure::environment(format!("the log of writes: {e}")))?;
            // Of what was never flushed, nothing, everything, or any part may have reached the disk.
            for (kind, survives) in [("nothing", 0), ("everything", 2), ("every other write", 1)] {
                self.context.ui.status(&format!(
                    "  power cut after line {number}, {kind} unflushed survives"
                ));
                self.states += 1;
                let lines = self.lines(&log, survives)?;
                let missing =
                    (1..=*number).find(|line| lines.get(line - 1) != Some(&format!("line {line}")));
                if let Some(line) = missing {
                    complaints.push(format!("line {line} of {number} acknowledged is lost when {kind} unflushed survives"));
                }
            }
        }
        self.context.ui.clear_status();
        Ok(complaints)
    }

    /// The lines of the guest's file after a power cut.
    fn lines(&self, log: &WriteLog<'_>, survives: usize) -> Outcome<Vec<String>> {
        let mut disk = self.before.to_vec();
        log.replay(&mut disk, |index| (index % 2) < survives);
        let range = usize::try_from(self.partition.offset)
            .ok()
            .zip(usize::try_from(self.partition.size).ok());
        let bytes = range
            .and_then(|(offset, size)| disk.get(offset..)?.get(..size))
            .unwrap_or_default();
        fs::write(&self.file, bytes).map_err(|e| Failure::io("write", &self.file, &e))?;
        // It replays ext4's journal; 1 says that it did.
        let status = self.tool("e2fsck", &["-f", "-y"])?.0;
        if !matches!(status, Some(0 | 1)) {
            return Ok(vec![format!("e2fsck ends with {status:?}")]);
        }
        let text = self.tool("debugfs", &["-R", "cat /journal"])?.1;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn tool(&self, program: &str, args: &[&str]) -> Outcome<(Option<i32>, String)> {
        let output = Command::new(program).args(args).arg(&self.file).output();
        let output =
            output.map_err(|e| Failure::environment(format!("cannot run {program}: {e}")))?;
        Ok((
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_are_told_from_the_echo_of_the_command() {
        let text = "echo \"acked $i.\"; done\r\n[ivi] acked 1.\r\n[ivi] acked 23.\r\n[ivi] acked 4";
        assert_eq!(acknowledgements(text), [1, 23]);
    }
}
