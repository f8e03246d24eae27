// SPDX-License-Identifier: BSD-2-Clause
//! One line about the guest, formatted without allocation: on the guest's own console, where its
//! user looks and which every configuration has, or else on the kernel's debug console.

use core::fmt::{self, Write};

use pd::DebugOut;

use crate::machine::{Machine, Model};

/// Longest line, in bytes; the rest is cut off.
const LINE: usize = 320;

struct Line {
    bytes: [u8; LINE],
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let taken = text.len().min(room.len());
        for (to, from) in room.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        self.len += taken;
        Ok(())
    }
}

/// Shows `text` as a line.
pub(crate) fn line<K, M>(kernel: &mut K, machine: &mut Machine<M>, text: fmt::Arguments<'_>)
where
    K: DebugOut,
    M: Model<K>,
{
    let mut line = Line {
        bytes: [0; LINE],
        len: 0,
    };
    // `write_str` above never fails; an argument that does has said so itself.
    let _ = writeln!(line, "VMM|{text}");
    let line = line.bytes.get(..line.len).unwrap_or_default();
    if !machine.models_mut().any(|model| model.report(kernel, line)) {
        kernel.debug_write(line);
    }
}
