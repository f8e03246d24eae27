// SPDX-License-Identifier: BSD-2-Clause
//! Whether the distribution says what it seems to say: references, slots, badges, numbers.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Outcome};
use crate::report::Facts;
use crate::spec::{Duration, Kind};
use crate::subjects::{Way, uses};
use crate::system::{Held, Role, System, Thread, badge, cptr};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "structure",
        law: "every capability leads to an object of its kind, from a slot that exists and is filled once",
        reason: "the kernel takes slot numbers modulo the table's size, so that slot 100 of 64 is slot 36; the SDK's tool does not check it",
        run: structure,
    },
    Check {
        id: "slot-kind",
        law: "a capability space holds what the slot numbers are for, and nothing else",
        reason: "the SDK's tool does not check child ids, so that a large one lands among other kinds; and nobody should hold what has no use",
        run: slot_kind,
    },
    Check {
        id: "badge-sender",
        law: "a badge tells one sender from all others",
        reason: "a receiver knows who spoke by the badge alone",
        run: badge_sender,
    },
    Check {
        id: "badge-form",
        law: "badges have the form that receivers decode: a bit for a notification, marked ids for calls and faults",
        reason: "a receiver that decodes another id serves the wrong peer",
        run: badge_form,
    },
    Check {
        id: "channel-ends",
        law: "a channel id leads to one peer, and the peer's id leads back",
        reason: "otherwise a reply goes to somebody else",
        run: channel_ends,
    },
    Check {
        id: "number-range",
        law: "budgets, periods, priorities, domains and cores are within what the kernel takes",
        reason: "the SDK's tool does not check all of them; the initialiser then stops at boot, or the kernel truncates the number",
        run: number_range,
    },
];

fn structure(facts: &Facts<'_>) -> Outcome {
    let system = &facts.system;
    let count = system.objects.len();
    Outcome::breaches(
        system.defects.clone(),
        format!("{count} objects, all references resolve"),
    )
}

fn pds(system: &System) -> impl Iterator<Item = &Thread> {
    system
        .threads
        .iter()
        .filter(|thread| thread.role == Role::Pd)
}

fn slot_kind(facts: &Facts<'_>) -> Outcome {
    let system = &facts.system;
    let mut lines = Vec::new();
    let mut count = 0;
    for thread in &system.threads {
        count += thread.caps.len();
        for held in thread
            .caps
            .iter()
            .filter(|held| !has_place(system, thread, held))
        {
            let (kind, what) = (held.kind, system.name(held.object));
            lines.push(format!(
                "{}: {}: {kind:?} {what}",
                thread.name,
                Way::Cap(held.cptr)
            ));
        }
    }
    Outcome::breaches(
        lines,
        format!("{count} capabilities in the slots for their kind"),
    )
}

/// Whether the slot is one for this kind of capability.
fn has_place(system: &System, thread: &Thread, held: &Held) -> bool {
    let kind = held.kind;
    match thread.role {
        Role::Vcpu => false,
        Role::Monitor => matches!(
            (kind, held.cptr),
            (Kind::Endpoint, cptr::INPUT)
                | (Kind::Reply, 2)
                | (
                    Kind::Tcb | Kind::SchedContext | Kind::Notification,
                    cptr::NOTIFY..
                )
        ),
        Role::Pd => match held.cptr {
            cptr::INPUT => matches!(kind, Kind::Endpoint | Kind::Notification) && held.badge == 0,
            cptr::FAULT => kind == Kind::Endpoint && same_fault(thread, held),
            cptr::VSPACE => Some(held.object) == thread.vspace,
            cptr::REPLY => kind == Kind::Reply,
            cptr::MONITOR => kind == Kind::Endpoint && is_monitors(system, held),
            cptr::SELF => held.object == thread.tcb,
            cptr::SMC => kind == Kind::Smc,
            at if at >> cptr::ROOT_SHIFT != 0 => {
                matches!(kind, Kind::Tcb | Kind::SchedContext | Kind::PageTable)
            }
            at if kind == Kind::Tcb => {
                let wanted = if at < cptr::VM_TCB {
                    Role::Pd
                } else {
                    Role::Vcpu
                };
                let target = system.thread_of_tcb(held.object);
                in_range(at, kind) && target.is_some_and(|id| system.threads[id].role == wanted)
            }
            at => in_range(at, kind),
        },
    }
}

/// Whether slots for this kind are there.
fn in_range(at: u64, kind: Kind) -> bool {
    let range = |first: u64| first..first + cptr::IDS;
    RANGES
        .iter()
        .any(|(first, of)| *of == kind && range(*first).contains(&at))
}

const RANGES: [(u64, Kind); 6] = [
    (cptr::NOTIFY, Kind::Notification),
    (cptr::CALL, Kind::Endpoint),
    (cptr::IRQ, Kind::Irq),
    (cptr::CHILD, Kind::Tcb),
    (cptr::VM_TCB, Kind::Tcb),
    (cptr::VCPU, Kind::VCpu),
];

fn same_fault(thread: &Thread, held: &Held) -> bool {
    thread
        .fault
        .is_some_and(|fault| (fault.object, fault.badge) == (held.object, held.badge))
}

fn is_monitors(system: &System, held: &Held) -> bool {
    let monitor = system
        .monitor()
        .and_then(|monitor| system.threads.get(monitor));
    monitor.is_some_and(|monitor| {
        monitor
            .caps
            .iter()
            .any(|own| own.cptr == cptr::INPUT && own.object == held.object)
    })
}

fn badge_sender(facts: &Facts<'_>) -> Outcome {
    let (system, subjects) = (&facts.system, &facts.subjects);
    let mut senders: BTreeMap<(usize, u64), BTreeSet<String>> = BTreeMap::new();
    for one in uses(system, subjects) {
        if one.channel.badge != 0 && one.channel.rights.write {
            let name = system.threads[one.thread].name.clone();
            senders
                .entry((one.channel.object, one.channel.badge))
                .or_default()
                .insert(name);
        }
    }
    for irq in &system.irqs {
        if let Some(signal) = irq.notification {
            let name = format!("interrupt {}", irq.number);
            senders
                .entry((signal.object, signal.badge))
                .or_default()
                .insert(name);
        }
    }
    let lines =
        senders
            .iter()
            .filter(|(_, names)| names.len() > 1)
            .map(|((object, badge), names)| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                format!(
                    "{} badge {badge:#x}: {}",
                    system.name(*object),
                    names.join(", ")
                )
            });
    let count = senders.len();
    Outcome::breaches(
        lines.collect::<Vec<_>>(),
        format!("{count} badges, one sender each"),
    )
}

fn badge_form(facts: &Facts<'_>) -> Outcome {
    let system = &facts.system;
    let is_signal = |badge: u64| badge.is_power_of_two() && badge < 1 << cptr::IDS;
    let mut lines = Vec::new();
    for thread in pds(system) {
        for held in &thread.caps {
            let range = |first: u64| (first..first + cptr::IDS).contains(&held.cptr);
            let good = match held.kind {
                Kind::Notification if range(cptr::NOTIFY) => is_signal(held.badge),
                Kind::Endpoint if range(cptr::CALL) => {
                    held.badge & badge::CALL != 0 && held.badge & !badge::CALL < cptr::IDS
                }
                _ => true,
            };
            if !good {
                lines.push(format!(
                    "{}: {}: badge {:#x}",
                    thread.name,
                    Way::Cap(held.cptr),
                    held.badge
                ));
            }
        }
    }
    lines.extend(fault_badges(system));
    for irq in &system.irqs {
        if irq
            .notification
            .is_some_and(|signal| !is_signal(signal.badge))
        {
            lines.push(format!(
                "interrupt {}: its badge is no single bit",
                irq.number
            ));
        }
    }
    Outcome::breaches(lines, "every badge has its form")
}

/// Faults at a parent carry the mark and the child's id; at the monitor a plain number.
fn fault_badges(system: &System) -> Vec<String> {
    let receivers = system.receivers_meant();
    let threads = system
        .threads
        .iter()
        .filter_map(|thread| Some((thread, thread.fault?)));
    let bad = threads.filter(|(_, fault)| match receivers.get(&fault.object) {
        None => true,
        Some(handler) if system.threads[*handler].role == Role::Monitor => {
            fault.badge == 0 || fault.badge >> 8 != 0
        }
        Some(_) => fault.badge & badge::FAULT == 0 || fault.badge & !badge::FAULT >= cptr::IDS,
    });
    bad.map(|(thread, fault)| {
        format!(
            "{}: faults with badge {:#x} at {}",
            thread.name,
            fault.badge,
            system.name(fault.object)
        )
    })
    .collect()
}

fn channel_ends(facts: &Facts<'_>) -> Outcome {
    if facts.channels.is_empty() && facts.channel_defects.is_empty() {
        return Outcome::Nothing("there are no channels");
    }
    let count = facts.channels.len();
    Outcome::breaches(
        facts.channel_defects.clone(),
        format!("{count} channels, two ends each"),
    )
}

/// Microseconds: twice the kernel's worst case (sel4-abi.md 9.2).
const MIN_BUDGET: u64 = 20;
/// Priority of the monitor and the initialiser.
const MONITOR_PRIORITY: u8 = 255;
const DOMAINS: u8 = 16;
const DOMAIN_ENTRIES: usize = 100;

fn number_range(facts: &Facts<'_>) -> Outcome {
    let (system, cores) = (&facts.system, facts.inputs.platform.cores);
    let mut lines = Vec::new();
    for thread in &system.threads {
        let wrong = time_of(thread).into_iter().chain(place_of(thread, cores));
        lines.extend(wrong.map(|what| format!("{}: {what}", thread.name)));
    }
    lines.extend(domains_of(system));
    let count = system.threads.len();
    Outcome::breaches(lines, format!("{count} threads within bounds"))
}

/// What is wrong with a thread's budget and period.
fn time_of(thread: &Thread) -> Vec<String> {
    let Some(time) = thread.time else {
        let lacks = thread.role != Role::Monitor;
        return lacks
            .then(|| "has no time".to_owned())
            .into_iter()
            .collect();
    };
    let (budget, period) = (time.budget, time.period);
    let small = budget < MIN_BUDGET;
    let small = small.then(|| format!("budget {budget} µs is below {MIN_BUDGET} µs"));
    let large = budget > period;
    let large = large.then(|| format!("budget {budget} µs exceeds the period {period} µs"));
    small.into_iter().chain(large).collect()
}

/// What is wrong with a thread's priority, core and domain.
fn place_of(thread: &Thread, cores: u64) -> Vec<String> {
    let (priority, most) = (thread.priority, thread.max_priority);
    let (core, domain, starts) = (thread.core, thread.domain, thread.starts);
    let trusted = thread.role == Role::Monitor;
    let rules = [
        (
            trusted || priority < MONITOR_PRIORITY,
            format!("priority {priority} is the monitor's"),
        ),
        (
            priority == most,
            format!("priority {priority}, but may give {most}"),
        ),
        (domain < DOMAINS, format!("domain {domain}")),
        (core < cores, format!("core {core} of {cores}")),
        (
            starts == (thread.role != Role::Vcpu),
            format!("starts by itself: {starts}"),
        ),
    ];
    rules
        .into_iter()
        .filter(|(good, _)| !good)
        .map(|(_, what)| what)
        .collect()
}

/// What is wrong with the domain schedule.
fn domains_of(system: &System) -> Vec<String> {
    let mut lines = Vec::new();
    let entries = system.domains.len();
    if entries > DOMAIN_ENTRIES {
        lines.push(format!("{entries} entries in the domain schedule"));
    }
    let zero = |d: &Duration| matches!(d, Duration::Ticks(0) | Duration::Us(0));
    let bad = system
        .domains
        .iter()
        .filter(|(domain, d)| *domain >= DOMAINS || zero(d));
    lines.extend(
        bad.map(|(domain, _)| format!("domain schedule: an impossible entry for domain {domain}")),
    );
    lines
}
