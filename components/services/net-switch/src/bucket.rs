// SPDX-License-Identifier: BSD-2-Clause
//! Token buckets: so many units per second, so many at once.

use core::num::NonZeroU64;

use crate::time::Time;

/// A token bucket without rounding: it counts units times the clock's frequency, so that a tick
/// brings exactly the rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// Units per second.
    rate: NonZeroU64,
    /// Units that a full bucket holds.
    burst: u64,
    /// Units times frequency.
    level: u64,
    /// Tick of the last refill; none before the first, which fills the bucket.
    last: Option<u64>,
}

impl Bucket {
    /// A bucket that holds at most `burst` units and gains `rate` a second. `None` for a rate of 0,
    /// which means no limit.
    pub(crate) fn new(rate: u64, burst: u64) -> Option<Self> {
        Some(Self {
            rate: NonZeroU64::new(rate)?,
            burst,
            level: 0,
            last: None,
        })
    }

    /// Takes `amount` units, or says how many ticks it takes until there are that many. More than a
    /// burst is taken as a burst: it could never be paid.
    pub(crate) fn take(&mut self, time: Time, amount: u64) -> Result<(), u64> {
        self.refill(time);
        let price = amount.min(self.burst).saturating_mul(time.frequency.get());
        match self.level.checked_sub(price) {
            Some(rest) => {
                self.level = rest;
                Ok(())
            }
            None => Err(self.ticks_to(price)),
        }
    }

    /// Ticks until there are `amount` units, but no longer than until the bucket is half full: it
    /// must not run over while nobody looks.
    pub(crate) fn ticks_until(&self, time: Time, amount: u64) -> u64 {
        let amount = amount.min(self.burst / 2);
        self.ticks_to(amount.saturating_mul(time.frequency.get()))
    }

    fn ticks_to(&self, level: u64) -> u64 {
        level.saturating_sub(self.level).div_ceil(self.rate.get())
    }

    fn refill(&mut self, time: Time) {
        let full = self.burst.saturating_mul(time.frequency.get());
        self.level = match self.last {
            None => full,
            Some(last) => {
                let gained = time
                    .now
                    .saturating_sub(last)
                    .saturating_mul(self.rate.get());
                self.level.saturating_add(gained).min(full)
            }
        };
        self.last = Some(time.now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FREQUENCY: u64 = 62_500_000;

    fn at(now: u64) -> Time {
        Time {
            now,
            frequency: NonZeroU64::new(FREQUENCY).unwrap(),
        }
    }

    #[test]
    fn a_full_bucket_pays_one_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(1000, 3000).unwrap();
        assert_eq!(bucket.take(at(5), 3000), Ok(()));
        assert_eq!(bucket.take(at(5), 1), Err(FREQUENCY / 1000));
        assert_eq!(bucket.ticks_until(at(5), 500), FREQUENCY / 2);
        assert_eq!(bucket.ticks_until(at(5), 5000), FREQUENCY * 3 / 2);
        assert_eq!(bucket.take(at(5 + FREQUENCY), 1000), Ok(()));
        assert_eq!(
            bucket.take(at(4), 1),
            Err(FREQUENCY / 1000),
            "a clock that goes back"
        );
        assert!(Bucket::new(0, 1).is_none());
    }

    proptest! {
        /// Whatever is asked for when: never more than a burst and the rate, and the wait that is
        /// named is exact.
        #[test]
        fn buckets_keep_their_rate(
            rate in 1_u64..1_000_000_000,
            burst in 1_u64..1_000_000,
            asks in proptest::collection::vec((0_u64..100_000_000, 1_u64..2_000_000), 1..60),
        ) {
            let mut bucket = Bucket::new(rate, burst).unwrap();
            let (mut now, mut paid) = (7, 0_u128);
            for (pause, amount) in asks {
                now += pause;
                match bucket.take(at(now), amount) {
                    Ok(()) => paid += u128::from(amount.min(burst)),
                    Err(ticks) => {
                        prop_assert!(bucket.take(at(now + ticks - 1), amount).is_err());
                        now += ticks;
                        prop_assert_eq!(bucket.take(at(now), amount), Ok(()));
                        paid += u128::from(amount.min(burst));
                    }
                }
                let elapsed = u128::from(now - 7);
                let most = u128::from(burst) + elapsed * u128::from(rate) / u128::from(FREQUENCY);
                prop_assert!(paid <= most, "{paid} of {most}");
            }
        }

        #[test]
        fn no_numbers_overflow(rate in any::<u64>(), burst in any::<u64>(), now in any::<u64>(), amount in any::<u64>(), frequency in 1..u64::MAX) {
            let frequency = NonZeroU64::new(frequency).unwrap();
            if let Some(mut bucket) = Bucket::new(rate, burst) {
                for now in [0, now, u64::MAX] {
                    let _ = bucket.take(Time { now, frequency }, amount);
                    let _ = bucket.ticks_until(Time { now, frequency }, amount);
                }
            }
        }
    }
}
