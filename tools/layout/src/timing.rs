// SPDX-License-Identifier: BSD-2-Clause
//! Time: whether everybody who is promised a budget can have it, by fixed-priority response times.
//!
//! A promise is a limit that the layout states: of a guest, of a driver or service, of a plain protection
//! domain. Limits that come from manifests only protect others. Passive domains run on the time of
//! their callers. Domain schedules are not analysed.

use crate::criticality::Claims;
use crate::model::{Layout, Limits};
use crate::rules::{CLAIM, RESPONSE, SHARE};
use sdf::model::{ProtectionDomain, System};
use sdf::{Diagnostic, Diagnostics, Span};
use std::collections::{BTreeMap, BTreeSet};

/// A thread as the analysis sees it: at most `budget` in every `period`, both in microseconds; no limit
/// if they are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by tests and tools")]
pub struct Thread {
    /// Its name.
    pub name: String,
    /// Core that it runs on.
    pub core: u8,
    /// Greater goes first.
    pub priority: u8,
    /// Microseconds per period.
    pub budget: u64,
    /// Microseconds.
    pub period: u64,
}

impl Thread {
    /// Whether it is held to its budget.
    #[must_use]
    pub const fn is_limited(&self) -> bool {
        self.budget < self.period
    }
}

/// When a thread has had its budget, at worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Response<'a> {
    /// After so many microseconds, within its period.
    Within(u64),
    /// Not within its period: after so many microseconds, or later.
    Late(u64),
    /// Never for sure: this thread, of the same or a higher priority, has no limit.
    Unbounded(&'a Thread),
}

/// The response time of `own` among `all` threads: the smallest R with R = B + Σ ⌈R / Tj⌉ Bj over the
/// others of its core with the same or a higher priority (Joseph and Pandya, The Computer Journal 29(5),
/// 1986), which takes those of the same priority as if they always came first.
#[must_use]
pub fn response<'a>(own: &Thread, all: &'a [Thread]) -> Response<'a> {
    let rivals: Vec<&Thread> = all
        .iter()
        .filter(|other| other.core == own.core && other.priority >= own.priority)
        .filter(|other| other.name != own.name)
        .collect();
    if let Some(unlimited) = rivals.iter().find(|other| !other.is_limited()) {
        return Response::Unbounded(unlimited);
    }
    let mut time = own.budget;
    loop {
        let taken = rivals.iter().map(|other| {
            let times = time.div_ceil(other.period.max(1));
            times.saturating_mul(other.budget)
        });
        let next = taken.fold(own.budget, u64::saturating_add);
        if next > own.period {
            return Response::Late(next);
        }
        if next == time {
            return Response::Within(time);
        }
        time = next;
    }
}

/// Share of a core in millionths, rounded up.
#[must_use]
pub fn share(thread: &Thread) -> u64 {
    let (budget, period) = (u128::from(thread.budget), u128::from(thread.period.max(1)));
    u64::try_from((budget * 1_000_000).div_ceil(period)).unwrap_or(u64::MAX)
}

/// A thread of the system, and what is known of it.
struct Known {
    span: Span,
    /// Whose it is.
    subject: String,
    /// It is promised its budget.
    promised: bool,
}

/// Reports promises that cannot be kept.
pub(crate) fn check(
    layout: &Layout,
    system: &System,
    owners: &BTreeMap<String, String>,
    claims: &Claims,
    out: &mut Diagnostics,
) {
    if system.domains.is_some() {
        return;
    }
    let (threads, known) = threads(layout, system, owners);
    let full = shares(&threads, &known, out);
    for (thread, known) in threads.iter().zip(&known).filter(|(_, one)| one.promised) {
        let problem = match response(thread, &threads) {
            Response::Within(_) => continue,
            Response::Unbounded(other) => format!("`{}`, above it, has no limit", other.name),
            Response::Late(time) => format!(
                "it may have its {} us only after {time} us, and its period is {} us",
                thread.budget, thread.period
            ),
        };
        let message = format!("`{}`: {problem}", thread.name);
        if claims.is_critical(&known.subject) {
            out.push(Diagnostic::new(&CLAIM, known.span, message));
        } else if !full.contains(&thread.core) {
            out.push(Diagnostic::new(&RESPONSE, known.span, message));
        }
    }
}

/// All threads that compete, and what is known of each.
fn threads(
    layout: &Layout,
    system: &System,
    owners: &BTreeMap<String, String>,
) -> (Vec<Thread>, Vec<Known>) {
    let unpromised = unpromised(layout);
    let mut threads = Vec::new();
    let mut known = Vec::new();
    let mut add = |thread: Thread, span: Span, subject: &str, is_stated: bool| {
        known.push(Known {
            span,
            subject: subject.to_owned(),
            promised: thread.is_limited() && is_stated && !unpromised.contains(subject),
        });
        threads.push(thread);
    };
    for pd in &system.pds {
        let subject = owners.get(&pd.name.value).unwrap_or(&pd.name.value);
        let own = Thread {
            name: pd.name.value.clone(),
            core: pd.cpu.value,
            priority: pd.priority.value,
            budget: pd.budget_us.value,
            period: pd.period_us.value,
        };
        for (vcpu, span) in vcpus(pd) {
            add(vcpu, span, subject, true);
        }
        if !pd.passive.value {
            // A guest's limits are its vCPUs'.
            let serves = layout.guests.iter().any(|guest| *guest.name == *subject);
            add(own, pd.span, subject, !serves);
        }
    }
    (threads, known)
}

/// Guests without limits, and parts whose limits are their manifests'.
fn unpromised(layout: &Layout) -> BTreeSet<&str> {
    let guests = layout.guests.iter().filter(|guest| guest.is_unlimited());
    let stated = |limits: &Limits| limits.budget.is_some() || limits.period.is_some();
    let parts = layout.parts.iter().filter(|part| !stated(&part.limits));
    guests
        .map(|guest| guest.name.as_str())
        .chain(parts.map(|part| part.name.as_str()))
        .collect()
}

/// The vCPUs that `pd` monitors.
fn vcpus(pd: &ProtectionDomain) -> impl Iterator<Item = (Thread, Span)> {
    let machines = pd.virtual_machine.iter();
    machines.flat_map(|vm| {
        vm.vcpus.iter().map(|vcpu| {
            let number = match vm.vcpus.len() {
                1 => String::new(),
                _ => format!(".{}", vcpu.id.value),
            };
            let thread = Thread {
                name: format!("{}{number}", vm.name.value),
                core: vcpu.cpu.unwrap_or(pd.cpu).value,
                priority: vm.priority.value,
                budget: vm.budget_us.value,
                period: vm.period_us.value,
            };
            (thread, vm.span)
        })
    })
}

/// Reports cores whose promises add up to more than there is; they are the result.
fn shares(threads: &[Thread], known: &[Known], out: &mut Diagnostics) -> BTreeSet<u8> {
    let mut order: Vec<usize> = (0..threads.len())
        .filter(|at| known[*at].promised)
        .collect();
    order.sort_by_key(|at| std::cmp::Reverse(threads[*at].priority));
    let mut sums: BTreeMap<u8, u64> = BTreeMap::new();
    let mut first: BTreeMap<u8, usize> = BTreeMap::new();
    for at in order {
        let sum = sums.entry(threads[at].core).or_insert(0);
        *sum = sum.saturating_add(share(&threads[at]));
        if *sum > 1_000_000 {
            first.entry(threads[at].core).or_insert(at);
        }
    }
    for (core, at) in &first {
        let sum = sums.get(core).copied().unwrap_or(0);
        let message = format!(
            "the budgets on core {core} add up to {}.{} % of it; `{}` is the first that may go short",
            sum / 10_000,
            sum % 10_000 / 1_000,
            threads[*at].name
        );
        out.push(Diagnostic::new(&SHARE, known[*at].span, message));
    }
    first.into_keys().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(name: &str, priority: u8, budget: u64, period: u64) -> Thread {
        Thread {
            name: name.to_owned(),
            core: 0,
            priority,
            budget,
            period,
        }
    }

    /// Worked by hand. C = 1, 2, 3 in T = 4, 6, 10 (Lehoczky, Sha and Ding, RTSS 1989, use the like):
    /// R1 = 1. R2 = 2 + 1 = 3. R3: 3, 3+1+2 = 6, 3+2+2 = 7, 3+2+4 = 9, 3+3+4 = 10, 3+3+4 = 10.
    #[test]
    fn response_times_are_those_worked_by_hand() {
        let all = [
            thread("a", 3, 1, 4),
            thread("b", 2, 2, 6),
            thread("c", 1, 3, 10),
        ];
        let times: Vec<Response<'_>> = all.iter().map(|one| response(one, &all)).collect();
        let wanted = [1, 3, 10].map(Response::Within);
        assert_eq!(times, wanted);
    }

    /// The same with one more microsecond for the last: 4+1+2 = 7, 4+2+4 = 10, 4+3+4 = 11 > 10.
    #[test]
    fn one_microsecond_more_is_late() {
        let all = [
            thread("a", 3, 1, 4),
            thread("b", 2, 2, 6),
            thread("c", 1, 4, 10),
        ];
        assert_eq!(response(&all[2], &all), Response::Late(11));
    }

    #[test]
    fn threads_of_the_same_priority_count_and_those_of_other_cores_do_not() {
        let mut all = [
            thread("a", 1, 4, 10),
            thread("b", 1, 4, 10),
            thread("c", 0, 9, 10),
        ];
        assert_eq!(response(&all[0], &all), Response::Within(8));
        all[1].core = 1;
        assert_eq!(response(&all[0], &all), Response::Within(4));
        all[1].core = 0;
        all[1].budget = 10;
        assert_eq!(response(&all[0], &all), Response::Unbounded(&all[1]));
        assert_eq!(response(&all[1], &all[1..]), Response::Within(10));
    }

    #[test]
    fn a_full_core_ends_the_search() {
        let all = [thread("a", 2, 1, 2), thread("b", 1, 1, 2)];
        assert_eq!(response(&all[1], &all), Response::Within(2));
        let huge = [
            thread("a", 1, u64::MAX - 1, u64::MAX),
            thread("b", 0, 5, 10),
        ];
        assert!(matches!(response(&huge[1], &huge), Response::Late(_)));
    }

    #[test]
    fn shares_are_rounded_up() {
        assert_eq!(share(&thread("a", 0, 1, 3)), 333_334);
        assert_eq!(share(&thread("a", 0, 2, 5)), 400_000);
    }
}
