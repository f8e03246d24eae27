// SPDX-License-Identifier: BSD-2-Clause
//! The one terminal: whose text stands on the current line, and what a line looks like.

use crate::line::LINE_BYTES;

/// Longest client name on a label, in bytes.
pub const NAME_BYTES: usize = 24;

/// Room for one rendered line: two line ends, a coloured label and the text.
pub const OUTPUT_BYTES: usize = LINE_BYTES + NAME_BYTES + 24;

/// Bytes for the terminal.
pub type Output = heapless::Vec<u8, OUTPUT_BYTES>;

/// Foreground colours by client, in order: the dark ones, readable on black and on white.
const COLOURS: [u8; 6] = [b'6', b'3', b'2', b'5', b'4', b'1'];

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The multiplexer itself.
    Mux,
    /// A client, by index.
    Client(usize),
}

/// The terminal's state.
#[derive(Debug)]
pub struct Screen {
    colours: bool,
    /// Whose unfinished line the cursor stands on.
    open: Option<Speaker>,
}

impl Screen {
    /// An empty terminal; `colours` turns ANSI colours of labels on.
    #[must_use]
    pub const fn new(colours: bool) -> Self {
        Self {
            colours,
            open: None,
        }
    }

    /// Renders a line of `speaker`, whole or (`complete` false) so far.
    ///
    /// A line that another speaker left unfinished is ended first, so lines never mix.
    #[must_use]
    pub fn line(&mut self, speaker: Speaker, name: &[u8], text: &[u8], complete: bool) -> Output {
        let mut out = Output::new();
        if self.open != Some(speaker) {
            self.end_open_line(&mut out);
            self.label(&mut out, speaker, name);
        }
        put(&mut out, text);
        if complete {
            put(&mut out, b"\r\n");
        }
        self.open = (!complete).then_some(speaker);
        out
    }

    /// Passes `bytes` (at most [`LINE_BYTES`]; the rest is cut) of the client through as they are.
    #[must_use]
    pub fn raw(&mut self, client: usize, bytes: &[u8]) -> Output {
        let mut out = Output::new();
        let speaker = Speaker::Client(client);
        if self.open != Some(speaker) {
            self.end_open_line(&mut out);
        }
        put(&mut out, bytes.get(..LINE_BYTES).unwrap_or(bytes));
        if let Some(last) = bytes.last() {
            self.open = (*last != b'\n').then_some(speaker);
        }
        out
    }

    fn end_open_line(&mut self, out: &mut Output) {
        if self.open.take().is_some() {
            put(out, b"\r\n");
        }
    }

    fn label(&self, out: &mut Output, speaker: Speaker, name: &[u8]) {
        let name = name.get(..NAME_BYTES).unwrap_or(name);
        let colour = match speaker {
            Speaker::Client(index) => index
                .checked_rem(COLOURS.len())
                .and_then(|index| COLOURS.get(index)),
            Speaker::Mux => None,
        };
        match colour.filter(|_| self.colours) {
            Some(colour) => {
                put(out, b"\x1b[3");
                put(out, &[*colour, b'm', b'[']);
                put(out, name);
                put(out, b"]\x1b[0m ");
            }
            None => {
                put(out, b"[");
                put(out, name);
                put(out, b"] ");
            }
        }
    }
}

/// Appends; [`OUTPUT_BYTES`] covers the longest rendering, and what did not fit would be missing on
/// the terminal and nothing worse.
fn put(out: &mut Output, bytes: &[u8]) {
    let room = out.capacity().saturating_sub(out.len());
    let fits = bytes.get(..room).unwrap_or(bytes);
    let _ = out.extend_from_slice(fits);
}
