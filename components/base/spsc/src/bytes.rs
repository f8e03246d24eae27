// SPDX-License-Identifier: BSD-2-Clause
//! Rings of bytes: streams without message boundaries.

use shm::{Region, Ro, Rw};

use crate::fault::{FaultCount, PeerFault};
use crate::rx::Rx;
use crate::tx::Tx;
use crate::wake::{Armed, Wake};

/// The sending end of a byte stream.
#[derive(Debug)]
pub struct ByteProducer {
    tx: Tx,
    bytes: Region<Rw>,
}

/// Where `count` bytes from slot `slot` on wrap: lengths before and after the end of the ring.
fn split(slot: u32, count: u32, capacity: u32) -> (usize, usize) {
    let first = count.min(capacity - slot);
    (first as usize, (count - first) as usize)
}

/// `len` as a number of bytes in a ring of `capacity`, which is all that can be moved at once.
fn clamp(len: usize, capacity: u32) -> u32 {
    u32::try_from(len).map_or(capacity, |len| len.min(capacity))
}

impl ByteProducer {
    pub(crate) const fn new(tx: Tx, bytes: Region<Rw>) -> Self {
        Self { tx, bytes }
    }

    /// Bytes the ring holds.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.tx.capacity()
    }

    /// Free bytes right now, counting staged bytes as used.
    ///
    /// # Errors
    ///
    /// [`PeerFault`] where the peer's read index is impossible.
    pub fn free(&mut self) -> Result<u32, PeerFault> {
        self.tx.free(self.tx.capacity())
    }

    /// Stages as much of `from` as fits and answers how much that is; not visible before
    /// [`ByteProducer::publish`].
    ///
    /// # Errors
    ///
    /// [`PeerFault`] where the peer's read index is impossible; nothing is staged then.
    pub fn write(&mut self, from: &[u8]) -> Result<usize, PeerFault> {
        let wanted = clamp(from.len(), self.tx.capacity());
        let count = self.tx.free(wanted)?.min(wanted);
        let (first, rest) = split(self.tx.slot(), count, self.tx.capacity());
        // In bounds by construction; should it ever not be, nothing written is the safe answer.
        let Some((head, tail)) = from.split_at_checked(first) else {
            return Ok(0);
        };
        let tail = tail.get(..rest).unwrap_or_default();
        let head_written = self.bytes.copy_out(self.tx.slot() as usize, head);
        let tail_written = self.bytes.copy_out(0, tail);
        if head_written.and(tail_written).is_err() {
            return Ok(0);
        }
        self.tx.stage(count);
        Ok(count as usize)
    }

    /// Makes everything staged visible and says whether to notify the peer.
    pub fn publish(&mut self) -> Wake {
        self.tx.publish()
    }

    /// Asks for a notification when `wanted` bytes are free, then looks again.
    ///
    /// # Errors
    ///
    /// [`PeerFault`] where the peer's read index is impossible.
    pub fn arm(&mut self, wanted: u32) -> Result<Armed, PeerFault> {
        self.tx.arm(wanted)
    }

    /// How often the peer was caught lying.
    #[must_use]
    pub const fn faults(&self) -> &FaultCount {
        self.tx.faults()
    }
}

/// The receiving end of a byte stream.
#[derive(Debug)]
pub struct ByteConsumer {
    rx: Rx,
    bytes: Region<Ro>,
}

impl ByteConsumer {
    pub(crate) const fn new(rx: Rx, bytes: Region<Ro>) -> Self {
        Self { rx, bytes }
    }

    /// Bytes the ring holds.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.rx.capacity()
    }

    /// Bytes waiting right now.
    ///
    /// # Errors
    ///
    /// [`PeerFault`] where the peer's write index is impossible.
    pub fn available(&mut self) -> Result<u32, PeerFault> {
        self.rx.available(self.rx.capacity())
    }

    /// Copies waiting bytes into `into` and answers how many; they stay in the ring until
    /// [`ByteConsumer::release`].
    ///
    /// # Errors
    ///
    /// [`PeerFault`] where the peer's write index is impossible; nothing is taken then.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, PeerFault> {
        let wanted = clamp(into.len(), self.rx.capacity());
        let count = self.rx.available(wanted)?.min(wanted);
        let (first, rest) = split(self.rx.slot(), count, self.rx.capacity());
        // In bounds by construction; should it ever not be, nothing read is the safe answer.
        let Some((head, tail)) = into.split_at_mut_checked(first) else {
            return Ok(0);
        };
        let tail = tail.get_mut(..rest).unwrap_or_default();
        let head_read = self.bytes.copy_in(self.rx.slot() as usize, head);
        let tail_read = self.bytes.copy_in(0, tail);
        if head_read.and(tail_read).is_err() {
            return Ok(0);
        }
        self.rx.take(count);
        Ok(count as usize)
    }

    /// Gives the room of everything taken back and says whether to notify the peer.
    pub fn release(&mut self) -> Wake {
        self.rx.release()
    }

    /// Asks for a notification when the next byte arrives, then looks again.
    ///
    /// # Errors
    ///
    /// [`PeerFault`] where the peer's write index is impossible.
    pub fn arm(&mut self) -> Result<Armed, PeerFault> {
        self.rx.arm()
    }

    /// After a [`PeerFault`]: drops everything and continues at the peer's write index.
    pub fn resync(&mut self) -> Wake {
        self.rx.resync()
    }

    /// How often the peer was caught lying.
    #[must_use]
    pub const fn faults(&self) -> &FaultCount {
        self.rx.faults()
    }
}
