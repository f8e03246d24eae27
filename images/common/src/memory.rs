// SPDX-License-Identifier: BSD-2-Clause
//! The config record's bytes and the regions it names, as memory of this domain.

use core::ptr::{self, NonNull};

use mmio::Window;
use pd::{MapError, Mapper, check_memory, check_registers};
use record::RegionEntry;
use shm::{Region, Ro, Rw};

use crate::symbols;

/// Register windows that one domain may claim.
const MAX_WINDOWS: usize = 16;

/// Turns region entries of the record into memory. There is one per domain.
#[derive(Debug)]
pub struct Memory {
    /// First byte and length of each claimed window.
    windows: [Option<(u64, u64)>; MAX_WINDOWS],
}

impl Memory {
    /// Nothing claimed. Only the runtime makes one: two would not know of each other's windows.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "made once, by the runtime; a default would invite a second one"
    )]
    pub const fn new() -> Self {
        Self {
            windows: [None; MAX_WINDOWS],
        }
    }

    fn overlaps_window(&self, entry: &RegionEntry) -> bool {
        let (start, len) = (entry.vaddr.get(), entry.size.get());
        self.windows.iter().flatten().any(|(base, size)| {
            start < base.saturating_add(*size) && *base < start.saturating_add(len)
        })
    }
}

/// The record's bytes; none if the system gave this domain no record.
#[must_use]
pub fn record_bytes() -> &'static [u8] {
    let (address, size) = symbols::record();
    let (Ok(start), Ok(len)) = (usize::try_from(address), usize::try_from(size)) else {
        return &[];
    };
    let Some(start) = NonNull::new(ptr::with_exposed_provenance_mut::<u8>(start)) else {
        return &[];
    };
    // SAFETY: the builder patched both variables from the one map of the record's region, which is
    // read-only for this domain and mapped into no other (the builder makes it for this domain
    // alone), so the bytes are readable and never change.
    unsafe { core::slice::from_raw_parts(start.as_ptr(), len) }
}

/// Base and length of an entry whose range is addressable here.
fn range(entry: &RegionEntry) -> Result<(NonNull<u8>, usize), MapError> {
    let len = usize::try_from(entry.size.get()).map_err(|_| MapError::Range)?;
    let start = usize::try_from(entry.vaddr.get()).map_err(|_| MapError::Range)?;
    if start.checked_add(len).is_none() || isize::try_from(len).is_err() {
        return Err(MapError::Range);
    }
    let base = NonNull::new(ptr::with_exposed_provenance_mut(start)).ok_or(MapError::Range)?;
    Ok((base, len))
}

impl Mapper for Memory {
    fn map_ro(&mut self, entry: &RegionEntry) -> Result<Region<Ro>, MapError> {
        check_memory(entry, false)?;
        if self.overlaps_window(entry) {
            return Err(MapError::Claimed);
        }
        let (base, len) = range(entry)?;
        // SAFETY: the record describes a map of this domain, made by the builder from the same
        // system description as the page tables: readable normal memory of that length. Maps never
        // overlap the image, the stack or the IPC buffer, so no Rust object lies there.
        Ok(unsafe { Region::from_raw(base, len) })
    }

    fn map_rw(&mut self, entry: &RegionEntry) -> Result<Region<Rw>, MapError> {
        check_memory(entry, true)?;
        self.map_ro(entry)?;
        let (base, len) = range(entry)?;
        // SAFETY: as in `map_ro`, and the entry says that the map is writable.
        Ok(unsafe { Region::from_raw(base, len) })
    }

    fn map_registers(&mut self, entry: &RegionEntry) -> Result<Window, MapError> {
        check_registers(entry)?;
        if self.overlaps_window(entry) {
            return Err(MapError::Claimed);
        }
        let (base, len) = range(entry)?;
        let free = self.windows.iter_mut().find(|slot| slot.is_none());
        *free.ok_or(MapError::Claimed)? = Some((entry.vaddr.get(), entry.size.get()));
        // SAFETY: as in `map_ro`, mapped uncached, readable and writable for the whole life of the
        // domain; the table of windows hands each byte out once.
        Ok(unsafe { Window::from_raw(base, len) })
    }
}
