// SPDX-License-Identifier: BSD-2-Clause
//! Pong: a passive server. It has no time of its own; a call or a notification lends it some.

use echo::{Item, LABEL_BAD_CALL, LABEL_ECHO, LABEL_OK, RING_ITEMS, answer};
use pd::{Component, Handler, Message, Notify, Setup, SetupError, Unexpected};
use units::{ChannelId, ChannelSet};

use crate::ring::Ring;

/// The one who answers.
#[derive(Debug)]
pub struct Pong {
    ring: Ring,
    bad_calls: u64,
    unexpected: u64,
}

impl Component for Pong {
    /// Wants the link `ping`: regions `ping.out`, `ping.in`, and the channel.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let ring = Ring::open(setup, "ping", ["ping.out", "ping.in"])?;
        Ok(Self::new(ring))
    }
}

const fn reply(item: Item) -> Item {
    Item {
        number: item.number,
        value: answer(item.value),
    }
}

impl Pong {
    pub(crate) const fn new(ring: Ring) -> Self {
        Self {
            ring,
            bad_calls: 0,
            unexpected: 0,
        }
    }

    /// Calls that were none of the protocol's.
    #[must_use]
    pub const fn bad_calls(&self) -> u64 {
        self.bad_calls
    }

    /// Events that the system description does not provide for.
    #[must_use]
    pub const fn unexpected_events(&self) -> u64 {
        self.unexpected
    }

    /// Answers until there is no question or no room for an answer.
    fn turn(&mut self, kernel: &mut impl Notify) {
        if !self.answer_all() {
            // Two whole rings in one activation: the peer asks faster than it is answered, so what
            // is pending is dropped, as there is nobody who would wake this domain for it.
            self.ring.drop_pending();
            let _ = self.ring.wait_for_items();
        }
        self.ring.flush(kernel);
    }

    /// `false` where there are still questions after two rings.
    fn answer_all(&mut self) -> bool {
        for _ in 0..2 * RING_ITEMS {
            if self.ring.room() == 0 && !self.ring.wait_for_room() {
                return true;
            }
            match self.ring.pop() {
                Some(item) => {
                    self.ring.push(&reply(item));
                }
                None if self.ring.wait_for_items() => {}
                None => return true,
            }
        }
        false
    }
}

impl<K: Notify> Handler<K> for Pong {
    fn init(&mut self, kernel: &mut K) {
        self.turn(kernel);
    }

    fn notified(&mut self, kernel: &mut K, _: ChannelSet) {
        self.turn(kernel);
    }

    fn protected(&mut self, _: &mut K, _: ChannelId, message: Message) -> Message {
        match (message.label(), message.words()) {
            (LABEL_ECHO, [number, value]) => {
                let (number, value) = (*number, *value);
                let answer = reply(Item { number, value });
                Message::with(LABEL_OK, [answer.number, answer.value])
            }
            _ => {
                self.bad_calls = self.bad_calls.saturating_add(1);
                Message::new(LABEL_BAD_CALL)
            }
        }
    }

    fn unexpected(&mut self, _: Unexpected) {
        self.unexpected = self.unexpected.saturating_add(1);
    }
}
