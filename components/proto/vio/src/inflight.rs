// SPDX-License-Identifier: BSD-2-Clause
//! Which requests of a queue are under way, kept where a crash of the backend does not reach.
//!
//! The scheme is that of vhost-user (`VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD`, split rings): an entry
//! per head is set before a request is started and cleared after its used entry is published. Used
//! entries are published in batches: each request of a batch is marked as done, and the size of the
//! batch is noted before the used index moves. The used index in the guest's memory then tells
//! whether a crash came before or after, so that no request is lost or repeated. The number of
//! available entries that were taken follows: each is either used or in flight.
//!
//! Every store is a release, so the stores reach memory in program order.

use shm::{OutOfBounds, Region, Rw};
use thiserror::Error;

use crate::layout::{ENTRY_STRIDE, TABLE_ENTRIES, TABLE_STATE};

/// In the state of an entry: the request is in flight.
const IN_FLIGHT: u64 = 1;
/// In the state of an entry: its used entry is written, and the next batch publishes it.
const DONE: u64 = 2;
/// The sequence is above the flags.
const SEQUENCE_SHIFT: u32 = 2;

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
        if head < self.size {
            let state = self.sequence << SEQUENCE_SHIFT | IN_FLIGHT;
            let _ = self.table.store_release(entry(head) + COOKIE, 0_u64);
            let _ = self.set(head, state);
        }
    }

    /// Notes how far the request has got.
    pub fn note(&mut self, head: u16, cookie: u64) {
        if head < self.size {
            let _ = self.table.store_release(entry(head) + COOKIE, cookie);
        }
    }

    /// The request was not started after all: it is the driver's again.
    pub fn forget(&mut self, head: u16) {
        if head < self.size {
            let _ = self.set(head, 0);
        }
    }

    /// The request is done: its used entry is written, but not published.
    pub fn done(&mut self, head: u16) {
        if let Ok(state) = self.state(head)
            && state & IN_FLIGHT != 0
        {
            let _ = self.set(head, state | DONE);
        }
    }

    /// The used index is about to move from `used` by `count`: all requests that are done.
    pub fn publishing(&mut self, used: u16, count: u16) {
        self.store_used(used, count);
    }

    /// The used index is now `used`; `heads` are the requests of the batch.
    pub fn published(&mut self, heads: impl Iterator<Item = u16>, used: u16) {
        for head in heads {
            let _ = self.set(head, 0);
        }
        self.store_used(used, 0);
    }

    /// Completes what a crash interrupted, given the used index in the guest's memory, and tells
    /// where the queue stands.
    ///
    /// # Errors
    /// [`Mismatch`]; the device then needs a reset.
    pub fn recover(&mut self, found: u16) -> Result<Recovered, Mismatch> {
        let (expected, batch) = self.used();
        let ahead = found.wrapping_sub(expected);
        // The index moves by the whole batch or not at all.
        if ahead != 0 && ahead != batch {
            return Err(Mismatch { found, expected });
        }
        let (mut count, mut last) = (0_u16, 0);
        for head in 0..self.size {
            let state = self.state(head).unwrap_or(0);
            if state & IN_FLIGHT == 0 {
                continue;
            }
            if state & DONE != 0 {
                let published = ahead != 0;
                let _ = self.set(head, if published { 0 } else { state & !DONE });
                if published {
                    continue;
                }
            }
            count = count.wrapping_add(1);
            last = last.max(state >> SEQUENCE_SHIFT);
        }
        self.store_used(found, 0);
        self.sequence = last;
        Ok(Recovered {
            used: found,
            avail: found.wrapping_add(count),
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

    /// The first store of [`Inflight::published`], to stop after it.
    #[cfg(test)]
    pub(crate) fn clear_for_test(&mut self, head: u16) {
        let _ = self.set(head, 0);
    }

    /// Index of the next used entry, and the size of the batch that is being published.
    fn used(&self) -> (u16, u16) {
        let [a, b, c, d] = self
            .table
            .load::<u32>(TABLE_STATE)
            .unwrap_or(0)
            .to_le_bytes();
        (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
    }

    fn store_used(&mut self, used: u16, batch: u16) {
        let state = u32::from(used) | u32::from(batch) << 16;
        let _ = self.table.store_release(TABLE_STATE, state);
    }

    fn get(&self, head: u16) -> Result<Option<Request>, OutOfBounds> {
        let state = self.state(head)?;
        let cookie = self.table.load(entry(head) + COOKIE)?;
        let request = Request {
            head,
            sequence: state >> SEQUENCE_SHIFT,
            cookie,
        };
        Ok((state & (IN_FLIGHT | DONE) == IN_FLIGHT).then_some(request))
    }

    fn state(&self, head: u16) -> Result<u64, OutOfBounds> {
        self.table.load(entry(head))
    }

    fn set(&mut self, head: u16, state: u64) -> Result<(), OutOfBounds> {
        self.table.store_release(entry(head), state)
    }
}

/// Offset of the cookie in an entry.
const COOKIE: usize = 8;

/// Offset of a head's entry.
const fn entry(head: u16) -> usize {
    TABLE_ENTRIES + head as usize * ENTRY_STRIDE
}
