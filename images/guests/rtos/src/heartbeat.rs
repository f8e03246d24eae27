// SPDX-License-Identifier: BSD-2-Clause
//! The heartbeat's arithmetic: deadlines, lateness, missed beats. No hardware, so that it is tested on the host.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::fmt;

/// Beats between two reports.
pub const WINDOW: u64 = 100;

/// Beats per second: one every 10 ms.
const RATE: u64 = 100;

/// How late the beats of some span of time were, in counter ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lateness {
    frequency: u64,
    count: u64,
    sum: u64,
    min: u64,
    max: u64,
}

impl Lateness {
    /// Nothing measured yet, for a counter of `frequency` Hz.
    fn new(frequency: u64) -> Self {
        Self {
            frequency,
            count: 0,
            sum: 0,
            min: u64::MAX,
            max: 0,
        }
    }

    fn add(&mut self, late: u64) {
        self.count += 1;
        self.sum = self.sum.saturating_add(late);
        self.min = self.min.min(late);
        self.max = self.max.max(late);
    }

    /// Writes ticks as microseconds with one decimal.
    fn write_us(&self, f: &mut fmt::Formatter<'_>, ticks: u64) -> fmt::Result {
        let tenths = u128::from(ticks) * 10_000_000 / u128::from(self.frequency.max(1));
        write!(f, "{}.{}", tenths / 10, tenths % 10)
    }
}

impl fmt::Display for Lateness {
    /// Minimum, mean and maximum in microseconds: `0.4/1.2/9.0`; zeros when nothing was measured.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_us(f, if self.count == 0 { 0 } else { self.min })?;
        f.write_str("/")?;
        self.write_us(f, self.sum / self.count.max(1))?;
        f.write_str("/")?;
        self.write_us(f, self.max)
    }
}

/// What one look at the timer found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// The deadline has not come: the interrupt was spurious.
    Early,
    /// A beat, in time or late.
    Beat,
    /// A beat that completes a window; the report is due.
    Report(Report),
}

/// One window of [`WINDOW`] beats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Beats handled since the start.
    pub beats: u64,
    /// Lateness of this window's beats.
    pub late: Lateness,
    /// Deadlines of this window that passed without a beat of their own.
    pub missed: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "beat {} late min/avg/max = {} us", self.beats, self.late)?;
        match self.missed {
            0 => Ok(()),
            missed => write!(f, ", missed {missed}"),
        }
    }
}

/// A periodic deadline on a free-running counter, with what happened at each.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    period: u64,
    deadline: u64,
    beats: u64,
    early: u64,
    missed: u64,
    missed_before_window: u64,
    window: Lateness,
    total: Lateness,
}

impl Heartbeat {
    /// A heartbeat whose first deadline is one period of 10 ms after `now`.
    ///
    /// `frequency` is the counter's, in Hz; one below 100 counts as 100.
    pub fn new(frequency: u32, now: u64) -> Self {
        let frequency = u64::from(frequency);
        let period = (frequency / RATE).max(1);
        Self {
            period,
            deadline: now.wrapping_add(period),
            beats: 0,
            early: 0,
            missed: 0,
            missed_before_window: 0,
            window: Lateness::new(frequency),
            total: Lateness::new(frequency),
        }
    }

    /// The counter value of the next deadline: what the timer must be set to.
    pub fn deadline(&self) -> u64 {
        self.deadline
    }

    /// Takes note of a timer interrupt seen at `now`, and moves on to the first deadline after it.
    ///
    /// A handler that runs more than a period late has missed the deadlines between: they are
    /// counted, not caught up with, since a burst of old beats would help nobody.
    pub fn expire(&mut self, now: u64) -> Beat {
        // Wrapping: a counter may start anywhere, and half its range is far more than any delay.
        let late = now.wrapping_sub(self.deadline);
        if late > u64::MAX / 2 {
            self.early += 1;
            return Beat::Early;
        }
        let passed = late / self.period;
        self.missed += passed;
        self.deadline = self.deadline.wrapping_add((passed + 1) * self.period);
        self.window.add(late);
        self.total.add(late);
        self.beats += 1;
        if !self.beats.is_multiple_of(WINDOW) {
            return Beat::Beat;
        }
        Beat::Report(self.close_window())
    }

    fn close_window(&mut self) -> Report {
        let report = Report {
            beats: self.beats,
            late: self.window,
            missed: self.missed - self.missed_before_window,
        };
        self.window = Lateness::new(self.window.frequency);
        self.missed_before_window = self.missed;
        report
    }
}

impl fmt::Display for Heartbeat {
    /// The totals since the start.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "beats {} missed {} early {} late min/avg/max = {} us since start",
            self.beats, self.missed, self.early, self.total
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 1 MHz: a tick is a microsecond, a period 10,000 ticks.
    const MHZ: u32 = 1_000_000;

    #[test]
    fn a_window_reports_its_own_lateness() {
        let mut heart = Heartbeat::new(MHZ, 500);
        assert_eq!(heart.deadline(), 10_500);
        for beat in 1..WINDOW {
            assert_eq!(heart.expire(heart.deadline() + beat % 3), Beat::Beat);
        }
        let Beat::Report(report) = heart.expire(heart.deadline() + 200) else {
            panic!("no report");
        };
        assert_eq!(
            report.to_string(),
            "beat 100 late min/avg/max = 0.0/2.0/200.0 us"
        );
        for _ in 0..WINDOW - 1 {
            assert_eq!(heart.expire(heart.deadline() + 7), Beat::Beat);
        }
        let Beat::Report(report) = heart.expire(heart.deadline() + 7) else {
            panic!("no report");
        };
        assert_eq!(
            report.to_string(),
            "beat 200 late min/avg/max = 7.0/7.0/7.0 us"
        );
    }

    #[test]
    fn whole_periods_of_lateness_are_missed_beats() {
        let mut heart = Heartbeat::new(MHZ, 0);
        assert_eq!(heart.expire(10_000 + 25_000), Beat::Beat);
        assert_eq!(heart.deadline(), 40_000);
        assert_eq!(heart.expire(40_000 + 9_999), Beat::Beat);
        assert_eq!(heart.deadline(), 50_000);
        assert!(heart.to_string().starts_with("beats 2 missed 2 early 0"));
    }

    #[test]
    fn missed_beats_show_in_their_window_only() {
        let mut heart = Heartbeat::new(MHZ, 0);
        heart.expire(30_000);
        let mut reports = Vec::new();
        while reports.len() < 2 {
            if let Beat::Report(report) = heart.expire(heart.deadline()) {
                reports.push(report.missed);
            }
        }
        assert_eq!(reports, [2, 0]);
    }

    #[test]
    fn an_early_interrupt_is_no_beat() {
        let mut heart = Heartbeat::new(MHZ, 0);
        assert_eq!(heart.expire(9_999), Beat::Early);
        assert_eq!(heart.deadline(), 10_000);
        assert!(heart.to_string().starts_with("beats 0 missed 0 early 1"));
    }

    proptest! {
        /// Beats and missed beats together are the deadlines that passed, and the next is ahead.
        #[test]
        fn no_deadline_is_lost(start: u64, frequency: u32, delays in prop::collection::vec(0u64..1 << 40, 1..300)) {
            let mut heart = Heartbeat::new(frequency, start);
            for delay in delays {
                let now = heart.deadline().wrapping_add(delay);
                heart.expire(now);
                let ahead = heart.deadline().wrapping_sub(now);
                prop_assert!(ahead >= 1 && ahead <= heart.period);
            }
            let passed = heart.deadline().wrapping_sub(start) / heart.period - 1;
            prop_assert_eq!(passed, heart.beats + heart.missed);
            let _ = heart.to_string();
        }
    }
}
