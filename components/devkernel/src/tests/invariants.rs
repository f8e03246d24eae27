// SPDX-License-Identifier: BSD-2-Clause
//! Whatever threads do, the kernel's lists, bindings and budgets stay consistent.

use super::*;
use crate::object::{Above, Queue};
use proptest::prelude::*;

const THREADS: usize = 5;
/// Threads with a tenth of the processor.
const THROTTLED: [usize; 3] = [1, 2, 4];

/// A rig in which everybody can reach everybody, with a guest, a passive server and a throttled thread.
fn mesh() -> Rig {
    let mut threads = [thread(30), thread(20), thread(20), thread(10), thread(10)];
    for number in [0, 1, 2] {
        threads[number].passive = true;
    }
    for number in THROTTLED {
        threads[number].budget = 100;
    }
    threads[3].vcpu = true;
    for (number, thread) in threads.iter_mut().enumerate().skip(1) {
        thread.fault_to = Some((number - 1, 1 << 62 | number as u64));
    }
    let mut spec = standard(&threads);
    for from in 0..THREADS {
        for to in (0..THREADS).filter(|to| *to != from) {
            let at = u(to);
            spec.caps
                .push((from, 10 + at, devimage::CAP_NOTIFICATION, to, 1 << from));
            spec.caps.push((
                from,
                74 + at,
                devimage::CAP_ENDPOINT,
                to,
                1 << 63 | from as u64,
            ));
            spec.caps.push((from, 202 + at, devimage::CAP_TCB, to, 0));
            spec.caps
                .push((from, 1001 + at, devimage::CAP_SCHED_CONTEXT, to, 0));
        }
        spec.caps.push((from, 330, devimage::CAP_VCPU, 0, 0));
        spec.caps.push((from, 138, devimage::CAP_IRQ, 0, 0));
    }
    spec.irqs.push((33, 2, 1 << 9));
    rig(&spec)
}

fn members(rig: &Rig, queue: Queue) -> Vec<TcbId> {
    let mut list = Vec::new();
    let (mut next, mut prev) = (queue.head, None);
    while let Some(id) = next {
        assert_eq!(rig.tcbs[id].link.prev, prev);
        assert!(list.len() <= THREADS, "a list is circular");
        list.push(id);
        prev = next;
        next = rig.tcbs[id].link.next;
    }
    assert_eq!(queue.tail, prev);
    list
}

/// Queues of endpoints and stacks of reply objects are consistent.
pub(super) fn check_waiting(rig: &Rig) {
    for endpoint in rig.endpoints.ids() {
        let object = rig.endpoints[endpoint];
        let waiting = members(rig, object.queue);
        assert!(
            waiting
                .windows(2)
                .all(|w| rig.tcbs[w[0]].priority >= rig.tcbs[w[1]].priority)
        );
        for id in waiting {
            match rig.tcbs[id].state {
                State::BlockedOnReceive { endpoint: at, .. } => {
                    assert!(object.receivers && at == endpoint)
                }
                State::BlockedOnSend { endpoint: at, .. } => {
                    assert!(!object.receivers && at == endpoint)
                }
                other => panic!("{other:?} in an endpoint queue"),
            }
        }
    }
    for reply in rig.replies.ids() {
        let object = rig.replies[reply];
        if let Some(tcb) = object.tcb {
            let waits = match rig.tcbs[tcb].state {
                State::BlockedOnReply(on) => on == reply,
                State::BlockedOnReceive { reply: on, .. } => on == Some(reply),
                _ => false,
            };
            assert!(
                waits,
                "{:?} does not wait on its reply object",
                rig.tcbs[tcb].state
            );
        }
        match object.next {
            Above::Sc(sc) => assert_eq!(rig.scs[sc].reply, Some(reply)),
            Above::Reply(above) => assert_eq!(rig.replies[above].prev, Some(reply)),
            Above::Nothing => {}
        }
        if let Some(below) = object.prev {
            assert_eq!(rig.replies[below].next, Above::Reply(reply));
        }
    }
}

fn check_running(rig: &Rig) {
    let released = members(rig, rig.core.release);
    let due = |id: &TcbId| rig.scs[rig.tcbs[*id].sc.unwrap()].refills.head.time;
    assert!(released.is_sorted_by_key(due));
    for tcb in rig.tcbs.ids() {
        let object = &rig.tcbs[tcb];
        assert_eq!(object.in_release, released.contains(&tcb));
        assert!(!object.in_release || (object.runnable() && object.sc.is_some()));
        assert!(!(object.queued && object.in_release));
        assert!(!object.queued || rig.schedulable(tcb));
        if rig.schedulable(tcb) {
            assert!(
                object.queued || rig.core.current == Some(tcb),
                "{tcb:?} is lost"
            );
        }
        if let Some(sc) = object.sc {
            assert_eq!(rig.scs[sc].tcb, Some(tcb));
            // Whoever may be picked has the budget to leave the kernel.
            assert!(!object.queued || rig.sc_released(sc));
            assert!(rig.core.current != Some(tcb) || rig.sc_released(sc));
        }
    }
    for sc in rig.scs.ids() {
        let budget = if THROTTLED.contains(&sc.index()) {
            100
        } else {
            1000
        };
        assert_eq!(rig.scs[sc].refills.sum(), budget);
        if let Some(tcb) = rig.scs[sc].tcb {
            assert_eq!(rig.tcbs[tcb].sc, Some(sc));
        }
    }
    let highest = rig.ready[0].highest();
    match rig.core.current {
        Some(current) => {
            assert!(rig.schedulable(current));
            assert!(highest.is_none_or(|ready| ready <= rig.tcbs[current].priority));
            assert_eq!(rig.tcbs[current].state, State::Running);
            let vcpu = rig.tcbs[current].vcpu;
            assert_eq!(
                rig.core.vcpu_active.then_some(rig.core.vcpu).flatten(),
                vcpu
            );
        }
        None => assert_eq!(highest, None),
    }
}

/// Every thread becomes passive if it may, and waits.
fn settle(rig: &mut Rig) {
    for _ in 0..THREADS - 1 {
        let x8 = if rig.running().is_some_and(|number| number < 3) {
            5
        } else {
            50
        };
        rig.svc(NB_SEND_RECV, &[1, 0], 4, x8);
    }
}

/// One thing that happens: a system call of the running thread, an exception, an interrupt, or time.
#[derive(Clone, Debug)]
enum Step {
    Call {
        number: i64,
        cptr: u64,
        info: u64,
        words: [u64; 4],
        x6: u64,
        x8: u64,
    },
    Exception(u64),
    Irq(u16),
    Time(u64),
    /// Somebody resumes this thread, so that the system does not die out.
    Resume(usize),
    /// Somebody suspends it.
    Suspend(usize),
}

fn cptr() -> impl Strategy<Value = u64> {
    let slot = prop::sample::select(vec![1_u64, 4, 5, 6, 138, 330, 50, 1 << 40]);
    let peer = (
        prop::sample::select(vec![10_u64, 74, 202]),
        0..THREADS as u64,
    )
        .prop_map(|(base, to)| base + to);
    let root = (1..=THREADS as u64).prop_map(|slot| slot << 58);
    prop_oneof![2 => slot, 4 => peer, 1 => root]
}

fn step() -> impl Strategy<Value = Step> {
    let words = (0..40_u64, 0..40_u64, any::<u64>(), any::<u64>());
    // Labels of every invocation, those of threads and scheduling contexts more often.
    let label = prop_oneof![
        0..66_u64,
        prop::sample::select(vec![3_u64, 12, 13, 38, 39, 40, 42]),
    ];
    let call = (
        -11_i64..=0,
        cptr(),
        (label, 0..8_u64, 0..2_u64),
        words,
        cptr(),
        cptr(),
    )
        .prop_map(|(number, cptr, (label, length, caps), words, x6, x8)| {
            let words = [words.0, words.1, words.2, words.3];
            let info = label << 12 | caps << 7 | length;
            Step::Call {
                number,
                cptr,
                info,
                words,
                x6,
                x8,
            }
        });
    let ppc = (74..74 + THREADS as u64, 0..8_u64).prop_map(|(cptr, info)| Step::Call {
        number: CALL,
        cptr,
        info,
        words: [0; 4],
        x6: 0,
        x8: 0,
    });
    let receive = (prop::sample::select(vec![-2_i64, -3, -7]), cptr()).prop_map(|(number, to)| {
        let x6 = 4;
        Step::Call {
            number,
            cptr: 1,
            info: 0,
            words: [0; 4],
            x6,
            x8: to,
        }
    });
    prop_oneof![
        6 => call,
        6 => receive,
        4 => ppc,
        1 => prop::sample::select(vec![0x0200_0000_u64, 0x93c1_8045, 0x5e00_0000]).prop_map(Step::Exception),
        1 => prop::sample::select(vec![25_u16, 27, 33, 40]).prop_map(Step::Irq),
        5 => (1..300_u64).prop_map(Step::Time),
        3 => (0..THREADS).prop_map(Step::Resume),
        1 => (0..THREADS).prop_map(Step::Suspend),
    ]
}

fn perform(rig: &mut Rig, step: Step) {
    match step {
        Step::Call {
            number,
            cptr,
            info,
            words,
            x6,
            x8,
        } if rig.core.current.is_some() => {
            let [a, b, c, d] = words;
            if let Some(buffer) = rig.core.current.and_then(|id| rig.tcbs[id].buffer) {
                rig.machine.buffer_write(buffer, 122, x8);
            }
            rig.svc(number, &[cptr, info, a, b, c, d], x6, x8);
        }
        Step::Exception(esr) => rig.enter_sync(esr, 0),
        Step::Irq(irq) => rig.enter_irq(irq),
        Step::Time(ticks) => rig.pass(ticks),
        Step::Resume(number) if rig.state(number) == State::Inactive => {
            rig.update_time();
            // As at every entry: whoever ran until now is charged before anybody else becomes ready.
            if rig.check_budget_restart() {
                rig.restart(id(number));
            }
            rig.leave();
        }
        Step::Suspend(number) => {
            rig.update_time();
            if rig.check_budget_restart() {
                rig.suspend(id(number));
            }
            rig.leave();
        }
        Step::Call { .. } | Step::Resume(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    fn random_steps_keep_the_kernel_consistent(steps in prop::collection::vec(step(), 1..150)) {
        let mut rig = mesh();
        settle(&mut rig);
        for step in steps {
            rig.machine.time.set(rig.machine.time.get() + 1);
            perform(&mut rig, step);
            check_waiting(&rig);
            check_running(&rig);
        }
    }
}
