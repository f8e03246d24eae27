// SPDX-License-Identifier: BSD-2-Clause
//! SHA-256 around its compression function (FIPS 180-4, 5.1.1, 5.3.3, 6.2).

use hashing::{BLOCK, DIGEST};

/// The compression function.
pub trait Compress {
    /// Takes `blocks` into `state`, in order.
    fn compress(state: &mut [u32; 8], blocks: &[[u8; BLOCK]]);
}

/// 5.3.3: the initial hash value.
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A hash under way.
#[derive(Clone, Debug)]
pub(crate) struct Hash {
    state: [u32; 8],
    /// Bytes taken so far.
    len: u64,
    /// Those behind the last whole block.
    tail: heapless::Vec<u8, BLOCK>,
}

impl Hash {
    pub(crate) const fn new() -> Self {
        Self {
            state: INITIAL,
            len: 0,
            tail: heapless::Vec::new(),
        }
    }

    /// Takes `bytes`, which follow whole blocks: the tail is that of the last piece.
    pub(crate) fn update<C: Compress>(&mut self, bytes: &[u8]) {
        let (blocks, tail) = bytes.as_chunks();
        C::compress(&mut self.state, blocks);
        self.len = self.len.wrapping_add(bytes.len() as u64);
        // Shorter than a block.
        let _ = self.tail.extend_from_slice(tail);
    }

    /// 5.1.1: pads with a one, zeros, and the length in bits.
    pub(crate) fn finish<C: Compress>(mut self) -> [u8; DIGEST] {
        let mut last = [[0; BLOCK]; 2];
        let flat = last.as_flattened_mut();
        let marked = self.tail.iter().chain(&[0x80]);
        for (to, byte) in flat.iter_mut().zip(marked) {
            *to = *byte;
        }
        let count = if self.tail.len() < BLOCK - 8 { 1 } else { 2 };
        let bits = self.len.wrapping_mul(8).to_be_bytes();
        let end = flat.get_mut(..count * BLOCK).unwrap_or_default();
        for (to, byte) in end.iter_mut().rev().zip(bits.into_iter().rev()) {
            *to = byte;
        }
        C::compress(&mut self.state, last.get(..count).unwrap_or_default());
        let mut digest = [0; DIGEST];
        for (to, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(self.state) {
            *to = word.to_be_bytes();
        }
        digest
    }
}
