// SPDX-License-Identifier: BSD-2-Clause
//! A client's rate: a token bucket of bytes.

/// Bytes that a client may take at once.
const BURST: u64 = 1024;

/// A token bucket. Levels are in bytes times ticks per second, so that nothing is ever rounded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// Bytes a second, 0 for no limit.
    rate: u64,
    frequency: u64,
    level: u128,
    /// Tick up to which the level accounts for time.
    at: u64,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(rate: u64) -> Self {
        Self {
            rate,
            frequency: 0,
            level: 0,
            at: 0,
        }
    }

    /// Whether there is a limit.
    pub(crate) const fn is_limited(&self) -> bool {
        self.rate != 0
    }

    /// Begins to count: full.
    pub(crate) fn start(&mut self, frequency: u64, now: u64) {
        (self.frequency, self.at) = (frequency, now);
        self.level = self.full();
    }

    fn full(&self) -> u128 {
        u128::from(BURST) * u128::from(self.frequency)
    }

    fn refill(&mut self, now: u64) {
        let passed = u128::from(now.saturating_sub(self.at));
        self.at = self.at.max(now);
        let gained = passed.saturating_mul(self.rate.into());
        self.level = self.level.saturating_add(gained).min(self.full());
    }

    /// Bytes that may be taken now.
    pub(crate) fn available(&mut self, now: u64) -> u64 {
        if !self.is_limited() {
            return u64::MAX;
        }
        self.refill(now);
        let bytes = self.level.checked_div(self.frequency.into());
        u64::try_from(bytes.unwrap_or(0)).unwrap_or(u64::MAX)
    }

    /// Takes bytes that are available.
    pub(crate) fn take(&mut self, bytes: u64) {
        let cost = u128::from(bytes) * u128::from(self.frequency);
        self.level = self.level.saturating_sub(cost);
    }

    /// The tick at which `bytes` are available, at most the burst; none without a limit.
    pub(crate) fn ready(&self, bytes: u64) -> Option<u64> {
        let wanted = u128::from(bytes.min(BURST)) * u128::from(self.frequency);
        let missing = wanted.saturating_sub(self.level);
        let ticks = missing.checked_add(u128::from(self.rate.checked_sub(1)?))?;
        let ticks = ticks.checked_div(self.rate.into())?;
        Some(
            self.at
                .saturating_add(u64::try_from(ticks).unwrap_or(u64::MAX)),
        )
    }
}
