// SPDX-License-Identifier: BSD-2-Clause
//! What a lying peer is caught at.

use core::fmt;

/// A peer index that no honest peer publishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerFault {
    /// The producer announces more entries than the ring holds, or fewer than were taken.
    WriteAhead {
        /// Write index found.
        found: u32,
        /// Own read index.
        read: u32,
    },
    /// The producer took back entries that it had announced.
    WriteBackward {
        /// Write index found.
        found: u32,
        /// Write index seen before.
        seen: u32,
    },
    /// The consumer claims to have read what was never written, or to be more than a whole ring
    /// behind.
    ReadAhead {
        /// Read index found.
        found: u32,
        /// Own published write index.
        write: u32,
    },
    /// The consumer took back slots that it had freed.
    ReadBackward {
        /// Read index found.
        found: u32,
        /// Read index seen before.
        seen: u32,
    },
}

impl fmt::Display for PeerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteAhead { found, read } => {
                write!(
                    f,
                    "peer's write index {found} is not within a ring of read index {read}"
                )
            }
            Self::WriteBackward { found, seen } => {
                write!(f, "peer's write index went back from {seen} to {found}")
            }
            Self::ReadAhead { found, write } => {
                write!(
                    f,
                    "peer's read index {found} is not within a ring of write index {write}"
                )
            }
            Self::ReadBackward { found, seen } => {
                write!(f, "peer's read index went back from {seen} to {found}")
            }
        }
    }
}

impl core::error::Error for PeerFault {}

/// How often a peer was caught, and at what last. Saturates.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FaultCount {
    count: u32,
    last: Option<PeerFault>,
}

impl FaultCount {
    /// Number of faults.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The latest fault.
    #[must_use]
    pub const fn last(&self) -> Option<PeerFault> {
        self.last
    }

    pub(crate) const fn record(&mut self, fault: PeerFault) -> PeerFault {
        self.count = self.count.saturating_add(1);
        self.last = Some(fault);
        fault
    }
}
