// SPDX-License-Identifier: BSD-2-Clause
//! Rings of bare indices, for protocols that lay their entries out themselves and work on them in
//! place: several slots can be in the hands of a device at once, and come back a few at a time.

use crate::fault::{FaultCount, PeerFault};
use crate::rx::Rx;
use crate::tx::Tx;
use crate::wake::{Armed, Wake};

/// The sending end of a ring of slots.
#[derive(Debug)]
pub struct SlotProducer {
    tx: Tx,
}

impl SlotProducer {
    pub(crate) const fn new(tx: Tx) -> Self {
        Self { tx }
    }

    /// Slots of the ring.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.tx.capacity()
    }

    /// Free slots right now, counting staged ones as used. The peer's index is only looked at where
    /// fewer than `wanted` are known to be free. Free slots stay free until they are staged.
    ///
    /// # Errors
    ///
    /// [`PeerFault`] where the peer's read index is impossible.
    pub fn free(&mut self, wanted: u32) -> Result<u32, PeerFault> {
        self.tx.free(wanted)
    }

    /// The slot `ahead` places after the next one to stage: below the capacity.
    #[must_use]
    pub const fn slot(&self, ahead: u32) -> u32 {
        self.tx.slot().wrapping_add(ahead) & (self.tx.capacity() - 1)
    }

    /// Stages the next slot; `false` where none is known to be free. Not visible before
    /// [`SlotProducer::publish`].
    #[must_use]
    pub fn stage(&mut self) -> bool {
        let free = self.tx.known_free() > 0;
        if free {
            self.tx.stage(1);
        }
        free
    }

    /// Makes everything staged visible and says whether to notify the peer.
    pub fn publish(&mut self) -> Wake {
        self.tx.publish()
    }

    /// Asks for a notification when `wanted` slots are free, then looks again.
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

/// The receiving end of a ring of slots.
#[derive(Debug)]
pub struct SlotConsumer {
    rx: Rx,
}

impl SlotConsumer {
    pub(crate) const fn new(rx: Rx) -> Self {
        Self { rx }
    }

    /// Slots of the ring.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.rx.capacity()
    }

    /// Slots to take right now. The peer's index is only looked at where fewer than `wanted` are
    /// known.
    ///
    /// # Errors
    ///
    /// [`PeerFault`] where the peer's write index is impossible.
    pub fn available(&mut self, wanted: u32) -> Result<u32, PeerFault> {
        self.rx.available(wanted)
    }

    /// The slot `ahead` places after the next one to take: below the capacity.
    #[must_use]
    pub const fn slot(&self, ahead: u32) -> u32 {
        self.rx.slot().wrapping_add(ahead) & (self.rx.capacity() - 1)
    }

    /// Takes the next slot; `false` where none is known to be available. It stays this end's until
    /// it is released.
    #[must_use]
    pub fn take(&mut self) -> bool {
        let any = self.rx.known_available() > 0;
        if any {
            self.rx.take(1);
        }
        any
    }

    /// Free-running index of the next slot to take; those held are right before it.
    #[must_use]
    pub const fn position(&self) -> u32 {
        self.rx.position()
    }

    /// Slots taken and not yet released.
    #[must_use]
    pub const fn held(&self) -> u32 {
        self.rx.held()
    }

    /// Gives the `count` slots that were taken first back, or all if fewer are held, and says
    /// whether to notify the peer.
    pub fn release(&mut self, count: u32) -> Wake {
        self.rx.release_some(count)
    }

    /// Asks for a notification when the next slot arrives, then looks again.
    ///
    /// # Errors
    ///
    /// [`PeerFault`] where the peer's write index is impossible.
    pub fn arm(&mut self) -> Result<Armed, PeerFault> {
        self.rx.arm()
    }

    /// After a [`PeerFault`]: drops everything, held slots too, and continues at the peer's write
    /// index.
    pub fn resync(&mut self) -> Wake {
        self.rx.resync()
    }

    /// How often the peer was caught lying.
    #[must_use]
    pub const fn faults(&self) -> &FaultCount {
        self.rx.faults()
    }
}
