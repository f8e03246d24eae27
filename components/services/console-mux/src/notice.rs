// SPDX-License-Identifier: BSD-2-Clause
//! What the multiplexer itself says on the terminal.

use core::fmt::Write;

use crate::client::Client;
use crate::line::LINE_BYTES;

/// Notices that may wait for room on the UART.
const MAX_NOTICES: usize = 32;

/// Text of a notice.
pub(crate) type Text = heapless::String<LINE_BYTES>;

/// One line of the multiplexer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The keys.
    Keys,
    /// A client, its key, and whether it has the focus.
    Client(usize),
    /// The client in focus changed.
    Focus(usize),
    /// The client in focus is now shown raw or labelled.
    Raw(bool),
    /// A key after the prefix that does nothing.
    Unknown(u8),
}

/// Notices waiting for room; more than fit are dropped, since only a person presses keys.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    waiting: heapless::Deque<Notice, MAX_NOTICES>,
}

impl Notices {
    pub(crate) const fn new() -> Self {
        Self {
            waiting: heapless::Deque::new(),
        }
    }

    pub(crate) fn add(&mut self, notice: Notice) {
        let _ = self.waiting.push_back(notice);
    }

    /// The keys and one line for each of `clients` clients.
    pub(crate) fn add_help(&mut self, clients: usize) {
        self.add(Notice::Keys);
        for client in 0..clients {
            self.add(Notice::Client(client));
        }
    }

    pub(crate) fn take(&mut self) -> Option<Notice> {
        self.waiting.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Notice {
    /// The line's text. A name that does not fit is cut.
    pub(crate) fn text(self, clients: &[Client], focus: usize) -> Text {
        let mut text = Text::new();
        let name = |index: usize| {
            clients
                .get(index)
                .map_or("?", |client| client.name.as_str())
        };
        let written = match self {
            Self::Keys => text.write_str(
                "Ctrl-A 1..9 selects a client, n the next, a sends Ctrl-A, r toggles raw output, \
                 ? prints this",
            ),
            Self::Client(index) => write!(
                text,
                "{} {}{}",
                index.saturating_add(1),
                name(index),
                if index == focus { ", has the keys" } else { "" }
            ),
            Self::Focus(index) => write!(text, "keys go to {}", name(index)),
            Self::Raw(true) => write!(text, "{} is shown raw", name(focus)),
            Self::Raw(false) => write!(text, "{} is shown with its label", name(focus)),
            Self::Unknown(key) => write!(
                text,
                "Ctrl-A {} does nothing, Ctrl-A ? lists the keys",
                char::from(key).escape_default()
            ),
        };
        // A text that is too long is cut, not lost.
        let _ = written;
        text
    }
}
