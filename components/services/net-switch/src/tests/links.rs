// SPDX-License-Identifier: BSD-2-Clause
//! Links that come and go, restarts, notifications.

use frames::Status;
use pd::Handler;
use units::{ChannelId, ChannelSet};

use super::rig::{BROADCAST, Rig, frame, guest, mac, up, uplink};
use crate::{Event, What};

fn sees_link(rig: &Rig, port: usize) -> bool {
    let status = rig.peers[port].peer_status();
    assert!(status.up, "the switch runs");
    status.link
}

#[test]
fn a_link_is_up_while_anybody_allowed_is_there() {
    let mut rig = Rig::new(&[guest("a", 1), guest("b", 2).allow("net"), uplink("net")]);
    assert!((0..3).all(|port| sees_link(&rig, port)));
    // The cable of the uplink is pulled: a and b have nobody else.
    rig.peers[2].set_status(Status {
        link: false,
        ..up()
    });
    rig.kernel.take_calls();
    rig.run();
    assert!(!sees_link(&rig, 0) && !sees_link(&rig, 1) && sees_link(&rig, 2));
    for port in 0..2 {
        let channel = ChannelId::new(port).unwrap();
        assert_eq!(rig.kernel.notifications(channel), 1, "told to look");
    }
    rig.send(0, &frame(mac(9), mac(1), 10));
    assert_eq!(
        rig.count(0, What::NoWay),
        1,
        "nothing is put into a ring that nobody reads"
    );
    rig.peers[2].set_status(up());
    rig.run();
    assert!((0..3).all(|port| sees_link(&rig, port)));
    assert_eq!(rig.count(0, What::Link { up: true }), 3);
}

#[test]
fn what_a_port_may_expect_is_in_its_status() {
    let rig = Rig::new(&[guest("a", 1).value("mtu", 1400), uplink("net")]);
    let status = rig.peers[0].peer_status();
    assert_eq!((status.mtu, status.csum), (1400, true));
}

#[test]
fn a_restarted_switch_goes_on_where_it_was() {
    let mut rig = Rig::new(&[guest("a", 1), guest("b", 2), uplink("net")]);
    let sent = |len| frame(mac(2), mac(1), len);
    rig.send(0, &sent(1));
    assert!(rig.queue(0, &sent(2)));
    rig.restart();
    rig.send(0, &sent(3));
    assert_eq!(rig.drain(1), [sent(1), sent(2), sent(3)]);
    assert!(sees_link(&rig, 0));
    assert_eq!(rig.count(1, What::Restarted), 2, "seen by both switches");
    assert!(rig.peers[1].peer_restarted());
}

#[test]
fn a_restarted_peer_is_noticed() {
    let mut rig = Rig::new(&[guest("a", 1), guest("b", 2)]);
    rig.peers[1] = rig.links[1].second(ChannelId::new(1).unwrap());
    rig.run();
    assert!(!sees_link(&rig, 0), "it is down until it says otherwise");
    assert_eq!(rig.count(1, What::Restarted), 2);
    rig.peers[1].set_status(up());
    rig.send(0, &frame(mac(2), mac(1), 10));
    assert_eq!(rig.arrivals(), [1]);
}

#[test]
fn a_batch_costs_one_notification() {
    let mut rig = Rig::new(&[guest("a", 1), guest("b", 2)]);
    rig.send(0, &frame(mac(2), mac(1), 100));
    rig.drain(1);
    assert!(!rig.peers[1].rx.arm());
    for _ in 0..40 {
        assert!(rig.queue(0, &frame(mac(2), mac(1), 100)));
    }
    rig.kernel.take_calls();
    rig.run();
    assert_eq!(rig.kernel.notifications(ChannelId::new(1).unwrap()), 1);
    assert_eq!(
        rig.kernel.notifications(ChannelId::new(0).unwrap()),
        0,
        "nobody waits there"
    );
    assert_eq!(rig.drain(1).len(), 40);
}

#[test]
fn a_lying_peer_and_stray_notifications_are_counted() {
    let mut rig = Rig::new(&[guest("a", 1), guest("b", 2)]);
    rig.links[0].hostile_second().write_index(5000);
    rig.run();
    rig.run();
    assert_eq!(rig.count(0, What::PeerFault { count: 1 }), 1);
    let stray: ChannelSet = [ChannelId::new(33).unwrap()].into_iter().collect();
    rig.switch.notified(&mut rig.kernel, stray);
    assert_eq!(rig.counted(Event::Stray { channels: 0 }), 1);
}

#[test]
fn a_port_without_partners_is_alone() {
    let mut rig = Rig::new(&[guest("a", 1)]);
    assert!(!sees_link(&rig, 0));
    rig.send(0, &frame(BROADCAST, mac(1), 10));
    assert_eq!(rig.count(0, What::NoWay), 1);
    let mut empty = Rig::new(&[]);
    empty.run();
}
