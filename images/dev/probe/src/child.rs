// SPDX-License-Identifier: BSD-2-Clause
//! Vectors of a native thread.

use crate::report::Report;
use crate::svc::{self, Message, RELEASE};

/// The child's TCB.
const CHILD: u64 = 202 + 1;
/// The child's notification.
const CHANNEL: u64 = 10 + 3;
const BADGE: u64 = 1 << 62 | 1;
const STACK: u64 = 0xff_ffff_e000;
const SPSR: u64 = if RELEASE { 0x6000_0140 } else { 0x6000_0040 };
/// Number of the unknown system call that ends an action.
const DONE: u64 = (-200_i64).cast_unsigned();

const VM_FAULT: u64 = 6;
const VCPU_FAULT: u64 = 8;

macro_rules! addresses {
    ($($name:ident $at:ident,)*) => {
        unsafe extern "C" {
            $(static $name: u8; static $at: u8;)*
            static child_done: u8;
            static child_data: u8;
        }
        mod address {
            $(pub(super) fn $name() -> (u64, u64) {
                (&raw const super::$name as u64, &raw const super::$at as u64)
            })*
            pub(super) fn child_done() -> u64 {
                &raw const super::child_done as u64
            }
            pub(super) fn child_data() -> u64 {
                &raw const super::child_data as u64
            }
        }
    };
}

addresses! {
    act_cntvct act_cntvct_at,
    act_dc_zva act_dc_zva_at,
    act_store_unmapped act_store_unmapped_at,
    act_store_text act_store_text_at,
    act_execute_data act_execute_data_at,
    act_brk act_brk_at,
    act_unknown act_unknown_at,
    act_undefined act_undefined_at,
    act_hvc act_hvc_at,
    act_smc act_smc_at,
    act_id_register act_id_register_at,
    act_fp act_fp_at,
    act_daif act_daif_at,
    act_pmccntr act_pmccntr_at,
    act_cntv_ctl act_cntv_ctl_at,
    act_recv_empty act_recv_empty_at,
    act_send_guard act_send_guard_at,
    act_call_empty act_call_empty_at,
    act_suspend_empty act_suspend_empty_at,
    act_nb_recv act_nb_recv_at,
    act_nb_send_wait act_nb_send_wait_at,
    act_allowed act_allowed_at,
}

/// Starts the child at `entry` with a fresh context.
fn start(entry: u64) {
    svc::write_registers(
        CHILD,
        true,
        &[entry, STACK, 0xf_6000_03c5, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    );
}

fn act(entry: u64) -> Message {
    start(entry);
    svc::receive()
}

/// Runs all vectors of the child.
pub(crate) fn run(report: &mut Report) {
    svc::invoke(CHILD, svc::SUSPEND, &[]);
    traps(report);
    memory(report);
    exceptions(report);
    capabilities(report);
    calls(report);
    replies(report);
    registers(report);
}

fn traps(report: &mut Report) {
    let cases: [(&str, (u64, u64), u64); 7] = [
        ("T1 mrs cntvct_el0", address::act_cntvct(), 0x6234_f801),
        ("T2 dc zva", address::act_dc_zva(), 0x6212_dc08),
        ("T9 fp with fpu=false", address::act_fp(), 0x1fe0_0000),
        ("T10 msr daifset", address::act_daif(), 0x6207_93e4),
        ("T11 mrs pmccntr_el0", address::act_pmccntr(), 0x6230_e41b),
        ("T12 mrs cntv_ctl_el0", address::act_cntv_ctl(), 0x6232_f807),
        ("T6 brk", address::act_brk(), 0xf200_0123),
    ];
    for (name, (entry, at), hsr) in cases {
        let got = act(entry);
        if hsr == 0xf200_0123 && !RELEASE {
            report.message(name, BADGE, 4, &[at, 3], &got);
        } else {
            report.message(name, BADGE, VCPU_FAULT, &[hsr], &got);
        }
    }
}

fn memory(report: &mut Report) {
    let (entry, at) = address::act_store_unmapped();
    let words = [at, 0xbad0_0000, 0, 0x93c1_8045];
    report.message("T3 store to unmapped", BADGE, VM_FAULT, &words, &act(entry));
    let (entry, at) = address::act_store_text();
    let words = [at, 0x20_0000, 0, 0x9381_004f];
    report.message("T4 store to own text", BADGE, VM_FAULT, &words, &act(entry));
    let (entry, _) = address::act_execute_data();
    let data = address::child_data();
    let words = [data, data, 1, 0x8200_000f];
    report.message("T5 execute data", BADGE, VM_FAULT, &words, &act(entry));
}

fn exceptions(report: &mut Report) {
    let (entry, at) = address::act_unknown();
    let number = (-100_i64).cast_unsigned();
    let words = [1, 2, 3, 0, 0, 0, 7, number, at, STACK, at + 4, SPSR, number];
    report.message("T7 unknown system call", BADGE, 2, &words, &act(entry));
    let cases = [
        ("T8 undefined instruction", address::act_undefined()),
        ("T8 hvc", address::act_hvc()),
        ("T8 smc", address::act_smc()),
        ("T8 id register", address::act_id_register()),
    ];
    for (name, (entry, at)) in cases {
        report.message(
            name,
            BADGE,
            3,
            &[at, STACK, SPSR, 0x0200_0000, 0],
            &act(entry),
        );
    }
}

fn capabilities(report: &mut Report) {
    let (entry, at) = address::act_recv_empty();
    report.message(
        "T13 recv on empty slot",
        BADGE,
        1,
        &[at, 50, 1, 2, 0],
        &act(entry),
    );
    let (entry, at) = address::act_send_guard();
    let words = [at, 1 << 40, 0, 4, 58, 0, 49];
    report.message("T24 send to bad guard", BADGE, 1, &words, &act(entry));
}

/// Actions that end in `child_done`, and the x0..x5 that they must leave.
fn calls(report: &mut Report) {
    let cases = [
        (
            "T14 call to empty slot",
            address::act_call_empty(),
            [0, 0x2001, 0, 0, 0, 0],
        ),
        (
            "T15 suspend on empty slot",
            address::act_suspend_empty(),
            [0, 0x2001, 0, 0, 0, 0],
        ),
        (
            "T25 nbrecv without message",
            address::act_nb_recv(),
            [0, 11, 12, 13, 14, 15],
        ),
    ];
    for (name, (entry, _), words) in cases {
        let got = act(entry);
        finished(report, name, &words, &got);
    }
    let got = act(address::act_allowed().0);
    let ok = [
        u64::from(got.words[8] == address::child_done()),
        got.words[0],
    ];
    report.check("T16 allowed instructions", &[1, 0x77], &ok);
    let got = act(address::act_nb_send_wait().0);
    report.check("T26 nbsendwait signals", &[1 << 3], &[got.badge]);
    svc::signal(CHANNEL);
    let got = svc::receive();
    finished(report, "T26 nbsendwait waits", &[1 << 4, 0], &got);
}

/// Checks the final system call of an action: its place and number, and the registers it reports.
fn finished(report: &mut Report, name: &str, words: &[u64], got: &Message) {
    let [a, b, c, d, e, f, _, _, ip, _, _, _, number] = got.words;
    let seen = [got.badge, got.label(), ip, number, a, b, c, d, e, f];
    let mut expected = [0; 10];
    expected[..4].copy_from_slice(&[BADGE, 2, address::child_done(), DONE]);
    expected[4..4 + words.len()].copy_from_slice(words);
    let used = 4 + words.len();
    report.check(name, &expected[..used], &seen[..used]);
}

fn replies(report: &mut Report) {
    let (entry, at) = address::act_unknown();
    act(entry);
    let got = svc::reply_receive(&[5, 6, 7, 8, 9, 10, 11, 12, at + 4, STACK, 0, 0]);
    let name = "R1 unknown system call continued by its reply";
    finished(report, name, &[5, 6, 7, 8, 9, 11], &got);
    let (entry, at) = address::act_store_unmapped();
    act(entry);
    svc::write_registers(CHILD, false, &[at + 4]);
    let got = svc::reply_receive(&[]);
    report.check(
        "R2 fault continued at a new pc",
        &[2, address::child_done()],
        &[got.label(), got.words[8]],
    );
    act(entry);
    let got = svc::reply_receive(&[]);
    report.check(
        "R3 fault repeated after an empty reply",
        &[VM_FAULT, at],
        &[got.label(), got.words[0]],
    );
}

fn registers(report: &mut Report) {
    let reply = svc::invoke(CHILD, svc::READ_REGISTERS, &[0, 3]);
    let (_, at) = address::act_store_unmapped();
    let got = [reply.info, reply.words[0], reply.words[1], reply.words[2]];
    report.check("R4 read registers", &[3, at, STACK, SPSR], &got);
    let reply = svc::invoke(CHILD, svc::READ_REGISTERS, &[0, 0]);
    report.check(
        "R5 read 0 registers",
        &[0x4002, 1, 36],
        &[reply.info, reply.words[0], reply.words[1]],
    );
    let reply = svc::invoke(CHILD, svc::WRITE_REGISTERS, &[0, 2, 0]);
    report.check("R6 write without words", &[0x7000], &[reply.info]);
    let reply = svc::invoke(CHILD, svc::READ_REGISTERS, &[0]);
    report.check("R7 read without count", &[0x7000], &[reply.info]);
    svc::invoke(CHILD, svc::SUSPEND, &[]);
}
