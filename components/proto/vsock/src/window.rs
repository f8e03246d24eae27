// SPDX-License-Identifier: BSD-2-Clause
//! Credit of one direction of a connection (5.10.6.3).

/// An end claims to have taken bytes that nobody sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forged;

/// One end's receive window: what it advertised, and what was sent to it.
///
/// Counts run over `u64` here; those of headers are their lower halves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Payload bytes sent to the end.
    sent: u64,
    /// Of these, taken by the end's user, as last advertised.
    taken: u64,
    /// Bytes of its buffer, as last advertised.
    buffer: u32,
    /// The furthest that it ever allowed sending.
    edge: u64,
}

impl Window {
    /// Takes note of what a header from the end advertises.
    ///
    /// # Errors
    /// [`Forged`]; nothing is noted then.
    pub fn advertise(&mut self, fwd_cnt: u32, buf_alloc: u32) -> Result<(), Forged> {
        let [low, _] = halves(self.taken);
        let ahead = fwd_cnt.wrapping_sub(low);
        if ahead > u32::MAX / 2 {
            // Overtaken by a later one. It can claim nothing that counts.
            return Ok(());
        }
        let taken = self.taken.wrapping_add(u64::from(ahead));
        if taken > self.sent {
            return Err(Forged);
        }
        (self.taken, self.buffer) = (taken, buf_alloc);
        self.edge = self.edge.max(taken.saturating_add(u64::from(buf_alloc)));
        Ok(())
    }

    /// Bytes that a sender may send now.
    #[must_use]
    pub const fn room(&self) -> u64 {
        self.taken
            .saturating_add(self.buffer as u64)
            .saturating_sub(self.sent)
    }

    /// Whether a sender that sends `len` bytes now may have had reason to: it may not have seen yet
    /// that the buffer shrank.
    #[must_use]
    pub const fn allows(&self, len: u32) -> bool {
        self.sent.saturating_add(len as u64) <= self.edge
    }

    /// Notes that `len` bytes were sent to the end.
    pub const fn spend(&mut self, len: u32) {
        self.sent = self.sent.saturating_add(len as u64);
    }

    /// Bytes that were sent and not yet taken.
    #[must_use]
    pub const fn outstanding(&self) -> u64 {
        self.sent.saturating_sub(self.taken)
    }
}

/// Lower and upper half.
const fn halves(value: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    [
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    ]
}
