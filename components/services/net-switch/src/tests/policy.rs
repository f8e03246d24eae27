// SPDX-License-Identifier: BSD-2-Clause
//! Which frames pass, and where to.

use frames::{Meta, Status, flags};
use proptest::prelude::*;

use super::rig::{BROADCAST, PortSpec, Rig, SLOTS, frame, guest, mac, tagged, up, uplink};
use crate::{Mac, What};

fn three() -> Rig {
    Rig::new(&[guest("ivi", 1), guest("gateway", 2), uplink("net")])
}

#[test]
fn frames_go_to_the_owner_of_the_address_and_to_nobody_else() {
    let mut rig = three();
    for len in [0, 1, 33, 34, 35, 46, 1500] {
        let sent = frame(mac(2), mac(1), len);
        rig.send(0, &sent);
        assert_eq!(rig.receive(1), Some(sent), "{len}");
        assert_eq!(rig.arrivals(), []);
    }
    assert_eq!(rig.count(0, What::Received), 7);
    assert_eq!(rig.count(1, What::Sent), 7);
}

#[test]
fn broadcast_and_multicast_go_to_all_others() {
    let mut rig = three();
    rig.send(0, &frame(BROADCAST, mac(1), 50));
    assert_eq!(rig.arrivals(), [1, 2]);
    rig.send(2, &frame(Mac::new([0x33, 0x33, 0, 0, 0, 1]), mac(9), 50));
    assert_eq!(rig.arrivals(), [0, 1]);
}

#[test]
fn unknown_addresses_are_sought_where_they_can_be() {
    let mut rig = Rig::new(&[
        guest("a", 1),
        guest("b", 2),
        uplink("net"),
        guest("open", 3).anonymous(),
    ]);
    rig.send(0, &frame(mac(77), mac(1), 50));
    assert_eq!(
        rig.arrivals(),
        [2, 3],
        "not at b, all of whose addresses are known"
    );
    rig.send(3, &frame(mac(1), mac(77), 50));
    assert_eq!(rig.arrivals(), [0]);
    rig.send(0, &frame(mac(77), mac(1), 50));
    assert_eq!(rig.arrivals(), [3], "learned");
    rig.send(3, &frame(mac(78), mac(77), 50));
    rig.send(3, &frame(mac(77), mac(78), 50));
    assert_eq!(rig.arrivals(), [2], "never back to where it came from");
    assert_eq!(rig.count(3, What::NoWay), 1);
}

#[test]
fn learned_addresses_age_and_go_with_their_port() {
    let mut rig = Rig::new(&[guest("a", 1), uplink("net"), uplink("other")]);
    rig.send(1, &frame(mac(1), mac(50), 10));
    rig.send(0, &frame(mac(50), mac(1), 10));
    assert_eq!(rig.arrivals(), [0, 1]);
    rig.kernel.advance(301 * super::rig::SECOND);
    rig.send(0, &frame(mac(50), mac(1), 10));
    assert_eq!(rig.arrivals(), [1, 2], "forgotten");
    rig.send(1, &frame(mac(1), mac(50), 10));
    rig.peers[1].set_status(Status::DOWN);
    rig.run();
    rig.peers[1].set_status(up());
    rig.drain(0);
    rig.send(0, &frame(mac(50), mac(1), 10));
    assert_eq!(rig.arrivals(), [1, 2], "forgotten with the link");
}

#[test]
fn h_35_spoofed_sources_are_dropped_and_counted() {
    let mut rig = three();
    rig.send(0, &frame(mac(2), mac(9), 50));
    rig.send(0, &frame(BROADCAST, mac(2), 50));
    rig.send(2, &frame(BROADCAST, mac(1), 50));
    assert_eq!(rig.arrivals(), []);
    assert_eq!((rig.spoofed(0), rig.spoofed(2)), (2, 1));
    let bytes = rig.trace.read_only();
    let view = trace::View::new(&bytes).unwrap();
    let recorded: Vec<_> = view
        .events()
        .filter(|event| event.operands == [0, mac(9).to_u64()])
        .collect();
    assert_eq!(recorded.len(), 1, "the first in a second is recorded");
    // Static entries of a network bind others, not the network itself.
    let mut net = uplink("net");
    net.texts.push(("mac", "02:00:00:00:00:40"));
    let mut rig = Rig::new(&[guest("a", 1), guest("open", 3).anonymous(), net]);
    rig.send(1, &frame(BROADCAST, mac(0x40), 50));
    assert_eq!((rig.arrivals(), rig.spoofed(1)), (vec![], 1));
    rig.send(2, &frame(mac(1), mac(0x41), 50));
    assert_eq!(rig.arrivals(), [0]);
    rig.send(1, &frame(BROADCAST, mac(0x41), 50));
    assert_eq!(
        (rig.arrivals(), rig.spoofed(1)),
        (vec![], 2),
        "heard of elsewhere"
    );
}

fn arp(src: Mac, sender: Mac) -> Vec<u8> {
    let mut arp = [BROADCAST.bytes(), src.bytes()].concat();
    arp.extend_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    arp.extend_from_slice(&sender.bytes());
    arp.extend_from_slice(&[10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    arp
}

#[test]
fn h_35_arp_in_the_name_of_others_is_dropped() {
    let mut rig = three();
    rig.send(0, &arp(mac(1), mac(1)));
    assert_eq!(rig.arrivals(), [1, 2]);
    rig.send(0, &arp(mac(1), mac(2)));
    rig.send(0, &arp(mac(1), mac(1))[..24]);
    assert_eq!((rig.arrivals(), rig.spoofed(0)), (vec![], 2));
    rig.send(2, &arp(mac(9), mac(8)));
    assert_eq!(rig.arrivals(), [0, 1], "a network may answer for others");
}

#[test]
fn h_35_malformed_frames_are_dropped_and_counted() {
    let mut rig = three();
    let good = frame(mac(2), mac(1), 50);
    let csum = |csum_start, csum_offset| Meta {
        flags: flags::NEEDS_CSUM,
        csum_start,
        csum_offset,
        tag: 0,
    };
    let cases: &[(&[u8], Meta)] = &[
        (&good[..13], Meta::default()),
        (&good[..1], Meta::default()),
        (&frame(mac(2), mac(1), 1501), Meta::default()),
        (&frame(mac(2), BROADCAST, 50), Meta::default()),
        (&frame(mac(2), Mac::new([0; 6]), 50), Meta::default()),
        (&frame(Mac::new([0; 6]), mac(1), 50), Meta::default()),
        (
            &frame(Mac::new([1, 0x80, 0xc2, 0, 0, 0]), mac(1), 50),
            Meta::default(),
        ),
        (&good, csum(63, 0)),
        (&good, csum(0xffff, 0xffff)),
        (&good, csum(34, 0xffff)),
        (&good, csum(13, 2)),
    ];
    for (at, (bytes, meta)) in (1..).zip(cases) {
        rig.send_with(0, bytes, *meta);
        assert_eq!(rig.arrivals(), [], "case {at}");
        assert_eq!(rig.count(0, What::Malformed), at);
    }
    rig.send_with(0, &good, csum(62, 0));
    assert_eq!(rig.arrivals(), [1]);
}

#[test]
fn metadata_is_passed_on_only_where_it_is_wanted() {
    let mut rig = three();
    let sent = frame(mac(2), mac(1), 60);
    let odd = Meta {
        flags: 0xfffe,
        csum_start: 7,
        csum_offset: 9,
        tag: 5,
    };
    rig.send_with(0, &sent, odd);
    assert_eq!(rig.receive_with(1), Some((sent.clone(), Meta::default())));
    // A guest's word that a checksum is right is not taken, a driver's is.
    rig.peers[1].set_status(Status { csum: true, ..up() });
    rig.send_with(0, &sent, odd);
    assert_eq!(rig.receive_with(1), Some((sent.clone(), Meta::default())));
    rig.send_with(2, &frame(mac(2), mac(9), 60), odd);
    assert_eq!(rig.receive_with(1).unwrap().1.flags, flags::DATA_VALID);
    let partial = Meta {
        flags: 0xffff,
        csum_start: 34,
        csum_offset: 6,
        tag: 5,
    };
    rig.send_with(0, &sent, partial);
    let expected = Meta {
        flags: flags::NEEDS_CSUM,
        tag: 0,
        ..partial
    };
    assert_eq!(rig.receive_with(1), Some((sent, expected)));
}

#[test]
fn checksums_are_completed_for_those_who_do_not() {
    let mut rig = three();
    let mut sent = frame(mac(2), mac(1), 61);
    sent[40..42].copy_from_slice(&[0x12, 0x34]);
    let partial = Meta {
        flags: flags::NEEDS_CSUM,
        csum_start: 34,
        csum_offset: 6,
        tag: 0,
    };
    rig.send_with(0, &sent, partial);
    let (got, meta) = rig.receive_with(1).unwrap();
    assert_eq!(meta, Meta::default());
    let sum = |bytes: &[u8]| {
        let pairs = bytes
            .chunks(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])));
        let sum: u32 = pairs.sum();
        (sum & 0xffff) + (sum >> 16)
    };
    let expected = !u16::try_from(sum(&sent[34..])).unwrap();
    assert_eq!(u16::from_be_bytes([got[40], got[41]]), expected);
    assert_eq!((&got[..40], &got[42..]), (&sent[..40], &sent[42..]));
}

fn vlans() -> Rig {
    Rig::new(&[
        guest("a", 1).value("vlan", 10),
        guest("b", 2).value("vlan", 10),
        guest("c", 3).value("vlan", 20),
        guest("d", 4),
        uplink("trunk"),
        uplink("access").value("vlan", 20),
    ])
}

#[test]
fn vlans_are_apart() {
    let mut rig = vlans();
    for (from, expected) in [(0, vec![1, 4]), (2, vec![4, 5]), (3, vec![4])] {
        rig.send(
            from,
            &frame(BROADCAST, mac(u8::try_from(from).unwrap() + 1), 50),
        );
        assert_eq!(rig.arrivals(), expected, "from {from}");
    }
    rig.send(0, &frame(mac(3), mac(1), 50));
    assert_eq!(
        rig.arrivals(),
        [4],
        "unknown in this VLAN, so perhaps behind the trunk"
    );
    rig.send(5, &frame(mac(3), mac(9), 50));
    assert_eq!(rig.arrivals(), [2]);
}

#[test]
fn a_trunk_has_tags_and_an_access_port_has_none() {
    let mut rig = vlans();
    let sent = frame(BROADCAST, mac(1), 70);
    rig.send(0, &sent);
    assert_eq!(rig.receive(1), Some(sent.clone()));
    assert_eq!(rig.receive(4), Some(tagged(&sent, 10)));
    let plain = frame(BROADCAST, mac(4), 70);
    rig.send(3, &plain);
    assert_eq!(rig.receive(4), Some(plain), "VLAN 0 has no tag");
    let back = frame(mac(1), mac(9), 1500);
    rig.send(4, &tagged(&back, 0xe00a));
    assert_eq!(rig.receive(0), Some(back.clone()));
    rig.send(4, &tagged(&frame(mac(4), mac(9), 5), 0x6000));
    assert_eq!(
        rig.receive(3),
        Some(frame(mac(4), mac(9), 5)),
        "priority only"
    );
    assert_eq!(rig.arrivals(), []);
}

#[test]
fn h_35_vlan_tricks_are_dropped() {
    let mut rig = vlans();
    let inner = frame(BROADCAST, mac(1), 50);
    rig.send(0, &tagged(&inner, 10));
    rig.send(0, &tagged(&inner, 20));
    rig.send(0, &tagged(&tagged(&inner, 20), 10));
    let mut provider = tagged(&inner, 20);
    provider[12..14].copy_from_slice(&[0x88, 0xa8]);
    rig.send(0, &provider);
    assert_eq!(rig.count(0, What::BadVlan), 4);
    let inner = frame(BROADCAST, mac(9), 50);
    rig.send(4, &tagged(&tagged(&inner, 20), 10));
    rig.send(4, &tagged(&inner, 4095));
    assert_eq!(rig.count(4, What::BadVlan), 2);
    rig.send(4, &tagged(&inner, 99));
    assert_eq!(rig.count(4, What::NoWay), 1, "a VLAN that nobody is in");
    rig.send(4, &tagged(&inner, 10)[..17]);
    assert_eq!(rig.count(4, What::Malformed), 1, "cut in its tag");
    assert_eq!(rig.arrivals(), []);
}

#[test]
fn checksums_move_with_tags() {
    let mut rig = vlans();
    rig.peers[4].set_status(Status { csum: true, ..up() });
    rig.peers[0].set_status(Status { csum: true, ..up() });
    let partial = |csum_start| Meta {
        flags: flags::NEEDS_CSUM,
        csum_start,
        csum_offset: 6,
        tag: 0,
    };
    rig.send_with(0, &frame(mac(9), mac(1), 60), partial(34));
    assert_eq!(rig.receive_with(4).unwrap().1, partial(38));
    let back = tagged(&frame(mac(1), mac(9), 60), 10);
    rig.send_with(4, &back, partial(38));
    assert_eq!(rig.receive_with(0).unwrap().1, partial(34));
    rig.send_with(4, &back, partial(17));
    assert_eq!(rig.count(4, What::Malformed), 1, "in the header");
}

// Shows AV-15.
#[test]
fn lists_must_agree_in_both_directions() {
    let mut rig = Rig::new(&[
        guest("a", 1).allow("net"),
        guest("b", 2).allow("net").allow("a"),
        guest("c", 3),
        uplink("net"),
    ]);
    for (from, expected) in [(0, vec![3]), (1, vec![3]), (2, vec![3]), (3, vec![0, 1, 2])] {
        let src = mac(u8::try_from(from).unwrap() + 1);
        rig.send(from, &frame(BROADCAST, src, 50));
        assert_eq!(rig.arrivals(), expected, "from {from}");
    }
    rig.send(1, &frame(mac(1), mac(2), 50));
    assert_eq!((rig.arrivals(), rig.count(1, What::NoWay)), (vec![], 1));
}

#[test]
fn frames_longer_than_a_receiver_takes_are_dropped_there() {
    let mut rig = Rig::new(&[
        guest("a", 1),
        guest("b", 2).value("mtu", 576),
        uplink("net"),
    ]);
    rig.send(0, &frame(BROADCAST, mac(1), 577));
    assert_eq!((rig.arrivals(), rig.count(1, What::TooLong)), (vec![2], 1));
    rig.peers[2].set_status(Status { mtu: 100, ..up() });
    rig.send(0, &frame(BROADCAST, mac(1), 101));
    assert_eq!((rig.arrivals(), rig.count(2, What::TooLong)), (vec![1], 1));
    rig.send(0, &frame(BROADCAST, mac(1), 100));
    assert_eq!(rig.arrivals(), [1, 2]);
}

#[test]
fn records_that_make_no_sense_are_refused() {
    let refused = |specs: &[PortSpec]| {
        let links: Vec<_> = specs
            .iter()
            .map(|_| frames::fake::FakeLink::new(frames::Shape::NET, 1))
            .collect();
        super::rig::create(specs, &links, shm::fake::region(0x1000), false).is_err()
    };
    let kind = PortSpec {
        kind: "gest",
        ..guest("a", 1)
    };
    let text = |what, text| {
        let mut spec = guest("a", 1);
        spec.texts.push((what, text));
        spec
    };
    assert!(!refused(&[guest("a", 1)]));
    assert!(refused(&[kind]));
    assert!(
        refused(&[guest("a", 1), guest("b", 1)]),
        "one address twice"
    );
    assert!(
        refused(&[guest("a", 1), guest("b", 2).allow("c")]),
        "no such port"
    );
    assert!(refused(&[text("mac", "02:00:00:00:00")]));
    assert!(refused(&[text("mac", "ff:ff:ff:ff:ff:ff")]));
    assert!(refused(&[guest("a", 1).value("vlan", 4095)]));
    assert!(refused(&[guest("a", 1).value("mtu", 2019)]));
    assert!(refused(&[guest("a", 1).value("mtu", 67)]));
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let nine: Vec<_> = names
        .iter()
        .zip(1..)
        .map(|(name, last)| guest(name, last))
        .collect();
    assert!(refused(&nine));
    assert!(!refused(&nine[..8]));
    let mut large = frames::fake::FakeLink::new(frames::Shape::NET, 512);
    large.second = shm::fake::region(0x1_0000);
    let trace = shm::fake::region(0x1000);
    assert!(super::rig::create(&[guest("a", 1)], &[large], trace, false).is_err());
}

proptest! {
    /// A peer may write anything into its ring at any time: no panic, and what others get is a
    /// frame that the policy allows.
    #[test]
    fn h_36_any_peer_is_survived(
        acts in proptest::collection::vec((0_u8..6, any::<u32>(), any::<bool>()), 0..60),
    ) {
        let mut rig = three();
        let peer = rig.links[0].hostile_second();
        for (act, value, near) in acts {
            let value = if near { value % (2 * SLOTS) } else { value };
            match act {
                0 => peer.write_index(value),
                1 => peer.read_index(value),
                2 => peer.length(value % SLOTS, value),
                3 => peer.word(value as usize % 0x2000, value),
                4 => peer.scribble(value.to_le_bytes()[0]),
                _ => {
                    let _ = rig.queue(1, &frame(mac(1), mac(2), 64));
                }
            }
            rig.run();
            for port in [1, 2] {
                for frame in rig.drain(port) {
                    prop_assert_eq!(&frame[6..12], &mac(1).bytes()[..]);
                }
            }
        }
        // Nobody else noticed.
        rig.send(1, &frame(mac(9), mac(2), 64));
        prop_assert_eq!(rig.drain(2).len(), 1);
    }
}
