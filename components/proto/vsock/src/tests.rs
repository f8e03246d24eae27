// SPDX-License-Identifier: BSD-2-Clause
//! Packets over a link, and credit against a model.

use frames::Meta;
use frames::fake::FakeLink;
use proptest::prelude::*;
use units::ChannelId;
use virtio::vsock::{HEADER_SIZE, Header, Op};

use crate::{Forged, Link, MAX_PAYLOAD, Packet, SHAPE, Window};

fn ends() -> (FakeLink, Link, Link) {
    let fake = FakeLink::new(SHAPE, 4);
    let first = Link::new(fake.first(ChannelId::new(1).unwrap()));
    let second = Link::new(fake.second(ChannelId::new(2).unwrap()));
    (fake, first, second)
}

fn header(len: usize) -> Header {
    Header {
        op: (Op::ReadWrite as u16).into(),
        len: u32::try_from(len).unwrap().into(),
        ..Header::default()
    }
}

fn flush(link: &mut Link) {
    link.flush(&mut pd::fake::FakeKernel::new());
}

fn payload(packet: Option<Packet>) -> Vec<u8> {
    let Some(Packet::Data { payload, .. }) = packet else {
        panic!("no packet: {packet:?}");
    };
    let mut bytes = vec![0; payload.len()];
    payload.copy_in(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn packets_arrive_in_order_with_their_payload() {
    let (_, mut first, mut second) = ends();
    let full = vec![0xa5; MAX_PAYLOAD];
    assert!(first.send_with(&header(3), |to| to.copy_out(0, b"abc").is_ok()));
    assert!(first.send_with(&header(full.len()), |to| to.copy_out(0, &full).is_ok()));
    assert!(first.send(&header(0)));
    assert!(first.send_reset());
    assert!(!first.send(&header(0)), "four slots");
    assert!(second.receive().is_none(), "not shown yet");
    flush(&mut first);
    assert_eq!(payload(second.receive()), b"abc");
    second.advance();
    assert_eq!(payload(second.receive()), full);
    second.advance();
    assert_eq!(payload(second.receive()), b"");
    second.advance();
    assert!(matches!(second.receive(), Some(Packet::Reset)));
    second.advance();
    assert!(second.receive().is_none());
    assert_eq!(first.room(), 0);
    flush(&mut second);
    assert_eq!(first.room(), 4);
}

#[test]
fn what_does_not_fit_or_fails_is_not_sent() {
    let (_, mut first, mut second) = ends();
    assert!(!first.send_with(&header(MAX_PAYLOAD + 1), |_| true));
    assert!(!first.send_with(&header(1), |_| false));
    assert!(!first.send(&header(1)), "a payload that nobody filled in");
    flush(&mut first);
    assert!(second.receive().is_none());
}

#[test]
fn frames_that_are_no_packets_are_skipped_and_counted() {
    let (fake, _, mut second) = ends();
    let mut port = fake.first(ChannelId::new(1).unwrap());
    assert!(port.tx.send(&[0; HEADER_SIZE - 1], Meta::default()));
    assert!(port.tx.send(&[0xff; HEADER_SIZE], Meta::default()));
    assert!(port.tx.send(&[0; HEADER_SIZE + 1], Meta::default()));
    assert!(port.tx.send(&[0; HEADER_SIZE], Meta::default()));
    let _ = port.tx.publish();
    assert_eq!(payload(second.receive()), b"");
    assert_eq!(second.faults(), 3);
}

#[test]
fn a_restart_is_seen_once_and_not_before_the_first_start() {
    let fake = FakeLink::new(SHAPE, 4);
    let mut second = Link::new(fake.second(ChannelId::new(2).unwrap()));
    assert!(!second.peer_restarted());
    let mut first = Link::new(fake.first(ChannelId::new(1).unwrap()));
    assert!(!second.peer_restarted(), "that was the first time");
    assert!(!second.carries());
    first.set_status(true);
    assert!(second.carries());
    let _ = fake.first(ChannelId::new(1).unwrap());
    assert!(second.peer_restarted());
    assert!(!second.peer_restarted());
    assert!(!second.carries(), "not up yet");
}

#[test]
fn drained_packets_are_gone() {
    let (_, mut first, mut second) = ends();
    assert!(first.send(&header(0)) && first.send(&header(0)));
    flush(&mut first);
    second.drain();
    assert!(second.receive().is_none());
    flush(&mut second);
    assert_eq!(first.room(), 4);
}

#[test]
fn clause_5_10_6_3_a_window_by_hand() {
    let mut window = Window::default();
    assert_eq!(window.room(), 0);
    assert_eq!(window.advertise(1, 100), Err(Forged), "nothing was sent");
    window.advertise(0, 100).unwrap();
    window.spend(60);
    assert_eq!((window.room(), window.outstanding()), (40, 60));
    assert!(window.allows(40) && !window.allows(41));
    window.advertise(60, 10).unwrap();
    assert_eq!(window.room(), 10);
    assert!(
        window.allows(40),
        "a sender may not know yet that it shrank"
    );
    window.advertise(20, 1000).unwrap();
    assert_eq!(window.room(), 10, "overtaken by a later one");
    assert_eq!(window.advertise(61, 10), Err(Forged));
}

proptest! {
    /// Against sums that never wrap: a sender that keeps to `room` is always allowed, and honest
    /// advertisements are never called forged, also across the wrap of 2^32.
    #[test]
    fn honest_ends_are_never_accused(
        steps in proptest::collection::vec((any::<bool>(), any::<u32>(), 1_u32..1 << 30), 1..200),
    ) {
        let mut window = Window::default();
        let (mut sent, mut taken) = (0_u64, 0_u64);
        for (send, amount, buffer) in steps {
            if send {
                let len = u64::from(amount).min(window.room());
                let len = u32::try_from(len).unwrap();
                prop_assert!(window.allows(len));
                window.spend(len);
                sent += u64::from(len);
            } else {
                taken += u64::from(amount).min(sent - taken);
                let fwd_cnt = u32::try_from(taken & 0xffff_ffff).unwrap();
                prop_assert_eq!(window.advertise(fwd_cnt, buffer), Ok(()));
                prop_assert!(window.room() <= u64::from(buffer));
            }
            prop_assert_eq!(window.outstanding(), sent - taken);
        }
    }

    /// A liar never gets more through than an edge that was advertised.
    #[test]
    fn no_claim_moves_the_edge_past_the_buffer(
        claims in proptest::collection::vec((any::<u32>(), 0_u32..1000), 1..100),
    ) {
        let mut window = Window::default();
        let mut sent = 0;
        for (fwd_cnt, buffer) in claims {
            let _ = window.advertise(fwd_cnt, buffer);
            prop_assert!(window.outstanding() <= sent);
            prop_assert!(!window.allows(1000));
            if window.allows(1) {
                window.spend(1);
                sent += 1;
            }
        }
    }
}
