// SPDX-License-Identifier: BSD-2-Clause
//! Budgets: the two replenishments of a scheduling context (sel4-abi §9.2). Times and amounts are timer ticks.

/// An amount of execution time and when it becomes available.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refill {
    /// Absolute time from which the amount may be used.
    pub time: u64,
    /// Execution time.
    pub amount: u64,
}

impl Refill {
    fn end(self) -> u64 {
        self.time.saturating_add(self.amount)
    }
}

/// The replenishments of one scheduling context, constant-bandwidth or round robin.
///
/// Round robin (`period == 0`): `head` is what is left of the slice, `tail` what was used.
/// Constant bandwidth: `head` is in use, `tail` (if any) follows it in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refills {
    /// Current replenishment.
    pub head: Refill,
    /// The next one.
    pub tail: Option<Refill>,
    /// Ticks between using an amount and having it again; 0 = round robin.
    pub period: u64,
}

impl Refills {
    /// The whole budget, available from `now`; `budget == period` means round robin.
    pub fn new(budget: u64, period: u64, now: u64) -> Self {
        let round_robin = budget >= period;
        Self {
            head: Refill {
                time: now,
                amount: budget,
            },
            tail: round_robin.then_some(Refill {
                time: now,
                amount: 0,
            }),
            period: if round_robin { 0 } else { period },
        }
    }

    /// Whether the context is a time slice that is never throttled.
    pub fn round_robin(&self) -> bool {
        self.period == 0
    }

    /// Whether the head may be used at `now`.
    pub fn ready(&self, now: u64) -> bool {
        self.head.time <= now
    }

    /// Whether the head, charged with `usage`, still covers `min_budget`.
    pub fn sufficient(&self, usage: u64, min_budget: u64) -> bool {
        self.head.amount.saturating_sub(usage) >= min_budget
    }

    /// Sum of all amounts; constant over the life of the context.
    pub fn sum(&self) -> u64 {
        self.head.amount + self.tail.map_or(0, |tail| tail.amount)
    }

    /// Charges `usage`, which the head covers with `min_budget` to spare, without ending the slice.
    pub fn commit(&mut self, usage: u64, min_budget: u64) {
        match &mut self.tail {
            Some(tail) if self.period == 0 => {
                let usage = usage.min(self.head.amount);
                self.head.amount -= usage;
                tail.amount += usage;
            }
            _ => self.charge(usage, min_budget),
        }
    }

    /// Ends the slice: round robin gets a full new one, constant bandwidth is charged `usage`.
    pub fn expire(&mut self, usage: u64, min_budget: u64) {
        match &mut self.tail {
            Some(tail) if self.period == 0 => {
                self.head.amount += tail.amount;
                tail.amount = 0;
            }
            _ => self.charge(usage, min_budget),
        }
    }

    /// Constant bandwidth only: a context that gets the processor at `now` starts its period now.
    pub fn unblock(&mut self, now: u64) {
        if self.round_robin() || !self.ready(now) {
            return;
        }
        self.head.time = now;
        if let Some(tail) = self.tail
            && tail.time <= self.head.end()
        {
            self.head.amount += tail.amount;
            self.tail = None;
        }
    }

    fn charge(&mut self, mut usage: u64, min_budget: u64) {
        // Each turn moves a whole refill one period into the future, so the loop ends once the usage is covered.
        while self.head.amount <= usage {
            usage -= self.head.amount;
            let used = Refill {
                time: self.head.time.saturating_add(self.period),
                ..self.head
            };
            match self.tail.take() {
                None => self.head = used,
                Some(tail) => {
                    self.head = tail;
                    self.schedule(used);
                }
            }
        }
        if usage > 0 {
            let used = Refill {
                time: self.head.time.saturating_add(self.period),
                amount: usage,
            };
            self.head = Refill {
                time: self.head.time + usage,
                amount: self.head.amount - usage,
            };
            self.schedule(used);
        }
        if self.head.amount < min_budget
            && let Some(tail) = self.tail.take()
        {
            self.head = Refill {
                time: tail.time.saturating_sub(self.head.amount),
                amount: tail.amount + self.head.amount,
            };
        }
    }

    /// Adds `used` behind the last refill: merged if they touch or there is no room, in which case the last one is
    /// delayed so that both end together.
    fn schedule(&mut self, used: Refill) {
        match &mut self.tail {
            None if self.head.end() >= used.time => self.head.amount += used.amount,
            None => self.tail = Some(used),
            Some(tail) if tail.end() >= used.time => tail.amount += used.amount,
            Some(tail) => {
                tail.time = used.time.saturating_sub(tail.amount);
                tail.amount += used.amount;
            }
        }
    }
}
