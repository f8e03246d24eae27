// SPDX-License-Identifier: BSD-2-Clause
//! A port: its link, its policy, and who has how much of its slots.

use heapless::Deque;
use vsock::Link;

use crate::MAX_PORTS;

/// Most packets on their way to a port that are accounted for; a link with more slots uses as many.
const LEDGER: usize = 64;

/// Times its patience for which a sender has none any more.
const PENANCE: u64 = 10;

/// The router itself as a sender, in a port's ledger.
const ROUTER: u8 = u8::MAX;

/// What the system's description says about a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The CID behind the port.
    pub cid: u64,
    /// Whether it may open connections to the port of this index.
    pub allow: [bool; MAX_PORTS],
    /// Most connections that it may have opened.
    pub limit: usize,
    /// Ticks that its packets wait for a receiver without room.
    pub patience: u64,
}

/// A port.
#[derive(Debug)]
pub struct Port {
    pub(crate) link: Link,
    pub(crate) policy: Policy,
    /// Who sent the packets that the peer has not given back, oldest first.
    ledger: Deque<u8, LEDGER>,
    /// It did not read for a sender's patience: nobody waits for it until it has read everything,
    /// nor before this tick.
    stalled: Option<u64>,
    /// It has read everything since.
    caught_up: bool,
    /// Its next packet waits for this port, since this tick.
    pub(crate) blocked: Option<(usize, u64)>,
}

impl Port {
    /// A port on `link`, whatever is still on its way there.
    #[must_use]
    pub fn new(link: Link, policy: Policy) -> Self {
        let mut port = Self {
            link,
            policy,
            ledger: Deque::new(),
            stalled: None,
            caught_up: true,
            blocked: None,
        };
        let left = port.slots().saturating_sub(port.free());
        for _ in 0..left {
            // At most as many as there are slots.
            let _ = port.ledger.push_back(ROUTER);
        }
        port.link.set_status(true);
        port
    }

    /// Slots in use.
    fn slots(&self) -> usize {
        (self.link.capacity() as usize).min(LEDGER)
    }

    /// Slots of these that are free on the link.
    fn free(&mut self) -> usize {
        let taken = self.link.capacity().saturating_sub(self.link.room()) as usize;
        self.slots().saturating_sub(taken)
    }

    /// Takes note of what the peer has given back.
    fn settle(&mut self) {
        let taken = self.slots().saturating_sub(self.free());
        while self.ledger.len() > taken {
            self.ledger.pop_front();
        }
        self.caught_up |= self.ledger.is_empty();
    }

    /// Whether a sender without room is to wait for this port.
    pub(crate) fn is_worth_waiting_for(&mut self, now: u64) -> bool {
        self.settle();
        let over = |until: &u64| !self.caught_up || now < *until;
        self.stalled = self.stalled.filter(over);
        self.stalled.is_none() && self.link.carries()
    }

    /// A sender's patience, in ticks, is at its end. Each costs the port ten times as long without
    /// any, so that one that reads just often enough cannot hold a sender up for good. `false`: it
    /// was so already.
    pub(crate) fn stall(&mut self, patience: u64, now: u64) -> bool {
        let until = now.saturating_add(patience.saturating_mul(PENANCE));
        self.caught_up = false;
        self.stalled.replace(until).is_none()
    }

    /// Whether there is room for a packet from the port `sender`, of `ports`.
    pub(crate) fn has_room(&mut self, sender: usize, ports: usize) -> bool {
        self.settle();
        let share = self
            .slots()
            .checked_div(ports.saturating_sub(1))
            .unwrap_or(0)
            .max(1);
        let used = self.ledger.iter().filter(|of| usize::from(**of) == sender);
        used.count() < share && self.ledger.len() < self.slots()
    }

    /// Whether there is room for a packet of the router's own.
    pub(crate) fn has_own_room(&mut self) -> bool {
        self.settle();
        self.ledger.len() < self.slots()
    }

    /// Accounts for a packet that was staged for the peer.
    pub(crate) fn charge(&mut self, sender: Option<usize>) {
        let sender = sender
            .and_then(|sender| u8::try_from(sender).ok())
            .unwrap_or(ROUTER);
        // There was room.
        let _ = self.ledger.push_back(sender);
    }
}
