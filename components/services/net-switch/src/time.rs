// SPDX-License-Identifier: BSD-2-Clause
//! One reading of the clock.

use core::num::NonZeroU64;

use pd::Clock;

/// What the clock says, read once for a whole pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    /// Ticks.
    pub(crate) now: u64,
    /// Ticks per second.
    pub(crate) frequency: NonZeroU64,
}

impl Time {
    pub(crate) fn read(clock: &impl Clock) -> Self {
        Self {
            now: clock.now(),
            frequency: NonZeroU64::new(clock.frequency()).unwrap_or(NonZeroU64::MIN),
        }
    }

    /// Whole seconds; wraps after 136 years.
    pub(crate) fn seconds(self) -> u32 {
        let [a, b, c, d, ..] = (self.now / self.frequency.get()).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}
