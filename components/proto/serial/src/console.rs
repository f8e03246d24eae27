// SPDX-License-Identifier: BSD-2-Clause
//! Printing lines to the console multiplexer.

use core::fmt::{self, Write};

use pd::{Notify, Setup, SetupError};

use crate::stream::{Counters, Stream};

/// Longest line of [`Console::line`] in bytes; the rest is cut and counted.
pub const LINE_BYTES: usize = 160;

/// A client's end of its console link.
#[derive(Debug)]
pub struct Console {
    stream: Stream,
}

impl Console {
    /// Opens the link with the role `console`.
    ///
    /// # Errors
    ///
    /// As [`Stream::open`].
    pub fn open(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        Ok(Self::new(Stream::open(setup, "console")?))
    }

    /// A console over an open stream.
    #[must_use]
    pub const fn new(stream: Stream) -> Self {
        Self { stream }
    }

    /// The stream below, for input.
    pub const fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// What went wrong so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.stream.counters()
    }

    /// Prints one line and its line feed, whole or not at all: without room it is dropped and
    /// counted, since nobody may wait for a console.
    pub fn line(&mut self, kernel: &mut impl Notify, text: fmt::Arguments<'_>) {
        let mut line = Line::default();
        // `Line` never fails; a `Display` that does prints what it had.
        let _ = line.write_fmt(text);
        self.stream.count_dropped(line.cut);
        // One byte is kept free for it by `Line`.
        let _ = line.text.push(b'\n');
        self.stream.write_all_or_drop(&line.text);
        self.stream.flush(kernel);
    }
}

/// Collects formatted text, cutting what is too long.
#[derive(Default)]
struct Line {
    text: heapless::Vec<u8, { LINE_BYTES + 1 }>,
    cut: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LINE_BYTES.saturating_sub(self.text.len()).min(text.len());
        let (fits, rest) = text.as_bytes().split_at(room);
        let _ = self.text.extend_from_slice(fits);
        self.cut = self.cut.saturating_add(rest.len());
        Ok(())
    }
}
