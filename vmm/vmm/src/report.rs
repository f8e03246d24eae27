// SPDX-License-Identifier: BSD-2-Clause
//! One line to the debug console, formatted without allocation.

use core::fmt::{self, Write};

use pd::DebugOut;

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

/// Prints `text` as a line.
pub(crate) fn line<K: DebugOut>(kernel: &mut K, text: fmt::Arguments<'_>) {
    let mut line = Line {
        bytes: [0; LINE],
        len: 0,
    };
    // `write_str` above never fails; an argument that does has said so itself.
    let _ = writeln!(line, "VMM|{text}");
    kernel.debug_write(line.bytes.get(..line.len).unwrap_or_default());
}
