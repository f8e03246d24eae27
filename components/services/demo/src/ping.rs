// SPDX-License-Identifier: BSD-2-Clause
//! Ping: asks half of its questions by calls, half through the ring, and checks every answer.

use echo::{Item, LABEL_ECHO, LABEL_OK, answer};
use pd::{Call, Component, Handler, Message, Notify, Setup, SetupError};
use serial::Console;
use units::ChannelSet;

use crate::ring::Ring;

/// Questions where the record does not say.
const DEFAULT_MESSAGES: u64 = 1000;

/// Most questions under way in the ring.
const WINDOW: u64 = 16;

/// Most questions a record may ask for: each call is made in `init`.
const MAX_MESSAGES: u64 = 1 << 20;

/// The one who asks.
#[derive(Debug)]
pub struct Ping {
    console: Console,
    ring: Ring,
    messages: u64,
    asked: u64,
    answered: u64,
    errors: u64,
    reported: bool,
}

impl Component for Ping {
    /// Wants the links `console` and `pong` (regions `pong.out`, `pong.in`; its channel may call),
    /// and optionally the value `messages` (1000).
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let messages = setup.value_or("messages", DEFAULT_MESSAGES)?;
        if messages > MAX_MESSAGES {
            return Err(SetupError::invalid("messages", "it is more than 1048576"));
        }
        let console = Console::open(setup)?;
        let ring = Ring::open(setup, "pong", ["pong.out", "pong.in"])?;
        Ok(Self::new(console, ring, messages))
    }
}

/// The value of question `number`: spread over all bits.
const fn value(number: u64) -> u64 {
    number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

const fn question(number: u64) -> Item {
    Item {
        number,
        value: value(number),
    }
}

impl Ping {
    pub(crate) const fn new(console: Console, ring: Ring, messages: u64) -> Self {
        Self {
            console,
            ring,
            messages,
            asked: 0,
            answered: 0,
            errors: 0,
            reported: false,
        }
    }

    fn check(&mut self, number: u64, got: Item) {
        let expected = answer(value(number));
        if got.number == number && got.value == expected {
            self.answered = self.answered.saturating_add(1);
        } else {
            self.errors = self.errors.saturating_add(1);
        }
    }

    fn call(&mut self, kernel: &mut impl Call) {
        let item = question(self.asked);
        let message = Message::with(LABEL_ECHO, [item.number, item.value]);
        let reply = kernel.call(self.ring.channel, &message);
        self.asked = self.asked.saturating_add(1);
        match (reply.label(), reply.words()) {
            (LABEL_OK, [number, value]) => {
                let (number, value) = (*number, *value);
                self.check(item.number, Item { number, value });
            }
            _ => self.errors = self.errors.saturating_add(1),
        }
    }

    fn done(&self) -> u64 {
        self.answered.saturating_add(self.errors)
    }

    /// Takes the answers that are there, asks on, and reports when all are in.
    fn turn(&mut self, kernel: &mut impl Notify) {
        self.take_answers();
        while self.asked < self.messages && self.asked.saturating_sub(self.done()) < WINDOW {
            if !self.ring.push(&question(self.asked)) {
                break;
            }
            self.asked = self.asked.saturating_add(1);
        }
        self.ring.flush(kernel);
        if self.done() >= self.messages && !self.reported {
            self.reported = true;
            let (messages, replies, errors) = (self.asked, self.answered, self.errors);
            self.console.line(
                kernel,
                format_args!("ping: {messages} messages, {replies} replies, {errors} errors"),
            );
        }
    }
}

impl Ping {
    fn take_answers(&mut self) {
        // Twice as often as there are questions under way: more answers are nobody's.
        for _ in 0..2 * WINDOW {
            if let Some(item) = self.ring.pop() {
                // Answers come in the order of the questions.
                self.check(self.done(), item);
            } else if !self.ring.wait_for_items() {
                return;
            }
        }
        self.ring.drop_pending();
        let _ = self.ring.wait_for_items();
    }
}

impl<K: Call + Notify> Handler<K> for Ping {
    fn init(&mut self, kernel: &mut K) {
        let calls = self.messages / 2;
        self.console.line(
            kernel,
            format_args!(
                "ping: {calls} calls, then {} messages through the ring",
                self.messages.saturating_sub(calls)
            ),
        );
        for _ in 0..calls {
            self.call(kernel);
        }
        self.turn(kernel);
    }

    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        if channels.contains(self.ring.channel) {
            self.turn(kernel);
        }
    }
}
