// SPDX-License-Identifier: BSD-2-Clause
//! Indices of the sending end.

use shm::{Cell, Region, Ro, Rw};

use crate::fault::{FaultCount, PeerFault};
use crate::layout::{LayoutError, READ_AT, WAKE_DATA_AT, WAKE_SPACE_AT, WRITE_AT};
use crate::wake::{Armed, Wake, passes, store_load_fence};

/// Write index, kept privately; the peer's read index, checked whenever it is loaded.
#[derive(Debug)]
pub(crate) struct Tx {
    write_cell: Cell<u32, Rw>,
    wake_space: Cell<u32, Rw>,
    read_cell: Cell<u32, Ro>,
    wake_data: Cell<u32, Ro>,
    capacity: u32,
    /// Next index to stage.
    write: u32,
    /// Last index published; at most `write`.
    published: u32,
    /// The peer's read index as last checked: `published - seen <= capacity`.
    seen: u32,
    faults: FaultCount,
}

impl Tx {
    pub(crate) fn attach(
        own: &Region<Rw>,
        peer: &Region<Ro>,
        capacity: u32,
    ) -> Result<Self, LayoutError> {
        let write_cell = own.cell::<u32>(WRITE_AT)?;
        let read_cell = peer.cell::<u32>(READ_AT)?;
        let read = read_cell.load_acquire();
        let mut write = write_cell.load();
        if write.wrapping_sub(read) > capacity {
            write = read;
            write_cell.store_release(write);
        }
        Ok(Self {
            write_cell,
            wake_space: own.cell(WAKE_SPACE_AT)?,
            read_cell,
            wake_data: peer.cell(WAKE_DATA_AT)?,
            capacity,
            write,
            published: write,
            seen: read,
            faults: FaultCount::default(),
        })
    }

    pub(crate) const fn capacity(&self) -> u32 {
        self.capacity
    }

    pub(crate) const fn faults(&self) -> &FaultCount {
        &self.faults
    }

    /// Slot of the next entry to stage.
    pub(crate) const fn slot(&self) -> u32 {
        self.write & (self.capacity - 1)
    }

    /// Free slots, asking the peer only where the last answer does not offer `wanted`.
    pub(crate) fn free(&mut self, wanted: u32) -> Result<u32, PeerFault> {
        let known = self.known_free();
        if known >= wanted {
            return Ok(known);
        }
        self.refresh()?;
        Ok(self.known_free())
    }

    /// Free slots by the peer's read index as last seen.
    pub(crate) const fn known_free(&self) -> u32 {
        self.capacity - self.write.wrapping_sub(self.seen)
    }

    /// Counts `count` slots, which [`Tx::free`] offered, as staged.
    pub(crate) const fn stage(&mut self, count: u32) {
        self.write = self.write.wrapping_add(count);
    }

    /// Makes everything staged visible.
    pub(crate) fn publish(&mut self) -> Wake {
        let (old, new) = (self.published, self.write);
        if old == new {
            return Wake::NotNeeded;
        }
        self.published = new;
        self.write_cell.store_release(new);
        store_load_fence();
        passes(self.wake_data.load(), old, new)
    }

    /// Asks to be woken when `wanted` slots (1 to capacity) are free.
    pub(crate) fn arm(&mut self, wanted: u32) -> Result<Armed, PeerFault> {
        let wanted = wanted.min(self.capacity).max(1);
        // Passed exactly when the read index reaches `write + wanted - capacity`.
        let at = self
            .write
            .wrapping_add(wanted)
            .wrapping_sub(self.capacity)
            .wrapping_sub(1);
        self.wake_space.store(at);
        store_load_fence();
        self.refresh()?;
        Ok(if self.known_free() >= wanted {
            Armed::Ready
        } else {
            Armed::Sleep
        })
    }

    /// Loads and checks the peer's read index.
    fn refresh(&mut self) -> Result<(), PeerFault> {
        let found = self.read_cell.load_acquire();
        let unread = self.published.wrapping_sub(found);
        if unread > self.capacity {
            let write = self.published;
            return Err(self.faults.record(PeerFault::ReadAhead { found, write }));
        }
        if unread > self.published.wrapping_sub(self.seen) {
            let seen = self.seen;
            return Err(self.faults.record(PeerFault::ReadBackward { found, seen }));
        }
        self.seen = found;
        Ok(())
    }
}
