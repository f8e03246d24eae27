// SPDX-License-Identifier: BSD-2-Clause
//! Time: who runs when, for how long, and whether everybody gets what is promised.
//!
//! Answers BH-33.

use serde::Serialize;

use crate::system::{Role, System, Thread};

/// A thread's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// The thread.
    pub thread: String,
    /// What it is.
    pub role: Role,
    /// Core.
    pub core: u64,
    /// Domain.
    pub domain: u8,
    /// Priority; greater goes first.
    pub priority: u8,
    /// Microseconds per period; none: it has no time of its own.
    pub budget: Option<u64>,
    /// Microseconds.
    pub period: Option<u64>,
    /// Whether it gives its time away once it is up, and runs on its callers' (passive).
    pub passive: bool,
    /// Whether it is held to its budget: the budget is smaller than the period.
    pub limited: bool,
    /// Share of its core in millionths, if it is limited.
    pub share: Option<u64>,
    /// Microseconds after which it has had its whole budget, at worst; none: no bound, because
    /// somebody of the same or a higher priority is not limited, there is too little time, or domains
    /// take turns, which this does not analyse.
    pub response: Option<u64>,
}

/// A core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Core {
    /// Its number.
    pub core: u64,
    /// Sum of the shares of its limited threads, in millionths.
    pub share: u64,
    /// Threads that may take whatever is left, by name.
    pub unlimited: Vec<String>,
}

/// The time of all threads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// Threads by core, then priority from the highest, then name.
    pub slices: Vec<Slice>,
    /// Cores in order.
    pub cores: Vec<Core>,
    /// Domain schedule: domain and how long, as the kernel gets it.
    pub domains: Vec<(u8, String)>,
}

/// A limited thread as the analysis sees it: at most `budget` in every `period`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// Priority; greater goes first.
    pub priority: u8,
    /// Microseconds per period.
    pub budget: u64,
    /// Microseconds.
    pub period: u64,
}

/// Computes the schedule.
#[must_use]
pub fn schedule(system: &System) -> Schedule {
    let threads = system.threads.iter();
    let mut slices: Vec<Slice> = threads.map(|thread| slice(system, thread)).collect();
    slices.sort_by(|a, b| {
        let key = |s: &Slice| (s.core, u8::MAX - s.priority);
        key(a).cmp(&key(b)).then_with(|| a.thread.cmp(&b.thread))
    });
    let mut numbers: Vec<u64> = slices.iter().map(|slice| slice.core).collect();
    numbers.dedup();
    let cores = numbers
        .into_iter()
        .map(|number| core(number, &slices))
        .collect();
    let domains = system
        .domains
        .iter()
        .map(|(domain, long)| (*domain, format!("{long:?}")));
    Schedule {
        slices,
        cores,
        domains: domains.collect(),
    }
}

fn slice(system: &System, thread: &Thread) -> Slice {
    let time = thread.time;
    let limited = time.is_some_and(|time| time.budget < time.period);
    Slice {
        thread: thread.name.clone(),
        role: thread.role,
        core: thread.core,
        domain: thread.domain,
        priority: thread.priority,
        budget: time.map(|time| time.budget),
        period: time.map(|time| time.period),
        passive: thread.passive,
        limited,
        share: time
            .filter(|_| limited)
            .map(|time| share(time.budget, time.period)),
        response: time.and_then(|time| {
            let own = Server {
                priority: thread.priority,
                budget: time.budget,
                period: time.period,
            };
            (competes(thread) && system.domains.is_empty())
                .then(|| response(own, &rivals(system, thread)?))?
        }),
    }
}

/// Who may keep `thread` from running; none if somebody among them is not limited.
fn rivals(system: &System, thread: &Thread) -> Option<Vec<Server>> {
    let rivals = system.threads.iter().filter(|other| {
        other.tcb != thread.tcb
            && other.core == thread.core
            && other.priority >= thread.priority
            && competes(other)
    });
    rivals.map(as_limited).collect()
}

/// Whether a thread takes time from others while the system runs. The monitor runs only when
/// something has gone wrong; passive domains run on their callers' time.
fn competes(thread: &Thread) -> bool {
    thread.role != Role::Monitor && thread.time.is_some() && !thread.passive
}

/// A thread that is held to its budget; none for others.
fn as_limited(thread: &Thread) -> Option<Server> {
    let time = thread.time.filter(|time| time.budget < time.period)?;
    Some(Server {
        priority: thread.priority,
        budget: time.budget,
        period: time.period,
    })
}

/// Millionths, rounded up.
fn share(budget: u64, period: u64) -> u64 {
    let share = (u128::from(budget) * 1_000_000).div_ceil(u128::from(period.max(1)));
    u64::try_from(share).unwrap_or(u64::MAX)
}

fn core(number: u64, slices: &[Slice]) -> Core {
    let here = || {
        slices
            .iter()
            .filter(|slice| slice.core == number && !slice.passive && slice.role != Role::Monitor)
    };
    Core {
        core: number,
        share: here()
            .filter_map(|slice| slice.share)
            .fold(0, u64::saturating_add),
        unlimited: here()
            .filter(|slice| slice.budget.is_some() && !slice.limited)
            .map(|slice| slice.thread.clone())
            .collect(),
    }
}

/// Microseconds until `own` has had its budget when `others`, of the same or a higher priority, all
/// ask for theirs at the same time (Joseph and Pandya 1986). None if that takes longer than its period.
///
/// The kernel's servers never give more than the budget in any period (constant bandwidth, no extra
/// refills: sel4-abi.md 9.2), so that each counts like a periodic task. Blocking by lower priorities does
/// not occur: there are no locks, and calls go upwards only.
#[must_use]
pub fn response(own: Server, others: &[Server]) -> Option<u64> {
    let mut now = own.budget;
    loop {
        let mut next = own.budget;
        for other in others {
            let times = now.div_ceil(other.period.max(1));
            next = next.checked_add(times.checked_mul(other.budget)?)?;
        }
        if next > own.period {
            return None;
        }
        if next == now {
            return Some(now);
        }
        now = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(budget: u64, period: u64) -> Server {
        Server {
            priority: 0,
            budget,
            period,
        }
    }

    /// Worked by hand; the first three are the example of Burns and Wellings, chapter on response
    /// time analysis: periods 7, 12, 20 and times 3, 3, 5 give 3, 6 and 20.
    // Shows BH-33.
    #[test]
    fn responses_are_those_worked_by_hand() {
        let (a, b, c) = (server(3, 7), server(3, 12), server(5, 20));
        assert_eq!(response(a, &[]), Some(3));
        assert_eq!(response(b, &[a]), Some(6));
        // 5; 5+3+3=11; 5+2*3+3=14; 5+2*3+2*3=17; 5+3*3+2*3=20; 5+3*3+2*3=20.
        assert_eq!(response(c, &[a, b]), Some(20));
        assert_eq!(response(server(5, 19), &[a, b]), None);
        // 1, 2, 3 of 4, 6, 12: 1; 2+1=3; 3+1+2=6 -> 3+2+2=7 -> 3+2+4=9 -> 3+3+4=10 -> 10.
        let (a, b, c) = (server(1, 4), server(2, 6), server(3, 12));
        assert_eq!(response(b, &[a]), Some(3));
        assert_eq!(response(c, &[a, b]), Some(10));
        // A full core: 2 of 4 and 2 of 4 fit exactly, 3 of 4 do not.
        assert_eq!(response(server(2, 4), &[server(2, 4)]), Some(4));
        assert_eq!(response(server(3, 4), &[server(2, 4)]), None);
    }

    #[test]
    fn absurd_numbers_have_no_response() {
        assert_eq!(response(server(u64::MAX, u64::MAX), &[server(1, 1)]), None);
        assert_eq!(response(server(1, u64::MAX), &[server(u64::MAX, 1)]), None);
        assert_eq!(response(server(1, 10), &[server(1, 0)]), None);
        assert_eq!(share(1, 3), 333_334);
        assert_eq!(share(u64::MAX, 1), u64::MAX);
    }
}
