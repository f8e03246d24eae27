// SPDX-License-Identifier: BSD-2-Clause
//! Offsets within a side's region, and the sizes of regions.

use core::fmt;

use shm::OutOfBounds;

/// Bytes before the entries.
pub const HEADER_SIZE: usize = 128;

/// Largest number of entries or bytes of a ring.
pub const MAX_CAPACITY: u32 = 1 << 30;

/// What the owner writes at [`MAGIC_AT`] when it attaches.
pub(crate) const MAGIC: u32 = u32::from_le_bytes(*b"SPSC");

pub(crate) const MAGIC_AT: usize = 0;
pub(crate) const GENERATION_AT: usize = 4;
pub(crate) const WRITE_AT: usize = 8;
pub(crate) const WAKE_SPACE_AT: usize = 12;
// The words of the other direction lie on another cache line.
pub(crate) const READ_AT: usize = 64;
pub(crate) const WAKE_DATA_AT: usize = 68;

/// Why a ring cannot be laid out. The fault of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LayoutError {
    /// The capacity is zero, no power of two, or above [`MAX_CAPACITY`].
    Capacity(u32),
    /// The region is too short or not aligned to eight bytes.
    Region(OutOfBounds),
}

impl From<OutOfBounds> for LayoutError {
    fn from(error: OutOfBounds) -> Self {
        Self::Region(error)
    }
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capacity(capacity) => write!(
                f,
                "ring capacity {capacity} is no power of two between 1 and {MAX_CAPACITY}"
            ),
            Self::Region(error) => write!(f, "ring region: {error}"),
        }
    }
}

impl core::error::Error for LayoutError {}

/// Bytes of the region of a side that produces `capacity` entries of type `D`.
#[must_use]
pub const fn entry_region_size<D>(capacity: u32) -> usize {
    HEADER_SIZE.saturating_add(size_of::<D>().saturating_mul(capacity as usize))
}

/// Bytes of the region of a side that produces a stream of at most `capacity` pending bytes.
#[must_use]
pub const fn byte_region_size(capacity: u32) -> usize {
    HEADER_SIZE.saturating_add(capacity as usize)
}

/// Accepts a power of two between 1 and [`MAX_CAPACITY`].
pub(crate) const fn check_capacity(capacity: u32) -> Result<u32, LayoutError> {
    if capacity.is_power_of_two() && capacity <= MAX_CAPACITY {
        Ok(capacity)
    } else {
        Err(LayoutError::Capacity(capacity))
    }
}
