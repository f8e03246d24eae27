// SPDX-License-Identifier: BSD-2-Clause
//! One error type for everything a command can end with: whose fault it is decides the exit code.

use std::fmt;
use std::io;
use std::path::Path;

/// The result of a command or of one of its parts.
pub type Outcome<T> = Result<T, Failure>;

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The input is wrong, or a test failed: exit code 1.
    Input,
    /// The command line or the machine is wrong (missing tool, full disk, dead QEMU): exit code 2.
    Environment,
    /// Somebody asked us to stop: exit code 130.
    Interrupted,
}

impl Fault {
    /// The process exit code for this fault, as documented in `--help`.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Input => 1,
            Self::Environment => 2,
            Self::Interrupted => 130,
        }
    }
}

/// A command that could not be completed: what happened, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// Whose fault it is.
    pub fault: Fault,
    /// What happened, one sentence, no trailing period.
    pub message: String,
    /// Lines that explain further, such as the last lines of a tool's output.
    pub notes: Vec<String>,
    /// What to do, each one an action.
    pub help: Vec<String>,
}

impl Failure {
    /// A failure that the input or the tests are to blame for.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Fault::Input, message)
    }

    /// A failure that the command line or the machine is to blame for.
    pub fn environment(message: impl Into<String>) -> Self {
        Self::new(Fault::Environment, message)
    }

    /// A stop that was asked for.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self::new(Fault::Interrupted, message)
    }

    fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
            notes: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Adds a line of explanation.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds an action to take.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// A failed file operation, with the usual causes explained.
    pub fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        let failure = Self::environment(format!("cannot {doing} {}: {error}", path.display()));
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                failure.help("free some space there, or choose another place with -o")
            }
            io::ErrorKind::PermissionDenied => {
                failure.help("check the owner and mode of that path")
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                failure.help("the file system is read-only: choose another place with -o")
            }
            _ => failure,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        for note in &self.notes {
            write!(f, "\n  note: {note}")?;
        }
        for help in &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}
