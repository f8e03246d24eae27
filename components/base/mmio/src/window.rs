// SPDX-License-Identifier: BSD-2-Clause
//! Windows: mapped device memory with one owner.

use core::fmt;
use core::ptr::NonNull;

use safe_mmio::UniqueMmioPointer;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Why a window cannot be claimed as some register structure. The fault of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MmioError {
    /// The structure is longer than the window.
    TooShort {
        /// Bytes of the structure.
        needed: usize,
        /// Bytes of the window.
        found: usize,
    },
    /// The window's address is not a multiple of the structure's alignment.
    Misaligned {
        /// Alignment of the structure in bytes.
        needed: usize,
    },
}

impl fmt::Display for MmioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { needed, found } => {
                write!(
                    f,
                    "registers take {needed:#x} bytes, the window has {found:#x}"
                )
            }
            Self::Misaligned { needed } => {
                write!(f, "registers need an alignment of {needed} bytes")
            }
        }
    }
}

impl core::error::Error for MmioError {}

/// A register structure: any bits in its fields are valid values.
pub trait Registers: FromBytes + IntoBytes + Immutable + 'static {}

impl<T: FromBytes + IntoBytes + Immutable + 'static> Registers for T {}

/// Mapped device memory with exactly one owner: neither `Copy` nor `Clone`.
#[derive(Debug)]
pub struct Window {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a window is the only way to its device, so it may be used from whichever thread owns it.
unsafe impl Send for Window {}

impl Window {
    /// Declares `len` bytes at `base` to be a window.
    ///
    /// # Safety
    ///
    /// Until the end of the program the bytes are mapped as device memory, readable and writable,
    /// nothing else in this program accesses them, and `base + len` does not wrap.
    #[must_use]
    pub const unsafe fn from_raw(base: NonNull<u8>, len: usize) -> Self {
        Self { base, len }
    }

    /// Bytes of the window.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the window has no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes the window as the register structure `T`, from its first byte.
    ///
    /// # Errors
    ///
    /// [`MmioError`] where `T` is longer than the window or needs a stricter alignment; the window
    /// is lost then, since the configuration is wrong.
    pub fn claim<T: Registers>(self) -> Result<UniqueMmioPointer<'static, T>, MmioError> {
        let needed = size_of::<T>();
        if needed > self.len {
            return Err(MmioError::TooShort {
                needed,
                found: self.len,
            });
        }
        let at = self.base.cast::<T>();
        if !at.is_aligned() {
            return Err(MmioError::Misaligned {
                needed: align_of::<T>(),
            });
        }
        // SAFETY: in bounds and aligned as just checked; the window was the only owner and is gone.
        Ok(unsafe { UniqueMmioPointer::new(at) })
    }

    /// Splits into the bytes before `offset` and those from it on; `None` past the end.
    #[must_use]
    pub fn split_at(self, offset: usize) -> Option<(Self, Self)> {
        let tail = self.len.checked_sub(offset)?;
        // SAFETY: `offset` is at most the length, so the address stays within the window or at its
        // end, and the two halves do not overlap.
        let middle = unsafe { self.base.add(offset) };
        let head = Self {
            base: self.base,
            len: offset,
        };
        let tail = Self {
            base: middle,
            len: tail,
        };
        Some((head, tail))
    }
}
