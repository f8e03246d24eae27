// SPDX-License-Identifier: BSD-2-Clause
//! Regions: a base address, a length and a right.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::cell::{Cell, Scalar};
use crate::copy;

/// Page rights of a region as a type: [`Ro`] or [`Rw`].
pub trait Access: sealed::Sealed + Copy + fmt::Debug + 'static {}

/// Mapped read-only: somebody else is the writer.
#[derive(Clone, Copy, Debug)]
pub enum Ro {}

/// Mapped for reading and writing.
#[derive(Clone, Copy, Debug)]
pub enum Rw {}

impl Access for Ro {}
impl Access for Rw {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Ro {}
    impl Sealed for super::Rw {}
}

/// An access that does not fit its region, or is not aligned to its width.
///
/// The fault of whoever supplied the offset; with checked offsets it does not occur.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfBounds {
    /// Byte offset of the access within the region.
    pub offset: usize,
    /// Bytes of the access.
    pub len: usize,
    /// Bytes of the region.
    pub region: usize,
}

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "access to {} bytes at offset {:#x} does not fit or is misaligned in a region of {:#x} bytes",
            self.len, self.offset, self.region
        )
    }
}

impl core::error::Error for OutOfBounds {}

/// A range of shared memory.
///
/// Copies of a `Region` name the same memory; that is harmless, since every access is atomic. For
/// the same reason a region may move to another thread.
pub struct Region<A: Access> {
    base: NonNull<u8>,
    len: usize,
    access: PhantomData<A>,
}

// SAFETY: a region is an address and a length; every access through it is atomic, and the
// constructor's contract keeps the memory mapped for as long as any copy lives.
unsafe impl<A: Access> Send for Region<A> {}
// SAFETY: as for `Send`: shared references allow atomic accesses only.
unsafe impl<A: Access> Sync for Region<A> {}

impl<A: Access> Clone for Region<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: Access> Copy for Region<A> {}

impl<A: Access> fmt::Debug for Region<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({:p}, {:#x} bytes)", self.base, self.len)
    }
}

impl<A: Access> Region<A> {
    /// Declares `len` bytes at `base` to be a shared region.
    ///
    /// # Safety
    ///
    /// For as long as this value or any copy, sub-region or cell of it is used:
    /// - the bytes are mapped as normal memory, readable, and writable where `A` is [`Rw`];
    /// - no Rust reference and no non-atomic access in this program covers any of them;
    /// - `base + len` does not wrap, and `len` is at most `isize::MAX`.
    #[must_use]
    pub const unsafe fn from_raw(base: NonNull<u8>, len: usize) -> Self {
        Self {
            base,
            len,
            access: PhantomData,
        }
    }

    /// Bytes of the region.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the region has no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Address of the first byte, for cache maintenance and for devices that are told addresses.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.base.as_ptr().expose_provenance() as u64
    }

    /// The bytes `offset..offset + len` as a region of their own.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] where they do not lie within this region.
    pub const fn sub(&self, offset: usize, len: usize) -> Result<Self, OutOfBounds> {
        match self.check(offset, len) {
            Ok(base) => Ok(Self {
                base,
                len,
                access: PhantomData,
            }),
            Err(error) => Err(error),
        }
    }

    /// Splits into the bytes before `offset` and those from it on.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] where `offset` is past the end.
    pub fn split_at(&self, offset: usize) -> Result<(Self, Self), OutOfBounds> {
        let tail = self.len.checked_sub(offset).ok_or(OutOfBounds {
            offset,
            len: 0,
            region: self.len,
        })?;
        Ok((self.sub(0, offset)?, self.sub(offset, tail)?))
    }

    /// The same memory without the right to write.
    #[must_use]
    pub const fn read_only(&self) -> Region<Ro> {
        Region {
            base: self.base,
            len: self.len,
            access: PhantomData,
        }
    }

    /// A handle to one aligned scalar, checked once so that its loads and stores need no checks.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] where it does not fit or its address is not a multiple of its size.
    pub fn cell<T: Scalar>(&self, offset: usize) -> Result<Cell<T, A>, OutOfBounds> {
        let size = size_of::<T>();
        let at = self.check(offset, size)?;
        if at.as_ptr().addr().is_multiple_of(size) {
            // SAFETY: in bounds and aligned as just checked; the region's contract covers the rest.
            Ok(unsafe { Cell::from_raw(at.cast()) })
        } else {
            Err(self.out_of_bounds(offset, size))
        }
    }

    /// Loads one scalar, relaxed.
    ///
    /// # Errors
    ///
    /// As [`Region::cell`].
    pub fn load<T: Scalar>(&self, offset: usize) -> Result<T, OutOfBounds> {
        Ok(self.cell::<T>(offset)?.load())
    }

    /// Loads one scalar; what the peer wrote before its matching release is visible afterwards.
    ///
    /// # Errors
    ///
    /// As [`Region::cell`].
    pub fn load_acquire<T: Scalar>(&self, offset: usize) -> Result<T, OutOfBounds> {
        Ok(self.cell::<T>(offset)?.load_acquire())
    }

    /// Copies `into.len()` bytes from shared memory at `offset` into private memory.
    ///
    /// Runs of eight aligned bytes are loaded as one word. With a racing writer the copy is a mix
    /// of old and new bytes; it does not change any more once this returns.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] where the range does not fit; nothing is copied then.
    pub fn copy_in(&self, offset: usize, into: &mut [u8]) -> Result<(), OutOfBounds> {
        let from = self.check(offset, into.len())?;
        crate::touch(words(into.len()));
        // SAFETY: `into.len()` bytes are within the region, whose contract makes them readable.
        unsafe { copy::from_shared(from, into) };
        Ok(())
    }

    /// Copies one value out of shared memory, fetching each byte once.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] where it does not fit. Any alignment is accepted.
    pub fn read<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T, OutOfBounds> {
        let from = self.check(offset, size_of::<T>())?;
        crate::touch(words(size_of::<T>()));
        // SAFETY: the value's bytes are within the region, whose contract makes them readable.
        Ok(unsafe { copy::load_value(from) })
    }

    /// Copies `len` bytes at `offset` to `into` at `into_offset` without a detour through private
    /// memory. Ranges that overlap give an unspecified mix of their bytes.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] where either range does not fit; nothing is copied then.
    pub fn copy_to(
        &self,
        offset: usize,
        into: &Region<Rw>,
        into_offset: usize,
        len: usize,
    ) -> Result<(), OutOfBounds> {
        let from = self.check(offset, len)?;
        let to = into.check(into_offset, len)?;
        crate::touch(words(len));
        // SAFETY: both ranges are in bounds, and the regions' contracts cover reads and writes.
        unsafe { copy::between_shared(from, to, len) };
        Ok(())
    }

    const fn out_of_bounds(&self, offset: usize, len: usize) -> OutOfBounds {
        OutOfBounds {
            offset,
            len,
            region: self.len,
        }
    }

    /// The address of `offset` if `len` bytes fit from there.
    const fn check(&self, offset: usize, len: usize) -> Result<NonNull<u8>, OutOfBounds> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len => {
                // SAFETY: `offset` is within the region, whose contract rules out wrapping.
                Ok(unsafe { self.base.add(offset) })
            }
            _ => Err(self.out_of_bounds(offset, len)),
        }
    }
}

impl Region<Rw> {
    /// Stores one scalar, relaxed.
    ///
    /// # Errors
    ///
    /// As [`Region::cell`].
    pub fn store<T: Scalar>(&self, offset: usize, value: T) -> Result<(), OutOfBounds> {
        self.cell::<T>(offset)?.store(value);
        Ok(())
    }

    /// Stores one scalar; everything written before is visible to whoever loads it with acquire.
    ///
    /// # Errors
    ///
    /// As [`Region::cell`].
    pub fn store_release<T: Scalar>(&self, offset: usize, value: T) -> Result<(), OutOfBounds> {
        self.cell::<T>(offset)?.store_release(value);
        Ok(())
    }

    /// Copies private bytes into shared memory at `offset`.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] where the range does not fit; nothing is copied then.
    pub fn copy_out(&self, offset: usize, from: &[u8]) -> Result<(), OutOfBounds> {
        let to = self.check(offset, from.len())?;
        crate::touch(words(from.len()));
        // SAFETY: `from.len()` bytes are within the region, whose contract makes them writable.
        unsafe { copy::to_shared(from, to) };
        Ok(())
    }

    /// Copies one value into shared memory. Any alignment is accepted.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] where it does not fit; nothing is copied then.
    pub fn write<T: IntoBytes + Immutable>(
        &self,
        offset: usize,
        value: &T,
    ) -> Result<(), OutOfBounds> {
        let to = self.check(offset, size_of::<T>())?;
        crate::touch(words(size_of::<T>()));
        // SAFETY: the value's bytes are within the region, whose contract makes them writable.
        unsafe { copy::store_value(value, to) };
        Ok(())
    }

    /// Sets `len` bytes at `offset` to `byte`.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] where the range does not fit; nothing is written then.
    pub fn fill(&self, offset: usize, len: usize, byte: u8) -> Result<(), OutOfBounds> {
        let to = self.check(offset, len)?;
        crate::touch(words(len));
        // SAFETY: `len` bytes are within the region, whose contract makes them writable.
        unsafe { copy::fill_shared(to, len, byte) };
        Ok(())
    }
}

/// Words that `len` bytes count as.
const fn words(len: usize) -> usize {
    len / size_of::<u64>() + 1
}
