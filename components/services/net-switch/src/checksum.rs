// SPDX-License-Identifier: BSD-2-Clause
//! Completing checksums (RFC 1071) that a sender left to its device.

use shm::{Region, Rw};

/// Bytes summed at a time; even.
const CHUNK: usize = 128;

/// Computes the checksum of bytes `start..len` of the frame in `slot` and stores it `offset` bytes
/// behind `start`, where the pseudo header's sum is now. `false` where it does not lie within the
/// frame. The slot is written by nobody else.
pub(crate) fn complete(slot: &Region<Rw>, len: usize, start: usize, offset: usize) -> bool {
    let Some(field) = start.checked_add(offset) else {
        return false;
    };
    if field.saturating_add(2) > len || len > slot.len() {
        return false;
    }
    let mut sum = 0_u64;
    let mut at = start;
    while at < len {
        let mut chunk = [0; CHUNK];
        let size = CHUNK.min(len - at);
        let (piece, _) = chunk.split_at_mut(size);
        if slot.copy_in(at, piece).is_err() {
            return false;
        }
        sum = sum.saturating_add(words(&chunk));
        at += size;
    }
    slot.copy_out(field, &fold(sum).to_ne_bytes()).is_ok()
}

/// Sum of a chunk's 32-bit words: modulo 2^16 - 1 that of its 16-bit words.
fn words(chunk: &[u8; CHUNK]) -> u64 {
    let (words, _) = chunk.as_chunks::<4>();
    words
        .iter()
        .map(|word| u64::from(u32::from_ne_bytes(*word)))
        .sum()
}

/// The checksum in the byte order of the words summed (RFC 1071, section 2(B)). Zero is sent as all
/// ones, which means the same and, in UDP, is not "no checksum" (RFC 768).
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [low, high, ..] = sum.to_le_bytes();
    match !u16::from_le_bytes([low, high]) {
        0 => u16::MAX,
        checksum => checksum,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shm::fake;

    use super::*;

    /// RFC 1071 word by word.
    fn reference(bytes: &[u8]) -> u16 {
        let mut sum = 0_u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).unwrap()
    }

    proptest! {
        /// A completed frame sums up to zero, and nothing but the field changes.
        #[test]
        fn completed_checksums_verify(
            frame in proptest::collection::vec(any::<u8>(), 2..600),
            start in 0_usize..600,
            offset in 0_usize..600,
        ) {
            let slot = fake::region(600);
            slot.copy_out(0, &frame).unwrap();
            let fits = start + offset + 2 <= frame.len() && offset % 2 == 0;
            if !fits {
                return Ok(());
            }
            prop_assert!(complete(&slot, frame.len(), start, offset));
            let mut after = vec![0; frame.len()];
            slot.copy_in(0, &mut after).unwrap();
            let field = start + offset;
            // The field held the pseudo header's sum, so that is part of what is verified.
            let mut verified = after[start..].to_vec();
            let pseudo = u16::from_be_bytes([frame[field], frame[field + 1]]);
            if verified.len() % 2 != 0 {
                verified.push(0);
            }
            verified.extend_from_slice(&pseudo.to_be_bytes());
            prop_assert_eq!(reference(&verified), 0);
            prop_assert_eq!(&after[..field], &frame[..field]);
            prop_assert_eq!(&after[field + 2..], &frame[field + 2..]);
        }

        #[test]
        fn fields_outside_the_frame_are_refused(len in 0_usize..100, start in any::<usize>(), offset in any::<usize>()) {
            let slot = fake::region(64);
            let fits = start.checked_add(offset).and_then(|at| at.checked_add(2)).is_some_and(|end| end <= len) && len <= 64;
            prop_assert_eq!(complete(&slot, len, start, offset), fits);
        }
    }

    #[test]
    fn zero_is_sent_as_all_ones() {
        let slot = fake::region(8);
        slot.copy_out(0, &[0xff, 0xff, 0, 0]).unwrap();
        assert!(complete(&slot, 4, 0, 2));
        assert_eq!(slot.load::<u16>(2), Ok(0xffff));
    }
}
