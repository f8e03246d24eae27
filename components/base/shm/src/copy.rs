// SPDX-License-Identifier: BSD-2-Clause
//! Copies between private and shared memory in relaxed atomic words.
//!
//! The shared side is walked in aligned 8-byte words with single bytes at either end, so no access
//! is ever misaligned (`aarch64-unknown-none` builds with strict alignment) and none touches a
//! byte outside the range.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// How a range falls into leading bytes, aligned words and trailing bytes.
struct Split {
    head: usize,
    words: usize,
    tail: usize,
}

impl Split {
    const fn of(address: usize, len: usize) -> Self {
        let to_aligned = address.wrapping_neg() % WORD;
        let head = if to_aligned < len { to_aligned } else { len };
        Self {
            head,
            words: (len - head) / WORD,
            tail: (len - head) % WORD,
        }
    }
}

/// Copies shared bytes into a private slice.
///
/// # Safety
///
/// `from..from + into.len()` satisfies the contract of `Region::from_raw` for reading.
pub(crate) unsafe fn from_shared(from: NonNull<u8>, into: &mut [u8]) {
    let split = Split::of(from.as_ptr().addr(), into.len());
    let (head, rest) = into.split_at_mut(split.head);
    let (body, tail) = rest.split_at_mut(split.words * WORD);
    // SAFETY: the three parts lie back to back within the range that the caller vouches for, and
    // `Split` makes the address of the middle part a multiple of eight.
    unsafe {
        load_bytes(from, head);
        load_words(from.add(split.head), body);
        load_bytes(from.add(split.head + body.len()), tail);
    }
}

/// Copies a private slice into shared bytes.
///
/// # Safety
///
/// `to..to + from.len()` satisfies the contract of `Region::from_raw` for writing.
pub(crate) unsafe fn to_shared(from: &[u8], to: NonNull<u8>) {
    let split = Split::of(to.as_ptr().addr(), from.len());
    let (head, rest) = from.split_at(split.head);
    let (body, tail) = rest.split_at(split.words * WORD);
    // SAFETY: as in `from_shared`.
    unsafe {
        store_bytes(head, to);
        store_words(body, to.add(split.head));
        store_bytes(tail, to.add(split.head + body.len()));
    }
}

/// Copies shared bytes to shared bytes.
///
/// # Safety
///
/// `len` bytes at `from` and at `to` satisfy the contract of `Region::from_raw` for reading and for
/// writing respectively.
pub(crate) unsafe fn between_shared(from: NonNull<u8>, to: NonNull<u8>, len: usize) {
    if from.as_ptr().addr() % WORD != to.as_ptr().addr() % WORD {
        // SAFETY: the caller's contract.
        return unsafe { bytes_between(from, to, len) };
    }
    let split = Split::of(from.as_ptr().addr(), len);
    let body = split.words * WORD;
    // SAFETY: the parts lie back to back in bounds; equal alignment makes both sides of the middle
    // part multiples of eight.
    unsafe {
        bytes_between(from, to, split.head);
        let (from_words, to_words) = (from.add(split.head), to.add(split.head));
        for at in (0..body).step_by(WORD) {
            let word = atomic_word(from_words.add(at)).load(Ordering::Relaxed);
            atomic_word(to_words.add(at)).store(word, Ordering::Relaxed);
        }
        bytes_between(from_words.add(body), to_words.add(body), split.tail);
    }
}

/// Sets shared bytes.
///
/// # Safety
///
/// As [`to_shared`].
pub(crate) unsafe fn fill_shared(to: NonNull<u8>, len: usize, byte: u8) {
    let split = Split::of(to.as_ptr().addr(), len);
    let word = u64::from_ne_bytes([byte; WORD]);
    let body = split.words * WORD;
    // SAFETY: as in `from_shared`.
    unsafe {
        for at in 0..split.head {
            atomic_byte(to.add(at)).store(byte, Ordering::Relaxed);
        }
        let words = to.add(split.head);
        for at in (0..body).step_by(WORD) {
            atomic_word(words.add(at)).store(word, Ordering::Relaxed);
        }
        for at in body..body + split.tail {
            atomic_byte(words.add(at)).store(byte, Ordering::Relaxed);
        }
    }
}

/// # Safety
///
/// `at` is mapped, and this program accesses it atomically only.
unsafe fn atomic_byte<'a>(at: NonNull<u8>) -> &'a AtomicU8 {
    // SAFETY: the caller's contract; a byte is always aligned.
    unsafe { AtomicU8::from_ptr(at.as_ptr()) }
}

/// # Safety
///
/// As [`atomic_byte`] for eight bytes, and `at` is a multiple of eight.
unsafe fn atomic_word<'a>(at: NonNull<u8>) -> &'a AtomicU64 {
    // SAFETY: the caller's contract.
    unsafe { AtomicU64::from_ptr(at.cast().as_ptr()) }
}

/// # Safety
///
/// As [`from_shared`].
unsafe fn load_bytes(from: NonNull<u8>, into: &mut [u8]) {
    for (at, byte) in into.iter_mut().enumerate() {
        // SAFETY: `at` is below `into.len()`, which the caller vouches for.
        *byte = unsafe { atomic_byte(from.add(at)) }.load(Ordering::Relaxed);
    }
}

/// # Safety
///
/// As [`from_shared`], and `from` is a multiple of eight.
unsafe fn load_words(from: NonNull<u8>, into: &mut [u8]) {
    let len = into.len();
    let load = |at: usize| {
        // SAFETY: the word lies below `into.len()`; `from` is aligned and so is each word.
        unsafe { atomic_word(from.add(at * WORD)) }.load(Ordering::Relaxed)
    };
    // With strict alignment, a word store needs the proof that the private side is aligned too.
    // SAFETY: every bit pattern is a valid u64, and a u64 is valid as bytes.
    let (_, words, _) = unsafe { into.align_to_mut::<u64>() };
    if words.len() * WORD == len {
        for (at, word) in words.iter_mut().enumerate() {
            *word = load(at);
        }
        return;
    }
    let (words, _) = into.as_chunks_mut::<WORD>();
    for (at, word) in words.iter_mut().enumerate() {
        *word = load(at).to_ne_bytes();
    }
}

/// # Safety
///
/// As [`to_shared`].
unsafe fn store_bytes(from: &[u8], to: NonNull<u8>) {
    for (at, byte) in from.iter().enumerate() {
        // SAFETY: `at` is below `from.len()`, which the caller vouches for.
        unsafe { atomic_byte(to.add(at)) }.store(*byte, Ordering::Relaxed);
    }
}

/// # Safety
///
/// As [`to_shared`], and `to` is a multiple of eight.
unsafe fn store_words(from: &[u8], to: NonNull<u8>) {
    let store = |at: usize, word: u64| {
        // SAFETY: the word lies below `from.len()`; `to` is aligned and so is each word.
        unsafe { atomic_word(to.add(at * WORD)) }.store(word, Ordering::Relaxed);
    };
    // SAFETY: every bit pattern is a valid u64.
    let (_, words, _) = unsafe { from.align_to::<u64>() };
    if words.len() * WORD == from.len() {
        for (at, word) in words.iter().enumerate() {
            store(at, *word);
        }
        return;
    }
    let (words, _) = from.as_chunks::<WORD>();
    for (at, word) in words.iter().enumerate() {
        store(at, u64::from_ne_bytes(*word));
    }
}

/// # Safety
///
/// As [`between_shared`].
unsafe fn bytes_between(from: NonNull<u8>, to: NonNull<u8>, len: usize) {
    for at in 0..len {
        // SAFETY: `at` is below `len`, which the caller vouches for on both sides.
        unsafe {
            let byte = atomic_byte(from.add(at)).load(Ordering::Relaxed);
            atomic_byte(to.add(at)).store(byte, Ordering::Relaxed);
        }
    }
}
