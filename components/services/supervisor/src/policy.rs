// SPDX-License-Identifier: BSD-2-Clause
//! Restart policy: so many restarts within a window of time, then the child is held.

/// Most restarts a policy can ask for; the times of that many are remembered.
pub const MAX_RESTARTS: usize = 16;

/// What a child's record entry says about its restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Restarts within the window; at most [`MAX_RESTARTS`].
    pub restarts: usize,
    /// Length of the window in ticks of the physical counter; 0 counts for ever.
    pub window: u64,
}

/// What to do about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Restart the child; this is restart number `nth` within the window.
    Restart {
        /// From 1 to the policy's number of restarts.
        nth: usize,
    },
    /// Leave it stopped: the policy's restarts are used up.
    Hold {
        /// Restarts within the window that led here.
        restarts: usize,
    },
}

/// The restarts of one child.
#[derive(Debug)]
pub struct History {
    policy: Policy,
    /// When the latest restarts happened, in ticks, oldest first.
    times: heapless::Deque<u64, MAX_RESTARTS>,
    held: bool,
}

impl History {
    /// No restarts yet. A policy of more than [`MAX_RESTARTS`] is cut to that.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy: Policy {
                restarts: policy.restarts.min(MAX_RESTARTS),
                ..policy
            },
            times: heapless::Deque::new(),
            held: false,
        }
    }

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// Whether the child was given up.
    #[must_use]
    pub const fn held(&self) -> bool {
        self.held
    }

    /// Decides about a fault at `now` and takes note of it.
    pub fn fault(&mut self, now: u64) -> Verdict {
        self.forget_before(now);
        let restarts = self.times.len();
        if self.held || restarts >= self.policy.restarts || self.times.push_back(now).is_err() {
            self.held = true;
            return Verdict::Hold { restarts };
        }
        Verdict::Restart {
            nth: restarts.saturating_add(1),
        }
    }

    fn forget_before(&mut self, now: u64) {
        if self.policy.window == 0 {
            return;
        }
        while let Some(oldest) = self.times.front() {
            if now.saturating_sub(*oldest) < self.policy.window {
                return;
            }
            let _ = self.times.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_restart_after_the_last_is_a_hold_for_good() {
        let mut history = History::new(Policy {
            restarts: 2,
            window: 0,
        });
        assert_eq!(history.fault(1), Verdict::Restart { nth: 1 });
        assert_eq!(history.fault(2), Verdict::Restart { nth: 2 });
        assert_eq!(history.fault(3), Verdict::Hold { restarts: 2 });
        assert!(history.held());
        assert_eq!(history.fault(u64::MAX), Verdict::Hold { restarts: 2 });
    }

    #[test]
    fn restarts_outside_the_window_are_forgotten() {
        let mut history = History::new(Policy {
            restarts: 1,
            window: 100,
        });
        assert_eq!(history.fault(1000), Verdict::Restart { nth: 1 });
        assert_eq!(history.fault(1100), Verdict::Restart { nth: 1 });
        assert_eq!(history.fault(1199), Verdict::Hold { restarts: 1 });
    }

    #[test]
    fn a_clock_that_runs_backwards_frees_no_restart() {
        let mut history = History::new(Policy {
            restarts: 1,
            window: 100,
        });
        assert_eq!(history.fault(1000), Verdict::Restart { nth: 1 });
        assert_eq!(history.fault(5), Verdict::Hold { restarts: 1 });
    }

    #[test]
    fn no_restarts_means_hold_and_too_many_are_cut() {
        let none = Policy {
            restarts: 0,
            window: 0,
        };
        assert_eq!(History::new(none).fault(0), Verdict::Hold { restarts: 0 });
        let many = Policy {
            restarts: usize::MAX,
            window: 0,
        };
        let mut history = History::new(many);
        assert_eq!(history.policy().restarts, MAX_RESTARTS);
        for nth in 1..=MAX_RESTARTS {
            assert_eq!(history.fault(0), Verdict::Restart { nth });
        }
        assert!(matches!(history.fault(0), Verdict::Hold { .. }));
    }
}
