// SPDX-License-Identifier: BSD-2-Clause
//! Receiving: the loop's one system call per event (sel4-abi §4.1 to §4.3).

use pd::{Event, Irq, MAX_WORDS, Port, Reply};
use units::ChannelSet;

use crate::abi;
use crate::kernel::Kernel;
use crate::syscalls::{Outgoing, Received, Syscalls, Words};

impl<S: Syscalls> Port for Kernel<S> {
    fn start(&mut self) {
        for channel in ChannelSet::from_badge(self.identity.irqs) {
            self.irq_ack(channel.as_irq());
        }
        if self.identity.passive {
            // The hand-over takes the combined system call, so what waits for it goes out now
            // (libmicrokit loses it).
            self.flush_deferred();
            self.hand_over = true;
        }
    }

    fn receive(&mut self, reply: &Reply, event: &mut Event) {
        let received = match reply.parts() {
            Some((info, words)) => {
                self.flush_deferred();
                let words = fast(words);
                self.sys.reply_recv(abi::INPUT, info, words, abi::REPLY)
            }
            None => match self.take_outgoing() {
                Some(out) => self.sys.nb_send_recv(out, abi::INPUT, abi::REPLY),
                None => self.sys.recv(abi::INPUT, abi::REPLY),
            },
        };
        self.store(&received, event);
    }
}

impl<S: Syscalls> Kernel<S> {
    fn flush_deferred(&mut self) {
        if let Some(action) = self.deferred.take() {
            let out = self.outgoing(action);
            self.sys.send(out);
        }
    }

    /// What the next receive sends along: the hand-over of a passive server to the monitor, once,
    /// or the deferred action.
    fn take_outgoing(&mut self) -> Option<Outgoing> {
        if core::mem::take(&mut self.hand_over) {
            return Some(Outgoing::bare(abi::MONITOR, 0));
        }
        let action = self.deferred.take()?;
        Some(self.outgoing(action))
    }

    fn store(&self, received: &Received, event: &mut Event) {
        event.badge = received.badge;
        event.info = received.info;
        for (to, from) in event.words.iter_mut().zip(received.words) {
            *to = from;
        }
        if event.needs_more_words() {
            for (index, word) in event.words.iter_mut().enumerate().skip(MAX_WORDS) {
                *word = self.sys.message_word(index);
            }
        }
    }
}

/// A reply's words, which all travel in registers.
fn fast(words: &[u64]) -> Words {
    let mut fast = [0; MAX_WORDS];
    for (to, from) in fast.iter_mut().zip(words) {
        *to = *from;
    }
    fast
}
