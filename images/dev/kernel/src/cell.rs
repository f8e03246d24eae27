// SPDX-License-Identifier: BSD-2-Clause
//! Statics that are filled at boot and then used by one processor with exceptions masked.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

/// Memory for one value, in .bss until it is set.
pub(crate) struct BootCell<T>(UnsafeCell<MaybeUninit<T>>);

// SAFETY: one processor uses the cell, and never from two kernel entries at a time (see the callers of `get`).
unsafe impl<T> Sync for BootCell<T> {}

impl<T> BootCell<T> {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Fills the cell.
    ///
    /// # Safety
    /// No reference from `set` or `get` is in use.
    #[expect(clippy::mut_from_ref, reason = "the caller guarantees exclusive use")]
    pub(crate) unsafe fn set(&self, value: T) -> &mut T {
        // SAFETY: exclusive by the caller's guarantee.
        unsafe { (*self.0.get()).write(value) }
    }

    /// The value.
    ///
    /// # Safety
    /// The cell has been filled, and no other reference from `set` or `get` is in use.
    #[expect(clippy::mut_from_ref, reason = "the caller guarantees exclusive use")]
    pub(crate) unsafe fn get(&self) -> &mut T {
        // SAFETY: filled and exclusive by the caller's guarantee.
        unsafe { (*self.0.get()).assume_init_mut() }
    }
}

impl<T: Copy, const N: usize> BootCell<[T; N]> {
    /// Fills an array in place with `value`; a large one never lies on the stack.
    ///
    /// # Safety
    /// As for [`BootCell::set`].
    #[expect(clippy::mut_from_ref, reason = "the caller guarantees exclusive use")]
    pub(crate) unsafe fn fill(&self, value: T) -> &mut [T; N] {
        let array = self.0.get().cast::<T>();
        for index in 0..N {
            // SAFETY: `index` is inside the array, which is exclusively ours.
            unsafe { array.add(index).write(value) };
        }
        // SAFETY: every element has just been written.
        unsafe { self.get() }
    }
}
