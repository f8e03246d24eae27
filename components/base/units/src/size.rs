// SPDX-License-Identifier: BSD-2-Clause
//! Sizes in bytes and pages.

use core::fmt;

/// Bytes of a small page (4 KiB).
pub const PAGE_SIZE: u64 = 0x1000;

/// Bytes of a large page (2 MiB).
pub const LARGE_PAGE_SIZE: u64 = 0x20_0000;

/// A size in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Bytes(u64);

impl Bytes {
    /// Wraps a number of bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The size of `pages` small pages; `None` where that overflows.
    #[must_use]
    pub const fn from_pages(pages: u64) -> Option<Self> {
        match pages.checked_mul(PAGE_SIZE) {
            Some(bytes) => Some(Self(bytes)),
            None => None,
        }
    }

    /// Number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Small pages needed to hold this many bytes, rounded up.
    #[must_use]
    pub const fn pages(self) -> u64 {
        self.0.div_ceil(PAGE_SIZE)
    }

    /// Whether the size is a whole number of small pages.
    #[must_use]
    pub const fn is_page_multiple(self) -> bool {
        self.0.is_multiple_of(PAGE_SIZE)
    }

    /// Rounds up to whole small pages; `None` where that overflows.
    #[must_use]
    pub const fn round_up_to_page(self) -> Option<Self> {
        Self::from_pages(self.pages())
    }

    /// The size as `usize`; `None` where it does not fit (32-bit hosts).
    #[must_use]
    pub fn to_usize(self) -> Option<usize> {
        usize::try_from(self.0).ok()
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({:#x})", self.0)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x} bytes", self.0)
    }
}

impl From<Bytes> for u64 {
    fn from(size: Bytes) -> u64 {
        size.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_round_up() {
        assert_eq!(Bytes::new(0).pages(), 0);
        assert_eq!(Bytes::new(1).pages(), 1);
        assert_eq!(
            Bytes::new(0x1001).round_up_to_page(),
            Some(Bytes::new(0x2000))
        );
        assert_eq!(Bytes::new(u64::MAX).round_up_to_page(), None);
        assert_eq!(Bytes::from_pages(u64::MAX), None);
        assert!(Bytes::new(LARGE_PAGE_SIZE).is_page_multiple());
        assert_eq!(Bytes::new(7).to_usize(), Some(7));
        assert_eq!(
            format!("{:?} {}", Bytes::new(16), Bytes::new(16)),
            "Bytes(0x10) 0x10 bytes"
        );
    }
}
