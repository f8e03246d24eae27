// SPDX-License-Identifier: BSD-2-Clause
//! Vectors of a guest with one virtual CPU.

use crate::report::Report;
use crate::svc::{self, Message, RELEASE};

const TCB: u64 = 266 + 2;
const VCPU: u64 = 330 + 2;
const BADGE: u64 = 1 << 62 | 2;
/// Guest memory as the parent sees it, and as the guest does.
const MEMORY: usize = 0x400_0000;
const GUEST: u64 = 0x4000_0000;
/// EL1h, everything masked.
const SPSR: u64 = 0x3c5;

const SCTLR: u64 = 0;
const ESR: u64 = 11;
const CNTV_CTL: u64 = 20;
const SCTLR_RESET: u64 = 0x34d5_8820;

macro_rules! labels {
    ($($name:ident,)*) => {
        unsafe extern "C" {
            static guest_start: u8;
            static guest_end: u8;
            $(static $name: u8;)*
        }
        mod address {
            $(pub(super) fn $name() -> u64 {
                super::GUEST + (&raw const super::$name as u64 - &raw const super::guest_start as u64)
            })*
        }
    };
}

labels! {
    guest_put,
    guest_unknown,
    guest_unknown_report,
    guest_call,
    guest_send,
    guest_smc,
    guest_wfi,
    guest_load,
    guest_ready,
    guest_irq,
    guest_spin_end,
    guest_debug,
    guest_brk,
}

/// Continues the guest behind the instruction at which it stopped.
fn advance(pc: u64) -> Message {
    svc::write_registers(TCB, false, &[pc + 4]);
    svc::reply_receive(&[])
}

/// Answers an unknown system call so that the guest continues behind it.
fn proceed(got: &Message) -> Message {
    let mut words = [0; 9];
    words.copy_from_slice(&got.words[..9]);
    words[8] += 4;
    svc::reply_receive(&words)
}

/// Runs all vectors of the guest.
pub(crate) fn run(report: &mut Report) {
    let reply = svc::invoke(VCPU, svc::VCPU_READ, &[SCTLR]);
    report.check(
        "V1 sctlr after reset",
        &[1, SCTLR_RESET],
        &[reply.info, reply.words[0]],
    );
    let reply = svc::invoke(VCPU, svc::VCPU_READ, &[24]);
    report.check(
        "V2 no such register",
        &[0x1001, 1],
        &[reply.info, reply.words[0]],
    );
    let reply = svc::invoke(VCPU, svc::VCPU_INJECT, &[4 << 32 | 40]);
    report.check(
        "V3 no such list register",
        &[0x4002, 0, 3],
        &[reply.info, reply.words[0], reply.words[1]],
    );
    load();
    svc::write_registers(TCB, true, &[GUEST, 0, SPSR]);
    let got = hypercalls(report, svc::receive());
    let got = exits(report, &got);
    let got = interrupts(report, &got);
    last(report, &got);
}

fn load() {
    let start = &raw const guest_start;
    let size = &raw const guest_end as usize - start as usize;
    for offset in 0..size {
        // SAFETY: the code lies in this program; the guest's memory is mapped there, is larger, and the guest is not
        // running.
        unsafe {
            (MEMORY as *mut u8)
                .add(offset)
                .write_volatile(start.add(offset).read())
        };
    }
    // SAFETY: barriers and maintenance of instruction memory.
    unsafe { core::arch::asm!("dsb sy", "isb") };
}

fn hypercalls(report: &mut Report, first: Message) -> Message {
    let mut got = first;
    if RELEASE {
        // Both characters are unknown system calls there.
        report.check(
            "F1 hvc debugputchar",
            &[2, address::guest_put()],
            &[got.label(), got.words[8]],
        );
        got = proceed(&got);
        got = proceed(&got);
    }
    let number = (-100_i64).cast_unsigned();
    let seen = [
        got.badge,
        got.label(),
        got.words[0],
        got.words[8],
        got.words[12],
    ];
    let expected = [BADGE, 2, 1, address::guest_unknown(), number];
    report.check("F2 hvc unknown", &expected, &seen);
    let report_number = (-104_i64).cast_unsigned();
    let pc = address::guest_unknown();
    let got = svc::reply_receive(&[21, 22, 23, 24, 25, 26, 27, report_number, pc + 4]);
    let seen = [got.words[0], got.words[5], got.words[7], got.words[8]];
    let expected = [21, 26, report_number, address::guest_unknown_report()];
    report.check("F2 reply sets x0..x7 and pc", &expected, &seen);
    let got = proceed(&got);
    let seen = [got.label(), got.words[8], got.words[0], got.words[1]];
    report.check(
        "F3 hvc call on an empty slot",
        &[2, address::guest_call(), 0, 0x2001],
        &seen,
    );
    proceed(&got)
}

fn exits(report: &mut Report, got: &Message) -> Message {
    let pc = address::guest_send();
    report.message(
        "F4 hvc send to bad guard",
        BADGE,
        1,
        &[pc, 1 << 40, 0, 4, 64, 0, 55],
        got,
    );
    let got = advance(pc);
    report.message("F5 smc", BADGE, 8, &[0x5e00_0003], &got);
    let got = advance(address::guest_smc());
    report.message("F6 wfi", BADGE, 8, &[0x07e0_0000], &got);
    let got = advance(address::guest_wfi());
    let words = [address::guest_load(), 0x5000_0018, 0, 0x93c0_8006];
    report.message("F7 load from nowhere", BADGE, 6, &words, &got);
    advance(address::guest_load())
}

fn interrupts(report: &mut Report, got: &Message) -> Message {
    report.check(
        "F8 gicv ready",
        &[2, address::guest_ready()],
        &[got.label(), got.words[8]],
    );
    let reply = svc::invoke(VCPU, svc::VCPU_INJECT, &[40]);
    report.check("F8 inject", &[0], &[reply.info]);
    let got = proceed(got);
    report.message("F9 vgic maintenance", BADGE, 7, &[0], &got);
    let got = svc::reply_receive(&[]);
    let seen = [got.label(), got.words[8], got.words[0]];
    report.check(
        "F8 injected interrupt",
        &[2, address::guest_irq(), 40],
        &seen,
    );
    let got = proceed(&got);
    report.message("F10 virtual timer", BADGE, 9, &[27], &got);
    let reply = svc::invoke(VCPU, svc::VCPU_READ, &[CNTV_CTL]);
    report.check("F10 timer state", &[1, 5], &[reply.info, reply.words[0]]);
    let reply = svc::invoke(VCPU, svc::VCPU_ACK, &[26]);
    report.check(
        "F11 ack of another interrupt",
        &[0x1001, 0],
        &[reply.info, reply.words[0]],
    );
    let reply = svc::invoke(VCPU, svc::VCPU_ACK, &[27]);
    report.check("F11 ack", &[0], &[reply.info]);
    let got = svc::reply_receive(&[]);
    report.message("F11 timer again after ack", BADGE, 9, &[27], &got);
    svc::invoke(VCPU, svc::VCPU_WRITE, &[CNTV_CTL, 0]);
    svc::invoke(VCPU, svc::VCPU_ACK, &[27]);
    svc::write_registers(TCB, false, &[address::guest_spin_end()]);
    svc::reply_receive(&[])
}

fn last(report: &mut Report, got: &Message) {
    let mut got = *got;
    // seL4's debug kernel confines them to the guest instead; for the others the image's entry sets the traps.
    if !cfg!(feature = "sel4") || cfg!(feature = "labels-release") {
        report.message("D1 debug registers trap", BADGE, 8, &[0x6224_0005], &got);
        got = advance(address::guest_debug());
    }
    report.message(
        "F12 brk without vectors",
        BADGE,
        6,
        &[0x200, 0x200, 1, 0x8200_0006],
        &got,
    );
    let reply = svc::invoke(VCPU, svc::VCPU_READ, &[ESR]);
    report.check(
        "F12 esr_el1",
        &[1, 0xf200_0007],
        &[reply.info, reply.words[0]],
    );
    svc::invoke(TCB, svc::SUSPEND, &[]);
    let _ = address::guest_brk();
}
