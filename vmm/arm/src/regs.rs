// SPDX-License-Identifier: BSD-2-Clause
//! A vCPU's registers in the order in which seL4 transfers them (sel4-abi.md §5.4).
//!
//! Every transfer is a prefix of this order, so the cost of an exit is decided by the highest index
//! it touches: [`count_for`] gives the shortest prefix, [`Frame`] holds one.

use pd::context;

/// Number of words of the whole context.
pub const CONTEXT_WORDS: usize = context::COUNT;

/// Index of the program counter.
pub const PC: usize = context::PC;
/// Index of the stack pointer of EL0.
pub const SP: usize = context::SP;
/// Index of the saved program status (`SPSR_EL2` of the exit).
pub const SPSR: usize = context::SPSR;
/// Index of `x0`; `x1` to `x8` follow.
pub const X0: usize = 3;

/// Index of general-purpose register `number`; `None` for `xzr` and above.
#[must_use]
pub fn index_of(number: u8) -> Option<usize> {
    context::general(number.into())
}

/// Length of the shortest prefix that has register `number`; 0 for `xzr`, which has no place.
#[must_use]
pub fn count_for(number: u8) -> usize {
    index_of(number).map_or(0, |index| index + 1)
}

/// A prefix of the context: read from the kernel, changed, written back.
#[derive(Clone, Debug)]
pub struct Frame {
    words: [u64; CONTEXT_WORDS],
    len: usize,
}

impl Frame {
    /// A frame of the first `len` words, all zero. At most [`CONTEXT_WORDS`] are kept.
    #[must_use]
    pub const fn new(len: usize) -> Self {
        Self {
            words: [0; CONTEXT_WORDS],
            len: if len < CONTEXT_WORDS {
                len
            } else {
                CONTEXT_WORDS
            },
        }
    }

    /// The words, to be written to the kernel.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        self.words.get(..self.len).unwrap_or(&[])
    }

    /// The words, to be read from the kernel.
    #[must_use]
    pub fn words_mut(&mut self) -> &mut [u64] {
        self.words.get_mut(..self.len).unwrap_or(&mut [])
    }

    /// Makes the frame `len` words long, at most [`CONTEXT_WORDS`]. Words that it did not have are
    /// unspecified: the kernel is going to supply them.
    pub fn resize(&mut self, len: usize) {
        self.len = len.min(CONTEXT_WORDS);
    }

    /// Shortens the frame to `len` words.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The word at `index`; zero if the frame is shorter.
    #[must_use]
    pub fn get(&self, index: usize) -> u64 {
        self.words().get(index).copied().unwrap_or(0)
    }

    /// Sets the word at `index`, if the frame has it.
    pub fn set(&mut self, index: usize, value: u64) {
        if let Some(word) = self.words_mut().get_mut(index) {
            *word = value;
        }
    }

    /// General-purpose register `number`: `xzr`, and one beyond the frame, read as zero.
    #[must_use]
    pub fn gpr(&self, number: u8) -> u64 {
        index_of(number).map_or(0, |index| self.get(index))
    }

    /// Sets general-purpose register `number`; writes to `xzr` are dropped.
    pub fn set_gpr(&mut self, number: u8, value: u64) {
        if let Some(index) = index_of(number) {
            self.set(index, value);
        }
    }
}
