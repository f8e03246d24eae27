// SPDX-License-Identifier: BSD-2-Clause
//! Cells: one aligned scalar in shared memory.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use crate::region::{Access, Ro, Rw};

/// A scalar that the machine loads and stores in one access: `u8`, `u16`, `u32`, `u64`.
pub trait Scalar: sealed::Sealed + Copy + fmt::Debug + 'static {
    /// Loads from `at`, relaxed.
    ///
    /// # Safety
    ///
    /// `at` is aligned, readable, and accessed only atomically by this program.
    #[doc(hidden)]
    unsafe fn load(at: NonNull<Self>) -> Self;

    /// Loads from `at` with acquire.
    ///
    /// # Safety
    ///
    /// As [`Scalar::load`].
    #[doc(hidden)]
    unsafe fn load_acquire(at: NonNull<Self>) -> Self;

    /// Stores to `at`, relaxed.
    ///
    /// # Safety
    ///
    /// `at` is aligned, writable, and accessed only atomically by this program.
    #[doc(hidden)]
    unsafe fn store(at: NonNull<Self>, value: Self);

    /// Stores to `at` with release.
    ///
    /// # Safety
    ///
    /// As [`Scalar::store`].
    #[doc(hidden)]
    unsafe fn store_release(at: NonNull<Self>, value: Self);
}

mod sealed {
    pub trait Sealed {}
}

/// Implements [`Scalar`] by the atomic type of the same width.
macro_rules! scalar {
    ($($int:ty, $atomic:ty;)*) => {$(
        impl sealed::Sealed for $int {}

        impl Scalar for $int {
            #[inline]
            unsafe fn load(at: NonNull<Self>) -> Self {
                // SAFETY: the caller vouches for alignment, mapping and atomic-only access.
                unsafe { <$atomic>::from_ptr(at.as_ptr()) }.load(Ordering::Relaxed)
            }

            #[inline]
            unsafe fn load_acquire(at: NonNull<Self>) -> Self {
                // SAFETY: as above.
                unsafe { <$atomic>::from_ptr(at.as_ptr()) }.load(Ordering::Acquire)
            }

            #[inline]
            unsafe fn store(at: NonNull<Self>, value: Self) {
                // SAFETY: as above.
                unsafe { <$atomic>::from_ptr(at.as_ptr()) }.store(value, Ordering::Relaxed);
            }

            #[inline]
            unsafe fn store_release(at: NonNull<Self>, value: Self) {
                // SAFETY: as above.
                unsafe { <$atomic>::from_ptr(at.as_ptr()) }.store(value, Ordering::Release);
            }
        }
    )*};
}

scalar! {
    u8, AtomicU8;
    u16, AtomicU16;
    u32, AtomicU32;
    u64, AtomicU64;
}

/// One aligned scalar in a region, checked when it was made.
///
/// Obtained from [`Region::cell`](crate::Region::cell). Copies name the same memory.
pub struct Cell<T: Scalar, A: Access> {
    at: NonNull<T>,
    access: PhantomData<A>,
}

// SAFETY: a cell is an address whose accesses are all atomic; see `Region`.
unsafe impl<T: Scalar, A: Access> Send for Cell<T, A> {}
// SAFETY: as for `Send`.
unsafe impl<T: Scalar, A: Access> Sync for Cell<T, A> {}

impl<T: Scalar, A: Access> Clone for Cell<T, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Scalar, A: Access> Copy for Cell<T, A> {}

impl<T: Scalar, A: Access> fmt::Debug for Cell<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cell({:p})", self.at)
    }
}

impl<T: Scalar, A: Access> Cell<T, A> {
    /// Wraps an address.
    ///
    /// # Safety
    ///
    /// `at` is aligned and lies in a region with right `A`, whose contract holds for it.
    pub(crate) const unsafe fn from_raw(at: NonNull<T>) -> Self {
        Self {
            at,
            access: PhantomData,
        }
    }

    /// Loads the value, relaxed.
    #[must_use]
    pub fn load(&self) -> T {
        crate::touch(1);
        // SAFETY: aligned and mapped since construction; accesses are atomic only.
        unsafe { T::load(self.at) }
    }

    /// Loads the value; what the peer wrote before its matching release is visible afterwards.
    #[must_use]
    pub fn load_acquire(&self) -> T {
        crate::touch(1);
        // SAFETY: as in `load`.
        unsafe { T::load_acquire(self.at) }
    }

    /// The same scalar without the right to write.
    #[must_use]
    pub const fn read_only(&self) -> Cell<T, Ro> {
        Cell {
            at: self.at,
            access: PhantomData,
        }
    }
}

impl<T: Scalar> Cell<T, Rw> {
    /// Stores a value, relaxed.
    pub fn store(&self, value: T) {
        crate::touch(1);
        // SAFETY: aligned, mapped and writable since construction; accesses are atomic only.
        unsafe { T::store(self.at, value) };
    }

    /// Stores a value; everything written before is visible to whoever loads it with acquire.
    pub fn store_release(&self, value: T) {
        crate::touch(1);
        // SAFETY: as in `store`.
        unsafe { T::store_release(self.at, value) };
    }
}
