// SPDX-License-Identifier: BSD-2-Clause
//! Which requests of a queue are under way, kept where a crash of the backend does not reach.
//!
//! The scheme is that of vhost-user (`VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD`, split rings): an entry
//! per head is set before a request is started and cleared after its used entry is published;
//! publishing itself is bracketed by `publishing`, so that a crash between the two neither loses
//! nor repeats a request. The number of available entries that were taken follows: each is
//! either used or in flight.
//!
//! Every store is a release, so the stores reach memory in program order.

use shm::{OutOfBounds, Region, Rw};
use thiserror::Error;

use crate::layout::{ENTRY_STRIDE, TABLE_ENTRIES, TABLE_PUBLISHING, TABLE_USED};

/// The table of one queue.
#[derive(Debug)]
pub struct Inflight {
    table: Region<Rw>,
    size: u16,
    sequence: u64,
}

/// Where a queue stood when its backend died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Next used entry to publish.
    pub used: u16,
    /// Next available entry to take.
    pub avail: u16,
}

/// A request that was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Head of its descriptor chain.
    pub head: u16,
    /// Rises with each request.
    pub sequence: u64,
    /// What the device last noted about it.
    pub cookie: u64,
}

/// The used index in the guest's memory is not one that this table leads to: the guest changed
/// it, or the table is not this queue's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the used index {found} does not follow from the in-flight table ({expected})")]
pub struct Mismatch {
    /// In the device area.
    pub found: u16,
    /// From the table.
    pub expected: u16,
}

impl Inflight {
    /// The table in `table`, for a queue of `size` entries.
    pub(crate) const fn new(table: Region<Rw>, size: u16) -> Self {
        Self {
            table,
            size,
            sequence: 0,
        }
    }

    /// Empties the table: the queue starts at index 0.
    pub fn clear(&mut self) {
        self.sequence = 0;
        let _ = self.table.fill(0, self.table.len(), 0);
    }

    /// The request with this head is about to be started.
    pub fn begin(&mut self, head: u16) {
        self.sequence = self.sequence.wrapping_add(1);
        let _ = self.set(head, self.sequence << 1 | 1, 0);
    }

    /// Notes how far the request has got.
    pub fn note(&mut self, head: u16, cookie: u64) {
        if head < self.size {
            let _ = self.table.store_release(entry(head) + 8, cookie);
        }
    }

    /// The used entry of this request is about to be published.
    pub fn publishing(&mut self, head: u16) {
        let _ = self
            .table
            .store_release(TABLE_PUBLISHING, u32::from(head) + 1);
    }

    /// The used entry of this request is published; the next one has index `used`.
    pub fn published(&mut self, head: u16, used: u16) {
        let _ = self.set(head, 0, 0);
        let _ = self.table.store_release(TABLE_USED, u32::from(used));
        let _ = self.table.store_release(TABLE_PUBLISHING, 0_u32);
    }

    /// Completes what a crash interrupted, given the used index in the guest's memory, and tells
    /// where the queue stands.
    ///
    /// # Errors
    /// [`Mismatch`]; the device then needs a reset.
    pub fn recover(&mut self, found: u16) -> Result<Recovered, Mismatch> {
        let expected = self.used();
        let publishing = self.table.load::<u32>(TABLE_PUBLISHING).unwrap_or(0);
        let head = publishing
            .checked_sub(1)
            .and_then(|head| u16::try_from(head).ok());
        match head {
            Some(head) if found == expected.wrapping_add(1) => self.published(head, found),
            _ if found == expected => {
                let _ = self.table.store_release(TABLE_PUBLISHING, 0_u32);
            }
            _ => return Err(Mismatch { found, expected }),
        }
        let (mut count, mut last) = (0_u16, 0);
        while let Some(request) = self.after(last) {
            count = count.wrapping_add(1);
            last = request.sequence;
        }
        self.sequence = last;
        let used = self.used();
        Ok(Recovered {
            used,
            avail: used.wrapping_add(count),
        })
    }

    /// The request in flight with the lowest sequence above `sequence`: starting from 0, all of
    /// them in the order in which they were taken.
    #[must_use]
    pub fn after(&self, sequence: u64) -> Option<Request> {
        let entries = (0..self.size).filter_map(|head| self.get(head).ok().flatten());
        entries
            .filter(|request| request.sequence > sequence)
            .min_by_key(|found| found.sequence)
    }

    /// The first of the three stores of [`Inflight::published`], to stop after it.
    #[cfg(test)]
    pub(crate) fn set_for_test(&mut self, head: u16) {
        let _ = self.set(head, 0, 0);
    }

    fn used(&self) -> u16 {
        let [low, high, ..] = self
            .table
            .load::<u32>(TABLE_USED)
            .unwrap_or(0)
            .to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    fn get(&self, head: u16) -> Result<Option<Request>, OutOfBounds> {
        let state = self.table.load::<u64>(entry(head))?;
        let cookie = self.table.load(entry(head) + 8)?;
        let request = Request {
            head,
            sequence: state >> 1,
            cookie,
        };
        Ok((state & 1 != 0).then_some(request))
    }

    fn set(&mut self, head: u16, state: u64, cookie: u64) -> Result<(), OutOfBounds> {
        if head >= self.size {
            return Ok(());
        }
        self.table.store_release(entry(head) + 8, cookie)?;
        self.table.store_release(entry(head), state)
    }
}

/// Offset of a head's entry.
const fn entry(head: u16) -> usize {
    TABLE_ENTRIES + head as usize * ENTRY_STRIDE
}
