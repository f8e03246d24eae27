// SPDX-License-Identifier: BSD-2-Clause
//! Time: everybody gets what is promised, and nobody waits for ever.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Outcome};
use crate::channels::calls;
use crate::report::Facts;
use crate::system::{Role, Thread};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "core-share",
        law: "the budgets of a core's threads add up to no more than the core",
        reason: "budgets are limits, not promises: beyond that, those that come first by priority can have theirs, and others have what is left",
        run: core_share,
    },
    Check {
        id: "response-time",
        law: "every limited thread can have its whole budget within its period",
        reason: "otherwise the budget is a wish; calculated for fixed priorities as if all asked at once",
        run: response_time,
    },
    Check {
        id: "time-limit",
        law: "every thread's budget is smaller than its period",
        reason: "with equal numbers, the default, the kernel sets no limit: the thread takes what it wants from all below it",
        run: time_limit,
    },
    Check {
        id: "call-priority",
        law: "calls go from lower to higher priorities",
        reason: "otherwise a caller is held up by everybody in between",
        run: call_priority,
    },
    Check {
        id: "call-cycle",
        law: "no chain of calls leads back to its start",
        reason: "everybody on it would wait for itself",
        run: call_cycle,
    },
    Check {
        id: "vcpu-core",
        law: "a virtual CPU runs on the core of its monitor",
        reason: "the kernel does not support it otherwise (seL4#1645)",
        run: vcpu_core,
    },
    Check {
        id: "vm-domain",
        law: "a virtual CPU is in the domain of its monitor",
        reason: "Microkit 2.3.0 leaves virtual CPUs in domain 0 (microkit#594), so that the guest runs in another's time",
        run: vm_domain,
    },
];

fn percent(share: u64) -> String {
    format!("{}.{:02} %", share / 10_000, share % 10_000 / 100)
}

fn core_share(facts: &Facts<'_>) -> Outcome {
    let cores = &facts.schedule.cores;
    let full = cores.iter().filter(|core| core.share > 1_000_000);
    let lines = full.map(|core| format!("core {}: {}", core.core, percent(core.share)));
    let shares: Vec<String> = cores
        .iter()
        .map(|core| format!("core {}: {}", core.core, percent(core.share)))
        .collect();
    // As with threads that have no limit at all: the integrator may want it so.
    Outcome::residuals(lines.collect::<Vec<_>>(), shares.join(", "))
}

fn response_time(facts: &Facts<'_>) -> Outcome {
    if !facts.system.domains.is_empty() {
        return Outcome::Nothing("domains take turns, which this analysis does not cover");
    }
    let limited: Vec<_> = facts
        .schedule
        .slices
        .iter()
        .filter(|s| s.limited && !s.passive && s.role != Role::Monitor)
        .collect();
    if limited.is_empty() {
        return Outcome::Nothing("no thread is limited");
    }
    let late = limited.iter().filter(|slice| slice.response.is_none());
    let lines = late.map(|slice| {
        let (budget, period) = (slice.budget.unwrap_or(0), slice.period.unwrap_or(0));
        format!(
            "{}: {budget} µs in {period} µs cannot be kept at priority {}",
            slice.thread, slice.priority
        )
    });
    // An unlimited thread above is reported by time-limit, budgets beyond the core by core-share:
    // whether the time is really taken is not known here.
    let lines: Vec<String> = lines.collect();
    let unbounded = facts
        .schedule
        .cores
        .iter()
        .any(|core| !core.unlimited.is_empty() || core.share > 1_000_000);
    let text = limited
        .iter()
        .map(|s| format!("{}: {} µs", s.thread, s.response.unwrap_or(0)));
    let text = text.collect::<Vec<_>>().join(", ");
    match unbounded {
        true => Outcome::residuals(lines, text),
        false => Outcome::breaches(lines, text),
    }
}

fn time_limit(facts: &Facts<'_>) -> Outcome {
    let lines = facts
        .schedule
        .cores
        .iter()
        .filter(|core| !core.unlimited.is_empty());
    let lines = lines.map(|core| {
        format!(
            "core {}: no limit for {}",
            core.core,
            core.unlimited.join(", ")
        )
    });
    Outcome::residuals(lines.collect::<Vec<_>>(), "all threads are limited")
}

fn thread<'a>(facts: &'a Facts<'_>, name: &str) -> Option<&'a Thread> {
    facts.system.thread(name)
}

fn call_priority(facts: &Facts<'_>) -> Outcome {
    let calls = calls(&facts.channels);
    if calls.is_empty() {
        return Outcome::Nothing("nobody calls");
    }
    let wrong = calls.iter().filter_map(|(from, to)| {
        let (from, to) = (thread(facts, from)?, thread(facts, to)?);
        (from.priority >= to.priority).then(|| {
            format!(
                "{} ({}) calls {} ({})",
                from.name, from.priority, to.name, to.priority
            )
        })
    });
    Outcome::breaches(
        wrong.collect::<Vec<_>>(),
        format!("{} calls, all upwards", calls.len()),
    )
}

fn call_cycle(facts: &Facts<'_>) -> Outcome {
    let calls = calls(&facts.channels);
    if calls.is_empty() {
        return Outcome::Nothing("nobody calls");
    }
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in &calls {
        next.entry(from).or_default().insert(to);
    }
    let lines = next.keys().filter(|start| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![**start]);
        while let Some(at) = open.pop() {
            let further = next.get(at).into_iter().flatten();
            open.extend(further.filter(|name| seen.insert(**name)));
        }
        seen.contains(**start)
    });
    let lines: Vec<String> = lines
        .map(|name| format!("{name} calls itself through others"))
        .collect();
    Outcome::breaches(lines, "no cycle")
}

/// Virtual CPUs with the threads that handle their faults.
fn vcpus<'a>(facts: &'a Facts<'_>) -> Vec<(&'a Thread, &'a Thread)> {
    let receivers = facts.system.receivers_meant();
    let vcpus = facts
        .system
        .threads
        .iter()
        .filter(|thread| thread.role == Role::Vcpu);
    let handler = |vcpu: &Thread| receivers.get(&vcpu.fault?.object).copied();
    vcpus
        .filter_map(|vcpu| Some((vcpu, &facts.system.threads[handler(vcpu)?])))
        .collect()
}

fn vcpu_core(facts: &Facts<'_>) -> Outcome {
    let vcpus = vcpus(facts);
    if vcpus.is_empty() {
        return Outcome::Nothing("there is no guest");
    }
    let apart = vcpus.iter().filter(|(vcpu, vmm)| vcpu.core != vmm.core);
    let lines = apart.map(|(vcpu, vmm)| {
        format!(
            "{} on core {}, {} on core {}",
            vcpu.name, vcpu.core, vmm.name, vmm.core
        )
    });
    Outcome::breaches(
        lines.collect::<Vec<_>>(),
        format!("{} virtual CPUs", vcpus.len()),
    )
}

fn vm_domain(facts: &Facts<'_>) -> Outcome {
    let vcpus = vcpus(facts);
    if vcpus.is_empty() || facts.system.domains.is_empty() {
        return Outcome::Nothing("no guest, or no domains");
    }
    let apart = vcpus.iter().filter(|(vcpu, vmm)| vcpu.domain != vmm.domain);
    let lines = apart.map(|(vcpu, vmm)| {
        format!(
            "{} in domain {}, {} in domain {}",
            vcpu.name, vcpu.domain, vmm.name, vmm.domain
        )
    });
    Outcome::breaches(
        lines.collect::<Vec<_>>(),
        format!("{} virtual CPUs", vcpus.len()),
    )
}
