// SPDX-License-Identifier: BSD-2-Clause
//! Fault messages and replies to them.

use super::*;
use crate::fault::MAX_WORDS;

const BADGE: u64 = 1 << 62 | 1;
const SPSR_DEBUG: u64 = 0x40;

/// Parent 0 waiting, child 1 running at 0x200000.
fn family(release: bool) -> Rig {
    let child = Thread {
        fault_to: Some((0, BADGE)),
        ..thread(10)
    };
    let mut spec = standard(&[thread(20), child]);
    spec.caps.push((0, 203, devimage::CAP_TCB, 1, 0));
    spec.release = release;
    let mut rig = rig(&spec);
    rig.recv();
    rig
}

fn message(rig: &Rig) -> (u64, Vec<u64>) {
    let info = rig.x(0)[1];
    assert_eq!(rig.x(0)[0], BADGE);
    let length = usize::try_from(info & 0x7f).unwrap();
    (
        info >> 12,
        (0..length)
            .map(|index| rig.message_word(id(0), index))
            .collect(),
    )
}

#[test]
fn each_exception_has_its_label_and_words() {
    let ip = 0x20_0000;
    let debug: &[(u64, u64, u64, Vec<u64>)] = &[
        (
            0x93c1_8045,
            0xbad0_0000,
            6,
            vec![ip, 0xbad0_0000, 0, 0x93c1_8045],
        ),
        (0x8200_000f, 0, 6, vec![ip, ip, 1, 0x8200_000f]),
        (0x0200_0000, 0, 3, vec![ip, 0, SPSR_DEBUG, 0x0200_0000, 0]),
        (0xf200_0123, 0, 4, vec![ip, 3]),
        (0xc200_0022, 0, 4, vec![ip, 1, ip, 0]),
        (0xca00_0022, 0, 4, vec![ip, 2]),
        (0xd200_0022, 0x1234, 4, vec![ip, 0, 0x1234, 0]),
        (0x1fe0_0000, 0, 8, vec![0x1fe0_0000]),
        (0x6234_f801, 0, 8, vec![0x6234_f801]),
    ];
    for (esr, far, label, words) in debug {
        let mut rig = family(false);
        rig.enter_sync(*esr, *far);
        assert_eq!(message(&rig), (*label, words.clone()), "esr {esr:#x}");
    }
    for esr in [0xf200_0123, 0xc200_0022, 0xca00_0022, 0xd200_0022] {
        let mut rig = family(true);
        rig.enter_sync(esr, 0);
        assert_eq!(message(&rig), (8, vec![esr]), "esr {esr:#x}");
    }
}

#[test]
fn an_unknown_system_call_reports_and_takes_back_registers() {
    let mut rig = family(false);
    rig.svc(-100, &[1, 2, 3, 4, 5, 6], 7, 8);
    let number = (-100_i64).cast_unsigned();
    let ip = 0x20_0000;
    let words = vec![
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        number,
        ip,
        0,
        ip + 4,
        SPSR_DEBUG,
        number,
    ];
    assert_eq!((words.len(), message(&rig)), (MAX_WORDS, (2, words)));
    for (index, value) in [
        (4, 15),
        (5, 16),
        (6, 17),
        (7, 18),
        (8, 0x9000),
        (9, 0x8000),
        (10, 1),
        (11, 0xffff_ffff),
    ] {
        rig.set_message_word(id(0), index, value);
    }
    rig.svc(REPLY_RECV, &[1, info(0, 12), 11, 12, 13, 14], 4, 0);
    let context = rig.tcbs[id(1)].context;
    assert_eq!(context.x[..8], [11, 12, 13, 14, 15, 16, 17, 18]);
    assert_eq!(
        (context.elr, context.sp, context.spsr),
        (0x9000, 0x8000, 0xf000_0040)
    );
    assert_eq!(rig.running(), Some(1));
}

#[test]
fn the_label_of_a_reply_decides_for_some_faults_only() {
    // (esr, restarts with label 1)
    for (esr, restarts) in [
        (0x0200_0000, false),
        (0xf200_0123, false),
        (0x93c1_8045, true),
        (0x5e00_0003, true),
    ] {
        for label in [0, 1] {
            let mut rig = family(false);
            rig.enter_sync(esr, 0);
            rig.svc(REPLY_RECV, &[1, info(label, 0)], 4, 0);
            let expected = if label == 0 || restarts {
                State::Running
            } else {
                State::Inactive
            };
            assert_eq!(rig.state(1), expected, "esr {esr:#x} label {label}");
        }
    }
}

#[test]
fn capability_faults_name_the_phase_and_the_lookup() {
    let cases: &[(i64, &[u64], u64, Vec<u64>)] = &[
        (RECV, &[50], 4, vec![0x20_0000, 50, 1, 2, 0]),
        (
            RECV,
            &[1 << 40],
            4,
            vec![0x20_0000, 1 << 40, 1, 4, 58, 0, 49],
        ),
        (RECV, &[1], 50, vec![0x20_0000, 50, 1, 2, 0]),
        (RECV, &[1], 6, vec![0x20_0000, 6, 1, 2, 0]),
        (SEND, &[512, 0], 0, vec![0x20_0000, 512, 0, 4, 58, 0, 49]),
        (
            CALL,
            &[1 << 57, 0],
            0,
            vec![0x20_0000, 1 << 57, 0, 4, 58, 0, 49],
        ),
    ];
    for (call, x, x6, words) in cases {
        let mut rig = family(false);
        rig.svc(*call, x, *x6, 0);
        assert_eq!(message(&rig), (1, words.clone()), "{call} {x:x?}");
    }
}

#[test]
fn what_does_not_block_does_not_fault() {
    let mut rig = family(false);
    rig.svc(NB_SEND, &[1 << 40, 0], 0, 0);
    rig.svc(SEND, &[50, 0], 0, 0);
    assert_eq!(rig.running(), Some(1));
    rig.svc(CALL, &[50, 0, 9], 0, 0);
    assert_eq!(rig.x(1)[..3], [0, info(2, 1), 0]);
}

#[test]
fn a_fault_that_nobody_answers_leaves_the_thread_stopped_until_it_is_resumed() {
    let mut rig = family(false);
    rig.enter_sync(0x93c1_8045, 0);
    rig.recv();
    assert_eq!(rig.state(1), State::Inactive);
    let notification = rig.tcbs[id(0)].notification.unwrap();
    rig.signal(notification, 1);
    rig.leave();
    rig.svc(CALL, &[203, info(13, 0)], 0, 0);
    rig.recv();
    assert_eq!(
        (rig.running(), rig.tcbs[id(1)].context.elr),
        (Some(1), 0x20_0000)
    );
}

#[test]
fn the_monitor_prints_faults_of_root_domains() {
    let mut rig = rig(&standard(&[thread(20)]));
    rig.enter_sync(0x93c1_8045, 0xbad0_0000);
    assert_eq!(rig.running(), None);
    let printed = rig.printed();
    for line in [
        "MON|ERROR: received message 0x00000006  badge: 0x0000000000000001  tcb cap: 0x000000000000000a\n",
        "MON|ERROR: faulting PD: a\n",
        "pc : 0x0000000000200000\n",
        "MON|ERROR: VMFault: ip=0x0000000000200000  fault_addr=0x00000000bad00000  fsr=0x0000000093c18045  (data fault)\n",
    ] {
        assert!(printed.contains(line), "{line} missing in {printed}");
    }
}

#[test]
fn debug_calls_exist_in_the_debug_configuration_only() {
    let mut rig = family(false);
    rig.svc(-12, &[u64::from(b'x') | 0x100], 0, 0);
    rig.svc(-15, &[4], 0, 0);
    assert_eq!(rig.x(1)[0], 8);
    assert!(rig.printed().ends_with('x'));
    rig.svc(-14, &[], 0, 0);
    assert!(rig.machine.halted);
    let mut rig = family(true);
    rig.svc(-12, &[u64::from(b'x')], 0, 0);
    assert_eq!(message(&rig).0, 2);
}
