// SPDX-License-Identifier: BSD-2-Clause
//! The backend dies and comes back; resets; arbitrary memory.

use frames::Meta;
use proptest::prelude::*;
use virtio::net::{Header, RECEIVEQ, TRANSMITQ};

use super::rig::*;

#[test]
fn r6_queues_go_on_where_they_were() {
    let mut rig = Rig::running(crate::FEATURES);
    for head in 0..3 {
        rig.offer(head, 2048);
    }
    rig.transmit(0, &Header::default(), &frame(MAC, 1));
    rig.kick();
    assert!(rig.send(&frame(MAC, 46), Meta::default()));
    rig.restart();
    rig.transmit(1, &Header::default(), &frame(MAC, 2));
    rig.kick();
    assert!(rig.send(&frame(MAC, 47), Meta::default()));
    assert_eq!(rig.used(TRANSMITQ), [(0, 0), (1, 0)]);
    assert_eq!(rig.used(RECEIVEQ), [(0, 72), (1, 73)]);
    assert_eq!(rig.take().len(), 2, "nothing is sent twice");
    assert_eq!(rig.counted("Resumed"), 3);
    assert_eq!(rig.transport.events().fault, 0);
}

#[test]
fn r6_frames_that_wait_survive() {
    let mut rig = Rig::running(crate::FEATURES);
    for head in 0..12 {
        rig.transmit(head, &Header::default(), &frame(MAC, usize::from(head)));
    }
    assert!(rig.send(&frame(MAC, 46), Meta::default()));
    rig.restart();
    let mut got = 0;
    for _ in 0..4 {
        got += rig.switched().len();
        rig.kick();
    }
    assert_eq!(got, 12);
    rig.offer(0, 2048);
    rig.kick();
    assert_eq!(rig.used(RECEIVEQ), [(0, 72)]);
}

#[test]
fn r6_a_restart_lets_more_through_and_not_less() {
    let mut rig = Rig::running(PLAIN);
    assert_eq!(rig.command(&[0, 0, 0]), 0);
    rig.offer(0, 2048);
    rig.restart();
    assert!(rig.send(&frame([2, 0, 0, 0, 0, 9], 46), Meta::default()));
    assert_eq!(rig.used(RECEIVEQ).len(), 1);
    assert_eq!(rig.command(&[0, 0, 0]), 0, "and listens again");
}

#[test]
fn h11_after_let_go_no_queue_is_touched() {
    let mut rig = Rig::running(PLAIN);
    let at = rig.offer(0, 2048);
    rig.transmit(0, &Header::default(), &frame(MAC, 46));
    rig.let_go();
    rig.take();
    assert!(rig.send(&frame(MAC, 46), Meta::default()));
    rig.kick();
    assert_eq!(rig.bytes(at, 64), [0; 64]);
    assert_eq!((rig.used(RECEIVEQ), rig.used(TRANSMITQ)), (vec![], vec![]));
    assert_eq!(rig.take(), []);
}

#[test]
fn h11_many_resets() {
    let mut rig = Rig::new();
    for round in 0..300_u16 {
        rig.order(PLAIN);
        rig.transmit(round % SIZE, &Header::default(), &frame(MAC, 46));
        rig.kick();
        assert_eq!(rig.switched().len(), 1);
        rig.let_go();
    }
}

#[test]
fn a_switch_that_restarts_goes_on() {
    let mut rig = Rig::running(PLAIN);
    rig.offer(0, 2048);
    rig.transmit(0, &Header::default(), &frame(MAC, 46));
    rig.kick();
    rig.switch = rig.memory.link.second(units::ChannelId::new(1).unwrap());
    rig.notify(SWITCH);
    assert_eq!(rig.config()[6], 0, "down until it says otherwise");
    rig.switch.set_status(UP);
    rig.notify(SWITCH);
    assert_eq!(rig.config()[6], 1);
    assert_eq!(rig.take().len(), 1);
    assert!(rig.send(&frame(MAC, 46), Meta::default()));
    assert_eq!(rig.used(RECEIVEQ).len(), 1);
    assert_eq!(rig.counted("SwitchStarted"), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// Arbitrary guest memory and arbitrary words of the switch: no panic; the device works or
    /// needs a reset, and works after it.
    #[test]
    fn arbitrary_queues(
        bytes in proptest::collection::vec(any::<u8>(), 0x300),
        kicks in proptest::collection::vec(any::<u8>(), 1..12),
        scribble: Option<u8>,
    ) {
        let mut rig = Rig::running(crate::FEATURES);
        let mut avail = 0_u16;
        for queue in 0..3 {
            rig.memory.ram.copy_out(queue * 0x1000, &bytes).unwrap();
            rig.memory.ram.copy_out(queue * 0x1000 + 0x404, &bytes).unwrap();
        }
        for kick in kicks {
            avail = avail.wrapping_add(u16::from(kick) % (SIZE + 2));
            for queue in 0..3 {
                rig.memory.ram.store(queue * 0x1000 + 0x402, avail).unwrap();
            }
            rig.kick();
            rig.switched();
            rig.send(&frame(MAC, usize::from(kick) * 5), Meta { flags: 1, csum_start: kick.into(), ..Meta::default() });
            if kick & 7 == 0 {
                rig.restart();
            }
        }
        if let Some(byte) = scribble {
            rig.memory.link.hostile_second().scribble(byte);
            rig.notify(SWITCH);
            rig.kick();
        }
        rig.let_go();
        rig.memory.link.hostile_second().scribble(0);
        rig.switch = rig.memory.link.second(units::ChannelId::new(1).unwrap());
        rig.switch.set_status(UP);
        rig.restart();
        rig.order(PLAIN);
        rig.take();
        rig.transmit(0, &Header::default(), &frame(MAC, 46));
        rig.kick();
        prop_assert!(rig.transport.events().fault == 0);
        prop_assert_eq!(rig.used(TRANSMITQ), [(0, 0)]);
    }
}
