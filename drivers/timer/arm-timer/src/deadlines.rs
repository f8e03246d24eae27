// SPDX-License-Identifier: BSD-2-Clause
//! One deadline per client, and which comes first.

use units::{ChannelId, ChannelSet};

const CLIENTS: usize = 62;

/// The deadlines of all clients, in absolute ticks.
///
/// Every operation looks at one entry of each client that waits, so no client can make another's slower
/// than by waiting itself.
#[derive(Debug, Clone)]
pub struct Deadlines {
    at: [u64; CLIENTS],
    waiting: u64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            at: [0; CLIENTS],
            waiting: 0,
        }
    }
}

impl Deadlines {
    /// Sets or replaces a client's deadline.
    pub fn set(&mut self, client: ChannelId, deadline: u64) {
        if let Some(slot) = self.at.get_mut(client.index()) {
            *slot = deadline;
            self.waiting |= client.bit();
        }
    }

    /// Forgets a client's deadline.
    pub fn cancel(&mut self, client: ChannelId) {
        self.waiting &= !client.bit();
    }

    /// The earliest deadline, if any client waits.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.clients().map(|(_, deadline)| deadline).min()
    }

    /// Takes out every client whose deadline is at or before `now`.
    pub fn take_expired(&mut self, now: u64) -> ChannelSet {
        let expired = self
            .clients()
            .filter(|&(_, deadline)| deadline <= now)
            .fold(0, |set, (client, _)| set | (1 << client));
        self.waiting &= !expired;
        ChannelSet::from_badge(expired)
    }

    fn clients(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let mut waiting = self.waiting;
        core::iter::from_fn(move || {
            let client = waiting.trailing_zeros();
            // None is left: there are fewer entries than bits of a word.
            let deadline = self.at.get(usize::try_from(client).ok()?)?;
            waiting &= waiting - 1;
            Some((client, *deadline))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn channel(raw: u8) -> ChannelId {
        ChannelId::new(u64::from(raw)).unwrap()
    }

    #[test]
    fn the_earliest_deadline_is_next_and_expires_once() {
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.next(), None);
        deadlines.set(channel(61), 50);
        deadlines.set(channel(0), 70);
        deadlines.set(channel(3), 60);
        deadlines.cancel(channel(3));
        assert_eq!(deadlines.next(), Some(50));
        assert_eq!(deadlines.take_expired(50), ChannelSet::from_badge(1 << 61));
        assert_eq!(deadlines.take_expired(50), ChannelSet::default());
        assert_eq!(deadlines.next(), Some(70));
    }

    proptest! {
        #[test]
        fn it_behaves_as_a_map(steps in prop::collection::vec((0u8..62, 0u64..100, 0u8..3), 0..200)) {
            let (mut deadlines, mut model) = (Deadlines::default(), BTreeMap::new());
            for (client, at, action) in steps {
                match action {
                    0 => { deadlines.set(channel(client), at); model.insert(client, at); }
                    1 => { deadlines.cancel(channel(client)); model.remove(&client); }
                    _ => {
                        let bits = model.iter().filter(|&(_, &due)| due <= at).fold(0, |set, (&c, _)| set | 1 << c);
                        model.retain(|_, due| *due > at);
                        prop_assert_eq!(deadlines.take_expired(at), ChannelSet::from_badge(bits));
                    }
                }
                prop_assert_eq!(deadlines.next(), model.values().min().copied());
            }
        }
    }
}
