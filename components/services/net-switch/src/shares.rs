// SPDX-License-Identifier: BSD-2-Clause
//! Who occupies the slots of one port's ring.
//!
//! Frames for a port that is slower than those who send to it are dropped; the question is whose.
//! A sender may occupy at most twice as many slots as are free (dynamic thresholds, Choudhury and
//! Hahne 1998, alpha = 2), so one that floods leaves a third of the ring free, two leave a fifth:
//! there is always a slot for somebody who has none.

use heapless::Deque;

use crate::{MAX_PORTS, MAX_SLOTS};

/// Sender of frames that were in the ring before a restart.
const NOBODY: u8 = u8::MAX;

/// The slots of a ring and their senders, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    senders: Deque<u8, MAX_SLOTS>,
    held: [u32; MAX_PORTS],
}

impl Shares {
    /// Brings the account up to date: `occupied` slots are in use, of which the peer emptied the
    /// oldest first.
    pub(crate) fn settle(&mut self, occupied: u32) {
        while self.senders.len() > occupied as usize {
            let sender = self.senders.pop_front().unwrap_or(NOBODY);
            if let Some(held) = self.held.get_mut(usize::from(sender)) {
                *held = held.saturating_sub(1);
            }
        }
        // Only after a restart, when the senders of what is there are not known any more.
        while self.senders.len() < occupied as usize && self.senders.push_front(NOBODY).is_ok() {}
    }

    /// Whether port `sender` may take one of `free` slots.
    pub(crate) fn allow(&self, sender: u8, free: u32) -> bool {
        let held = self.held.get(usize::from(sender)).copied();
        held.is_some_and(|held| held < free.saturating_mul(2))
    }

    /// Notes that port `sender` took a slot.
    pub(crate) fn take(&mut self, sender: u8) {
        if let Some(held) = self.held.get_mut(usize::from(sender)) {
            // The queue is as long as the longest ring.
            if self.senders.push_back(sender).is_ok() {
                *held = held.saturating_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills a ring of `slots` slots with frames of `senders` in turn; how many each got.
    fn fill(shares: &mut Shares, slots: u32, senders: &[u8]) -> Vec<u32> {
        let mut got = vec![0; senders.len()];
        let mut occupied = 0;
        for _ in 0..slots {
            for (at, sender) in senders.iter().enumerate() {
                if occupied < slots && shares.allow(*sender, slots - occupied) {
                    shares.take(*sender);
                    occupied += 1;
                    got[at] += 1;
                }
            }
        }
        got
    }

    #[test]
    fn a_flood_leaves_room_for_who_has_none() {
        assert_eq!(fill(&mut Shares::default(), 64, &[0]), [43]);
        let mut shares = Shares::default();
        let got = fill(&mut shares, 64, &[0, 1]);
        assert!(got.iter().all(|got| (25..=26).contains(got)), "{got:?}");
        assert!(shares.allow(2, 64 - got.iter().sum::<u32>()));
        assert!(!shares.allow(0, 12));
    }

    #[test]
    fn slots_come_back_in_order() {
        let mut shares = Shares::default();
        for sender in [0, 1, 0] {
            shares.take(sender);
        }
        shares.settle(2);
        assert_eq!(shares.held[..2], [1, 1]);
        shares.settle(0);
        assert_eq!(shares.held[..2], [0, 0]);
        shares.settle(3);
        shares.take(1);
        shares.settle(1);
        assert_eq!(shares.held[1], 1, "the three of nobody were older");
        assert!(!shares.allow(200, 10), "no such port");
    }

    #[test]
    fn no_peer_makes_the_account_grow() {
        let mut shares = Shares::default();
        shares.settle(u32::MAX);
        assert_eq!(shares.senders.len(), MAX_SLOTS);
        shares.take(1);
        assert_eq!(shares.held[1], 0);
    }
}
