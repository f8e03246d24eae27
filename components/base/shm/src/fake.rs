// SPDX-License-Identifier: BSD-2-Clause
//! Heap-backed regions for host tests.
//!
//! The memory is leaked, so a region stays valid for the rest of the process however it is copied.

use core::ptr::NonNull;
use std::boxed::Box;
use std::vec;

use crate::region::{Access, Region, Ro, Rw};

/// `len` zero bytes of heap memory at an address that is a multiple of eight.
#[must_use]
pub fn region(len: usize) -> Region<Rw> {
    leak(len)
}

/// The two views of one memory: the writer's and the reader's.
#[must_use]
pub fn shared(len: usize) -> (Region<Rw>, Region<Ro>) {
    let writer = region(len);
    (writer, writer.read_only())
}

/// A read-only region that holds `bytes`.
#[must_use]
pub fn filled(bytes: &[u8]) -> Region<Ro> {
    let writer = region(bytes.len());
    // The length is the region's own, so the copy cannot be out of bounds.
    let _ = writer.copy_out(0, bytes);
    writer.read_only()
}

fn leak<A: Access>(len: usize) -> Region<A> {
    let words: &'static mut [u64] = Box::leak(vec![0_u64; len.div_ceil(8)].into_boxed_slice());
    let base = NonNull::from(words).cast();
    // SAFETY: the allocation is leaked, covers `len` bytes, and the only reference to it ended when
    // it became `base`; `len` bytes of a Vec never exceed isize::MAX.
    unsafe { Region::from_raw(base, len) }
}
