// SPDX-License-Identifier: BSD-2-Clause
//! Addresses seen at one port.

use crate::mac::Mac;

/// Sets of the table, a power of two.
const SETS: usize = 8;

/// Entries of a set.
const WAYS: usize = 4;

/// Seconds after which an address that is not heard of is forgotten (IEEE Std 802.1Q-2018, table
/// 8-6).
pub(crate) const AGE: u32 = 300;

/// An address in a VLAN, as one number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Station(u64);

impl Station {
    pub(crate) fn new(mac: Mac, vlan: u16) -> Self {
        Self(mac.to_u64() | u64::from(vlan) << 48)
    }

    /// Its set, by Fibonacci hashing.
    const fn set(self) -> usize {
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61) as usize % SETS
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    station: Station,
    /// Second in which it was last heard of.
    seen: u32,
}

impl Entry {
    const fn age(&self, now: u32) -> u32 {
        now.wrapping_sub(self.seen)
    }

    const fn is_empty(&self) -> bool {
        self.station.0 == 0
    }
}

/// The addresses of one port, 32 at most. Each port has a table of its own: however many addresses
/// a port shows, only its own are displaced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    sets: [[Entry; WAYS]; SETS],
}

impl Table {
    /// Whether `station` was heard of in the last [`AGE`] seconds.
    pub(crate) fn knows(&self, station: Station, now: u32) -> bool {
        let known =
            |entry: &Entry| !entry.is_empty() && entry.station == station && entry.age(now) <= AGE;
        self.set(station).is_some_and(|set| set.iter().any(known))
    }

    /// Notes that `station` was heard of. A full set forgets the one that was silent for longest.
    pub(crate) fn learn(&mut self, station: Station, now: u32) {
        let Some(set) = self.sets.get_mut(station.set()) else {
            return;
        };
        let rank = |entry: &&mut Entry| match () {
            () if entry.station == station => (2, 0),
            () if entry.is_empty() => (1, 0),
            () => (0, entry.age(now)),
        };
        if let Some(entry) = set.iter_mut().max_by_key(rank) {
            *entry = Entry { station, seen: now };
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.sets = [[Entry::default(); WAYS]; SETS];
    }

    fn set(&self, station: Station) -> Option<&[Entry; WAYS]> {
        self.sets.get(station.set())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn station(last: u8, vlan: u16) -> Station {
        Station::new(Mac::new([2, 0, 0, 0, 0, last]), vlan)
    }

    #[test]
    fn addresses_are_known_until_they_age() {
        let mut table = Table::default();
        table.learn(station(1, 0), 1000);
        assert!(table.knows(station(1, 0), 1000 + AGE));
        assert!(!table.knows(station(1, 0), 1001 + AGE));
        assert!(!table.knows(station(1, 7), 1000), "another VLAN");
        table.learn(station(1, 0), 1200);
        assert!(table.knows(station(1, 0), 1200 + AGE));
        table.clear();
        assert!(!table.knows(station(1, 0), 1200));
        assert!(
            !table.knows(Station::default(), 0),
            "an empty place is no address"
        );
    }

    proptest! {
        /// The latest address is always known, and a set keeps its four latest.
        #[test]
        fn the_latest_are_kept(macs in proptest::collection::vec(any::<u8>(), 1..300)) {
            let mut table = Table::default();
            let mut latest: Vec<Station> = Vec::new();
            for (now, mac) in (0_u32..).zip(macs) {
                let seen = station(mac, 3);
                table.learn(seen, now);
                latest.retain(|known| *known != seen);
                latest.push(seen);
                for set in 0..SETS {
                    let of_set = latest.iter().rev().filter(|known| known.set() == set);
                    for known in of_set.take(WAYS) {
                        prop_assert!(now > AGE || table.knows(*known, now));
                    }
                }
            }
        }
    }
}
