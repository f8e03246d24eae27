// SPDX-License-Identifier: BSD-2-Clause
//! The multiplexer: fair turns, bounded work.

use pd::{Component, Handler, Notify, Setup, SetupError, Unexpected};
use record::Entry;
use serial::Stream;
use units::ChannelSet;

use crate::client::Client;
use crate::focus::{Key, Keyboard};
use crate::line::State;
use crate::notice::{Notice, Notices};
use crate::screen::{OUTPUT_BYTES, Screen, Speaker};

/// Most clients, as many as Ctrl-A has digits.
pub const MAX_CLIENTS: usize = 9;

/// Keys handled per activation.
const KEY_LIMIT: usize = 256;

/// Rounds of one turn per client and activation. Each but the last few prints at least a label, so
/// that the UART's ring of a page is full long before.
const ROUND_LIMIT: usize = 4096;

/// Name on the multiplexer's own label.
const OWN_NAME: &[u8] = b"console";

/// How the terminal looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Labels in ANSI colours.
    pub colours: bool,
    /// Output of the client in focus unlabelled and unfiltered, as a full-screen program needs it.
    pub raw_focus: bool,
}

/// What the multiplexer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Keys that the client in focus had no room for, or that no client was there for.
    pub keys_dropped: u64,
    /// Events that the system description does not provide for.
    pub unexpected: u64,
}

/// The console multiplexer.
#[derive(Debug)]
pub struct ConsoleMux {
    uart: Stream,
    clients: heapless::Vec<Client, MAX_CLIENTS>,
    screen: Screen,
    keyboard: Keyboard,
    raw_focus: bool,
    notices: Notices,
    /// The client whose turn is first.
    first: usize,
    counters: Counters,
}

/// How a client's turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It printed, and may have more.
    Printed,
    /// It has nothing to print.
    Idle,
    /// It has something to print and the UART's ring has no room.
    Blocked,
}

impl Component for ConsoleMux {
    /// Wants the link `uart`; for each text entry `client` a link with that text as its role; and
    /// optionally the values `colours` (1), `raw_focus` (0) and `focus` (1, the first client).
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let options = Options {
            colours: setup.value_or("colours", 1)? != 0,
            raw_focus: setup.value_or("raw_focus", 0)? != 0,
        };
        let uart = Stream::open(setup, "uart")?;
        if uart.capacity() < OUTPUT_BYTES {
            return Err(SetupError::invalid(
                "uart",
                "its ring is shorter than a line",
            ));
        }
        let mut mux = Self::new(uart, options);
        for entry in setup.record().with_role("client") {
            let Entry::Text(name) = entry else {
                return Err(SetupError::invalid(
                    "client",
                    "each client is a text, its role",
                ));
            };
            let client = Client::new(name, Stream::open(setup, name)?);
            if !mux.add(client) {
                return Err(SetupError::invalid("client", "there are more than nine"));
            }
        }
        let focus = setup.value_or("focus", 1)?;
        let focus = usize::try_from(focus).unwrap_or(usize::MAX);
        mux.keyboard.set_focus(focus.saturating_sub(1));
        Ok(mux)
    }
}

impl ConsoleMux {
    /// A multiplexer on `uart`, without clients.
    #[must_use]
    pub const fn new(uart: Stream, options: Options) -> Self {
        Self {
            uart,
            clients: heapless::Vec::new(),
            screen: Screen::new(options.colours),
            keyboard: Keyboard::new(0),
            raw_focus: options.raw_focus,
            notices: Notices::new(),
            first: 0,
            counters: Counters {
                keys_dropped: 0,
                unexpected: 0,
            },
        }
    }

    /// Adds a client; the first one gets the focus. `false` where there are [`MAX_CLIENTS`] already.
    #[must_use]
    pub fn add(&mut self, client: Client) -> bool {
        if self.clients.push(client).is_err() {
            return false;
        }
        let focus = self.keyboard.focus();
        self.keyboard = Keyboard::new(self.clients.len());
        self.keyboard.set_focus(focus);
        true
    }

    /// What was counted so far, besides each stream's counters.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    fn take_keys(&mut self) {
        let mut keys = [0; KEY_LIMIT];
        let read = self.uart.read(&mut keys);
        for byte in keys.iter().take(read) {
            match self.keyboard.key(*byte) {
                Key::Nothing => {}
                Key::Byte(byte) => self.type_in(byte),
                Key::Focus(client) => self.notices.add(Notice::Focus(client)),
                Key::ToggleRaw => {
                    self.raw_focus = !self.raw_focus;
                    self.notices.add(Notice::Raw(self.raw_focus));
                }
                Key::Help => self.notices.add_help(self.clients.len()),
                Key::Unknown(key) => self.notices.add(Notice::Unknown(key)),
            }
        }
    }

    fn type_in(&mut self, byte: u8) {
        let client = self.clients.get_mut(self.keyboard.focus());
        if client.is_none_or(|client| client.stream.write(&[byte]) == 0) {
            self.counters.keys_dropped = self.counters.keys_dropped.saturating_add(1);
        }
    }

    /// Prints one waiting notice of the multiplexer itself.
    fn own_turn(&mut self) -> Turn {
        if self.notices.is_empty() {
            return Turn::Idle;
        }
        if self.uart.room() < OUTPUT_BYTES {
            return Turn::Blocked;
        }
        if let Some(notice) = self.notices.take() {
            let text = notice.text(&self.clients, self.keyboard.focus());
            let out = self
                .screen
                .line(Speaker::Mux, OWN_NAME, text.as_bytes(), true);
            self.uart.write(&out);
        }
        Turn::Printed
    }

    /// Prints one line of a client, if one is complete, or its raw bytes.
    fn turn(&mut self, index: usize) -> Turn {
        let raw = self.raw_focus && index == self.keyboard.focus();
        let Some(client) = self.clients.get_mut(index) else {
            return Turn::Idle;
        };
        if !raw && client.read_line() == State::Open {
            return Turn::Idle;
        }
        if self.uart.room() < OUTPUT_BYTES {
            return Turn::Blocked;
        }
        if raw {
            let bytes = client.read_raw();
            if bytes.is_empty() {
                return Turn::Idle;
            }
            self.uart.write(&self.screen.raw(index, &bytes));
        } else {
            self.show_line(index, true);
        }
        Turn::Printed
    }

    /// Prints what the client in focus has of a line: a prompt does not end its line. Comes after
    /// everybody's complete lines, which would tear it apart.
    fn prompt(&mut self) -> Turn {
        let focus = self.keyboard.focus();
        let line = self.clients.get(focus).map(|client| client.line.text());
        if line.is_none_or(<[u8]>::is_empty) {
            return Turn::Idle;
        }
        if self.uart.room() < OUTPUT_BYTES {
            return Turn::Blocked;
        }
        self.show_line(focus, false);
        Turn::Printed
    }

    fn show_line(&mut self, index: usize, complete: bool) {
        let Some(client) = self.clients.get_mut(index) else {
            return;
        };
        let (name, text) = (client.name.as_bytes(), client.line.text());
        let speaker = Speaker::Client(index);
        let out = self.screen.line(speaker, name, text, complete);
        self.uart.write(&out);
        client.line.clear();
    }

    /// One turn for everybody.
    fn round(&mut self) -> Turn {
        let mut outcome = self.own_turn();
        if outcome == Turn::Blocked {
            return outcome;
        }
        let clients = self.clients.len();
        for offset in 0..clients {
            let index = self.first.saturating_add(offset).checked_rem(clients);
            let Some(index) = index else { break };
            match self.turn(index) {
                Turn::Blocked => {
                    // Its turn comes first when there is room again, or it might never.
                    self.first = index;
                    return Turn::Blocked;
                }
                Turn::Printed => outcome = Turn::Printed,
                Turn::Idle => {}
            }
        }
        self.first = self
            .first
            .saturating_add(1)
            .checked_rem(clients)
            .unwrap_or(0);
        outcome
    }

    /// Prints until nobody has anything or the UART's ring is full, and arranges to be woken for the
    /// rest.
    fn print(&mut self) {
        for _ in 0..ROUND_LIMIT {
            let turn = match self.round() {
                Turn::Idle => self.prompt(),
                other => other,
            };
            let again = match turn {
                Turn::Printed => true,
                Turn::Blocked => self.uart.wait_for_room(OUTPUT_BYTES),
                Turn::Idle => self.wait(),
            };
            if !again {
                return;
            }
        }
        // As much as that only fits where the driver sends at the same time, on another core. Go on
        // when it has sent all of it.
        let _ = self.uart.wait_for_room(usize::MAX);
    }

    /// Asks everybody to wake the multiplexer; `true` if there is work already.
    fn wait(&mut self) -> bool {
        let mut work = self.uart.wait_for_bytes();
        if work {
            self.take_keys();
        }
        for client in &mut self.clients {
            work |= client.wait();
        }
        work
    }

    fn activate(&mut self, kernel: &mut impl Notify) {
        self.take_keys();
        self.print();
        for client in &mut self.clients {
            client.stream.flush_deferred(kernel);
        }
        self.uart.flush_deferred(kernel);
    }
}

impl<K: Notify> Handler<K> for ConsoleMux {
    fn init(&mut self, kernel: &mut K) {
        self.notices.add_help(self.clients.len());
        self.activate(kernel);
    }

    fn notified(&mut self, kernel: &mut K, _: ChannelSet) {
        // Which channel it was does not matter: every ring says itself whether it has something.
        self.activate(kernel);
    }

    fn unexpected(&mut self, _: Unexpected) {
        self.counters.unexpected = self.counters.unexpected.saturating_add(1);
    }
}
