// SPDX-License-Identifier: BSD-2-Clause
//! Devices that lie, hang or die, and a switch that does.

use proptest::prelude::*;
use virtio::net::Header;

use super::*;

#[test]
fn what_is_no_frame_is_passed_on_as_one_byte() {
    let mut rig = Rig::new();
    let gso = Header {
        gso_type: 1,
        ..Header::default()
    };
    let csum = Header {
        flags: 1,
        csum_start: 59.into(),
        csum_offset: 0.into(),
        ..Header::default()
    };
    for (header, len) in [
        (Header::default(), 13),
        (Header::default(), 0),
        (gso, 60),
        (csum, 60),
    ] {
        let chain = rig.device.take(0).unwrap();
        rig.device.fill(&chain, &header, &frame(1, len));
    }
    let (head, _) = rig.device.take(0).unwrap();
    rig.device.done(0, head.into(), 3);
    rig.interrupt();
    for _ in 0..5 {
        let (bytes, meta) = rig.receive().unwrap();
        assert_eq!((bytes.len(), meta), (1, Meta::default()));
    }
    assert_eq!(rig.count(Event::BadReceived { written: 0 }), 5);
    let (head, _) = rig.device.take(0).unwrap();
    rig.device.done(0, head.into(), u32::MAX);
    rig.interrupt();
    assert_eq!(rig.receive().unwrap().0.len(), 2036, "cut to the slot");
    assert_eq!(
        rig.count(Event::Started { features: 0 }),
        1,
        "no reason for a reset"
    );
}

#[test]
fn a_device_that_lies_is_reset_and_in_the_end_given_up() {
    let mut rig = Rig::new();
    for round in 1..=3 {
        let starts = rig.count(Event::Started { features: 0 });
        if round % 2 == 0 {
            rig.device.done(0, 77, 60);
        } else {
            rig.device.used_index(1, 1000);
        }
        rig.interrupt();
        assert_eq!(rig.count(Event::Started { features: 0 }), starts + 1);
        assert!(rig.device.take(0).is_some(), "it has buffers again");
    }
    assert!(rig.switch.peer_status().carries());
    rig.device.used_index(1, 1000);
    rig.interrupt();
    assert_eq!(rig.count(Event::GivenUp), 1);
    assert_eq!(rig.switch.peer_status(), Status::DOWN);
    rig.send(&frame(1, 60), Meta::default());
    rig.notify(SWITCH);
    rig.interrupt();
    assert!(rig.device.take(1).is_none());
}

#[test]
fn a_frame_clears_the_record_of_a_device() {
    let mut rig = Rig::new();
    for _ in 0..20 {
        rig.device.used_index(1, 1000);
        rig.interrupt();
        let chain = rig.device.take(0).unwrap();
        rig.device.fill(&chain, &Header::default(), &frame(1, 60));
        rig.interrupt();
        assert!(rig.receive().is_some());
    }
    assert_eq!(rig.count(Event::GivenUp), 0);
}

#[test]
fn frames_in_flight_are_lost_with_a_reset_and_their_slots_are_not() {
    let mut rig = Rig::new();
    for _ in 0..5 {
        rig.send(&frame(1, 60), Meta::default());
    }
    rig.notify(SWITCH);
    assert_eq!(rig.switch.tx.room(), 3);
    rig.device.set_status(0x4f);
    rig.device.interrupt(2);
    rig.notify(IRQ);
    assert_eq!(rig.switch.tx.room(), 8, "2.1.2: it needs a reset");
    assert!(rig.device.take(1).is_none());
    rig.send(&frame(2, 60), Meta::default());
    rig.notify(SWITCH);
    assert!(rig.device.take(1).is_some());
}

#[test]
fn a_device_that_does_not_reset_is_given_up() {
    let mut rig = Rig::new();
    rig.device.die();
    rig.device.used_index(0, 500);
    rig.interrupt();
    assert_eq!(rig.count(Event::GivenUp), 1);
    assert_eq!(rig.switch.peer_status(), Status::DOWN);
    assert!(create(&rig.memory).is_err(), "nor is it started with");
}

proptest! {
    /// A switch may write anything into its region: the device is never shown a byte outside a
    /// slot of it.
    #[test]
    fn any_switch_is_survived(
        acts in proptest::collection::vec((0_u8..5, any::<u32>(), any::<bool>()), 0..60),
    ) {
        let mut rig = Rig::new();
        let peer = rig.memory.link.hostile_second();
        for (act, value, near) in acts {
            let value = if near { value % 20 } else { value };
            match act {
                0 => peer.write_index(value),
                1 => peer.read_index(value),
                2 => peer.length(value % SLOTS, value),
                3 => peer.word(value as usize % 0x140, value),
                _ => peer.scribble(value.to_le_bytes()[0]),
            }
            rig.notify(SWITCH);
            while let Some((head, parts)) = rig.device.take(1) {
                let (at, len, _) = parts[1];
                let slot = (at - INPUT - 0x140) / 2048;
                let end = INPUT + 0x140 + (slot + 1) * 2048;
                prop_assert!(at >= INPUT + 0x140 && at + u64::from(len) <= end);
                let _ = (rig.device.read(at, len), rig.device.read(parts[0].0, parts[0].1));
                rig.device.done(1, head.into(), 0);
            }
            while let Some((_, parts)) = rig.device.take(0) {
                prop_assert!(parts[0].0 >= OUT + 0x140 && parts[0].1 == 2048);
                let _ = rig.device.read(parts[0].0, parts[0].1);
            }
            rig.interrupt();
        }
    }

    /// A device may write anything into its rings, and the switch into its region: no panic, no
    /// endless loop.
    #[test]
    fn any_device_and_any_switch_are_survived(
        acts in proptest::collection::vec((0_u8..9, any::<u32>(), any::<bool>()), 0..60),
    ) {
        let mut rig = Rig::new();
        let peer = rig.memory.link.hostile_second();
        for (act, value, near) in acts {
            let value = if near { value % 20 } else { value };
            let low = u16::try_from(value & 0xffff).unwrap();
            let lane = usize::from(near);
            match act {
                0 => rig.device.used_index(lane, low),
                1 => {
                    let _ = rig.device.done(lane, value, value.rotate_left(7));
                }
                2 => {
                    let at = value as usize % (QUEUE_BYTES / 4) * 4;
                    rig.memory.queue.store(at, value.rotate_left(9)).unwrap();
                }
                3 => peer.write_index(value),
                4 => peer.read_index(value),
                5 => peer.length(value % SLOTS, value),
                6 => peer.scribble(low.to_le_bytes()[0]),
                7 => {
                    rig.device.interrupt(value % 4);
                    rig.notify(IRQ);
                }
                _ => rig.notify(SWITCH),
            }
            rig.interrupt();
        }
    }
}
