// SPDX-License-Identifier: BSD-2-Clause
//! Memory that others write: bounds-checked atomic access and copies, never a reference.
//!
//! A [`Region`] is a range of memory shared with another protection domain (PD) or a guest. The
//! other side may change it at any moment, so nothing here hands out `&T` or `&mut T` into it:
//! values are loaded once into owned copies, checked, then used. [`Region<Ro>`](Ro) and
//! [`Region<Rw>`](Rw) mirror the page rights of the mapping.
//!
//! # Why racing peers are no undefined behaviour
//!
//! Every access is an atomic access of 1, 2, 4 or 8 aligned bytes, relaxed unless said otherwise,
//! so a concurrent write yields some mix of old and new words and nothing worse. Within one
//! program, users must not let two threads access overlapping bytes with different widths at the
//! same time; ring indices that pass each payload from one side to the other ensure that.
//!
//! # Layout
//!
//! Multi-byte values are little endian, as on all targets.
//!
//! Answers BH-03.
#![no_std]
#![expect(
    unsafe_code,
    reason = "UNSAFETY: the one crate that dereferences memory shared between protection domains"
)]

#[cfg(any(test, feature = "fake"))]
extern crate std;

mod cell;
mod copy;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod region;
mod untrusted;

#[cfg(test)]
mod tests;

pub use cell::{Cell, Scalar};
pub use region::{Access, OutOfBounds, Region, Ro, Rw};
pub use untrusted::Untrusted;

/// Host tests count accesses; for all others this is nothing.
#[inline(always)]
fn touch(words: usize) {
    #[cfg(any(test, feature = "fake"))]
    fake::count(words);
    #[cfg(not(any(test, feature = "fake")))]
    let _ = words;
}

#[cfg(not(target_endian = "little"))]
compile_error!("layouts in shared memory are little endian");
