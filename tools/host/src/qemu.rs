// SPDX-License-Identifier: BSD-2-Clause
//! One QEMU: its command line, its console as a byte stream, its end.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::failure::{Failure, Outcome};
use crate::interrupt::Registration;
use crate::job;
use crate::machine;
use crate::provision::QEMU_PROGRAM;

/// How much of what QEMU says on standard error is kept, in bytes.
const STDERR_KEPT: usize = 16 * 1024;

/// `path` as the value of one of QEMU's options, which commas separate: a doubled one stands for itself.
pub fn option_value(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// What a machine starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// An image that is entered at its first byte.
    Image {
        /// The file.
        file: PathBuf,
        /// Physical address where it is loaded.
        address: u64,
    },
    /// A Linux kernel, which QEMU itself loads and gives a device tree.
    Linux {
        /// The kernel's file.
        kernel: PathBuf,
        /// The file of its initial file system.
        initrd: PathBuf,
        /// Its command line.
        command_line: String,
    },
}

impl Start {
    /// QEMU's arguments for it.
    pub fn arguments(&self) -> Vec<String> {
        match self {
            Self::Image { file, address } => {
                let file = option_value(file);
                let loader = format!("loader,file={file},addr={address:#x},cpu-num=0");
                vec!["-device".to_owned(), loader]
            }
            Self::Linux {
                kernel,
                initrd,
                command_line,
            } => {
                let path = |path: &Path| path.display().to_string();
                let words = [
                    ["-kernel", &path(kernel)],
                    ["-initrd", &path(initrd)],
                    ["-append", command_line],
                ];
                words.concat().into_iter().map(str::to_owned).collect()
            }
        }
    }
}

/// The machine to emulate and what to start on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Value of `-M`.
    pub machine: String,
    /// Value of `-cpu`.
    pub cpu: String,
    /// Value of `-m`.
    pub memory: String,
    /// What it starts with.
    pub start: Start,
    /// Further arguments of the user or of a test.
    pub extra: Vec<String>,
}

impl Machine {
    /// All arguments for [`QEMU_PROGRAM`].
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = [
            ["-M", &self.machine],
            ["-cpu", &self.cpu],
            ["-m", &self.memory],
            ["-display", "none"],
            ["-monitor", "none"],
            ["-chardev", "stdio,id=console,signal=off"],
            ["-serial", "chardev:console"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
        arguments.extend(self.start.arguments());
        arguments.extend(["-nic", "none", "-no-reboot"].map(str::to_owned));
        arguments.extend(self.extra.iter().cloned());
        arguments
    }

    /// The command line for a shell.
    pub fn command_line(&self) -> String {
        // There Ctrl-C must end QEMU, since nobody else does.
        let by_hand = |word: &String| word.replace("signal=off", "signal=on");
        let words: Vec<String> = self.arguments().iter().map(by_hand).collect();
        let quoted = words.iter().map(|word| job::quote(word));
        std::iter::once(QEMU_PROGRAM.to_owned())
            .chain(quoted)
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn command(&self) -> Command {
        // QEMU must not outlive us, however we end: setpriv asks the kernel to see to it.
        let mut command = if machine::which("setpriv").is_some() {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "--", QEMU_PROGRAM]);
            command
        } else {
            Command::new(QEMU_PROGRAM)
        };
        command.args(self.arguments());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// Something that happened on the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The guest side wrote these bytes.
    Output(Vec<u8>),
    /// The user typed these bytes.
    Input(Vec<u8>),
    /// QEMU closed its console: it has ended.
    Closed,
}

/// A running QEMU. Dropping it ends it.
pub struct Qemu {
    child: Child,
    keyboard: Option<ChildStdin>,
    stderr: Receiver<Vec<u8>>,
    _undo: Option<Registration>,
}

impl Qemu {
    /// Starts QEMU; its output arrives as events on the receiver, the sender may add further ones.
    pub fn start(machine: &Machine) -> Outcome<(Self, Receiver<Event>, Sender<Event>)> {
        let mut child = machine.command().spawn().map_err(|e| {
            Failure::environment(format!("cannot start {QEMU_PROGRAM}: {e}"))
                .help("run `cargo bulkhead run` without --no-install to have QEMU installed")
        })?;
        let undo = job::register(&child);
        let (events, receiver) = channel();
        let (complaints, stderr) = channel();
        let sender = events.clone();
        let stdout = child.stdout.take();
        std::thread::spawn(move || {
            pump(stdout, |bytes| events.send(Event::Output(bytes)).is_ok());
            // Nobody listens any more if this fails.
            events.send(Event::Closed).unwrap_or_default();
        });
        let pipe = child.stderr.take();
        std::thread::spawn(move || pump(pipe, |bytes| complaints.send(bytes).is_ok()));
        let keyboard = child.stdin.take();
        Ok((
            Self {
                child,
                keyboard,
                stderr,
                _undo: undo,
            },
            receiver,
            sender,
        ))
    }

    /// Types `bytes` on the console.
    pub fn send(&mut self, bytes: &[u8]) {
        let Some(keyboard) = &mut self.keyboard else {
            return;
        };
        if keyboard
            .write_all(bytes)
            .and_then(|()| keyboard.flush())
            .is_err()
        {
            // QEMU is ending; the event that says so is on its way.
            self.keyboard = None;
        }
    }

    /// Ends QEMU now.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Both fail only if it has already ended.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(|_| ()).unwrap_or_default();
    }

    /// Waits for a QEMU that closed its console, and says how it ended.
    pub fn ended(mut self) -> Outcome<()> {
        let status = self
            .child
            .wait()
            .map_err(|e| Failure::environment(format!("lost track of QEMU: {e}")))?;
        let complaints: Vec<u8> = self.stderr.iter().flatten().take(STDERR_KEPT).collect();
        judge(status, &String::from_utf8_lossy(&complaints))
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.end();
    }
}

fn judge(status: ExitStatus, stderr: &str) -> Outcome<()> {
    if status.success() {
        return Ok(());
    }
    use std::os::unix::process::ExitStatusExt;
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("QEMU ended with exit code {code}"),
        (None, Some(signal)) => format!("QEMU was killed by signal {signal}"),
        (None, None) => "QEMU ended".to_owned(),
    };
    let mut failure = Failure::environment(how);
    for line in job::last_lines(stderr, 8) {
        failure = failure.note(line);
    }
    Err(failure.help("`cargo bulkhead run --dry-run` prints the QEMU command to try by hand"))
}

/// Hands what comes from `pipe` to `deliver` until either side is done.
pub(crate) fn pump(pipe: Option<impl Read>, mut deliver: impl FnMut(Vec<u8>) -> bool) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        if !deliver(buffer[..count].to_vec()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Fault;
    use std::os::unix::process::ExitStatusExt;

    fn machine() -> Machine {
        Machine {
            machine: "virt,virtualization=on".to_owned(),
            cpu: "cortex-a53".to_owned(),
            memory: "2G".to_owned(),
            start: Start::Image {
                file: PathBuf::from("a,b/my image.img"),
                address: 0x6000_0000,
            },
            extra: vec!["-S".to_owned()],
        }
    }

    #[test]
    fn the_command_line_can_be_pasted() {
        let line = machine().command_line();
        assert!(line.starts_with("qemu-system-aarch64 -M virt,virtualization=on -cpu cortex-a53"));
        let loader = "'loader,file=a,,b/my image.img,addr=0x60000000,cpu-num=0'";
        assert!(line.contains(loader), "{line}");
        assert!(line.ends_with("-no-reboot -S"), "{line}");
    }

    #[test]
    fn a_kernel_is_started_as_qemu_starts_one() {
        let machine = Machine {
            start: Start::Linux {
                kernel: "k".into(),
                initrd: "i".into(),
                command_line: "console=ttyAMA0 quiet".to_owned(),
            },
            ..machine()
        };
        let line = machine.command_line();
        let linux = "-kernel k -initrd i -append 'console=ttyAMA0 quiet'";
        assert!(line.contains(linux) && !line.contains("loader"), "{line}");
    }

    #[test]
    fn a_power_off_is_no_failure() {
        assert_eq!(judge(ExitStatus::from_raw(0), "warning"), Ok(()));
    }

    #[test]
    fn a_failing_qemu_shows_its_last_words() {
        let failure = judge(ExitStatus::from_raw(1 << 8), "one\n\nqemu: no such file\n");
        let failure = failure.unwrap_err();
        assert_eq!(failure.fault, Fault::Environment);
        assert!(failure.to_string().contains("exit code 1"), "{failure}");
        assert!(
            failure.to_string().contains("note: qemu: no such file"),
            "{failure}"
        );
        let killed = judge(ExitStatus::from_raw(9), "").unwrap_err();
        assert!(
            killed.to_string().contains("killed by signal 9"),
            "{killed}"
        );
    }
}
