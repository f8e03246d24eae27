// SPDX-License-Identifier: BSD-2-Clause
//! What an end says about itself.

const UP: u32 = 1;
const LINK: u32 = 1 << 1;
const CSUM: u32 = 1 << 2;
const MTU_SHIFT: u32 = 16;

/// What an end says about itself, in one word, so that no mix of two states is ever seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// It takes part: sends frames and takes those sent to it.
    pub up: bool,
    /// What is behind it (a cable, a guest's driver, other ports) is there.
    pub link: bool,
    /// It takes frames whose checksum is still to be computed
    /// ([`NEEDS_CSUM`](crate::flags::NEEDS_CSUM)).
    pub csum: bool,
    /// Most payload bytes of a frame that it takes; 0 = no limit but the slot.
    pub mtu: u16,
}

impl Status {
    /// An end that does not take part: as before its first start.
    pub const DOWN: Self = Self {
        up: false,
        link: false,
        csum: false,
        mtu: 0,
    };

    /// Whether frames sent to this end arrive anywhere.
    #[must_use]
    pub const fn carries(self) -> bool {
        self.up && self.link
    }

    pub(crate) fn word(self) -> u32 {
        let bit = |set: bool, bit: u32| if set { bit } else { 0 };
        bit(self.up, UP)
            | bit(self.link, LINK)
            | bit(self.csum, CSUM)
            | u32::from(self.mtu) << MTU_SHIFT
    }

    /// Every word is a status: bits that this version does not know are ignored.
    pub(crate) const fn from_word(word: u32) -> Self {
        let [_, _, low, high] = word.to_le_bytes();
        Self {
            up: word & UP != 0,
            link: word & LINK != 0,
            csum: word & CSUM != 0,
            mtu: u16::from_le_bytes([low, high]),
        }
    }
}
