// SPDX-License-Identifier: BSD-2-Clause
//! Invocations of threads, IRQ handlers, address spaces and SMC.

use super::*;

const CHILD: u64 = 203;

/// Parent 0 (running) with everything a parent can have; child 1.
fn parent() -> Rig {
    let mut spec = standard(&[
        thread(20),
        Thread {
            fault_to: Some((0, 1 << 62 | 1)),
            ..thread(10)
        },
    ]);
    spec.caps.push((0, 203, devimage::CAP_TCB, 1, 0));
    spec.caps.push((0, 9, devimage::CAP_TCB, 0, 0));
    spec.caps.push((0, 3, devimage::CAP_VSPACE, 0, 0));
    spec.caps.push((0, 7, devimage::CAP_SMC, 0, 0));
    spec.caps.push((0, 138, devimage::CAP_IRQ, 0, 0));
    spec.caps.push((0, 1005, devimage::CAP_SCHED_CONTEXT, 1, 0));
    spec.irqs.push((33, 0, 1 << 2));
    rig(&spec)
}

/// Invokes and returns x0, x1 and the first words of the reply.
fn invoke(rig: &mut Rig, cptr: u64, label: u64, words: &[u64]) -> (u64, [u64; 4]) {
    for (index, word) in words.iter().enumerate().skip(4) {
        rig.set_message_word(id(0), index, *word);
    }
    let mut x = [cptr, info(label, words.len() as u64), 0, 0, 0, 0];
    for (to, from) in x[2..].iter_mut().zip(words) {
        *to = *from;
    }
    rig.svc(CALL, &x, 0, 0);
    assert_eq!((rig.running(), rig.x(0)[0]), (Some(0), 0));
    let [_, tag, a, b, c, d] = rig.x(0);
    (tag, [a, b, c, d])
}

#[test]
fn registers_are_written_and_read_in_abi_order() {
    let mut rig = parent();
    let mut words = vec![0, 36];
    words.extend((0..36).map(|word| 0x100 + word));
    assert_eq!(invoke(&mut rig, CHILD, 3, &words).0, 0);
    let context = rig.tcbs[id(1)].context;
    assert_eq!(
        (context.elr, context.sp, context.spsr),
        (0x100, 0x101, 0x40)
    );
    assert_eq!(
        (context.x[0], context.x[8], context.x[16]),
        (0x103, 0x10b, 0x10c)
    );
    assert_eq!(
        (context.x[29], context.x[30], context.x[9]),
        (0x10f, 0x110, 0x111)
    );
    assert_eq!(
        (context.x[28], context.tpidr, context.tpidrro),
        (0x121, 0x122, 0x123)
    );
    assert_eq!(invoke(&mut rig, CHILD, 2, &[0, 36]).0, 36);
    for word in (3..36).chain([0, 1]) {
        assert_eq!(rig.message_word(id(0), word), 0x100 + word as u64);
    }
}

#[test]
fn a_prefix_leaves_the_other_registers_alone() {
    let mut rig = parent();
    rig.tcbs[id(1)].context.sp = 7;
    let mut words = vec![0, 1, 0x5000];
    words.resize(38, 99);
    assert_eq!(invoke(&mut rig, CHILD, 3, &words).0, 0);
    assert_eq!(
        (rig.tcbs[id(1)].context.elr, rig.tcbs[id(1)].context.sp),
        (0x5000, 7)
    );
}

#[test]
fn bad_register_requests_are_refused() {
    let mut rig = parent();
    assert_eq!(invoke(&mut rig, CHILD, 2, &[0]).0, info(7, 0));
    assert_eq!(
        invoke(&mut rig, CHILD, 2, &[0, 0]),
        (info(4, 2), [1, 36, 0, 0])
    );
    assert_eq!(invoke(&mut rig, CHILD, 2, &[0, 37]).0, info(4, 2));
    assert_eq!(invoke(&mut rig, CHILD, 3, &[0, 2, 5]).0, info(7, 0));
    assert_eq!(invoke(&mut rig, 9, 2, &[0, 1]).0, info(3, 0));
    assert_eq!(invoke(&mut rig, 9, 3, &[0, 1, 1]).0, info(3, 0));
    assert_eq!(invoke(&mut rig, CHILD, 999, &[]).0, info(3, 0));
}

#[test]
fn suspend_and_resume() {
    let mut rig = parent();
    invoke(&mut rig, CHILD, 12, &[]);
    assert_eq!(rig.state(1), State::Inactive);
    invoke(&mut rig, CHILD, 13, &[]);
    assert_eq!(rig.state(1), State::Restart);
    rig.recv();
    assert_eq!(rig.running(), Some(1));
}

#[test]
fn flags_and_thread_pointer() {
    let mut rig = parent();
    assert_eq!(invoke(&mut rig, CHILD, 21, &[0, 3]), (1, [1, 3, 0, 0]));
    assert!(rig.tcbs[id(1)].fpu_disabled);
    assert_eq!(invoke(&mut rig, CHILD, 21, &[1, 0]).1[0], 0);
    assert_eq!(invoke(&mut rig, CHILD, 20, &[0x1234]).0, 0);
    assert_eq!(rig.tcbs[id(1)].context.tpidr, 0x1234);
}

#[test]
fn priority_needs_an_authority_in_the_first_extra_capability() {
    let mut rig = parent();
    assert_eq!(invoke(&mut rig, CHILD, 6, &[5]).0, info(7, 0));
    let buffer = rig.tcbs[id(0)].buffer.unwrap();
    rig.machine.buffer_write(buffer, 122, 9);
    rig.svc(CALL, &[CHILD, info(6, 1) | 1 << 7, 25], 0, 0);
    assert_eq!(rig.x(0)[1..4], [info(4, 2), 0, 20]);
    rig.svc(CALL, &[CHILD, info(6, 1) | 1 << 7, 15], 0, 0);
    assert_eq!((rig.x(0)[1], rig.tcbs[id(1)].priority), (0, 15));
}

#[test]
fn an_interrupt_is_masked_until_it_is_acknowledged() {
    let mut rig = parent();
    assert_eq!(rig.machine.masked.get(&33), Some(&false));
    rig.recv();
    rig.enter_irq(33);
    assert_eq!((rig.running(), rig.x(0)[0]), (Some(0), 1 << 2));
    assert_eq!(rig.machine.masked.get(&33), Some(&true));
    assert_eq!(invoke(&mut rig, 138, 31, &[]).0, 0);
    assert_eq!(rig.machine.masked.get(&33), Some(&false));
    assert_eq!(invoke(&mut rig, 138, 33, &[]).0, 0);
    rig.enter_irq(33);
    assert!(rig.printed().contains("Undelivered IRQ: 33"));
}

#[test]
fn labels_follow_the_configuration() {
    let mut spec = standard(&[thread(20)]);
    spec.caps.push((0, 138, devimage::CAP_IRQ, 0, 0));
    spec.irqs.push((33, 0, 1));
    spec.release = true;
    let mut rig = rig(&spec);
    assert_eq!(invoke(&mut rig, 138, 27, &[]).0, 0);
    assert_eq!(invoke(&mut rig, 138, 31, &[]).0, info(3, 0));
}

#[test]
fn cache_maintenance_stays_within_a_page() {
    let mut rig = parent();
    rig.machine.pages.insert(
        0x1000,
        Page {
            paddr: 0x7000_0000,
            size: 0x1000,
        },
    );
    assert_eq!(invoke(&mut rig, 3, 43, &[0x1040, 0x1080]).0, 0);
    assert_eq!(rig.machine.cache_ops, [(CacheOp::Clean, 0x7000_0040, 0x40)]);
    assert_eq!(invoke(&mut rig, 3, 43, &[0x1040]).0, info(7, 0));
    assert_eq!(
        invoke(&mut rig, 3, 44, &[0x1080, 0x1080]),
        (info(1, 1), [1, 0x1080, 0, 0])
    );
    assert_eq!(
        invoke(&mut rig, 3, 45, &[0x1040, 0x2040]),
        (info(4, 2), [0x1040, 0x1fff, 0, 0])
    );
    assert_eq!(invoke(&mut rig, 3, 46, &[0, 1 << 41]).0, info(3, 0));
    assert_eq!(invoke(&mut rig, 3, 43, &[0x1040, 0x1041]).0, 0);
    assert_eq!(invoke(&mut rig, 3, 43, &[0x10, 0x20]).0, 0);
    assert_eq!(rig.machine.cache_ops.len(), 1);
}

#[test]
fn smc_forwards_eight_registers() {
    let mut rig = parent();
    assert_eq!(
        invoke(&mut rig, 7, 47, &[1, 2, 3, 4, 5, 6, 7]).0,
        info(7, 0)
    );
    assert_eq!(
        invoke(&mut rig, 7, 47, &[1, 2, 3, 4, 5, 6, 7, 8]),
        (8, [2, 3, 4, 5])
    );
    assert_eq!(rig.message_word(id(0), 7), 9);
}

#[test]
fn scheduling_contexts_are_bound_and_unbound() {
    let mut rig = parent();
    let sc = 5 << 58;
    let buffer = rig.tcbs[id(0)].buffer.unwrap();
    rig.machine.buffer_write(buffer, 122, CHILD);
    assert_eq!(invoke(&mut rig, sc, 38, &[]).0, info(7, 0));
    rig.svc(CALL, &[sc, info(38, 0) | 1 << 7], 0, 0);
    assert_eq!(rig.x(0)[1], info(3, 0));
    rig.svc(CALL, &[sc, info(40, 0) | 1 << 7], 0, 0);
    assert_eq!((rig.x(0)[1], rig.tcbs[id(1)].sc), (0, None));
    rig.recv();
    assert_eq!(rig.running(), None);
    rig.enter_irq(33);
    rig.svc(CALL, &[sc, info(38, 0) | 1 << 7], 0, 0);
    assert_eq!(rig.x(0)[1], 0);
    assert_eq!(invoke(&mut rig, sc, 42, &[]).1[0], 0);
    rig.recv();
    assert_eq!(rig.running(), Some(1));
}
