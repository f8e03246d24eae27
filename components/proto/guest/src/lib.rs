// SPDX-License-Identifier: BSD-2-Clause
//! The guest's machine as the tool builds it and the VMM runs it.
//!
//! - [`machine`]: the memory map and interrupts of QEMU's `virt` machine, which guests see.
//! - [`image`]: what kinds of image a guest may boot, and the arm64 `Image` header.
//! - [`placement`]: where image, device tree and initrd go, and the proof that they are disjoint.
//!
//! The tool places; the VMM checks the same rules again before it starts a guest.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod image;
pub mod machine;
pub mod placement;

/// A range of guest-physical addresses, neither empty nor wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    base: units::Gpa,
    size: u64,
}

impl Span {
    /// `size` bytes from `base`; `None` if that is empty or ends above 2^64.
    #[must_use]
    pub const fn new(base: units::Gpa, size: u64) -> Option<Self> {
        if size == 0 || base.checked_add(size).is_none() {
            return None;
        }
        Some(Self { base, size })
    }

    /// First address.
    #[must_use]
    pub const fn base(self) -> units::Gpa {
        self.base
    }

    /// Length in bytes, at least 1.
    #[must_use]
    pub const fn size(self) -> u64 {
        self.size
    }

    /// First address behind the span.
    #[must_use]
    pub const fn end(self) -> units::Gpa {
        // `new` has ruled out that the sum wraps.
        units::Gpa::new(self.base.get().wrapping_add(self.size))
    }

    /// Whether all of `other` is in this span.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.base.get() <= other.base.get() && other.end().get() <= self.end().get()
    }

    /// Whether the two have an address in common.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.base.get() < other.end().get() && other.base.get() < self.end().get()
    }
}

impl core::fmt::Display for Span {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}..{}", self.base, self.end())
    }
}
