// SPDX-License-Identifier: BSD-2-Clause
//! Whose turn it is: round robin with deficits, weighed by what a request costs the disk.

/// Cost that a client may cause per round: a read of 256 KiB.
const QUANTUM: i64 = 512 + PER_REQUEST;
/// Cost of a request in sectors, besides its data.
const PER_REQUEST: i64 = 16;
/// Data of a request that counts; the cost of more than a gigabyte is the same.
const MOST: i64 = 1 << 21;

/// A client's share of the disk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Share {
    credit: i64,
    /// Requests that the driver has.
    in_flight: usize,
}

impl Share {
    /// A round begins: what was caused too much in earlier ones is still owed.
    pub(crate) fn renew(&mut self) {
        self.credit = self.credit.saturating_add(QUANTUM).min(QUANTUM);
    }

    /// Whether the client may go on in this round, with at most `limit` requests in flight.
    pub(crate) const fn may_go_on(&self, limit: usize) -> bool {
        self.credit > 0 && self.in_flight < limit
    }

    /// Whether too many of its requests are in flight.
    pub(crate) const fn is_full(&self, limit: usize) -> bool {
        self.in_flight >= limit
    }

    /// A request was looked at and refused.
    pub(crate) const fn looked(&mut self) {
        self.credit = self.credit.saturating_sub(PER_REQUEST);
    }

    /// A request of `sectors` sectors of data was submitted.
    pub(crate) fn submitted(&mut self, sectors: u64) {
        let data = i64::try_from(sectors).unwrap_or(MOST).min(MOST);
        self.credit = self.credit.saturating_sub(data + PER_REQUEST);
        self.in_flight = self.in_flight.saturating_add(1);
    }

    /// A request is done.
    pub(crate) const fn ended(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}
