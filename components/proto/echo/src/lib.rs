// SPDX-License-Identifier: BSD-2-Clause
//! What ping and pong say to each other: calls, and a ring of numbered requests.
//!
//! The same question goes both ways. A call carries it in two words under [`LABEL_ECHO`]; the ring
//! carries it as an [`Item`]. Either way the answer has the question's number and
//! [`answer`] of its value.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Label of a call: words are number and value.
pub const LABEL_ECHO: u64 = 1;
/// Label of the answer to a call: words are number and answer.
pub const LABEL_OK: u64 = 0;
/// Label of the answer to a call that is none of this protocol's; no words.
pub const LABEL_BAD_CALL: u64 = 2;

/// Items each ring holds.
pub const RING_ITEMS: u32 = 64;

/// A request or a reply: little endian, 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Item {
    /// Number of the question, counted from 0 by the one who asks.
    pub number: u64,
    /// The value asked, or its answer.
    pub value: u64,
}

const _: () = assert!(size_of::<Item>() == 16);

/// The answer to `value`: a bijection without fixed points for neighbours, so a reply that was
/// merely copied, or belongs to another question, is noticed.
#[must_use]
pub const fn answer(value: u64) -> u64 {
    value.rotate_left(7) ^ 0xa5a5_5a5a_c3c3_3c3c
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_pinned() {
        let item = Item {
            number: 1,
            value: 0x0203,
        };
        let bytes = [1, 0, 0, 0, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 0, 0];
        assert_eq!(item.as_bytes(), bytes);
    }

    #[test]
    fn an_answer_is_not_its_question() {
        for value in 0..1000 {
            assert_ne!(answer(value), value);
            assert_ne!(answer(value), answer(value + 1));
        }
    }
}
