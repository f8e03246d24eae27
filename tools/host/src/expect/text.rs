// SPDX-License-Identifier: BSD-2-Clause
//! A console's bytes as plain text.

/// Removes carriage returns, NULs and ANSI escape sequences from a stream, across its chunks.
#[derive(Debug, Default)]
pub(crate) struct Cleaner {
    state: State,
    partial: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    Sequence,
}

impl Cleaner {
    /// The text of the next chunk. An incomplete UTF-8 character waits for the next one.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> String {
        for &byte in bytes {
            match (self.state, byte) {
                (State::Text, 0x1b) => self.state = State::Escape,
                (State::Text, b'\r' | 0) => {}
                (State::Text, _) => self.partial.push(byte),
                (State::Escape, b'[') => self.state = State::Sequence,
                (State::Escape, _) | (State::Sequence, 0x40..=0x7e) => self.state = State::Text,
                (State::Sequence, _) => {}
            }
        }
        let keep = incomplete_tail(&self.partial);
        let tail = self.partial.split_off(self.partial.len() - keep);
        let text = String::from_utf8_lossy(&self.partial).into_owned();
        self.partial = tail;
        text
    }
}

/// How many bytes at the end may become a character with what follows.
fn incomplete_tail(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(e) if e.error_len().is_none() => bytes.len() - e.valid_up_to(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_returns_vanish_even_across_chunks() {
        let mut cleaner = Cleaner::default();
        let mut text = cleaner.feed(b"\x1b[1;3");
        text += &cleaner.feed(b"2mping\x1b[0m\r\n\x1b");
        text += &cleaner.feed(b"[Kpong");
        assert_eq!(text, "ping\npong");
    }

    #[test]
    fn characters_may_be_split() {
        let mut cleaner = Cleaner::default();
        let bytes = "né".as_bytes();
        let mut text = cleaner.feed(&bytes[..2]);
        text += &cleaner.feed(&bytes[2..]);
        assert_eq!(text, "né");
        assert_eq!(cleaner.feed(b"\xff!"), "\u{fffd}!");
    }
}
