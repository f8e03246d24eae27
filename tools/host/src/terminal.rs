// SPDX-License-Identifier: BSD-2-Clause
//! The user's terminal in raw mode, always given back.

use std::io::{self, IsTerminal};

use rustix::termios::{OptionalActions, OutputModes, Termios, tcgetattr, tcsetattr};

use crate::interrupt::{Registration, Undo};

/// Standard input in raw mode while this lives: every key, Ctrl-C included, arrives as a byte.
pub struct RawTerminal {
    before: Termios,
    _undo: Registration,
}

impl RawTerminal {
    /// Switches standard input to raw mode; `None` when it is not a terminal.
    pub fn enter() -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(&stdin)?;
        let undo = Registration::new(Undo::Terminal(Box::new(before.clone())));
        let mut raw = before.clone();
        raw.make_raw();
        // Our own lines end in LF alone: let the terminal keep adding the CR on output.
        raw.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
        tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        Ok(Some(Self {
            before,
            _undo: undo,
        }))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Nothing better can be done about a terminal that has gone away.
        tcsetattr(io::stdin(), OptionalActions::Flush, &self.before).unwrap_or_default();
    }
}
