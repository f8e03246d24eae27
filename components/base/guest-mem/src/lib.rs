// SPDX-License-Identifier: BSD-2-Clause
//! A guest's memory: guest-physical addresses onto shared regions.
//!
//! Thin over [`shm`]: a [`GuestMem`] is a few disjoint ranges of guest-physical addresses, each
//! backed by one region. Every access names an address and a length that the guest chose, and
//! either lies in one range in full or is an [`OutOfRange`]; ranges that happen to be adjacent are
//! not joined, since the memory behind them is not. No reference into guest memory exists, and
//! each byte is fetched once (hostile-guest.md H-06, H-26, H-29).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use shm::{Region, Rw, Scalar};
use thiserror::Error;
use units::Gpa;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Most ranges of one guest's memory.
pub const MAX_RANGES: usize = 4;

/// An access that does not lie in one range of the guest's memory, or is misaligned for its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{len:#x} bytes at {gpa} are not in the guest's memory")]
pub struct OutOfRange {
    /// First address.
    pub gpa: Gpa,
    /// Length in bytes.
    pub len: u64,
}

/// Why a range cannot become part of a guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MapError {
    /// The region is empty, or its addresses would end above 2^64.
    #[error("the range at {0} is empty or wraps")]
    BadRange(Gpa),
    /// The range has addresses in common with another.
    #[error("the range at {0} overlaps another")]
    Overlap(Gpa),
    /// There are [`MAX_RANGES`] ranges already.
    #[error("more ranges than a guest's memory may have")]
    Full,
}

#[derive(Clone, Copy, Debug)]
struct Range {
    base: u64,
    region: Region<Rw>,
}

/// A guest's memory. Copies name the same memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct GuestMem {
    ranges: [Option<Range>; MAX_RANGES],
}

impl GuestMem {
    /// No memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ranges: [None; MAX_RANGES],
        }
    }

    /// The same with `region` at `base`.
    ///
    /// # Errors
    /// See [`MapError`].
    pub fn with(mut self, base: Gpa, region: Region<Rw>) -> Result<Self, MapError> {
        let len = region.len() as u64;
        let end = base.get().checked_add(len).filter(|_| len != 0);
        let end = end.ok_or(MapError::BadRange(base))?;
        let mut ranges = self.ranges.iter().flatten();
        if ranges.any(|range| base.get() < range.end() && range.base < end) {
            return Err(MapError::Overlap(base));
        }
        let free = self
            .ranges
            .iter_mut()
            .find(|range| range.is_none())
            .ok_or(MapError::Full)?;
        *free = Some(Range {
            base: base.get(),
            region,
        });
        Ok(self)
    }

    /// The `len` bytes at `gpa` as a region, checked once for any number of accesses.
    ///
    /// # Errors
    /// [`OutOfRange`] unless all of them lie in one range. An empty slice of an address in a range
    /// is one.
    pub fn slice(&self, gpa: Gpa, len: u64) -> Result<Region<Rw>, OutOfRange> {
        let out_of_range = OutOfRange { gpa, len };
        let size = usize::try_from(len).map_err(|_| out_of_range)?;
        for range in self.ranges.iter().flatten() {
            if let Some(offset) = gpa.get().checked_sub(range.base)
                && let Ok(offset) = usize::try_from(offset)
                && offset < range.region.len()
            {
                return range.region.sub(offset, size).map_err(|_| out_of_range);
            }
        }
        Err(out_of_range)
    }

    /// Whether all `len` bytes at `gpa` lie in one range.
    #[must_use]
    pub fn contains(&self, gpa: Gpa, len: u64) -> bool {
        self.slice(gpa, len).is_ok()
    }

    /// Fetches one value, each byte once. Any alignment is accepted.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn read_obj<T: FromBytes + IntoBytes>(&self, gpa: Gpa) -> Result<T, OutOfRange> {
        let len = size_of::<T>() as u64;
        self.slice(gpa, len)?
            .read(0)
            .map_err(|_| OutOfRange { gpa, len })
    }

    /// Writes one value. Any alignment is accepted.
    ///
    /// # Errors
    /// [`OutOfRange`]; nothing is written then.
    pub fn write_obj<T: IntoBytes + Immutable>(
        &self,
        gpa: Gpa,
        value: &T,
    ) -> Result<(), OutOfRange> {
        let len = size_of::<T>() as u64;
        self.slice(gpa, len)?
            .write(0, value)
            .map_err(|_| OutOfRange { gpa, len })
    }

    /// A handle to one aligned scalar that stays valid.
    ///
    /// # Errors
    /// [`OutOfRange`], also where the address is not a multiple of the scalar's size.
    pub fn cell<T: Scalar>(&self, gpa: Gpa) -> Result<shm::Cell<T, Rw>, OutOfRange> {
        let len = size_of::<T>() as u64;
        self.slice(gpa, len)?
            .cell(0)
            .map_err(|_| OutOfRange { gpa, len })
    }

    /// Copies guest memory at `gpa` into private memory.
    ///
    /// # Errors
    /// [`OutOfRange`]; nothing is copied then.
    pub fn copy_in(&self, gpa: Gpa, into: &mut [u8]) -> Result<(), OutOfRange> {
        let len = into.len() as u64;
        self.slice(gpa, len)?
            .copy_in(0, into)
            .map_err(|_| OutOfRange { gpa, len })
    }

    /// Copies private memory to guest memory at `gpa`.
    ///
    /// # Errors
    /// [`OutOfRange`]; nothing is copied then.
    pub fn copy_out(&self, gpa: Gpa, from: &[u8]) -> Result<(), OutOfRange> {
        let len = from.len() as u64;
        self.slice(gpa, len)?
            .copy_out(0, from)
            .map_err(|_| OutOfRange { gpa, len })
    }

    /// Sets `len` bytes of guest memory at `gpa`.
    ///
    /// # Errors
    /// [`OutOfRange`]; nothing is written then.
    pub fn fill(&self, gpa: Gpa, len: u64, byte: u8) -> Result<(), OutOfRange> {
        let slice = self.slice(gpa, len)?;
        slice
            .fill(0, slice.len(), byte)
            .map_err(|_| OutOfRange { gpa, len })
    }
}

impl Range {
    /// First address behind the range; `with` has ruled out wrapping.
    fn end(&self) -> u64 {
        self.base.saturating_add(self.region.len() as u64)
    }
}
