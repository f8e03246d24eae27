// SPDX-License-Identifier: BSD-2-Clause
//! Configuration, link, control queue, reset and stray events.

use pd::SetupError;
use pd::fake::World;
use shm::fake;
use vio::{Phase, QueueConfig};
use virtio::net::Header;
use virtio::net::{CONTROLQ, F_CTRL_MAC_ADDR, F_CTRL_RX, RECEIVEQ, TRANSMITQ};

use super::rig::*;
use crate::{FEATURES, Net};

// Shows AV-12.
#[test]
fn clause_5_1_the_device_is_a_network_card() {
    let rig = Rig::new();
    let offer = rig.transport.offer().unwrap();
    assert_eq!((offer.device, offer.queues), (1, 3));
    assert_eq!(
        offer.features, FEATURES,
        "CTRL_MAC_ADDR is for those who may"
    );
    assert_eq!(offer.features & 0x7fc0 & !(1 << 5), 0, "no segmentation");
    assert_eq!(
        rig.config(),
        [0x52, 0x54, 0, 0, 0, 1, 1, 0, 1, 0, 0xdc, 0x05],
        "address, link, pairs, MTU"
    );
}

// Shows AV-16.
#[test]
fn clause_5_1_4_the_link_follows_the_switch() {
    let mut rig = Rig::running(PLAIN);
    let before = rig.transport.events().config;
    rig.switch.set_status(frames::Status { link: false, ..UP });
    rig.notify(SWITCH);
    assert_eq!(rig.config()[6], 0);
    assert_ne!(rig.transport.events().config, before, "the driver is told");
    rig.switch.set_status(UP);
    rig.notify(SWITCH);
    assert_eq!(rig.config()[6], 1);
    let before = rig.transport.events().config;
    rig.notify(SWITCH);
    assert_eq!(rig.transport.events().config, before, "once");
    assert_eq!(rig.counted("Link"), 3);
}

#[test]
fn the_switch_is_told_whether_a_driver_is_there() {
    let mut rig = Rig::new();
    assert!(!rig.switch.peer_status().carries());
    rig.order(PLAIN);
    let status = rig.switch.peer_status();
    assert_eq!(
        (status.carries(), status.csum, status.mtu),
        (true, true, 1500)
    );
    rig.let_go();
    assert!(!rig.switch.peer_status().carries());
}

#[test]
fn clause_5_1_6_5_receive_modes_are_applied() {
    let mut rig = Rig::running(PLAIN);
    let other = frame([2, 0, 0, 0, 0, 9], 46);
    let group = frame([1, 0, 0x5e, 0, 0, 1], 46);
    let arrives = |rig: &mut Rig, frame: &[u8]| {
        let before = rig.used(RECEIVEQ).len();
        rig.offer(u16::try_from(before).unwrap() % SIZE, 2048);
        assert!(rig.send(frame, frames::Meta::default()));
        let arrived = rig.used(RECEIVEQ).len() > before;
        if !arrived {
            // The buffer that was offered is used up by a broadcast.
            assert!(rig.send(&self::frame([0xff; 6], 46), frames::Meta::default()));
        }
        arrived
    };
    assert!(
        arrives(&mut rig, &other),
        "promiscuous until told otherwise"
    );
    assert_eq!(rig.command(&[0, 0, 0]), 0);
    assert!(!arrives(&mut rig, &other) && !arrives(&mut rig, &group));
    assert_eq!(rig.command(&[0, 1, 1]), 0);
    assert!(arrives(&mut rig, &group));
    assert_eq!(rig.command(&[0, 1, 0]), 0);
    let table = [
        &[1, 0, 1, 0, 0, 0][..],
        &other[..6],
        &[1, 0, 0, 0],
        &group[..6],
    ]
    .concat();
    assert_eq!(rig.command(&table), 0);
    assert!(arrives(&mut rig, &other) && arrives(&mut rig, &group));
    let tagged = [&MAC[..], &[2, 0, 0, 0, 0, 2, 0x81, 0, 0, 5, 8, 0], &[0; 46]].concat();
    assert!(!arrives(&mut rig, &tagged));
    assert_eq!(rig.command(&[2, 0, 5, 0]), 0);
    assert!(arrives(&mut rig, &tagged));
    assert_eq!(rig.command(&[2, 1, 5, 0]), 0);
    assert!(!arrives(&mut rig, &tagged));
    assert_eq!(rig.counted("Filtered"), 4);
}

#[test]
fn malformed_commands_change_nothing() {
    let mut rig = Rig::running(PLAIN);
    let wrong: [&[u8]; 15] = [
        &[],
        &[0],
        &[0, 0],
        &[0, 0, 2],
        &[0, 2, 1],
        &[9, 0, 0],
        &[1, 0],
        &[1, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5],
        &[1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        &[1, 0, 0, 0, 0, 0],
        &[1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 2, 3, 4, 5, 6],
        &[1, 1, 2, 0, 0, 0, 0, 9],
        &[2, 0, 5],
        &[2, 0, 0, 0x10],
        &[3, 0],
    ];
    for command in &wrong[1..] {
        assert_eq!(rig.command(command), 1, "{command:?}");
    }
    rig.offer(0, 2048);
    assert!(rig.send(&frame([2, 0, 0, 0, 0, 9], 46), frames::Meta::default()));
    assert_eq!(rig.used(RECEIVEQ).len(), 1, "still promiscuous");
    assert_eq!(rig.counted("CommandRefused"), 14);
    assert_eq!(rig.used(CONTROLQ).len(), 14);
}

#[test]
fn commands_that_were_not_negotiated_are_refused() {
    let mut rig = Rig::running(PLAIN & !F_CTRL_RX);
    assert_eq!(rig.command(&[0, 0, 0]), 1);
    assert_eq!(rig.command(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 1);
    assert_eq!(rig.command(&[2, 0, 5, 0]), 0);
}

// Shows AV-17.
#[test]
fn h35_the_address_changes_only_where_it_may() {
    let set = [1, 1, 2, 0, 0, 0, 0, 9];
    let mut rig = Rig::running(PLAIN);
    assert_eq!(rig.command(&set), 1);
    assert_eq!(rig.config()[..6], MAC);
    let mut rig = Rig::build(false, 1);
    assert_ne!(rig.transport.offer().unwrap().features & F_CTRL_MAC_ADDR, 0);
    rig.order(PLAIN | F_CTRL_MAC_ADDR);
    assert_eq!(rig.command(&[1, 1, 3, 0, 0, 0, 0, 9]), 1, "a group's");
    assert_eq!(rig.command(&set), 0);
    assert_eq!(rig.config()[..6], set[2..]);
    assert_eq!(rig.command(&[0, 0, 0]), 0);
    rig.offer(0, 2048);
    assert!(rig.send(&frame([2, 0, 0, 0, 0, 9], 46), frames::Meta::default()));
    assert_eq!(rig.used(RECEIVEQ).len(), 1);
    rig.restart();
    assert_eq!(rig.config()[..6], set[2..], "a restart is not a reset");
    rig.let_go();
    assert_eq!(rig.config()[..6], MAC, "a reset is");
}

#[test]
fn a_command_without_room_for_its_answer_is_given_back() {
    let mut rig = Rig::running(PLAIN);
    let at = rig.place(3);
    rig.desc(CONTROLQ, 4, (RAM + at as u64, 3, 0, 0));
    rig.submit(CONTROLQ, 4);
    rig.kick();
    assert_eq!(rig.used(CONTROLQ), [(4, 0)]);
    assert_eq!(rig.counted("BadRequest"), 1);
}

#[test]
fn a_reset_takes_the_filters_back() {
    let mut rig = Rig::running(PLAIN);
    assert_eq!(rig.command(&[0, 0, 0]), 0);
    rig.let_go();
    rig.order(PLAIN);
    rig.offer(0, 2048);
    assert!(rig.send(&frame([2, 0, 0, 0, 0, 9], 46), frames::Meta::default()));
    assert_eq!(rig.used(RECEIVEQ).len(), 1);
}

#[test]
fn stopping_one_queue_keeps_the_filters() {
    let mut rig = Rig::running(PLAIN);
    assert_eq!(rig.command(&[2, 0, 5, 0]), 0);
    assert_eq!(rig.command(&[0, 0, 0]), 0);
    let queues = [config(0), QueueConfig::default(), config(2)];
    rig.transport.order(Phase::Running, PLAIN, &queues);
    rig.kick();
    let tagged = [&MAC[..], &[2, 0, 0, 0, 0, 2, 0x81, 0, 0, 5, 8, 0], &[0; 46]].concat();
    rig.offer(0, 2048);
    assert!(rig.send(&tagged, frames::Meta::default()));
    assert_eq!(rig.used(RECEIVEQ).len(), 1);
}

#[test]
fn clause_2_1_2_a_broken_queue_stops_the_device_until_reset() {
    for queue in [RECEIVEQ, TRANSMITQ, CONTROLQ] {
        let mut rig = Rig::running(PLAIN);
        rig.submit(queue, SIZE);
        assert!(rig.send(&frame(MAC, 46), frames::Meta::default()));
        assert_ne!(rig.transport.events().fault, 0);
        assert_eq!(rig.counted("QueueFault"), 1);
        rig.transmit(0, &Header::default(), &frame(MAC, 46));
        rig.kick();
        assert_eq!(rig.take().len(), 0, "no queue is touched");
        rig.restart();
        assert_ne!(rig.transport.events().fault, 0, "not even after a restart");
        rig.let_go();
        assert_eq!(rig.transport.events().fault, 0);
        rig.order(PLAIN);
        rig.transmit(0, &Header::default(), &frame(MAC, 46));
        rig.kick();
        assert_eq!(rig.take().len(), 1);
    }
}

#[test]
fn a_stray_notification_is_counted() {
    let mut rig = Rig::new();
    rig.notify(20);
    rig.notify(TIMER);
    assert_eq!(rig.counted("Stray"), 2);
}

#[test]
fn the_record_must_be_sound() {
    let with = |mac: &'static str, mtu: u64| -> Result<Net, SetupError> {
        let rig = Rig::new();
        let mut world = World::new();
        world
            .region_rw("ram", rig.memory.ram)
            .region_ro("orders", fake::region(0x1000))
            .region_rw("answers", fake::region(0x4000))
            .region_rw("net.out", rig.memory.link.first)
            .region_ro("net.in", rig.memory.link.second)
            .channel("net", SWITCH)
            .channel("vmm", VMM)
            .text("mac", mac)
            .value("mtu", mtu);
        world.create()
    };
    assert!(with("52:54:00:00:00:01", 1500).is_ok());
    assert!(with("52:54:00:00:00:01", 2018).is_ok());
    for mac in [
        "",
        "52:54:00:00:00",
        "52:54:00:00:00:01:02",
        "52:54:00:00:00:1",
        "52-54-00-00-00-01",
        "53:54:00:00:00:01",
        "00:00:00:00:00:00",
        "+2:54:00:00:00:01",
    ] {
        assert!(with(mac, 1500).is_err(), "{mac}");
    }
    for mtu in [0, 67, 2019, 0x1_0000 + 1500] {
        assert!(with("52:54:00:00:00:01", mtu).is_err(), "{mtu}");
    }
    let mut world = World::new();
    world.text("mac", "52:54:00:00:00:01");
    let missing: Result<Net, SetupError> = world.create();
    assert!(matches!(missing, Err(SetupError::Lookup(_))));
}
