// SPDX-License-Identifier: BSD-2-Clause
//! Budgets, and interrupts from the physical timer, which QEMU boards give to PDs.

use crate::report::Report;
use crate::svc;
use core::arch::asm;

/// The spinner's scheduling context: root slot 5.
const SPINNER: u64 = 5 << 58;
const IRQ: u64 = 138 + 5;
const BADGE: u64 = 1 << 5;
const MILLISECONDS: u64 = 200;

fn frequency() -> u64 {
    let value;
    // SAFETY: only reads a register.
    unsafe { asm!("mrs {}, cntfrq_el0", out(reg) value) };
    value
}

/// Sleeps until the timer interrupt arrives; returns its badge.
fn sleep(ms: u64) -> u64 {
    let ticks = frequency() / 1000 * ms;
    // SAFETY: the physical timer is this PD's; the interrupt is handled below.
    unsafe {
        asm!("msr cntp_tval_el0, {}", "msr cntp_ctl_el0, {}", "isb", in(reg) ticks, in(reg) 1_u64)
    };
    let badge = svc::receive().badge;
    // SAFETY: as above.
    unsafe { asm!("msr cntp_ctl_el0, {}", "isb", in(reg) 0_u64) };
    svc::invoke(IRQ, svc::IRQ_ACK, &[]);
    badge
}

/// Runs all vectors of time.
pub(crate) fn run(report: &mut Report) {
    svc::yield_now();
    svc::invoke(IRQ, svc::IRQ_ACK, &[]);
    report.check("I1 timer interrupt", &[BADGE], &[sleep(1)]);
    report.check("I2 timer interrupt after ack", &[BADGE], &[sleep(1)]);
    svc::invoke(SPINNER, svc::SC_CONSUMED, &[]);
    sleep(MILLISECONDS);
    let reply = svc::invoke(SPINNER, svc::SC_CONSUMED, &[]);
    report.check("S1 consumed replies one word", &[1], &[reply.info]);
    let percent = reply.words[0] / (MILLISECONDS * 10);
    // One tenth of the processor. The machine under QEMU may be held up itself, at either thread's expense.
    let throttled = (2..=30).contains(&percent);
    report.check(
        "S2 budget 1 ms of 10 ms",
        &[1, percent],
        &[u64::from(throttled), percent],
    );
}
