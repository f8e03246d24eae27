// SPDX-License-Identifier: BSD-2-Clause
//! Who is woken when.
//!
//! Arming stores a wake-up point and then loads the peer's index; publishing stores an index and
//! then loads the peer's wake-up point. A full fence between the two on both sides makes sure that
//! at least one of them sees the other, so no wake-up is lost.

use core::sync::atomic::{Ordering, fence};

/// Whether the peer waits for what was just published.
#[must_use = "a peer that waits must be notified"]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// Notify the peer: it sleeps, or is about to.
    Needed,
    /// The peer is awake or waits for more.
    NotNeeded,
}

impl Wake {
    /// Whether the peer must be notified.
    #[must_use]
    pub const fn is_needed(self) -> bool {
        matches!(self, Self::Needed)
    }

    /// Needed where either is: one notification serves several rings of a channel.
    pub const fn or(self, other: Self) -> Self {
        match self {
            Self::Needed => Self::Needed,
            Self::NotNeeded => other,
        }
    }
}

/// Outcome of arming a wake-up.
#[must_use = "work may have arrived while arming"]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Armed {
    /// Nothing to do: wait, the peer will notify.
    Sleep,
    /// Work arrived meanwhile: go on; a notification may come as well.
    Ready,
}

/// Orders a store before the following load against the same pair on the other side.
pub(crate) fn store_load_fence() {
    fence(Ordering::SeqCst);
}

/// Whether moving an index from `old` to `new` passes the wake-up point `at`, that is, whether
/// `at` is one of `old..new`.
pub(crate) const fn passes(at: u32, old: u32, new: u32) -> Wake {
    if at.wrapping_sub(old) < new.wrapping_sub(old) {
        Wake::Needed
    } else {
        Wake::NotNeeded
    }
}
