// SPDX-License-Identifier: BSD-2-Clause
//! The domain schedule.

use super::{Context, Rule, Severity};
use crate::diag::Diagnostic;
use crate::model::{Domains, MAX_SCHEDULE};
use crate::span::Span;
use std::collections::HashMap;

/// <domains> comes before the first protection domain.
pub static ORDER: Rule = Rule {
    id: "domain-order",
    severity: Severity::Error,
    law: "<domains> comes before the first protection domain",
    why: "Microkit reads the file in order and would ignore the domain of what came before",
    fix: "move <domains> to the top",
};

/// Domain ids are 0 to 15 and unique.
pub static ID: Rule = Rule {
    id: "domain-id",
    severity: Severity::Error,
    law: "Domain ids are 0 to 15 and unique",
    why: "The kernel is built with 16 domains",
    fix: "use a free id from 0 to 15, or none",
};

/// There are at most 16 domains.
pub static TOO_MANY: Rule = Rule {
    id: "domain-too-many",
    severity: Severity::Error,
    law: "There are at most 16 domains",
    why: "The kernel is built with 16",
    fix: "remove a domain",
};

/// A duration is a non-zero number, a space, and us or ticks.
pub static DURATION: Rule = Rule {
    id: "domain-duration",
    severity: Severity::Error,
    law: "A duration is a non-zero number, a space, and us or ticks",
    why: "The kernel needs a length it can count",
    fix: "write for example \"1000 us\"",
};

/// The schedule has entries, its start lies inside, and with index_shift it fits the kernel’s 100.
pub static SCHEDULE: Rule = Rule {
    id: "domain-schedule",
    severity: Severity::Error,
    law: "The schedule has entries, its start lies inside, and with index_shift it fits the kernel’s 100",
    why: "The kernel would refuse it at boot",
    fix: "correct start_index, index_shift or the number of entries",
};

/// With <domains>, every protection domain names its domain; without, none does.
pub static ASSIGNED: Rule = Rule {
    id: "domain-assigned",
    severity: Severity::Error,
    law: "With <domains>, every protection domain names its domain; without, none does",
    why: "A protection domain outside every domain would never run, or in one that nobody intended",
    fix: "add or remove the attribute `domain`",
};

/// A domain schedule needs a kernel that uses one core.
pub static MULTICORE: Rule = Rule {
    id: "domain-multicore",
    severity: Severity::Error,
    law: "A domain schedule needs a kernel that uses one core",
    why: "The kernels for several cores are built with a single domain",
    fix: "remove <domains> or use a configuration without smp-",
};

/// Virtual machines stay in domain 0, whatever the domain of their monitor.
pub static GUEST: Rule = Rule {
    id: "domain-vm",
    severity: Severity::Warning,
    law: "With <domains>, virtual machines run in domain 0 only",
    why: "Microkit 2.3.0 gives their threads no domain, so they run in domain 0 and not when their monitor does",
    fix: "give domain 0 time in the schedule, or do without a domain schedule",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[
    &ORDER, &ID, &TOO_MANY, &DURATION, &SCHEDULE, &ASSIGNED, &MULTICORE, &GUEST,
];

/// Applies this group.
pub(super) fn check(cx: &mut Context<'_>) {
    for pd in &cx.system.pds {
        match (&cx.system.domains, &pd.domain) {
            (Some(_), None) => {
                let message = format!("`{}` is in no domain", pd.name.value);
                cx.out.push(Diagnostic::new(&ASSIGNED, pd.span, message));
            }
            (None, Some(domain)) => {
                let message = "there is no domain schedule";
                cx.out
                    .push(Diagnostic::new(&ASSIGNED, domain.span, message));
            }
            _ => {}
        }
    }
    if let Some(domains) = &cx.system.domains {
        if let Some(cores) = cx.cores().filter(|cores| *cores > 1) {
            let message = format!("a domain schedule on {cores} cores");
            cx.out
                .push(Diagnostic::new(&MULTICORE, domains.span, message));
        }
        guests(cx);
        unique_ids(cx, domains);
        schedule(cx, domains);
    }
}

fn unique_ids(cx: &mut Context<'_>, domains: &Domains) {
    let mut seen: HashMap<u8, Span> = HashMap::new();
    for domain in domains.domains.iter().filter(|domain| domain.explicit) {
        if let Some(first) = seen.get(&domain.id.value) {
            let message = format!("two domains have id {}", domain.id.value);
            let item = Diagnostic::new(&ID, domain.id.span, message);
            cx.out.push(item.also(*first, "first one"));
        } else {
            seen.insert(domain.id.value, domain.id.span);
        }
    }
}

fn schedule(cx: &mut Context<'_>, domains: &Domains) {
    let length = domains.schedule.len();
    if length >= MAX_SCHEDULE {
        let message = format!("{length} schedule entries");
        cx.out
            .push(Diagnostic::new(&SCHEDULE, domains.span, message));
    }
    let inside = |index: u64| usize::try_from(index).is_ok_and(|index| index < length);
    match domains.start_index {
        None if length == 0 => {
            cx.out.push(Diagnostic::new(
                &SCHEDULE,
                domains.span,
                "the schedule is empty",
            ));
        }
        Some(start) if !inside(start.value) => {
            let message = format!("start_index {} of {length} entries", start.value);
            cx.out.push(Diagnostic::new(&SCHEDULE, start.span, message));
        }
        _ => {}
    }
    if let Some(shift) = domains.index_shift {
        let last = usize::try_from(shift.value)
            .ok()
            .and_then(|shift| shift.checked_add(length));
        if last.is_none_or(|last| last >= MAX_SCHEDULE) {
            let message = format!("index_shift {} with {length} entries", shift.value);
            cx.out.push(Diagnostic::new(&SCHEDULE, shift.span, message));
        }
    }
}

fn guests(cx: &mut Context<'_>) {
    for pd in &cx.system.pds {
        let outside = pd.domain.as_ref().filter(|_| pd.virtual_machine.is_some());
        if let (Some(domain), Some(vm)) = (outside, &pd.virtual_machine) {
            let message = format!(
                "`{}` does not run in domain `{}`",
                vm.name.value, domain.value
            );
            let item = Diagnostic::new(&GUEST, vm.name.span, message);
            cx.out.push(item.also(domain.span, "its monitor’s domain"));
        }
    }
}
