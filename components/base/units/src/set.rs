// SPDX-License-Identifier: BSD-2-Clause
//! Sets of channels, as a notification badge carries them.

use crate::{ChannelId, IrqId, MAX_ID};

/// Bits that name channels: 0 to [`MAX_ID`].
const ID_BITS: u64 = (1 << (MAX_ID as u32 + 1)) - 1;

/// The channels and IRQs that one notification announced. Iterates in ascending order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ChannelSet(u64);

impl ChannelSet {
    /// The set without members.
    pub const EMPTY: Self = Self(0);

    /// Takes the channel bits of a badge and drops bits 62 and 63.
    #[must_use]
    pub const fn from_badge(badge: u64) -> Self {
        Self(badge & ID_BITS)
    }

    /// The members as bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether there is no member.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Number of members, at most 62.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether `channel` is a member.
    #[must_use]
    pub const fn contains(self, channel: ChannelId) -> bool {
        self.0 & channel.bit() != 0
    }

    /// Whether the interrupt `irq` is a member.
    #[must_use]
    pub const fn contains_irq(self, irq: IrqId) -> bool {
        self.contains(irq.as_channel())
    }

    /// Adds `channel`.
    pub const fn insert(&mut self, channel: ChannelId) {
        self.0 |= channel.bit();
    }

    /// Removes `channel`; whether it was a member.
    pub const fn remove(&mut self, channel: ChannelId) -> bool {
        let present = self.contains(channel);
        self.0 &= !channel.bit();
        present
    }

    /// Members of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The members in ascending order.
    #[must_use]
    pub const fn iter(self) -> ChannelSetIter {
        ChannelSetIter(self.0)
    }
}

impl IntoIterator for ChannelSet {
    type Item = ChannelId;
    type IntoIter = ChannelSetIter;

    fn into_iter(self) -> ChannelSetIter {
        self.iter()
    }
}

impl FromIterator<ChannelId> for ChannelSet {
    fn from_iter<I: IntoIterator<Item = ChannelId>>(channels: I) -> Self {
        let mut set = Self::EMPTY;
        for channel in channels {
            set.insert(channel);
        }
        set
    }
}

/// Ascending iterator over a [`ChannelSet`].
#[derive(Clone, Debug)]
pub struct ChannelSetIter(u64);

impl Iterator for ChannelSetIter {
    type Item = ChannelId;

    fn next(&mut self) -> Option<ChannelId> {
        let channel = ChannelId::new(u64::from(self.0.trailing_zeros()))?;
        self.0 &= self.0.wrapping_sub(1);
        Some(channel)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.0.count_ones() as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for ChannelSetIter {}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(set: ChannelSet) -> Vec<u8> {
        set.into_iter().map(ChannelId::get).collect()
    }

    #[test]
    fn iterates_ascending_and_ends() {
        assert_eq!(ids(ChannelSet::from_badge(0b1010_0001)), [0, 5, 7]);
        assert_eq!(ids(ChannelSet::EMPTY), [0_u8; 0]);
        assert_eq!(
            ids(ChannelSet::from_badge(u64::MAX)),
            (0..=61).collect::<Vec<_>>()
        );
    }

    #[test]
    fn bits_62_and_63_are_no_channels() {
        assert!(ChannelSet::from_badge(0b11 << 62).is_empty());
    }

    #[test]
    fn insert_and_remove() {
        let channel = ChannelId::new(61).unwrap();
        let mut set: ChannelSet = [channel].into_iter().collect();
        assert!(set.contains(channel) && set.contains_irq(channel.as_irq()));
        assert_eq!(set.len(), 1);
        assert!(set.remove(channel));
        assert!(!set.remove(channel));
        assert_eq!(set.union(ChannelSet::from_badge(2)).bits(), 2);
    }
}
