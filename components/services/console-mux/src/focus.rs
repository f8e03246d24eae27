// SPDX-License-Identifier: BSD-2-Clause
//! The keyboard: which client gets the bytes, and the Ctrl-A prefix that changes it.

/// Prefix of every command: Ctrl-A.
pub const PREFIX: u8 = 0x01;

/// What one byte from the keyboard means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Nothing yet: the prefix was pressed.
    Nothing,
    /// A byte for the client in focus.
    Byte(u8),
    /// The focus moved to this client.
    Focus(usize),
    /// The client in focus is switched between labelled and raw output.
    ToggleRaw,
    /// Print the list of keys and clients.
    Help,
    /// The prefix was followed by this byte, which is no command here.
    Unknown(u8),
}

/// Decodes keys and remembers the focus.
#[derive(Debug)]
pub struct Keyboard {
    clients: usize,
    focus: usize,
    prefixed: bool,
}

impl Keyboard {
    /// A keyboard for `clients` clients, focus on the first.
    #[must_use]
    pub const fn new(clients: usize) -> Self {
        Self {
            clients,
            focus: 0,
            prefixed: false,
        }
    }

    /// Index of the client in focus.
    #[must_use]
    pub const fn focus(&self) -> usize {
        self.focus
    }

    /// Sets the focus; ignored beyond the last client.
    pub fn set_focus(&mut self, client: usize) {
        if client < self.clients {
            self.focus = client;
        }
    }

    /// Decodes one byte.
    pub fn key(&mut self, byte: u8) -> Key {
        if !core::mem::take(&mut self.prefixed) {
            if byte == PREFIX {
                self.prefixed = true;
                return Key::Nothing;
            }
            return Key::Byte(byte);
        }
        match byte {
            b'a' | PREFIX => Key::Byte(PREFIX),
            b'?' | b'h' => Key::Help,
            b'r' => Key::ToggleRaw,
            b'n' => self.select(self.focus.saturating_add(1).checked_rem(self.clients)),
            b'1'..=b'9' => match self.select(Some(usize::from(byte - b'1'))) {
                Key::Nothing => Key::Unknown(byte),
                key => key,
            },
            other => Key::Unknown(other),
        }
    }

    fn select(&mut self, client: Option<usize>) -> Key {
        match client {
            Some(client) if client < self.clients => {
                self.focus = client;
                Key::Focus(client)
            }
            _ => Key::Nothing,
        }
    }
}
