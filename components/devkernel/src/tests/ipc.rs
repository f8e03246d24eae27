// SPDX-License-Identifier: BSD-2-Clause
//! Calls, replies, notifications and donation.

use super::*;

/// Server 0 (priority 20) waiting, client 1 (priority 10) running.
fn pair(passive: bool) -> Rig {
    let mut spec = standard(&[
        Thread {
            passive,
            ..thread(20)
        },
        thread(10),
    ]);
    channel(&mut spec, 1, 0);
    let mut rig = rig(&spec);
    if passive {
        rig.svc(NB_SEND_RECV, &[1, 0], 4, 5);
        assert!(rig.printed().contains("MON|INFO: PD 'a' is now passive!\n"));
    } else {
        rig.recv();
    }
    assert_eq!(rig.running(), Some(1));
    rig
}

#[test]
fn a_call_carries_registers_and_buffer_words_and_returns() {
    let mut rig = pair(false);
    let buffer = rig.tcbs[id(1)].buffer.unwrap();
    rig.machine.buffer_write(buffer, 1 + 4, 55);
    rig.svc(CALL, &[74, info(7, 5), 1, 2, 3, 4], 0, 0);
    assert_eq!(rig.running(), Some(0));
    assert_eq!(rig.x(0), [1 << 63 | 1, info(7, 5), 1, 2, 3, 4]);
    assert_eq!(rig.message_word(id(0), 4), 55);
    rig.svc(REPLY_RECV, &[1, info(9, 1), 42, 0, 0, 0], 4, 0);
    assert_eq!(rig.running(), Some(1));
    assert_eq!(rig.x(1), [0, info(9, 1), 42, 2, 3, 4]);
    assert!(matches!(rig.state(0), State::BlockedOnReceive { .. }));
}

#[test]
fn a_call_to_an_active_server_keeps_the_scheduling_contexts() {
    let mut rig = pair(false);
    rig.svc(CALL, &[74, 0], 0, 0);
    assert_eq!(rig.tcbs[id(0)].sc.map(|sc| sc.index()), Some(0));
    assert_eq!(rig.tcbs[id(1)].sc.map(|sc| sc.index()), Some(1));
}

#[test]
fn a_passive_server_runs_on_its_callers_time() {
    let mut rig = pair(true);
    // The first event after init runs on the server's own context, even a call (sel4-abi §4.3).
    rig.svc(CALL, &[74, 0], 0, 0);
    assert_eq!(rig.tcbs[id(0)].sc.map(|sc| sc.index()), Some(0));
    rig.svc(REPLY_RECV, &[1, 0], 4, 0);
    assert_eq!(rig.tcbs[id(0)].sc, None);
    rig.svc(CALL, &[74, 0], 0, 0);
    assert_eq!(rig.running(), Some(0));
    assert_eq!(rig.tcbs[id(0)].sc.map(|sc| sc.index()), Some(1));
    assert_eq!(rig.tcbs[id(1)].sc, None);
    rig.svc(REPLY_RECV, &[1, 0], 4, 0);
    assert_eq!(rig.running(), Some(1));
    assert_eq!(rig.tcbs[id(1)].sc.map(|sc| sc.index()), Some(1));
    // A signal lends it the context of its notification, until it waits again.
    rig.svc(SEND, &[10, 0], 0, 0);
    assert_eq!(rig.running(), Some(0));
    assert_eq!(rig.tcbs[id(0)].sc.map(|sc| sc.index()), Some(0));
    rig.recv();
    assert_eq!(rig.tcbs[id(0)].sc, None);
}

#[test]
fn nested_donation_returns_through_the_reply_stack() {
    let passive = |priority| Thread {
        passive: true,
        ..thread(priority)
    };
    let mut spec = standard(&[passive(30), passive(20), thread(10)]);
    channel(&mut spec, 1, 0);
    channel(&mut spec, 2, 1);
    let mut rig = rig(&spec);
    rig.svc(NB_SEND_RECV, &[1, 0], 4, 5);
    rig.svc(NB_SEND_RECV, &[1, 0], 4, 5);
    for _ in 0..2 {
        // The first round makes both servers give their own contexts back.
        rig.svc(CALL, &[74, 0], 0, 0);
        rig.svc(CALL, &[74, 0], 0, 0);
        assert_eq!(rig.running(), Some(0));
        rig.svc(REPLY_RECV, &[1, 0], 4, 0);
        assert_eq!(rig.running(), Some(1));
        rig.svc(REPLY_RECV, &[1, 0], 4, 0);
        assert_eq!(rig.running(), Some(2));
    }
    rig.svc(CALL, &[74, 0], 0, 0);
    rig.svc(CALL, &[74, 0], 0, 0);
    let holders: Vec<_> = (0..3)
        .map(|t| rig.tcbs[id(t)].sc.map(|sc| sc.index()))
        .collect();
    assert_eq!(holders, [Some(2), None, None]);
    invariants::check_waiting(&rig);
    rig.svc(REPLY_RECV, &[1, 0], 4, 0);
    rig.svc(REPLY_RECV, &[1, 0], 4, 0);
    assert_eq!(rig.tcbs[id(2)].sc.map(|sc| sc.index()), Some(2));
}

#[test]
fn a_signal_sets_only_the_badge_and_is_or_ed() {
    let mut rig = pair(false);
    rig.tcbs[id(0)].context.x[1] = 77;
    rig.svc(SEND, &[10, 0], 0, 0);
    assert_eq!((rig.running(), rig.x(0)[0], rig.x(0)[1]), (Some(0), 2, 77));
    // Pending while the server runs; a signal is delivered before a waiting caller.
    let notification = rig.tcbs[id(0)].notification.unwrap();
    rig.signal(notification, 1 << 5);
    rig.signal(notification, 1 << 6);
    rig.recv();
    assert_eq!((rig.running(), rig.x(0)[0]), (Some(0), 3 << 5));
}

#[test]
fn a_signal_does_not_wake_a_thread_inside_a_call() {
    let mut rig = pair(false);
    rig.svc(CALL, &[74, 0], 0, 0);
    let notification = rig.tcbs[id(1)].notification.unwrap();
    rig.signal(notification, 8);
    assert!(matches!(rig.state(1), State::BlockedOnReply(_)));
    assert_eq!(rig.notifications[notification].pending, Some(8));
}

#[test]
fn a_receive_with_an_occupied_reply_object_cancels_the_old_caller() {
    let mut rig = pair(false);
    rig.svc(CALL, &[74, 0], 0, 0);
    rig.recv();
    assert_eq!(rig.state(1), State::Inactive);
    assert!(
        rig.printed()
            .contains("Reply object already has unexecuted reply!")
    );
}

#[test]
fn callers_are_served_by_priority_then_by_arrival() {
    let mut spec = standard(&[thread(5), thread(10), thread(30), thread(10)]);
    for client in 1..4 {
        channel(&mut spec, client, 0);
    }
    let mut rig = rig(&spec);
    // Threads of equal priority start last first: 2, then 3, then 1.
    for expected in [2, 3, 1] {
        assert_eq!(rig.running(), Some(expected));
        rig.svc(CALL, &[74, 0], 0, 0);
    }
    let mut served = Vec::new();
    rig.recv();
    for _ in 0..3 {
        let client = rig.x(0)[0] & 0x3f;
        served.push(client);
        rig.svc(REPLY_RECV, &[1, 0], 4, 0);
        rig.svc(CALL, &[5, 0], 0, 0);
    }
    assert_eq!(served, [2, 3, 1]);
}

#[test]
fn a_non_blocking_send_without_receiver_is_lost_and_leaves_registers() {
    let mut spec = standard(&[thread(5), thread(10)]);
    channel(&mut spec, 1, 0);
    let mut rig = rig(&spec);
    rig.svc(NB_SEND, &[74, info(1, 1), 5], 0, 0);
    assert_eq!((rig.running(), rig.x(1)[0], rig.x(1)[2]), (Some(1), 74, 5));
    rig.svc(-8, &[1, 11, 12], 4, 0);
    assert_eq!(rig.x(1)[..3], [0, 11, 12]);
}

#[test]
fn an_endpoint_capability_to_the_endpoint_itself_arrives_as_its_badge() {
    let mut rig = pair(false);
    let (from, to) = (
        rig.tcbs[id(1)].buffer.unwrap(),
        rig.tcbs[id(0)].buffer.unwrap(),
    );
    rig.machine.buffer_write(from, 122, 74);
    rig.machine.buffer_write(from, 123, 4);
    rig.svc(CALL, &[74, info(3, 0) | 2 << 7], 0, 0);
    assert_eq!(rig.x(0)[1], info(3, 0) | 1 << 7 | 1 << 9);
    assert_eq!(rig.machine.buffer_read(to, 122), 1 << 63 | 1);
}
