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

    /// Adds bytes up to the end of the line; how many it took, at least one of an open line's.
    pub(crate) fn fill(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while self.state == State::Open
            && let Some(rest) = bytes.get(taken..)
            && let Some(byte) = rest.first()
        {
            let run = self.append_run(rest);
            if run == 0 {
                self.push(*byte);
            }
            taken = taken.saturating_add(run.max(1));
        }
        taken
    }

    /// Adds the printable ASCII that `bytes` begins with and the line has room for.
    fn append_run(&mut self, bytes: &[u8]) -> usize {
        // As in `push`, one place stays free.
        let room = (LINE_BYTES - 1).saturating_sub(self.text.len());
        let bytes = bytes.get(..room).unwrap_or(bytes);
        let (words, _) = bytes.as_chunks::<8>();
        let words = words.iter().take_while(|word| is_printable(**word)).count();
        let rest = bytes.get(words * 8..).unwrap_or_default();
        let rest = rest.iter().take_while(|byte| matches!(byte, 0x20..=0x7e));
        let run = bytes.get(..words * 8 + rest.count()).unwrap_or_default();
        if let Some(last) = run.last() {
            self.last = *last;
            self.continuation = 0;
            self.append(run);
            if self.text.len() + 2 > LINE_BYTES {
                self.state = State::Complete;
            }
        }
        run.len()
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

/// Whether all bytes are in 0x20..=0x7e. Exact: the lowest byte that is not shows, whatever it
/// carries into those above.
const fn is_printable(bytes: [u8; 8]) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    let word = u64::from_le_bytes(bytes);
    let below = word.wrapping_sub(0x20 * ONES);
    let above = word.wrapping_add(ONES);
    (word | below | above) & (0x80 * ONES) == 0
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn slices_give_the_lines_that_single_bytes_give(
            bytes in proptest::collection::vec(
                prop_oneof![6 => 0x20_u8..0x7f, 1 => any::<u8>()], 0..700),
        ) {
            let (mut one, mut many) = (Line::new(), Line::new());
            let mut at = 0;
            while at < bytes.len() {
                let taken = many.fill(&bytes[at..]);
                prop_assert!(taken > 0);
                for byte in &bytes[at..at + taken] {
                    prop_assert_eq!(one.state(), State::Open);
                    one.push(*byte);
                }
                prop_assert_eq!((one.text(), one.state()), (many.text(), many.state()));
                if one.state() == State::Complete {
                    one.clear();
                    many.clear();
                }
                at += taken;
            }
        }

        #[test]
        fn words_of_printable_bytes_are_told_exactly(bytes: [u8; 8]) {
            let expected = bytes.iter().all(|byte| (0x20..=0x7e).contains(byte));
            prop_assert_eq!(is_printable(bytes), expected);
        }

        #[test]
        fn nearly_printable_words_are_told_exactly(
            at in 0_usize..8, byte: u8, other in 0x20_u8..0x7f,
        ) {
            let mut bytes = [other; 8];
            bytes[at] = byte;
            prop_assert_eq!(is_printable(bytes), (0x20..=0x7e).contains(&byte));
        }
    }
}
