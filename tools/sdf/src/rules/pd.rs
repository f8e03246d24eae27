// SPDX-License-Identifier: BSD-2-Clause
//! Protection domains and their scheduling.

use super::{Context, Rule, Severity};
use crate::board::Board;
use crate::diag::Diagnostic;
use crate::model::MIN_BUDGET_US;
use crate::span::{Span, Spanned};

/// A system has at least one protection domain.
pub static NONE: Rule = Rule {
    id: "pd-none",
    severity: Severity::Error,
    law: "A system has at least one protection domain",
    why: "There would be nothing to run",
    fix: "add a <protection_domain>",
};

/// A system has at most 63 protection domains.
pub static TOO_MANY: Rule = Rule {
    id: "pd-too-many",
    severity: Severity::Error,
    law: "A system has at most 63 protection domains",
    why: "The monitor keeps their names in a table of 63",
    fix: "merge protection domains or build two systems",
};

/// Priorities are 0 to 254.
pub static PRIORITY: Rule = Rule {
    id: "priority-range",
    severity: Severity::Error,
    law: "Priorities are 0 to 254",
    why: "255 belongs to the monitor; Microkit silently keeps only the low 8 bits of a virtual machine’s priority",
    fix: "use a priority from 0 to 254",
};

/// A budget is at most its period.
pub static BUDGET: Rule = Rule {
    id: "budget-period",
    severity: Severity::Error,
    law: "A budget is at most its period",
    why: "A thread cannot run for longer than the time there is",
    fix: "lower the budget or raise the period",
};

/// A budget is at least 20 microseconds.
pub static BUDGET_MIN: Rule = Rule {
    id: "budget-minimum",
    severity: Severity::Error,
    law: "A budget is at least 20 microseconds",
    why: "The kernel refuses less than two kernel entries’ worth; the initialiser then stops and nothing boots",
    fix: "raise the budget to 20 or more",
};

/// A period fits the kernel's clock.
pub static PERIOD_MAX: Rule = Rule {
    id: "period-maximum",
    severity: Severity::Error,
    law: "A period fits the kernel’s clock: at most 2^64 ticks divided by eight",
    why: "The kernel refuses more; the initialiser then stops and nothing boots",
    fix: "lower the period",
};

/// A stack is 4 KiB to 16 MiB, in multiples of 4 KiB.
pub static STACK: Rule = Rule {
    id: "stack-size",
    severity: Severity::Error,
    law: "A stack is 4 KiB to 16 MiB, in multiples of 4 KiB",
    why: "It is made of whole pages below a fixed address",
    fix: "round the size up to a multiple of 0x1000",
};

/// A thread runs on a core that the kernel uses.
pub static CPU: Rule = Rule {
    id: "cpu-range",
    severity: Severity::Error,
    law: "A thread runs on a core that the kernel uses",
    why: "The kernel configurations without smp- use one core",
    fix: "use a lower core number or an smp- configuration",
};

/// Exactly the children of a protection domain have an id.
pub static ROOT_ID: Rule = Rule {
    id: "child-id",
    severity: Severity::Error,
    law: "Exactly the children of a protection domain have an id",
    why: "The id is what a parent knows its child by",
    fix: "remove the attribute or move the protection domain into its parent",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[
    &NONE,
    &TOO_MANY,
    &PRIORITY,
    &BUDGET,
    &BUDGET_MIN,
    &PERIOD_MAX,
    &STACK,
    &CPU,
    &ROOT_ID,
];

/// Applies this group.
pub(super) fn check(cx: &mut Context<'_>) {
    let system = cx.system;
    if system.pds.is_empty() {
        let start = cx.out.source.text.find("<system").unwrap_or(0);
        let span = Span::new(start, start + "<system".len());
        cx.out.push(Diagnostic::new(
            &NONE,
            span,
            "there is no protection domain",
        ));
    }
    for pd in &system.pds {
        budget(cx, pd.budget_us, pd.period_us);
        stack(cx, pd.stack_size);
        core(cx, pd.cpu);
        if let Some(vm) = &pd.virtual_machine {
            budget(cx, vm.budget_us, vm.period_us);
            vm.vcpus
                .iter()
                .filter_map(|vcpu| vcpu.cpu)
                .for_each(|cpu| core(cx, cpu));
        }
    }
}

fn budget(cx: &mut Context<'_>, budget: Spanned<u64>, period: Spanned<u64>) {
    if budget.value > period.value {
        let message = format!("budget {} exceeds period {}", budget.value, period.value);
        let item = Diagnostic::new(&BUDGET, budget.span, message);
        cx.out.push(item.also(period.span, "period"));
    }
    if let Some(most) = cx
        .board
        .map(longest_period)
        .filter(|most| period.value > *most)
    {
        let message = format!("period {} is above {most}", period.value);
        cx.out
            .push(Diagnostic::new(&PERIOD_MAX, period.span, message));
    }
    if budget.value < MIN_BUDGET_US {
        let message = format!("budget {} is below {MIN_BUDGET_US}", budget.value);
        cx.out
            .push(Diagnostic::new(&BUDGET_MIN, budget.span, message));
    }
}

fn stack(cx: &mut Context<'_>, size: Spanned<u64>) {
    if !(0x1000..=0x100_0000).contains(&size.value) || !size.value.is_multiple_of(0x1000) {
        let message = format!("a stack of {:#x} bytes", size.value);
        cx.out.push(Diagnostic::new(&STACK, size.span, message));
    }
}

fn core(cx: &mut Context<'_>, cpu: Spanned<u8>) {
    let cores = cx.cores();
    if cores.is_some_and(|cores| cpu.value >= cores) {
        let message = format!("core {} of {}", cpu.value, cores.unwrap_or_default());
        cx.out.push(Diagnostic::new(&CPU, cpu.span, message));
    }
}

/// Longest period in microseconds: the kernel computes in ticks of 64 bits, and in kilohertz where
/// the clock is no whole number of megahertz (seL4 `MAX_PERIOD_US`).
const fn longest_period(board: &Board) -> u64 {
    let hz = board.timer_hz;
    let unit = if hz.is_multiple_of(1_000_000) {
        hz / 1_000_000
    } else {
        hz / 1000
    };
    match u64::MAX.checked_div(unit) {
        Some(most) => most / 8,
        None => u64::MAX,
    }
}
