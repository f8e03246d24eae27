// SPDX-License-Identifier: BSD-2-Clause
//! Messages of protected procedure calls and the kernel's message word.

/// Words of a message that travel in registers (x2 to x5). Bulk data goes through shared memory.
pub const MAX_WORDS: usize = 4;

/// Label of the answer to a call that nobody expected: all 52 label bits set.
pub const LABEL_UNEXPECTED: u64 = LABEL_MASK;

const LABEL_MASK: u64 = (1 << 52) - 1;
const LABEL_SHIFT: u32 = 12;
const LENGTH_MASK: u64 = 0x7f;

/// Largest length that the kernel passes on.
const MAX_LENGTH: u64 = 120;

/// The kernel's message word: length in bits 6:0, label in bits 63:12. Capability transfer (bits
/// 11:7) is not used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct MessageInfo(u64);

impl MessageInfo {
    /// Builds a message word; label bits above 52 are dropped, a length above 120 becomes 120.
    #[must_use]
    pub const fn new(label: u64, len: usize) -> Self {
        let len = len as u64;
        let len = if len < MAX_LENGTH { len } else { MAX_LENGTH };
        Self((label & LABEL_MASK) << LABEL_SHIFT | len)
    }

    /// Wraps a message word as the kernel delivered it.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The message word as the kernel takes it.
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The label, at most 52 bits.
    #[must_use]
    pub const fn label(self) -> u64 {
        self.0 >> LABEL_SHIFT
    }

    /// Length in words, at most 127.
    #[must_use]
    pub const fn len(self) -> usize {
        (self.0 & LENGTH_MASK) as usize
    }

    /// Whether the message has no words.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// A message of a protected procedure call or its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Message {
    label: u64,
    len: u8,
    words: [u64; MAX_WORDS],
}

impl Message {
    /// A message without words. Labels have 52 bits; higher bits are dropped.
    #[must_use]
    pub const fn new(label: u64) -> Self {
        Self {
            label: label & LABEL_MASK,
            len: 0,
            words: [0; MAX_WORDS],
        }
    }

    /// A message with `N` words. More than [`MAX_WORDS`] do not compile.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "N is at most four, checked on the spot"
    )]
    pub const fn with<const N: usize>(label: u64, words: [u64; N]) -> Self {
        const { assert!(N <= MAX_WORDS, "a message has at most four words") };
        let mut message = Self::new(label);
        message.len = N as u8;
        let (start, _) = message.words.split_at_mut(N);
        start.copy_from_slice(&words);
        message
    }

    /// A message with the first [`MAX_WORDS`] of `words`; the length says how many there are.
    #[must_use]
    pub fn from_words(label: u64, words: &[u64]) -> Self {
        let mut message = Self::new(label);
        for (to, from) in message.words.iter_mut().zip(words) {
            *to = *from;
            message.len += 1;
        }
        message
    }

    /// The answer to a call that nobody expected.
    #[must_use]
    pub const fn unexpected() -> Self {
        Self::new(LABEL_UNEXPECTED)
    }

    /// The label. A protocol defines its own.
    #[must_use]
    pub const fn label(&self) -> u64 {
        self.label
    }

    /// The words that were sent, at most [`MAX_WORDS`].
    #[must_use]
    pub fn words(&self) -> &[u64] {
        self.words.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Word `index`, or `None` where the sender did not send it.
    #[must_use]
    pub fn word(&self, index: usize) -> Option<u64> {
        self.words().get(index).copied()
    }

    /// All register words, zero where none was sent.
    #[must_use]
    pub const fn registers(&self) -> [u64; MAX_WORDS] {
        self.words
    }

    /// The message word for the kernel.
    #[must_use]
    pub const fn info(&self) -> MessageInfo {
        MessageInfo::new(self.label, self.len as usize)
    }
}
