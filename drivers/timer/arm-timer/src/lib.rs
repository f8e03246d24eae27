// SPDX-License-Identifier: BSD-2-Clause
//! Wake-ups from the Arm generic timer's EL1 physical timer, as a protection domain's logic.
//!
//! The driver is passive: a client's call (`timer`) runs on the client's budget, and the timer's
//! interrupt on the driver's own. It holds one deadline per client and programs the earliest; when
//! the interrupt comes, each client whose deadline has passed is notified once.
//!
//! | threat | answer |
//! |---|---|
//! | a client asks for a wake-up storm | one deadline per client, replaced by the next; each call is paid by the caller |
//! | an unknown request | counted, answered with `BAD_REQUEST` |
//! | a spurious notification | the counter decides, not the notification |
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod deadlines;
#[cfg(test)]
mod tests;

pub use deadlines::Deadlines;

use pd::{Component, Handler, Irq, Message, Notify, PhysicalTimer, Setup, SetupError, Unexpected};
use timer::{BAD_REQUEST, OK, Request};
use units::{ChannelId, ChannelSet, IrqId};

/// The timer driver.
///
/// Record: the interrupt `irq`.
#[derive(Debug)]
pub struct Driver {
    irq: IrqId,
    deadlines: Deadlines,
    unexpected: u32,
}

impl Component for Driver {
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        Ok(Self::new(setup.irq("irq")?))
    }
}

impl Driver {
    /// A driver whose timer interrupt is `irq`.
    #[must_use]
    pub fn new(irq: IrqId) -> Self {
        Self {
            irq,
            deadlines: Deadlines::default(),
            unexpected: 0,
        }
    }

    /// Requests and events that no client may send, so far.
    #[must_use]
    pub const fn unexpected_count(&self) -> u32 {
        self.unexpected
    }

    /// Notifies whoever is due and programs the next deadline.
    fn serve<K: PhysicalTimer + Notify>(&mut self, kernel: &mut K) {
        for client in self.deadlines.take_expired(kernel.now()) {
            kernel.notify(client);
        }
        match self.deadlines.next() {
            Some(deadline) => kernel.timer_set(deadline),
            None => kernel.timer_stop(),
        }
    }
}

impl<K: PhysicalTimer + Notify + Irq> Handler<K> for Driver {
    fn init(&mut self, kernel: &mut K) {
        // A predecessor, or firmware, may have left the timer running.
        kernel.timer_stop();
    }

    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        self.serve(kernel);
        if channels.contains_irq(self.irq) {
            kernel.irq_ack_deferred(self.irq);
        }
    }

    fn protected(&mut self, kernel: &mut K, client: ChannelId, message: Message) -> Message {
        match Request::decode(message.label(), message.words()) {
            Some(Request::SetDeadline(deadline)) => self.deadlines.set(client, deadline),
            Some(Request::Cancel) => self.deadlines.cancel(client),
            None => {
                Handler::<K>::unexpected(self, Unexpected::Protected(client));
                return Message::new(BAD_REQUEST);
            }
        }
        self.serve(kernel);
        Message::new(OK)
    }

    fn unexpected(&mut self, _event: Unexpected) {
        self.unexpected = self.unexpected.saturating_add(1);
    }
}
