// SPDX-License-Identifier: BSD-2-Clause
//! A boot test against a real QEMU.

use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::script::{Case, Script};
use super::session::{Reason, Session, Verdict};
use crate::failure::Outcome;
use crate::output;
use crate::qemu::{Event, Machine, Qemu};
use crate::ui::Ui;

/// How often the status line is redrawn.
const TICK: Duration = Duration::from_millis(250);

/// What a boot test showed.
#[derive(Debug)]
pub struct BootReport {
    /// `None` if it passed.
    pub reason: Option<Reason>,
    /// How long it took.
    pub time: Duration,
    /// The end of the console's output, for the report of a failure.
    pub last_lines: Vec<String>,
}

/// Boots `machine`, runs `script` for `case` and keeps the console's output in `transcript`.
pub fn boot(
    ui: &Ui,
    machine: &Machine,
    script: &Script,
    case: Case<'_>,
    transcript: &Path,
) -> Outcome<BootReport> {
    let start = Instant::now();
    let mut console = Vec::new();
    let reason = converse(
        ui,
        machine,
        &mut Session::new(script, case),
        &mut console,
        start,
    )?;
    ui.clear_status();
    output::write(transcript, &console)?;
    let last_lines = crate::job::last_lines(&String::from_utf8_lossy(&console), 12);
    Ok(BootReport {
        reason,
        time: start.elapsed(),
        last_lines,
    })
}

fn converse(
    ui: &Ui,
    machine: &Machine,
    session: &mut Session<'_>,
    console: &mut Vec<u8>,
    start: Instant,
) -> Outcome<Option<Reason>> {
    // The sender must live as long as we listen, or a quiet console looks like a closed one.
    let (mut qemu, events, _sender) = Qemu::start(machine)?;
    loop {
        let until = match session.poll(start.elapsed()) {
            Verdict::Wait(until) => until,
            Verdict::Send(bytes) => {
                qemu.send(&bytes);
                continue;
            }
            Verdict::Passed => return Ok(None),
            Verdict::Failed(reason) => return Ok(Some(reason)),
        };
        let wait = until.saturating_sub(start.elapsed()).min(TICK);
        match events.recv_timeout(wait) {
            Ok(Event::Output(bytes)) => {
                session.feed(&bytes);
                console.extend_from_slice(&bytes);
                let last = crate::job::last_lines(&String::from_utf8_lossy(&bytes), 1);
                ui.status(&format!("  console: {}", last.concat()));
            }
            Ok(Event::Input(_)) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Event::Closed) | Err(RecvTimeoutError::Disconnected) => {
                return Ok(at_the_end(qemu, session, start));
            }
        }
    }
}

/// QEMU has ended: what arrived with the end may have completed the script.
fn at_the_end(qemu: Qemu, session: &mut Session<'_>, start: Instant) -> Option<Reason> {
    if let Verdict::Passed = session.poll(start.elapsed()) {
        return None;
    }
    let how = match qemu.ended() {
        Ok(()) => "the machine was switched off".to_owned(),
        Err(failure) => failure.to_string(),
    };
    Some(session.ended(how))
}
