// SPDX-License-Identifier: BSD-2-Clause
//! The Internet checksum (RFC 1071) of a frame whose sender left it to the receiver.

use frames::Meta;
use shm::{Access, OutOfBounds, Region};

/// Bytes that are fetched at a time: an even number.
const CHUNK: usize = 256;

/// The checksum of everything from `csum_start` on, the pseudo header's sum in the checksum field
/// included, as it is to be stored. `None` where `meta` names bytes outside the frame.
pub(crate) fn complete<A: Access>(frame: &Region<A>, meta: Meta) -> Option<[u8; 2]> {
    if !meta.csum_fits(frame.len()) {
        return None;
    }
    let (_, covered) = frame.split_at(usize::from(meta.csum_start)).ok()?;
    let sum = fold(sum(&covered).ok()?);
    // Zero would say that there is no checksum (RFC 768); in one's complement both are zero.
    Some(if sum == u16::MAX { sum } else { !sum }.to_be_bytes())
}

fn sum<A: Access>(covered: &Region<A>) -> Result<u64, OutOfBounds> {
    let mut total = 0_u64;
    let mut bytes = [0; CHUNK];
    let mut at = 0;
    while at < covered.len() {
        let len = CHUNK.min(covered.len() - at);
        let Some(chunk) = bytes.get_mut(..len) else {
            break;
        };
        covered.copy_in(at, chunk)?;
        let (pairs, rest) = chunk.as_chunks::<2>();
        // At most 2^15 terms of 16 bits.
        total += pairs
            .iter()
            .map(|pair| u64::from(u16::from_be_bytes(*pair)))
            .sum::<u64>();
        // Only the last chunk can end within a pair, which a zero completes.
        total += rest
            .first()
            .map_or(0, |byte| u64::from(u16::from_be_bytes([*byte, 0])));
        at += len;
    }
    Ok(total)
}

/// The one's complement sum of all 16-bit words.
fn fold(mut sum: u64) -> u16 {
    while sum > u64::from(u16::MAX) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // At most 16 bits are left.
    u16::try_from(sum).unwrap_or(u16::MAX)
}
