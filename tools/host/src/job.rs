// SPDX-License-Identifier: BSD-2-Clause
//! Running other programs: output captured, progress shown, nothing left behind.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use crate::failure::{Failure, Outcome};
use crate::interrupt::{Registration, Undo};
use crate::ui::{Ui, elapsed};

/// How often a status line is redrawn and a time limit looked at.
const TICK: Duration = Duration::from_millis(200);

/// A program to run.
pub struct Job {
    command: Command,
    program: String,
    limit: Option<Duration>,
}

/// What a program did.
#[derive(Debug)]
pub struct Ran {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// How long it took.
    pub time: Duration,
    /// Whether it was stopped because its time limit was over.
    pub timed_out: bool,
}

impl Ran {
    /// Whether it ended by itself with exit code 0.
    pub fn succeeded(&self) -> bool {
        self.status.success() && !self.timed_out
    }

    /// The last `count` non-empty lines it wrote, standard error preferred.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let text = if self.stderr.trim().is_empty() {
            &self.stdout
        } else {
            &self.stderr
        };
        last_lines(text, count)
    }
}

/// The last `count` non-empty lines of `text`.
pub fn last_lines(text: &str, count: usize) -> Vec<String> {
    let lines: Vec<_> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..]
        .iter()
        .map(|l| (*l).to_owned())
        .collect()
}

enum Stream {
    Out,
    Err,
}

impl Job {
    /// A job for `program`, found in `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(&program);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self {
            command,
            program: program.as_ref().to_string_lossy().into_owned(),
            limit: None,
        }
    }

    /// Appends arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Appends one argument: an option's letters, which may be empty, directly followed by a path.
    #[must_use]
    pub fn arg(mut self, option: &str, path: &Path) -> Self {
        let mut word = OsString::from(option);
        word.push(path);
        self.command.arg(word);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes an environment variable.
    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Sets the working folder.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Ends the program if it runs longer than `limit`.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Runs to the end; `label` names it in the status line.
    pub fn run(mut self, ui: &Ui, label: &str) -> Outcome<Ran> {
        ui.detail(&format!("$ {}", show(&self.command)));
        let mut child = self.command.spawn().map_err(|e| {
            Failure::environment(format!("cannot start {}: {e}", self.program))
                .help(format!("is {} installed and in PATH?", self.program))
        })?;
        let _undo = register(&child);
        let (sender, lines) = channel();
        listen(child.stdout.take(), Stream::Out, sender.clone());
        listen(child.stderr.take(), Stream::Err, sender);
        let ran = self.collect(ui, label, child, &lines);
        ui.clear_status();
        ran
    }

    fn collect(
        &self,
        ui: &Ui,
        label: &str,
        mut child: Child,
        lines: &Receiver<(Stream, String)>,
    ) -> Outcome<Ran> {
        let start = Instant::now();
        let mut said = Said::default();
        let mut timed_out = false;
        loop {
            match lines.recv_timeout(TICK) {
                Ok((stream, line)) => said.add(ui, stream, &line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if !timed_out && self.limit.is_some_and(|limit| start.elapsed() > limit) {
                timed_out = true;
                // It may have ended in between, which is as good.
                child.kill().unwrap_or_default();
            }
            ui.status(&format!(
                "  {label}  {}  {}",
                elapsed(start.elapsed()),
                said.last
            ));
        }
        let status = child
            .wait()
            .map_err(|e| Failure::environment(format!("lost track of {}: {e}", self.program)))?;
        let Said { stdout, stderr, .. } = said;
        Ok(Ran {
            status,
            stdout,
            stderr,
            time: start.elapsed(),
            timed_out,
        })
    }
}

/// What a program has said so far.
#[derive(Default)]
struct Said {
    stdout: String,
    stderr: String,
    last: String,
}

impl Said {
    fn add(&mut self, ui: &Ui, stream: Stream, line: &str) {
        if ui.is_verbose() {
            eprint!("{line}");
        }
        // Messages for programs say nothing to people.
        if !line.starts_with('{') {
            line.trim().clone_into(&mut self.last);
        }
        match stream {
            Stream::Out => self.stdout.push_str(line),
            Stream::Err => self.stderr.push_str(line),
        }
    }
}

/// The command line, quoted where a shell needs it.
pub fn show(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| quote(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// `word` as a shell word.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Ends the child if we are interrupted.
pub(crate) fn register(child: &Child) -> Option<Registration> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw)?;
    Some(Registration::new(Undo::Child(pid)))
}

fn listen(
    pipe: Option<impl Read + Send + 'static>,
    stream: Stream,
    sender: Sender<(Stream, String)>,
) {
    let Some(pipe) = pipe else { return };
    let is_out = matches!(stream, Stream::Out);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader
            .read_until(b'\n', &mut line)
            .is_ok_and(|count| count > 0)
        {
            let stream = if is_out { Stream::Out } else { Stream::Err };
            if sender
                .send((stream, String::from_utf8_lossy(&line).into_owned()))
                .is_err()
            {
                break;
            }
            line.clear();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_both_streams_and_the_status() {
        let ran = Job::new("sh")
            .args(["-c", "echo out; echo err >&2; exit 3"])
            .run(&Ui::silent(), "test")
            .unwrap();
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            ("out\n", "err\n")
        );
        assert_eq!(ran.status.code(), Some(3));
        assert_eq!(ran.last_lines(5), ["err"]);
    }

    #[test]
    fn a_missing_program_says_what_to_do() {
        let failure = Job::new("no-such-program-here")
            .run(&Ui::silent(), "test")
            .unwrap_err();
        assert!(
            failure
                .to_string()
                .contains("no-such-program-here installed"),
            "{failure}"
        );
    }

    #[test]
    fn a_time_limit_ends_the_program() {
        let ran = Job::new("sleep")
            .args(["60"])
            .limit(Duration::from_millis(50))
            .run(&Ui::silent(), "test")
            .unwrap();
        assert!(ran.timed_out && !ran.succeeded() && ran.time < Duration::from_secs(10));
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quote("-M"), "-M");
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }
}
