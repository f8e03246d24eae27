// SPDX-License-Identifier: BSD-2-Clause
//! One client's output, byte by byte, into lines that can harm no terminal.
//!
//! A client's bytes are untrusted: with escape sequences it could move the cursor over another
//! client's line or print a label that is not its own. So everything but printable text and tabs
//! is made visible (`^[` for ESC), and a line never exceeds [`LINE_BYTES`]. No byte but the line
//! feed of a `\r\n` vanishes, so a client that keeps the multiplexer busy keeps the UART busy, and
//! waits for it.

/// Longest line, in bytes after escaping; a longer one is cut into several.
pub const LINE_BYTES: usize = 160;

/// What a [`Line`] is after one more byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It takes more bytes.
    Open,
    /// It is complete: print it, then [`Line::clear`] it.
    Complete,
}

/// The line a client is writing.
#[derive(Debug)]
pub struct Line {
    text: heapless::Vec<u8, LINE_BYTES>,
    /// The last byte seen, to tell a line feed after a carriage return from a lone one.
    last: u8,
    /// Continuation bytes that the UTF-8 sequence under way still needs. Without one, 0x80..=0x9f
    /// would be C1 controls to an 8-bit terminal.
    continuation: u8,
    state: State,
}

impl Line {
    /// An empty line.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            text: heapless::Vec::new(),
            last: 0,
            continuation: 0,
            state: State::Open,
        }
    }

    /// The text so far.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether it is complete.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Starts the next line.
    pub fn clear(&mut self) {
        self.text.clear();
        self.state = State::Open;
    }

    /// Adds one byte of the client. A complete line takes no byte until it is cleared: the caller
    /// asks [`Line::state`] first.
    pub fn push(&mut self, byte: u8) -> State {
        if self.state == State::Open {
            self.take(byte);
            self.last = byte;
            // Room for the longest escape, so that one byte is never cut in two.
            if self.text.len() + 2 > LINE_BYTES {
                self.state = State::Complete;
            }
        }
        self.state
    }

    fn take(&mut self, byte: u8) {
        let continuation = core::mem::take(&mut self.continuation);
        match byte {
            // "\r\n" ends one line, and so does a lone "\r" or "\n".
            b'\n' if self.last == b'\r' => {}
            b'\n' | b'\r' => self.state = State::Complete,
            b'\t' | 0x20..=0x7e => self.append(&[byte]),
            // U+0080..U+009F, the C1 controls: 0xc2 and one of these.
            0x80..=0x9f if self.last == 0xc2 => self.append(b"?"),
            0x80..=0xbf if continuation > 0 => {
                self.continuation = continuation - 1;
                self.append(&[byte]);
            }
            0xc2..=0xf4 => {
                self.continuation = match byte {
                    0xc2..=0xdf => 1,
                    0xe0..=0xef => 2,
                    _ => 3,
                };
                self.append(&[byte]);
            }
            0x80..=0xff => self.append(b"?"),
            0x7f => self.append(b"^?"),
            control => self.append(&[b'^', control | 0x40]),
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        // `push` completes the line before it is too full for two bytes, so this cannot fail; if
        // it did, the byte would be missing from the terminal and nothing else.
        if self.text.extend_from_slice(bytes).is_err() {
            self.state = State::Complete;
        }
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}
