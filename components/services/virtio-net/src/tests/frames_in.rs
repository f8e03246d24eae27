// SPDX-License-Identifier: BSD-2-Clause
//! From the switch to the guest.

use frames::{Meta, flags};
use proptest::prelude::*;
use virtio::net::{F_GUEST_CSUM, F_MRG_RXBUF, RECEIVEQ};

use super::rig::*;

fn meta() -> Meta {
    Meta::default()
}

#[test]
fn clause_5_1_6_4_a_frame_arrives_behind_its_header() {
    for features in [PLAIN, PLAIN & !F_MRG_RXBUF] {
        let mut rig = Rig::running(features);
        let at = rig.offer(5, 1526);
        let frame = frame(MAC, 1500);
        assert!(rig.send(&frame, meta()));
        assert_eq!(rig.used(RECEIVEQ), [(5, 1526)]);
        assert_eq!(rig.bytes(at, 12), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(rig.bytes(at + 12, frame.len()), frame);
        assert_eq!(rig.interrupts(), 1);
    }
}

#[test]
fn clause_5_1_6_4_1_buffers_are_merged() {
    let mut rig = Rig::running(PLAIN);
    let places: Vec<usize> = (0..4).map(|head| rig.offer(head, 100)).collect();
    let frame = frame(MAC, 274);
    assert!(rig.send(&frame, meta()));
    assert_eq!(rig.used(RECEIVEQ), [(0, 100), (1, 100), (2, 100)]);
    assert_eq!(rig.bytes(places[0], 12)[10..], [3, 0]);
    let mut got = rig.bytes(places[0] + 12, 88);
    got.extend(rig.bytes(places[1], 100));
    got.extend(rig.bytes(places[2], 100));
    assert_eq!(got, frame);
    assert_eq!(rig.interrupts(), 1, "one for the frame");
}

#[test]
fn h36_without_buffers_frames_wait_and_then_the_switch_drops() {
    let mut rig = Rig::running(PLAIN);
    for len in 0..SLOTS as usize {
        assert!(rig.send(&frame(MAC, len), meta()));
    }
    assert!(!rig.send(&frame(MAC, 46), meta()), "the switch has no slot");
    assert_eq!((rig.used(RECEIVEQ).len(), rig.counted("Received")), (0, 0));
    // Not enough for the first: it waits for more, and they stay the driver's.
    let mut rig2 = Rig::running(PLAIN);
    rig2.offer(0, 60);
    rig2.offer(1, 60);
    assert!(rig2.send(&frame(MAC, 200), meta()));
    assert_eq!(rig2.used(RECEIVEQ), []);
    rig2.offer(2, 60);
    rig2.offer(3, 60);
    rig2.kick();
    assert_eq!(rig2.used(RECEIVEQ), [(0, 60), (1, 60), (2, 60), (3, 46)]);
    // And with buffers everything goes on.
    for head in 0..12 {
        rig.offer(head, 64);
    }
    rig.kick();
    assert_eq!(rig.counted("Received"), u64::from(SLOTS));
    assert!(rig.send(&frame(MAC, 46), meta()));
}

#[test]
fn h36_the_driver_is_asked_for_buffers_only_when_there_are_none() {
    let mut rig = Rig::running(crate::FEATURES);
    let avail_event = |rig: &Rig| -> u16 {
        let at = 0x804 + usize::from(SIZE) * 8;
        rig.memory.ram.load(at).unwrap()
    };
    for head in 0..3 {
        rig.offer(head, 2048);
    }
    assert!(rig.send(&frame(MAC, 46), meta()));
    assert!(rig.send(&frame(MAC, 46), meta()));
    assert_eq!(avail_event(&rig), 0, "no kicks wanted");
    assert!(rig.send(&frame(MAC, 46), meta()));
    assert!(rig.send(&frame(MAC, 46), meta()));
    assert_eq!((rig.used(RECEIVEQ).len(), avail_event(&rig)), (3, 3));
    // Also when there are some, but not enough.
    let mut rig = Rig::running(crate::FEATURES);
    rig.offer(0, 60);
    rig.offer(1, 60);
    assert!(rig.send(&frame(MAC, 200), meta()));
    assert_eq!((rig.used(RECEIVEQ).len(), avail_event(&rig)), (0, 2));
}

#[test]
fn h36_buffers_that_are_too_small() {
    let mut rig = Rig::running(PLAIN & !F_MRG_RXBUF);
    rig.offer(0, 11);
    rig.offer(1, 100);
    assert!(rig.send(&frame(MAC, 200), meta()));
    assert_eq!(rig.used(RECEIVEQ), [(0, 0)], "no room for a header");
    assert_eq!(rig.counted("ReceiveDropped"), 1);
    assert!(rig.send(&frame(MAC, 70), meta()));
    assert_eq!(rig.used(RECEIVEQ), [(0, 0), (1, 96)], "kept for what fits");
    // Too many too small ones.
    let mut rig = Rig::running(PLAIN);
    for head in 0..16 {
        rig.offer(head, 12);
    }
    assert!(rig.send(&frame(MAC, 1500), meta()));
    assert_eq!(rig.used(RECEIVEQ), []);
}

#[test]
fn h36_bad_buffers_are_given_back_and_lose_no_frame() {
    let mut rig = Rig::running(PLAIN);
    rig.desc(RECEIVEQ, 0, (RAM + RAM_SIZE as u64 - 4, 80, WRITE, 0));
    rig.desc(RECEIVEQ, 1, (RAM, 0, WRITE, 0));
    rig.desc(RECEIVEQ, 2, (RAM + 0x8000, 80, 0, 0));
    for head in 0..3 {
        rig.submit(RECEIVEQ, head);
    }
    // A sound one, then a bad one in the middle of a frame.
    rig.offer(3, 60);
    rig.desc(RECEIVEQ, 4, (0x0900_0000, 80, WRITE, 0));
    rig.submit(RECEIVEQ, 4);
    rig.offer(5, 2048);
    assert!(rig.send(&frame(MAC, 200), meta()));
    let mut used = rig.used(RECEIVEQ);
    assert_eq!(used.pop(), Some((5, 226)));
    used.sort_unstable();
    assert_eq!(used, [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)]);
    assert_eq!(rig.counted("BadRequest"), 4);
}

// Shows AV-16.
#[test]
fn clause_5_1_4_2_nothing_above_the_mtu_reaches_the_driver() {
    let mut rig = Rig::running(PLAIN);
    rig.offer(0, 4096);
    assert!(rig.send(&frame(MAC, 1501), meta()));
    assert!(rig.send(&frame(MAC, 0)[..13], meta()));
    assert_eq!(
        (rig.used(RECEIVEQ).len(), rig.counted("ReceiveDropped")),
        (0, 2)
    );
    let mut tagged = frame(MAC, 1504);
    tagged[12..14].copy_from_slice(&[0x81, 0]);
    assert!(rig.send(&tagged, meta()));
    assert_eq!(rig.used(RECEIVEQ), [(0, 1530)]);
}

fn partial() -> Meta {
    Meta {
        flags: flags::NEEDS_CSUM,
        csum_start: 34,
        csum_offset: 16,
        tag: 0,
    }
}

#[test]
fn partial_checksums_reach_a_driver_that_takes_them() {
    let mut rig = Rig::running(PLAIN);
    let at = rig.offer(0, 2048);
    let frame = frame(MAC, 100);
    assert!(rig.send(&frame, partial()));
    assert_eq!(rig.bytes(at, 12), [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 1, 0]);
    assert_eq!(rig.bytes(at + 12, frame.len()), frame);
}

#[test]
fn other_drivers_get_complete_checksums() {
    // The field is byte 50 of the frame and 62 of the buffers: once whole, once cut in two.
    for first in [2048, 63] {
        let mut rig = Rig::running(PLAIN & !F_GUEST_CSUM);
        let at = rig.offer(0, first);
        let rest = rig.offer(1, 2048);
        let frame = frame(MAC, 101);
        assert!(rig.send(&frame, partial()));
        assert_eq!(rig.bytes(at, 10), [0; 10]);
        let mut got = rig.bytes(at + 12, frame.len().min(first - 12));
        got.extend(rig.bytes(rest, frame.len() - got.len()));
        let expected = crate::checksum::complete(&shm::fake::filled(&frame), partial()).unwrap();
        assert_eq!(got[50..52], expected);
        assert_eq!((&got[..50], &got[52..]), (&frame[..50], &frame[52..]));
    }
}

#[test]
fn a_checksum_outside_the_frame_is_dropped() {
    for features in [PLAIN, PLAIN & !F_GUEST_CSUM] {
        let mut rig = Rig::running(features);
        rig.offer(0, 2048);
        for (start, offset) in [(34, 0xffff), (13, 2), (0xffff, 0xffff), (113, 0)] {
            let meta = Meta {
                csum_start: start,
                csum_offset: offset,
                ..partial()
            };
            assert!(rig.send(&frame(MAC, 100), meta));
        }
        assert_eq!(
            (rig.used(RECEIVEQ).len(), rig.counted("ReceiveDropped")),
            (0, 4)
        );
    }
}

#[test]
fn what_came_before_the_driver_is_not_for_it() {
    let mut rig = Rig::new();
    assert!(rig.send(&frame(MAC, 46), meta()));
    rig.order(PLAIN);
    rig.offer(0, 2048);
    rig.kick();
    assert_eq!(
        (rig.used(RECEIVEQ).len(), rig.counted("ReceiveDropped")),
        (0, 1)
    );
    assert!(rig.send(&frame(MAC, 46), meta()));
    assert_eq!(rig.used(RECEIVEQ).len(), 1);
}

#[test]
fn a_batch_is_one_interrupt() {
    let mut rig = Rig::running(PLAIN);
    for head in 0..8 {
        rig.offer(head, 2048);
    }
    for _ in 0..SLOTS {
        assert!(rig.switch.tx.send(&frame(MAC, 46), meta()));
    }
    rig.switch.flush(&mut rig.kernel);
    rig.notify(SWITCH);
    assert_eq!((rig.used(RECEIVEQ).len(), rig.interrupts()), (8, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Frames of any size into buffers of any size: each is there once, whole and in order.
    #[test]
    fn what_comes_is_received(
        lens in proptest::collection::vec(0_usize..=1500, 1..20),
        sizes in proptest::collection::vec(12_usize..800, 16),
        (mergeable, restarts) in any::<(bool, u32)>(),
    ) {
        let mut rig = Rig::running(if mergeable { PLAIN } else { PLAIN & !F_MRG_RXBUF });
        let mut places = [(0, 0); SIZE as usize];
        let offer = |rig: &mut Rig, head: u16| {
            let at = usize::from(head);
            let len = if mergeable { sizes[at] } else { 1526 };
            let place = rig.offer(head, len);
            (place, len)
        };
        for head in 0..SIZE {
            places[usize::from(head)] = offer(&mut rig, head);
        }
        let (mut got, mut seen) = (Vec::new(), 0);
        let mut sent = Vec::new();
        for (turn, len) in lens.into_iter().enumerate() {
            let next = frame(MAC, len);
            prop_assert!(rig.send(&next, meta()));
            sent.push(next);
            if restarts >> (turn % 32) & 1 == 1 {
                rig.restart();
            }
            let mut left = 0;
            for _ in 0..200 {
                let used = rig.used(RECEIVEQ);
                prop_assert!(used.len() - seen < usize::from(SIZE) + 1);
                let fresh: Vec<(u32, u32)> = used[seen..].to_vec();
                seen = used.len();
                for (head, written) in &fresh {
                    let head = u16::try_from(*head).unwrap();
                    let (place, _) = places[usize::from(head)];
                    let mut bytes = rig.bytes(place, *written as usize);
                    if left == 0 {
                        left = u16::from_le_bytes([bytes[10], bytes[11]]);
                        bytes.drain(..12);
                        got.push(Vec::new());
                    }
                    left -= 1;
                    got.last_mut().unwrap().extend(bytes);
                    places[usize::from(head)] = offer(&mut rig, head);
                }
                rig.kick();
                if fresh.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(left, 0);
            if rig.bytes_left() < 0x1_0000 {
                break;
            }
        }
        // A frame may wait for buffers that no driver of this test adds: never more than that.
        prop_assert!(sent.starts_with(&got));
        let capacity: usize = sizes.iter().sum();
        if !mergeable || capacity > 1526 {
            prop_assert_eq!(got.len(), sent.len());
        }
    }
}
