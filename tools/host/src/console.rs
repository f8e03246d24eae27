// SPDX-License-Identifier: BSD-2-Clause
//! The interactive console: this terminal is the board's first UART.
//!
//! Every key reaches the board, Ctrl-C and Ctrl-A included, except Ctrl-] which leaves, as in
//! telnet. Standard input that is not a terminal is forwarded as it is, and its end is no reason to
//! stop.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome};
use crate::qemu::{Event, Machine, Qemu, pump};
use crate::terminal::RawTerminal;
use crate::ui::Ui;

/// Ctrl-].
const LEAVE: u8 = 0x1d;

/// How an interactive session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The user pressed the key for it.
    Left,
    /// The time limit was over.
    TimeOver,
    /// The machine was switched off from inside.
    PoweredOff,
}

/// What is typed for the user once the board is ready to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Output that says that the board listens.
    pub after: String,
    /// Keys to send then.
    pub keys: Vec<u8>,
}

/// How a session goes beside what the user does.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// Stop after this time.
    pub limit: Option<Duration>,
    /// Type this first.
    pub greeting: Option<Greeting>,
}

/// Runs `machine` on this terminal.
pub fn run(ui: &Ui, machine: &Machine, session: Session) -> Outcome<Ending> {
    let (qemu, events, sender) = Qemu::start(machine)?;
    let terminal = RawTerminal::enter()
        .map_err(|e| Failure::environment(format!("cannot set up this terminal: {e}")))?;
    if terminal.is_some() {
        ui.say("console of the board; leave with Ctrl-]");
    }
    forward_keys(sender);
    let ending = relay(qemu, &events, terminal.is_some(), session);
    drop(terminal);
    ending
}

fn forward_keys(sender: Sender<Event>) {
    std::thread::spawn(move || {
        pump(Some(io::stdin()), |bytes| {
            sender.send(Event::Input(bytes)).is_ok()
        });
    });
}

fn relay(
    mut qemu: Qemu,
    events: &Receiver<Event>,
    interactive: bool,
    session: Session,
) -> Outcome<Ending> {
    let end = session.limit.map(|limit| Instant::now() + limit);
    let mut waiting = session.greeting.map(Waiting::new);
    loop {
        let wait = end.map_or(Duration::from_secs(3600), |end| {
            end.saturating_duration_since(Instant::now())
        });
        match events.recv_timeout(wait) {
            Ok(Event::Output(bytes)) => {
                show(&bytes)?;
                greet(&mut qemu, &mut waiting, &bytes);
            }
            Ok(Event::Input(bytes)) => {
                let (keys, leave) = split_at_leave(&bytes, interactive);
                qemu.send(keys);
                if leave {
                    qemu.stop();
                    return Ok(Ending::Left);
                }
            }
            Ok(Event::Closed) => return qemu.ended().map(|()| Ending::PoweredOff),
            Err(RecvTimeoutError::Timeout) if end.is_none_or(|end| Instant::now() < end) => {}
            Err(_) => {
                qemu.stop();
                return Ok(Ending::TimeOver);
            }
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            qemu.stop();
            return Ok(Ending::TimeOver);
        }
    }
}

/// A greeting whose moment has not come.
struct Waiting {
    greeting: Greeting,
    /// The end of what was heard: as much as may be the start of what is waited for.
    heard: Vec<u8>,
}

impl Waiting {
    fn new(greeting: Greeting) -> Self {
        Self {
            greeting,
            heard: Vec::new(),
        }
    }

    /// Whether the moment has come with `bytes`.
    fn hears(&mut self, bytes: &[u8]) -> bool {
        self.heard.extend_from_slice(bytes);
        let after = self.greeting.after.as_bytes();
        let found = self
            .heard
            .windows(after.len().max(1))
            .any(|part| part == after);
        let excess = self.heard.len().saturating_sub(after.len());
        self.heard.drain(..excess);
        found
    }
}

/// Sends what waits for its moment if that has come with `output`.
fn greet(qemu: &mut Qemu, waiting: &mut Option<Waiting>, output: &[u8]) {
    if waiting
        .as_mut()
        .is_some_and(|waiting| waiting.hears(output))
        && let Some(waiting) = waiting.take()
    {
        qemu.send(&waiting.greeting.keys);
    }
}

fn show(bytes: &[u8]) -> Outcome<()> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(|e| Failure::environment(format!("cannot write to standard output: {e}")))
}

/// The keys before the one that leaves, and whether it was pressed.
fn split_at_leave(bytes: &[u8], interactive: bool) -> (&[u8], bool) {
    match bytes.iter().position(|b| interactive && *b == LEAVE) {
        Some(at) => (&bytes[..at], true),
        None => (bytes, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_waits_for_its_word_however_it_is_cut() {
        let mut waiting = Waiting::new(Greeting {
            after: "has the keys".to_owned(),
            keys: vec![1],
        });
        assert!(!waiting.hears(b"[console] 1 ivi, has"));
        assert!(!waiting.hears(b""));
        assert!(!waiting.hears(b" the"));
        assert!(waiting.hears(b" keys\r\n[console]"));
    }

    #[test]
    fn only_the_leave_key_is_kept_from_the_board() {
        assert_eq!(
            split_at_leave(b"\x01\x03x", true),
            (&b"\x01\x03x"[..], false)
        );
        assert_eq!(split_at_leave(b"ab\x1dcd", true), (&b"ab"[..], true));
        assert_eq!(
            split_at_leave(b"ab\x1dcd", false),
            (&b"ab\x1dcd"[..], false)
        );
    }
}
