// SPDX-License-Identifier: BSD-2-Clause
//! Links with honest, restarting and hostile peers.

use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

use pd::fake::FakeKernel;
use proptest::prelude::*;
use units::ChannelId;

use crate::fake::FakeLink;
use crate::layout::{DESCRIPTORS_AT, STATUS_AT};
use crate::*;

const SMALL: Shape = Shape::new(64, 8);

fn channel() -> ChannelId {
    ChannelId::new(3).unwrap()
}

fn pair(slots: u32) -> (FakeLink, Port, Port) {
    let link = FakeLink::new(SMALL, slots);
    (link, link.first(channel()), link.second(channel()))
}

fn bytes(frame: &Frame) -> Vec<u8> {
    let mut bytes = vec![0; frame.len()];
    frame.bytes.copy_in(0, &mut bytes).unwrap();
    bytes
}

fn receive(port: &mut Port) -> Option<(Vec<u8>, Meta)> {
    let frame = port.rx.peek()?;
    port.rx.advance();
    Some((bytes(&frame), frame.meta))
}

fn up() -> Status {
    Status {
        up: true,
        link: true,
        csum: false,
        mtu: 1500,
    }
}

#[test]
fn layout_is_pinned() {
    let (link, mut a, mut b) = pair(4);
    let meta = Meta {
        flags: flags::NEEDS_CSUM | 0x100,
        csum_start: 34,
        csum_offset: 6,
        tag: 0x0102_0304,
    };
    assert!(a.tx.send(b"abc", meta));
    assert!(a.set_status(Status { csum: true, ..up() }));
    a.flush(&mut FakeKernel::new());
    let word = |at| link.first.load::<u32>(at).unwrap();
    assert_eq!(word(0x08), 1, "write index");
    assert_eq!(word(0x80), 1500 << 16 | 7, "status");
    assert_eq!((word(0x84), word(0x88), word(0x8c)), (64, 8, 4));
    assert_eq!(
        [0xc0, 0xc4, 0xc8, 0xcc].map(word),
        [3, 34 << 16 | 0x101, 6, 0x0102_0304]
    );
    assert_eq!(
        link.first.read::<[u8; 4]>(0x100 + 8),
        Ok(*b"abc\0"),
        "slots begin at 0x100"
    );
    let frame = b.rx.peek().unwrap();
    assert_eq!(
        (bytes(&frame), frame.meta, frame.offset),
        (b"abc".to_vec(), meta, 0x108)
    );
}

#[test]
fn slots_are_the_power_of_two_that_fits() {
    assert_eq!(Shape::NET.slots_in(0x2_1000), Some(64));
    assert_eq!(Shape::NET.slots_in(0x1_1000), Some(32));
    assert_eq!(Shape::NET.max_frame(), 2036);
    assert_eq!(Shape::NET.slots_in(0x100), None);
    assert_eq!(
        Shape::NET
            .slots_in(usize::MAX)
            .map(|slots| slots >= 1 << 29),
        Some(true)
    );
    for unusable in [(0, 0), (64, 64), (60, 0), (MAX_SLOT + 8, 0)] {
        let shape = Shape::new(unusable.0, unusable.1);
        assert_eq!(shape.slots_in(0x10_0000), None, "{unusable:?}");
    }
}

#[test]
fn a_full_ring_has_no_slot_until_the_receiver_releases() {
    let (_, mut a, mut b) = pair(2);
    let mut kernel = FakeKernel::new();
    assert!(a.tx.send(b"1", Meta::default()) && a.tx.send(b"2", Meta::default()));
    assert!(!a.tx.send(b"3", Meta::default()));
    assert!(a.tx.slot().is_none() && !a.tx.arm(1));
    a.flush(&mut kernel);
    assert_eq!(b.rx.waiting(), 2);
    assert_eq!(receive(&mut b).unwrap().0, b"1");
    assert!(a.tx.slot().is_none(), "taken is not released");
    kernel.take_calls();
    b.flush(&mut kernel);
    assert_eq!(
        kernel.notifications(channel()),
        1,
        "the sender waits for a slot"
    );
    assert_eq!(a.tx.room(), 1);
}

#[test]
fn only_a_waiting_peer_is_notified() {
    let (_, mut a, mut b) = pair(8);
    let mut kernel = FakeKernel::new();
    a.flush(&mut kernel);
    assert_eq!(
        kernel.notifications(channel()),
        1,
        "an end that opened announces itself"
    );
    assert!(!b.rx.arm());
    for _ in 0..3 {
        assert!(a.tx.send(b"x", Meta::default()));
        a.flush_deferred(&mut kernel);
    }
    assert_eq!(kernel.notifications(channel()), 2);
    assert!(b.rx.arm(), "frames are there");
    assert!(!a.set_status(Status::DOWN), "no news");
    assert!(a.set_status(up()));
    a.flush(&mut kernel);
    a.flush(&mut kernel);
    assert_eq!(kernel.notifications(channel()), 3, "a new status once");
    assert_eq!(b.peer_status(), up());
}

#[test]
fn impossible_lengths_are_not_sent() {
    let (_, mut a, _) = pair(2);
    assert!(!a.tx.commit(0, Meta::default()));
    assert!(!a.tx.commit(57, Meta::default()));
    assert!(!a.tx.send(&[0; 57], Meta::default()));
    assert!(a.tx.commit(56, Meta::default()));
    assert_eq!(a.tx.room(), 1);
}

/// As a driver whose device fills slots out of order.
#[test]
fn slots_filled_out_of_order_are_committed_in_order() {
    let (link, mut a, mut b) = pair(4);
    let places: Vec<_> = (0..4).map(|n| a.tx.slot_ahead(n).unwrap()).collect();
    assert_eq!(a.tx.offset_ahead(2), Some(0x100 + 2 * 64 + 8));
    let headroom = a.tx.headroom().unwrap();
    headroom.copy_out(0, b"headroom").unwrap();
    assert_eq!(link.first.read::<[u8; 8]>(0x100), Ok(*b"headroom"));
    assert!(a.tx.slot_ahead(4).is_none() && a.tx.slot_ahead(u32::MAX).is_none());
    for n in [2, 0, 1] {
        places[n]
            .copy_out(0, &[b'0' + u8::try_from(n).unwrap()])
            .unwrap();
    }
    for _ in 0..3 {
        assert!(a.tx.commit(1, Meta::default()));
    }
    assert_eq!(
        a.tx.offset_ahead(0),
        Some(0x100 + 3 * 64 + 8),
        "the fourth is next"
    );
    a.flush(&mut FakeKernel::new());
    for expected in [b"0", b"1", b"2"] {
        assert_eq!(receive(&mut b).unwrap().0, expected);
    }
    assert_eq!(link.first.load::<u32>(8), Ok(3));
}

/// As a driver whose device reads slots and finishes later.
#[test]
fn held_slots_come_back_by_ticket() {
    let (link, mut a, mut b) = pair(4);
    let mut kernel = FakeKernel::new();
    for n in 0..4 {
        assert!(a.tx.send(&[n], Meta::default()));
    }
    a.flush(&mut kernel);
    // The second frame is spoilt: its slot is given back with its neighbour's.
    link.hostile_first().length(1, 1000);
    let mut tickets = Vec::new();
    while let Some(frame) = b.rx.peek() {
        tickets.push(frame.ticket);
        b.rx.advance();
    }
    assert_eq!(
        (tickets.len(), b.rx.held(), b.counters().received),
        (3, 4, 1)
    );
    let _ = b.rx.release_through(tickets[1]);
    assert_eq!((b.rx.held(), a.tx.room()), (1, 3));
    let _ = b.rx.release_through(tickets[0]);
    assert_eq!(b.rx.held(), 1, "released already");
    let wake = b.rx.release_through(tickets[2]);
    b.flush_sent(&mut kernel, wake);
    assert_eq!((b.rx.held(), a.tx.room()), (0, 4));
}

#[test]
fn a_restarted_end_is_down_and_goes_on_where_it_was() {
    let (link, mut a, mut b) = pair(4);
    let mut kernel = FakeKernel::new();
    a.set_status(up());
    assert!(a.tx.send(b"published", Meta::default()));
    a.flush(&mut kernel);
    assert!(a.tx.send(b"staged", Meta::default()));
    assert!(b.peer_restarted() && !b.peer_restarted());
    assert!(b.peer_status().carries());
    let mut again = link.first(channel());
    assert!(b.peer_restarted());
    assert_eq!(b.peer_status(), Status::DOWN);
    assert!(again.tx.send(b"after", Meta::default()));
    again.flush(&mut kernel);
    assert_eq!(receive(&mut b).unwrap().0, b"published");
    // The receiver restarts before it released: that frame comes again.
    let mut b = link.second(channel());
    assert_eq!(receive(&mut b).unwrap().0, b"published");
    assert_eq!(receive(&mut b).unwrap().0, b"after");
    assert_eq!(receive(&mut b), None);
    assert_eq!(b.counters(), Counters::default());
}

#[test]
fn a_peer_of_another_shape_is_down() {
    let link = FakeLink::new(SMALL, 4);
    let a = link.first(channel());
    let mut b = Port::new(
        link.second,
        link.first.read_only(),
        channel(),
        Shape::new(128, 8),
    )
    .unwrap();
    b.set_status(up());
    assert_eq!(a.peer_status(), Status::DOWN);
    let mut b = link.second(channel());
    b.set_status(up());
    assert_eq!(a.peer_status(), up());
}

#[test]
fn impossible_indices_are_counted_and_survived() {
    let (link, mut a, _) = pair(4);
    let peer = link.hostile_second();
    peer.write_index(1000);
    assert!(a.rx.peek().is_none());
    assert_eq!(a.counters().received, 1);
    peer.length(1000 % 4, 5);
    peer.write_index(1001);
    assert_eq!(a.rx.peek().unwrap().len(), 5, "goes on at the peer's index");
    // A device holds the slot: nothing is dropped under it.
    a.rx.advance();
    peer.write_index(77);
    assert!(a.rx.peek().is_none());
    assert_eq!(a.rx.held(), 1);
    let _ = a.rx.release();
    assert!(a.rx.peek().is_none(), "resynchronised now");
    peer.length(77 % 4, 6);
    peer.write_index(78);
    assert_eq!(a.rx.peek().unwrap().len(), 6);
    peer.read_index(9);
    for _ in 0..4 {
        let _ = a.tx.send(b"x", Meta::default());
    }
    assert!(a.tx.slot().is_none());
    assert!(a.counters().sent > 0);
}

#[test]
fn a_ring_of_bad_lengths_is_skipped_at_once() {
    let (link, mut a, _) = pair(4);
    let peer = link.hostile_second();
    for (slot, len) in [(0, 0), (1, 57), (2, u32::MAX), (3, 0)] {
        peer.length(slot, len);
    }
    peer.write_index(4);
    assert!(a.rx.peek().is_none());
    assert_eq!(a.counters().received, 4);
    a.flush(&mut FakeKernel::new());
    assert_eq!(link.first.load::<u32>(64), Ok(4), "given back");
}

#[test]
fn every_status_word_is_a_status() {
    let (link, a, _b) = pair(2);
    let peer = link.hostile_second();
    peer.status(u32::MAX);
    let all = Status {
        up: true,
        link: true,
        csum: true,
        mtu: u16::MAX,
    };
    assert_eq!(a.peer_status(), all);
    peer.status(2);
    assert!(!a.peer_status().carries());
}

#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Flush,
    Receive,
    Release,
    RestartSender,
    RestartReceiver,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..60).prop_map(Step::Send),
        3 => Just(Step::Flush),
        4 => Just(Step::Receive),
        2 => Just(Step::Release),
        1 => Just(Step::RestartSender),
        1 => Just(Step::RestartReceiver),
    ]
}

proptest! {
    /// Every shape and size agrees with its own arithmetic.
    #[test]
    fn shapes_fit_their_regions(slot in 0_u32..5000, headroom in 0_u32..64, region in 0_usize..300_000) {
        let shape = Shape::new(slot, headroom);
        if let Some(slots) = shape.slots_in(region) {
            prop_assert!(slots.is_power_of_two());
            prop_assert!(shape.region_size(slots).unwrap() <= region);
            prop_assert!(shape.region_size(slots * 2).unwrap() > region);
        }
    }

    /// Frames come out as they went in, in order, across restarts of either side.
    #[test]
    fn frames_match_the_model(steps in proptest::collection::vec(any_step(), 0..80)) {
        let (link, mut a, mut b) = pair(4);
        let mut kernel = FakeKernel::new();
        let (mut taken, mut waiting, mut staged) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        for step in steps {
            match step {
                Step::Send(frame) => {
                    let fits = (1..=56).contains(&frame.len())
                        && taken.len() + waiting.len() + staged.len() < 4;
                    let meta = Meta { tag: u32::try_from(frame.len()).unwrap(), ..Meta::default() };
                    prop_assert_eq!(a.tx.send(&frame, meta), fits);
                    if fits {
                        staged.push_back(frame);
                    }
                }
                Step::Flush => {
                    a.flush(&mut kernel);
                    waiting.append(&mut staged);
                }
                Step::Receive => {
                    let expected: Option<Vec<u8>> = waiting.pop_front();
                    let got = receive(&mut b);
                    prop_assert_eq!(got.as_ref().map(|(bytes, _)| bytes), expected.as_ref());
                    prop_assert_eq!(got.map(|(_, meta)| meta.tag as usize), expected.as_ref().map(Vec::len));
                    taken.extend(expected);
                }
                Step::Release => {
                    b.flush(&mut kernel);
                    taken.clear();
                }
                Step::RestartSender => {
                    a = link.first(channel());
                    staged.clear();
                }
                Step::RestartReceiver => {
                    b = link.second(channel());
                    taken.append(&mut waiting);
                    std::mem::swap(&mut taken, &mut waiting);
                }
            }
        }
        prop_assert_eq!(a.counters(), Counters::default());
        prop_assert_eq!(b.counters(), Counters::default());
    }

    /// A peer may write anything anywhere at any time: no panic, no frame longer than a slot, no
    /// more work or slots than the ring has.
    // Shows BH-05.
    #[test]
    fn any_peer_is_survived(
        acts in proptest::collection::vec((0_u8..9, any::<u32>(), any::<bool>()), 0..80),
    ) {
        let (link, mut a, _) = pair(4);
        let peer = link.hostile_second();
        let mut kernel = FakeKernel::new();
        for (act, value, near) in acts {
            let value = if near { value % 12 } else { value };
            match act {
                0 => peer.write_index(value),
                1 => peer.read_index(value),
                2 => peer.length(value % 4, value),
                3 => peer.word(value as usize % 0x200, value),
                4 => peer.scribble(value.to_le_bytes()[0]),
                5 => {
                    if let Some(frame) = a.rx.peek() {
                        prop_assert!((1..=56).contains(&frame.len()));
                        prop_assert!(frame.offset >= 0x108 && frame.offset + frame.len() <= 0x200);
                        let _ = bytes(&frame);
                        a.rx.advance();
                        if near {
                            let _ = a.rx.release_through(frame.ticket);
                        }
                    }
                }
                6 => {
                    let _ = a.tx.send(&[1; 56], Meta::default());
                    let _ = (a.tx.slot_ahead(value), a.tx.offset_ahead(value));
                }
                7 => {
                    let _ = (a.rx.arm(), a.tx.arm(value), a.peer_status(), a.peer_restarted());
                    let _ = a.rx.release_through(value);
                }
                _ => a.flush(&mut kernel),
            }
            prop_assert!(a.rx.waiting() <= 4 && a.rx.held() <= 4 && a.tx.room() <= 4);
        }
    }
}

#[test]
fn offsets_of_the_header_lie_behind_that_of_the_ring() {
    assert_eq!((STATUS_AT, DESCRIPTORS_AT), (0x80, 0xc0));
}
