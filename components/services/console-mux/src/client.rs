// SPDX-License-Identifier: BSD-2-Clause
//! One client: its stream and the line it is writing.

use serial::Stream;

use crate::line::{LINE_BYTES, Line, State};
use crate::screen::NAME_BYTES;

/// Bytes taken from a client's ring at a time.
const CHUNK: usize = 64;

/// Bytes a client gets handled per turn: at least a line, of which at most every second byte (line
/// feeds after carriage returns) does not show.
const TURN_LIMIT: usize = 2 * LINE_BYTES;

/// A client's name as it stands on its label.
pub(crate) type Name = heapless::String<NAME_BYTES>;

/// A client of the multiplexer.
#[derive(Debug)]
pub struct Client {
    pub(crate) name: Name,
    pub(crate) stream: Stream,
    pub(crate) line: Line,
    /// Taken from the ring, and from where on not handled yet.
    chunk: [u8; CHUNK],
    handled: usize,
    fetched: usize,
}

impl Client {
    /// A client called `name`, which is cut to the length of a label.
    #[must_use]
    pub fn new(name: &str, stream: Stream) -> Self {
        let mut label = Name::new();
        for letter in name.chars() {
            if label.push(letter).is_err() {
                break;
            }
        }
        Self {
            name: label,
            stream,
            line: Line::new(),
            chunk: [0; CHUNK],
            handled: 0,
            fetched: 0,
        }
    }

    /// Sees to it that there are bytes the client wrote, if it wrote any.
    fn fetch(&mut self) {
        if self.handled == self.fetched {
            self.fetched = self.stream.read(&mut self.chunk);
            self.handled = 0;
        }
    }

    /// What was fetched and is not handled, at most `most` bytes.
    fn rest(&self, most: usize) -> &[u8] {
        let rest = self.chunk.get(self.handled..self.fetched);
        let rest = rest.unwrap_or_default();
        rest.get(..most).unwrap_or(rest)
    }

    /// Reads on until the line is complete or the turn is over.
    pub(crate) fn read_line(&mut self) -> State {
        let mut left = TURN_LIMIT;
        while left > 0 && self.line.state() == State::Open {
            self.fetch();
            let rest = self.chunk.get(self.handled..self.fetched);
            let rest = rest.unwrap_or_default();
            let taken = self.line.fill(rest.get(..left).unwrap_or(rest));
            if taken == 0 {
                break;
            }
            self.handled = self.handled.saturating_add(taken);
            left = left.saturating_sub(taken);
        }
        self.line.state()
    }

    /// Up to [`LINE_BYTES`] bytes as the client wrote them, after what it had written before the
    /// output became raw.
    pub(crate) fn read_raw(&mut self) -> heapless::Vec<u8, LINE_BYTES> {
        let mut bytes = heapless::Vec::new();
        let _ = bytes.extend_from_slice(self.line.text());
        let ended = self.line.state() == State::Complete;
        self.line.clear();
        if ended {
            // The line's own end was swallowed when it was completed.
            let room = bytes.capacity().saturating_sub(bytes.len());
            let _ = bytes.extend_from_slice(b"\r\n".get(..room).unwrap_or_default());
        }
        while !bytes.is_full() {
            self.fetch();
            let rest = self.rest(bytes.capacity().saturating_sub(bytes.len()));
            if rest.is_empty() {
                break;
            }
            // As many as there is room for.
            let _ = bytes.extend_from_slice(rest);
            self.handled = self.handled.saturating_add(rest.len());
        }
        bytes
    }

    /// Asks to be woken by the client's next byte; `true` if there is one already.
    pub(crate) fn wait(&mut self) -> bool {
        self.handled < self.fetched || self.stream.wait_for_bytes()
    }
}
