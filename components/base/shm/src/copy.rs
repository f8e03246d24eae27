// SPDX-License-Identifier: BSD-2-Clause
//! Copies between private and shared memory in relaxed atomic words.
//!
//! The shared side is walked in aligned 8-byte words with single bytes at either end, so no access
//! is ever misaligned (`aarch64-unknown-none` builds with strict alignment) and none touches a
//! byte outside the range.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// Bytes from which on putting words together is worth its beginning and end.
const SHIFTED: usize = 32;

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
    let to = NonNull::from(&mut *into).cast::<u8>();
    if into.len() >= SHIFTED && from.as_ptr().addr() % WORD != to.as_ptr().addr() % WORD {
        // SAFETY: the caller's contract for reading; `into` is valid for writing and nobody else's.
        return unsafe { between_shared(from, to, into.len()) };
    }
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

/// Loads a value, in whole words without a loop where size and address allow it.
///
/// # Safety
///
/// As [`from_shared`] for `size_of::<T>()` bytes.
#[inline(always)]
pub(crate) unsafe fn load_value<T: FromBytes + IntoBytes>(from: NonNull<u8>) -> T {
    let mut value = T::new_zeroed();
    if !is_words::<T>(from) {
        // SAFETY: the caller's contract.
        unsafe { from_shared(from, value.as_mut_bytes()) };
        return value;
    }
    // Another variable, so that this one need not have an address.
    let mut value = T::new_zeroed();
    let (words, _) = value.as_mut_bytes().as_chunks_mut::<WORD>();
    for (at, word) in words.iter_mut().enumerate() {
        // SAFETY: the word lies below the value's size; `from` is aligned and so is each word.
        let loaded = unsafe { atomic_word(from.add(at * WORD)) }.load(Ordering::Relaxed);
        *word = loaded.to_ne_bytes();
    }
    value
}

/// Stores a value, in whole words without a loop where size and address allow it.
///
/// # Safety
///
/// As [`to_shared`] for `size_of::<T>()` bytes.
#[inline(always)]
pub(crate) unsafe fn store_value<T: IntoBytes + Immutable>(value: &T, to: NonNull<u8>) {
    if !is_words::<T>(to) {
        // SAFETY: the caller's contract.
        return unsafe { to_shared(value.as_bytes(), to) };
    }
    let (words, _) = value.as_bytes().as_chunks::<WORD>();
    for (at, word) in words.iter().enumerate() {
        // SAFETY: the word lies below the value's size; `to` is aligned and so is each word.
        let cell = unsafe { atomic_word(to.add(at * WORD)) };
        cell.store(u64::from_ne_bytes(*word), Ordering::Relaxed);
    }
}

/// Largest value that is copied without a loop, in bytes.
const SMALL: usize = 64;

fn is_words<T>(shared: NonNull<u8>) -> bool {
    size_of::<T>() <= SMALL
        && size_of::<T>().is_multiple_of(WORD)
        && shared.as_ptr().addr().is_multiple_of(WORD)
}

/// Copies a private slice into shared bytes.
///
/// # Safety
///
/// `to..to + from.len()` satisfies the contract of `Region::from_raw` for writing.
pub(crate) unsafe fn to_shared(from: &[u8], to: NonNull<u8>) {
    if from.len() >= SHIFTED && from.as_ptr().addr() % WORD != to.as_ptr().addr() % WORD {
        let source = NonNull::from(from).cast::<u8>();
        // SAFETY: all that is loaded lies in `from`, words at multiples of eight; the caller's
        // contract for writing.
        return unsafe {
            shifted(
                source.as_ptr().addr(),
                |at| source.add(at).read(),
                |at| source.add(at).cast::<u64>().read(),
                to,
                from.len(),
            );
        };
    }
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
        // SAFETY: the caller's contract; words are loaded from multiples of eight.
        return unsafe {
            shifted(
                from.as_ptr().addr(),
                |at| atomic_byte(from.add(at)).load(Ordering::Relaxed),
                |at| atomic_word(from.add(at)).load(Ordering::Relaxed),
                to,
                len,
            );
        };
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

/// Copies bytes to shared bytes whose addresses differ by no multiple of a word: each word that is
/// stored is put together from two that were loaded. `byte` and `word` load from `from`, given an
/// offset below `len`; for words, one that makes the address a multiple of eight.
///
/// # Safety
///
/// `to` as in [`to_shared`].
#[inline(always)]
unsafe fn shifted(
    from: usize,
    byte: impl Fn(usize) -> u8,
    word: impl Fn(usize) -> u64,
    to: NonNull<u8>,
    len: usize,
) {
    let head = Split::of(to.as_ptr().addr(), len).head;
    // From here on stores are aligned. Loads are from `early` bytes further on.
    let early = from.wrapping_add(head).wrapping_neg() % WORD;
    let words = len.saturating_sub(head + early) / WORD;
    let late = WORD - early;
    // SAFETY: everything is below `len`: the last word loaded ends `early` bytes after the last one
    // stored. `early` is not zero, since the addresses differ, and thus below the word's bits.
    unsafe {
        for at in 0..head {
            atomic_byte(to.add(at)).store(byte(at), Ordering::Relaxed);
        }
        let mut rest = 0;
        for at in 0..early.min(len - head) {
            rest |= u64::from(byte(head + at)) << (8 * at);
        }
        for at in (head..head + words * WORD).step_by(WORD) {
            let word = word(early + at);
            atomic_word(to.add(at)).store(rest | word << (8 * early), Ordering::Relaxed);
            rest = word >> (8 * late);
        }
        for at in head + words * WORD..len {
            atomic_byte(to.add(at)).store(byte(at), Ordering::Relaxed);
        }
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
