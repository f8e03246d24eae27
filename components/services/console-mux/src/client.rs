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
    chunk: heapless::Deque<u8, CHUNK>,
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
            chunk: heapless::Deque::new(),
        }
    }

    /// The next byte the client wrote.
    fn next(&mut self) -> Option<u8> {
        if self.chunk.is_empty() {
            let mut bytes = [0; CHUNK];
            let read = self.stream.read(&mut bytes);
            for byte in bytes.iter().take(read) {
                // The chunk was empty and holds as many.
                let _ = self.chunk.push_back(*byte);
            }
        }
        self.chunk.pop_front()
    }

    /// Reads on until the line is complete or the turn is over.
    pub(crate) fn read_line(&mut self) -> State {
        for _ in 0..TURN_LIMIT {
            if self.line.state() == State::Complete {
                break;
            }
            let Some(byte) = self.next() else {
                break;
            };
            self.line.push(byte);
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
            let Some(byte) = self.next() else {
                break;
            };
            let _ = bytes.push(byte);
        }
        bytes
    }

    /// Asks to be woken by the client's next byte; `true` if there is one already.
    pub(crate) fn wait(&mut self) -> bool {
        !self.chunk.is_empty() || self.stream.wait_for_bytes()
    }
}
