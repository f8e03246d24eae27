// SPDX-License-Identifier: BSD-2-Clause
//! Rings of fixed-size entries.

use core::fmt;
use core::marker::PhantomData;

use shm::{Region, Ro, Rw, Untrusted};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::fault::{FaultCount, PeerFault};
use crate::rx::Rx;
use crate::tx::Tx;
use crate::wake::{Armed, Wake};

/// A type that can be an entry of a ring: plain data without padding, valid for all bits. Multiples
/// of eight bytes copy fastest.
pub trait Entry: FromBytes + IntoBytes + Immutable {}

impl<T: FromBytes + IntoBytes + Immutable> Entry for T {}

/// Why an entry cannot be pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PushError {
    /// The ring is full; arm with [`Producer::arm`] and wait.
    Full,
    /// The peer lies about what it has read.
    Peer(PeerFault),
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("ring is full"),
            Self::Peer(fault) => fault.fmt(f),
        }
    }
}

impl core::error::Error for PushError {}

impl From<PeerFault> for PushError {
    fn from(fault: PeerFault) -> Self {
        Self::Peer(fault)
    }
}

/// The sending end of a ring of entries `D`.
#[derive(Debug)]
pub struct Producer<D> {
    tx: Tx,
    entries: Region<Rw>,
    entry: PhantomData<fn(D)>,
}

impl<D: IntoBytes + Immutable> Producer<D> {
    pub(crate) const fn new(tx: Tx, entries: Region<Rw>) -> Self {
        Self {
            tx,
            entries,
            entry: PhantomData,
        }
    }

    /// Entries the ring holds.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.tx.capacity()
    }

    /// Free slots right now, counting staged entries as used.
    ///
    /// # Errors
    ///
    /// [`PeerFault`] where the peer's read index is impossible.
    pub fn free(&mut self) -> Result<u32, PeerFault> {
        self.tx.free(self.tx.capacity())
    }

    /// Stages an entry: written, but not visible before [`Producer::publish`].
    ///
    /// # Errors
    ///
    /// [`PushError`]; nothing is staged then.
    pub fn push(&mut self, entry: &D) -> Result<(), PushError> {
        if self.tx.free(1)? == 0 {
            return Err(PushError::Full);
        }
        let offset = self.tx.slot() as usize * size_of::<D>();
        // In bounds by construction; should it ever not be, a full ring is the safe answer.
        self.entries
            .write(offset, entry)
            .map_err(|_| PushError::Full)?;
        self.tx.stage(1);
        Ok(())
    }

    /// Makes everything staged visible and says whether to notify the peer.
    pub fn publish(&mut self) -> Wake {
        self.tx.publish()
    }

    /// Pushes and publishes one entry.
    ///
    /// # Errors
    ///
    /// [`PushError`]; the entry is not sent then.
    pub fn send(&mut self, entry: &D) -> Result<Wake, PushError> {
        self.push(entry)?;
        Ok(self.publish())
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

/// The receiving end of a ring of entries `D`.
#[derive(Debug)]
pub struct Consumer<D> {
    rx: Rx,
    entries: Region<Ro>,
    entry: PhantomData<fn() -> D>,
}

impl<D: FromBytes + IntoBytes> Consumer<D> {
    pub(crate) const fn new(rx: Rx, entries: Region<Ro>) -> Self {
        Self {
            rx,
            entries,
            entry: PhantomData,
        }
    }

    /// Entries the ring holds: the most that one activation takes.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.rx.capacity()
    }

    /// Entries waiting right now. Bound a loop by this: a fast peer can keep a ring non-empty for
    /// ever.
    ///
    /// # Errors
    ///
    /// [`PeerFault`] where the peer's write index is impossible.
    pub fn available(&mut self) -> Result<u32, PeerFault> {
        self.rx.available(self.rx.capacity())
    }

    /// Takes the next entry as an owned, unchecked copy; `None` where the ring is empty. Its slot
    /// stays occupied until [`Consumer::release`].
    ///
    /// # Errors
    ///
    /// [`PeerFault`] where the peer's write index is impossible.
    pub fn pop(&mut self) -> Result<Option<Untrusted<D>>, PeerFault> {
        if self.rx.available(1)? == 0 {
            return Ok(None);
        }
        let offset = self.rx.slot() as usize * size_of::<D>();
        // In bounds by construction; should it ever not be, an empty ring is the safe answer.
        let Ok(entry) = self.entries.read::<D>(offset) else {
            return Ok(None);
        };
        self.rx.take(1);
        Ok(Some(Untrusted::new(entry)))
    }

    /// Gives the slots of everything taken back and says whether to notify the peer.
    pub fn release(&mut self) -> Wake {
        self.rx.release()
    }

    /// Asks for a notification when the next entry arrives, then looks again.
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
