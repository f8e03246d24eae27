// SPDX-License-Identifier: BSD-2-Clause
//! What becomes of an access that no register takes.

use crate::IoError;

/// The machine's answer to accesses that no device takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Nothing at an address is an external abort, as on QEMU's `virt` machine; an odd access to
    /// a device reads as zero and writes nothing. This is what guests that run there expect.
    #[default]
    AbortUnmapped,
    /// Everything that is refused reads as zero and writes nothing.
    Ignore,
    /// Everything that is refused is an external abort.
    AbortAll,
}

impl Policy {
    /// Whether `error` is answered by an abort.
    #[must_use]
    pub const fn aborts(self, error: IoError) -> bool {
        match self {
            Self::AbortUnmapped => matches!(error, IoError::Unmapped | IoError::Straddles),
            Self::Ignore => false,
            Self::AbortAll => true,
        }
    }
}

/// The policy's verdict that the guest is to take a synchronous external abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("external abort at {gpa:#x}: {error}")]
pub struct Abort {
    /// Guest-physical address of the access.
    pub gpa: u64,
    /// Why no device took it.
    pub error: IoError,
}

/// How often each kind of refusal happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub(crate) counts: [u64; IoError::ALL.len()],
}

impl Counters {
    /// Refusals of this kind so far.
    #[must_use]
    pub fn of(&self, error: IoError) -> u64 {
        self.counts.get(error as usize).copied().unwrap_or(0)
    }

    /// Refusals of all kinds so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    pub(crate) fn count(&mut self, error: IoError) {
        if let Some(count) = self.counts.get_mut(error as usize) {
            *count = count.saturating_add(1);
        }
    }
}
