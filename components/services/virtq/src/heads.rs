// SPDX-License-Identifier: BSD-2-Clause
//! Sets of heads.

use crate::MAX_SIZE;

/// Words of a set.
const WORDS: usize = MAX_SIZE as usize / u64::BITS as usize;

/// A set of heads below [`MAX_SIZE`]; others cannot be put into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heads([u64; WORDS]);

impl Heads {
    pub(crate) fn contains(&self, head: u16) -> bool {
        let (word, bit) = place(head);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    pub(crate) fn insert(&mut self, head: u16) {
        let (word, bit) = place(head);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    pub(crate) fn remove(&mut self, head: u16) {
        let (word, bit) = place(head);
        if let Some(word) = self.0.get_mut(word) {
            *word &= !bit;
        }
    }

    /// Takes out whatever is in `others`.
    pub(crate) fn remove_all(&mut self, others: &Self) {
        for (word, other) in self.0.iter_mut().zip(others.0) {
            *word &= !other;
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// The heads by rising number, at a cost of the words plus one step for each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        (0_u16..).zip(self.0).flat_map(|(index, mut word)| {
            core::iter::from_fn(move || {
                // 64 for an empty word.
                let bit = word.trailing_zeros();
                let found = word != 0;
                word &= word.wrapping_sub(1);
                let bit = u16::try_from(bit).unwrap_or(0);
                found.then_some(index * WORD_BITS + bit)
            })
        })
    }
}

/// Bits of a word.
const WORD_BITS: u16 = 64;

/// Word and bit of a head.
const fn place(head: u16) -> (usize, u64) {
    ((head / WORD_BITS) as usize, 1 << (head % WORD_BITS))
}
