// SPDX-License-Identifier: BSD-2-Clause
//! Indices of the receiving end.

use shm::{Cell, Region, Ro, Rw};

use crate::fault::{FaultCount, PeerFault};
use crate::layout::{LayoutError, READ_AT, WAKE_DATA_AT, WAKE_SPACE_AT, WRITE_AT};
use crate::wake::{Armed, Wake, passes, store_load_fence};

/// Read index, kept privately; the peer's write index, checked whenever it is loaded.
#[derive(Debug)]
pub(crate) struct Rx {
    read_cell: Cell<u32, Rw>,
    wake_data: Cell<u32, Rw>,
    write_cell: Cell<u32, Ro>,
    wake_space: Cell<u32, Ro>,
    capacity: u32,
    /// Next index to take.
    read: u32,
    /// Last index released; at most `read`.
    released: u32,
    /// The peer's write index as last checked: `seen - read <= capacity`.
    seen: u32,
    faults: FaultCount,
}

impl Rx {
    pub(crate) fn attach(
        own: &Region<Rw>,
        peer: &Region<Ro>,
        capacity: u32,
    ) -> Result<Self, LayoutError> {
        let read_cell = own.cell::<u32>(READ_AT)?;
        let write_cell = peer.cell::<u32>(WRITE_AT)?;
        let write = write_cell.load_acquire();
        let mut read = read_cell.load();
        if write.wrapping_sub(read) > capacity {
            read = write;
            read_cell.store_release(read);
        }
        Ok(Self {
            read_cell,
            wake_data: own.cell(WAKE_DATA_AT)?,
            write_cell,
            wake_space: peer.cell(WAKE_SPACE_AT)?,
            capacity,
            read,
            released: read,
            seen: write,
            faults: FaultCount::default(),
        })
    }

    pub(crate) const fn capacity(&self) -> u32 {
        self.capacity
    }

    pub(crate) const fn faults(&self) -> &FaultCount {
        &self.faults
    }

    /// Slot of the next entry to take.
    pub(crate) const fn slot(&self) -> u32 {
        self.read & (self.capacity - 1)
    }

    /// Entries to take, asking the peer only where the last answer does not offer `wanted`.
    pub(crate) fn available(&mut self, wanted: u32) -> Result<u32, PeerFault> {
        let known = self.known_available();
        if known >= wanted {
            return Ok(known);
        }
        self.refresh()?;
        Ok(self.known_available())
    }

    /// Entries to take by the peer's write index as last seen.
    pub(crate) const fn known_available(&self) -> u32 {
        self.seen.wrapping_sub(self.read)
    }

    /// Index of the next entry to take.
    pub(crate) const fn position(&self) -> u32 {
        self.read
    }

    /// Entries taken and not yet released.
    pub(crate) const fn held(&self) -> u32 {
        self.read.wrapping_sub(self.released)
    }

    /// Counts `count` entries, which [`Rx::available`] offered, as taken.
    pub(crate) const fn take(&mut self, count: u32) {
        self.read = self.read.wrapping_add(count);
    }

    /// Gives the slots of everything taken back to the producer.
    pub(crate) fn release(&mut self) -> Wake {
        self.release_some(u32::MAX)
    }

    /// Gives the first `count` slots of those taken back, or all if there are fewer.
    pub(crate) fn release_some(&mut self, count: u32) -> Wake {
        let old = self.released;
        let new = old.wrapping_add(count.min(self.held()));
        if old == new {
            return Wake::NotNeeded;
        }
        self.released = new;
        self.read_cell.store_release(new);
        store_load_fence();
        passes(self.wake_space.load(), old, new)
    }

    /// Asks to be woken when the next entry arrives.
    pub(crate) fn arm(&mut self) -> Result<Armed, PeerFault> {
        self.wake_data.store(self.read);
        store_load_fence();
        self.refresh()?;
        Ok(if self.seen == self.read {
            Armed::Sleep
        } else {
            Armed::Ready
        })
    }

    /// Drops everything and continues at the peer's write index, whatever it is.
    pub(crate) fn resync(&mut self) -> Wake {
        self.seen = self.write_cell.load_acquire();
        self.read = self.seen;
        self.released = self.read;
        self.read_cell.store_release(self.read);
        // Where the producer waits is unknown after a fault, so it is woken in any case.
        Wake::Needed
    }

    /// Loads and checks the peer's write index.
    fn refresh(&mut self) -> Result<(), PeerFault> {
        let found = self.write_cell.load_acquire();
        let pending = found.wrapping_sub(self.read);
        // Slots taken but not released are still the consumer's, so the limit counts from there.
        if found.wrapping_sub(self.released) > self.capacity || pending > self.capacity {
            let fault = PeerFault::WriteAhead {
                found,
                read: self.read,
            };
            return Err(self.faults.record(fault));
        }
        if pending < self.seen.wrapping_sub(self.read) {
            let seen = self.seen;
            return Err(self.faults.record(PeerFault::WriteBackward { found, seen }));
        }
        self.seen = found;
        Ok(())
    }
}
