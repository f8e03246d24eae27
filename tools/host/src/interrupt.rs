// SPDX-License-Identifier: BSD-2-Clause
//! What must be undone when somebody interrupts the tool: terminal mode, children, temporary files.
//!
//! A signal ends the process at once; the thread installed here first undoes what is registered.
//! `SIGKILL` cannot be caught: children ask the kernel to end with us (see [`crate::job`]), and a
//! stale temporary file is removed by the next run (see [`crate::output`]).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{OptionalActions, Termios, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Something to undo when the process is told to end.
pub(crate) enum Undo {
    /// Give the terminal on standard input its mode back.
    Terminal(Box<Termios>),
    /// End a child process.
    Child(Pid),
    /// Remove a file or a folder that is not complete.
    Path(PathBuf),
}

static PENDING: Mutex<BTreeMap<u64, Undo>> = Mutex::new(BTreeMap::new());

fn pending() -> MutexGuard<'static, BTreeMap<u64, Undo>> {
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps an [`Undo`] registered while it lives.
pub(crate) struct Registration(u64);

impl Registration {
    pub(crate) fn new(undo: Undo) -> Self {
        let mut pending = pending();
        let key = pending.last_key_value().map_or(0, |(last, _)| last + 1);
        pending.insert(key, undo);
        Self(key)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        pending().remove(&self.0);
    }
}

fn undo_everything() {
    for undo in std::mem::take(&mut *pending()).into_values() {
        // Best effort: the process is about to end, and each step is independent of the others.
        match undo {
            Undo::Terminal(mode) => {
                tcsetattr(std::io::stdin(), OptionalActions::Now, &mode).unwrap_or_default();
            }
            Undo::Child(pid) => kill_process(pid, Signal::KILL).unwrap_or_default(),
            Undo::Path(path) => crate::output::remove(&path),
        }
    }
}

/// Installs the thread that undoes what is pending on `SIGINT`, `SIGTERM` and `SIGHUP`, then ends
/// the process with code 130. Call once, at the start of `main`.
pub fn install() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else {
        return;
    };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            undo_everything();
            eprintln!("\nbulkhead: interrupted by signal {signal}; unfinished files were removed");
            std::process::exit(130);
        }
    });
}
