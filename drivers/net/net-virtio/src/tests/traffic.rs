// SPDX-License-Identifier: BSD-2-Clause
//! Frames both ways, notifications, links, restarts.

use frames::flags;
use proptest::prelude::*;
use virtio::Features;
use virtio::net::{F_MAC, F_MTU, Header};

use super::*;

#[test]
fn frames_arrive_in_the_slots_that_the_device_filled() {
    let mut rig = Rig::new();
    assert_eq!(
        rig.device.notified(),
        [0],
        "one notification for all buffers"
    );
    let offered: Vec<_> = core::iter::from_fn(|| rig.device.take(0)).collect();
    assert_eq!(offered.len(), 8);
    for (at, (_, parts)) in offered.iter().enumerate() {
        assert_eq!(parts[0].1, 2048, "a slot with its headroom");
        assert_eq!(parts[0].0, OUT + 0x140 + 2048 * at as u64);
    }
    for (tag, (chain, len)) in (1..).zip(offered.iter().zip([14, 60, 1514, 2036])) {
        rig.device.fill(chain, &Header::default(), &frame(tag, len));
    }
    rig.interrupt();
    for (tag, len) in (1..).zip([14, 60, 1514, 2036]) {
        assert_eq!(rig.receive(), Some((frame(tag, len), Meta::default())));
    }
    assert_eq!(rig.receive(), None);
    assert_eq!(
        rig.kernel.acknowledgements(units::IrqId::new(IRQ).unwrap()),
        1
    );
    assert_eq!(rig.count(Event::Received), 4);
}

#[test]
fn slots_filled_out_of_order_arrive_in_order() {
    let mut rig = Rig::new();
    let offered: Vec<_> = core::iter::from_fn(|| rig.device.take(0)).collect();
    let fill = |rig: &Rig, at: usize| {
        let tag = u8::try_from(at).unwrap();
        rig.device
            .fill(&offered[at], &Header::default(), &frame(tag, 20))
    };
    assert!(fill(&rig, 2), "the first interrupts, whichever it is");
    rig.interrupt();
    assert_eq!(rig.receive(), None);
    assert!(fill(&rig, 0));
    fill(&rig, 3);
    rig.interrupt();
    assert_eq!(rig.receive().unwrap().0, frame(0, 20));
    assert_eq!(rig.receive(), None, "the second is not there");
    fill(&rig, 1);
    rig.interrupt();
    for at in 1..4 {
        assert_eq!(rig.receive().unwrap().0, frame(at, 20));
    }
}

#[test]
fn the_device_gets_slots_back_when_the_switch_releases_them() {
    let mut rig = Rig::new();
    rig.device.sleep(0);
    let offered: Vec<_> = core::iter::from_fn(|| rig.device.take(0)).collect();
    for chain in &offered {
        rig.device.fill(chain, &Header::default(), &frame(7, 100));
    }
    rig.interrupt();
    assert!(rig.device.take(0).is_none(), "the switch has them all");
    rig.device.sleep(0);
    rig.device.notified();
    for _ in 0..3 {
        assert!(rig.receive().is_some());
    }
    rig.kernel.take_calls();
    let mut switch = FakeKernel::new();
    rig.switch.flush(&mut switch);
    rig.notify(SWITCH);
    assert_eq!(rig.device.notified(), [0]);
    let again: Vec<_> = core::iter::from_fn(|| rig.device.take(0)).collect();
    let addresses = |chains: &[(u16, Vec<super::device::Part>)]| -> Vec<u64> {
        chains.iter().map(|(_, parts)| parts[0].0).collect()
    };
    assert_eq!(addresses(&again), addresses(&offered[..3]));
}

#[test]
fn the_device_reads_frames_where_the_switch_put_them() {
    let mut rig = Rig::new();
    rig.device.sleep(1);
    rig.device.notified();
    for tag in 1..=3 {
        rig.send(&frame(tag, 100 + usize::from(tag)), Meta::default());
    }
    rig.notify(SWITCH);
    assert_eq!(rig.device.notified(), [1], "once for the batch");
    for tag in 1..=3_u8 {
        let (head, parts) = rig.device.take(1).unwrap();
        assert_eq!(parts.len(), 2);
        assert!(parts.iter().all(|(_, _, writable)| !writable));
        assert_eq!(
            rig.device.read(parts[0].0, parts[0].1),
            [0; 12],
            "an empty header"
        );
        assert!((INPUT..INPUT + 0x1_0000).contains(&parts[1].0));
        assert_eq!(
            rig.device.read(parts[1].0, parts[1].1),
            frame(tag, 100 + usize::from(tag))
        );
        let interrupts = rig.device.done(1, head.into(), 0);
        assert!(tag == 1 || !interrupts, "there is room");
    }
    assert_eq!(rig.switch.tx.room(), SLOTS - 3);
    rig.send(&frame(4, 60), Meta::default());
    rig.notify(SWITCH);
    assert_eq!(
        rig.switch.tx.room(),
        SLOTS - 1,
        "taken back with the next frame"
    );
}

#[test]
fn when_slots_run_short_the_device_interrupts() {
    let mut rig = Rig::new();
    for tag in 1..=8 {
        rig.send(&frame(tag, 60), Meta::default());
    }
    rig.notify(SWITCH);
    assert_eq!(rig.switch.tx.room(), 0);
    let interrupts: Vec<_> = core::iter::from_fn(|| rig.device.take(1))
        .map(|(head, _)| rig.device.done(1, head.into(), 0))
        .collect();
    assert_eq!(
        interrupts,
        [false, false, false, true, false, false, false, false],
        "once, when half is done"
    );
    rig.interrupt();
    assert_eq!(rig.switch.tx.room(), 8);
}

#[test]
fn sent_slots_come_back_in_order() {
    let mut rig = Rig::new();
    for tag in 1..=4 {
        rig.send(&frame(tag, 60), Meta::default());
    }
    rig.notify(SWITCH);
    let heads: Vec<_> = core::iter::from_fn(|| rig.device.take(1))
        .map(|(head, _)| head)
        .collect();
    rig.device.done(1, heads[2].into(), 0);
    rig.device.done(1, heads[1].into(), 0);
    rig.interrupt();
    assert_eq!(rig.switch.tx.room(), 4, "the first is still out");
    rig.device.done(1, heads[0].into(), 0);
    rig.interrupt();
    assert_eq!(rig.switch.tx.room(), 7);
}

#[test]
fn checksums_are_left_to_who_computes_them() {
    let mut rig = Rig::new();
    assert!(rig.switch.peer_status().csum);
    let partial = Meta {
        flags: flags::NEEDS_CSUM,
        csum_start: 34,
        csum_offset: 6,
        tag: 0,
    };
    rig.send(&frame(1, 60), partial);
    rig.notify(SWITCH);
    let (_, parts) = rig.device.take(1).unwrap();
    let header = rig.device.read(parts[0].0, 12);
    assert_eq!(header, [1, 0, 0, 0, 0, 0, 34, 0, 6, 0, 0, 0]);
    let chain = rig.device.take(0).unwrap();
    let header = Header {
        flags: 1,
        csum_start: 34.into(),
        csum_offset: 6.into(),
        ..Header::default()
    };
    rig.device.fill(&chain, &header, &frame(2, 60));
    let chain = rig.device.take(0).unwrap();
    let verified = Header {
        flags: 2,
        hdr_len: 0xffff.into(),
        ..Header::default()
    };
    rig.device.fill(&chain, &verified, &frame(3, 60));
    rig.interrupt();
    assert_eq!(rig.receive().unwrap().1, partial);
    assert_eq!(rig.receive().unwrap().1.flags, flags::DATA_VALID);

    let mut rig = Rig::offering(F_STATUS);
    assert!(!rig.switch.peer_status().csum);
    rig.send(&frame(1, 60), partial);
    rig.notify(SWITCH);
    assert!(rig.device.take(1).is_none());
    assert_eq!((rig.count(Event::BadSent), rig.count(Event::Sent)), (1, 0));
    rig.notify(SWITCH);
    assert_eq!(rig.switch.tx.room(), 8, "its slot is given back");
}

#[test]
fn features_are_those_that_are_used() {
    let rig = Rig::offering(!0);
    let ring = Features::VERSION_1 | Features::EVENT_IDX | Features::INDIRECT_DESC;
    let expected = ring.bits() | F_CSUM | F_GUEST_CSUM | F_STATUS | F_MAC | F_MTU;
    assert_eq!(rig.device.agreed(), expected);
}

#[test]
fn the_switch_sees_the_link() {
    let mut rig = Rig::new();
    assert!(rig.switch.peer_status().carries());
    rig.device.set_link(false);
    rig.device.interrupt(2);
    rig.kernel.take_calls();
    rig.notify(IRQ);
    assert!(rig.switch.peer_status().up && !rig.switch.peer_status().link);
    assert_eq!(rig.kernel.notifications(ChannelId::new(SWITCH).unwrap()), 1);
    rig.device.set_link(true);
    rig.notify(IRQ);
    assert!(!rig.switch.peer_status().link, "no cause, no look");
    rig.device.interrupt(3);
    rig.notify(IRQ);
    assert!(rig.switch.peer_status().carries());
    assert_eq!(rig.count(Event::Link { up: true }), 3);
    let rig = Rig::offering(0);
    rig.device.set_link(false);
    assert!(rig.switch.peer_status().link, "without STATUS it is up");
}

#[test]
fn a_restart_resets_the_device_first_and_goes_on() {
    let mut rig = Rig::new();
    let chain = rig.device.take(0).unwrap();
    rig.device.fill(&chain, &Header::default(), &frame(1, 60));
    rig.interrupt();
    rig.send(&frame(2, 60), Meta::default());
    rig.notify(SWITCH);
    let resets = rig.device.resets();
    rig.restart();
    assert!(rig.device.resets() > resets);
    assert_eq!(rig.receive().unwrap().0, frame(1, 60));
    let (_, parts) = rig.device.take(1).unwrap();
    assert_eq!(
        rig.device.read(parts[1].0, parts[1].1),
        frame(2, 60),
        "sent again"
    );
    let chain = rig.device.take(0).unwrap();
    rig.device.fill(&chain, &Header::default(), &frame(3, 60));
    rig.interrupt();
    assert_eq!(rig.receive().unwrap().0, frame(3, 60));
}

#[test]
fn records_that_make_no_sense_are_refused() {
    let rig = Rig::new();
    let refused = |memory: &Memory| create(memory).is_err();
    assert!(!refused(&rig.memory));
    let mut memory = rig.memory;
    memory.queue = fake::region(0x2000);
    assert!(refused(&memory), "region and window differ");
    memory.queue = fake::region(QUEUE_BYTES);
    memory.bank.set32(0x200 + 8, 2);
    assert!(refused(&memory), "a disk");
}

proptest! {
    /// Whatever the order in which both ends work: every frame arrives once, in order, unchanged.
    #[test]
    fn frames_pass_both_ways(
        acts in proptest::collection::vec((0_u8..6, 14_usize..200, any::<usize>()), 1..150),
    ) {
        let mut rig = Rig::new();
        let (mut in_rx, mut in_tx) = (Vec::new(), Vec::new());
        let (mut to_net, mut to_switch) = (Vec::new(), Vec::new());
        let (mut at_net, mut at_switch) = (Vec::new(), Vec::new());
        let mut slots: Vec<u64> = Vec::new();
        let mut tag = 0_u8;
        for (act, len, pick) in acts {
            match act {
                0 => {
                    tag = tag.wrapping_add(1);
                    if rig.switch.tx.send(&frame(tag, len), Meta::default()) {
                        let _ = rig.switch.tx.publish();
                        to_net.push(frame(tag, len));
                    }
                }
                1 => {
                    in_rx.extend(core::iter::from_fn(|| rig.device.take(0)));
                    if !in_rx.is_empty() {
                        // The frames' order is that of the slots, not of their completion.
                        let chain: (u16, Vec<super::device::Part>) = in_rx.remove(pick % in_rx.len());
                        tag = tag.wrapping_add(1);
                        rig.device.fill(&chain, &Header::default(), &frame(tag, len));
                        to_switch.push((chain.1[0].0, frame(tag, len)));
                    }
                }
                2 => {
                    in_tx.extend(core::iter::from_fn(|| rig.device.take(1)));
                    if !in_tx.is_empty() {
                        let (head, parts): (u16, Vec<super::device::Part>) = in_tx.remove(pick % in_tx.len());
                        at_net.push((pick, rig.device.read(parts[1].0, parts[1].1)));
                        rig.device.done(1, head.into(), 0);
                    }
                }
                3 => rig.interrupt(),
                4 => rig.notify(SWITCH),
                _ => {
                    // Where a frame was tells which one it has to be.
                    while let Some(seen) = rig.switch.rx.peek() {
                        slots.push(OUT + seen.offset as u64 - 12);
                        at_switch.push(rig.receive().unwrap().0);
                    }
                }
            }
        }
        for (slot, got) in slots.iter().zip(&at_switch) {
            let position = to_switch.iter().position(|(at, _)| at == slot);
            let (_, sent) = to_switch.remove(position.unwrap());
            prop_assert_eq!(got, &sent);
        }
        for (_, got) in &at_net {
            let position = to_net.iter().position(|sent| sent == got);
            prop_assert!(position.is_some(), "sent once");
            to_net.remove(position.unwrap());
        }
        let mut turn = slots.windows(2).map(|pair| (pair[1] + 8 * 2048 - pair[0]) % (8 * 2048));
        prop_assert!(turn.all(|step| step == 2048), "in the order of the ring");
        prop_assert_eq!(rig.switch.counters(), frames::Counters::default());
        prop_assert_eq!(rig.count(Event::DeviceLied), 0);
    }
}
