// SPDX-License-Identifier: BSD-2-Clause
//! Bytes as a list of decisions. After the end everything is zero, so that a script that is cut
//! short still means something.

/// What is left of a script.
#[derive(Clone, Debug)]
pub struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    /// The decisions in `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether anything is left.
    #[must_use]
    pub const fn goes_on(&self) -> bool {
        !self.rest.is_empty()
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let (taken, rest) = self.rest.split_at(N.min(self.rest.len()));
        array[..taken.len()].copy_from_slice(taken);
        self.rest = rest;
        array
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    /// Two bytes.
    pub fn half(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// Eight bytes.
    pub fn long(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// One of `count` things; 0 where there are none.
    pub fn below(&mut self, count: usize) -> usize {
        let choice = if count <= 256 {
            usize::from(self.byte())
        } else {
            usize::from(self.half())
        };
        choice.checked_rem(count).unwrap_or(0)
    }

    /// One chance in `in_one_of`.
    pub fn chance(&mut self, in_one_of: u8) -> bool {
        self.byte().is_multiple_of(in_one_of)
    }

    /// A number, with luck one at the edge of something.
    pub fn odd(&mut self) -> u64 {
        let kind = self.byte();
        match kind % 8 {
            0 | 1 => u64::from(self.byte()),
            2 => u64::from(self.half()),
            3 => 1_u64 << (self.byte() & 63),
            4 => (1_u64 << (self.byte() & 63)).wrapping_sub(1),
            5 => u64::from(self.byte()).wrapping_neg(),
            6 => guest::machine::RAM_BASE.get() + u64::from(self.half()),
            _ => self.long(),
        }
    }

    /// Up to `most` bytes.
    pub fn bytes(&mut self, most: usize) -> &'a [u8] {
        let count = self.below(most.saturating_add(1)).min(self.rest.len());
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }
}
