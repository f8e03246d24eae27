// SPDX-License-Identifier: BSD-2-Clause
//! From the guest to the switch.

use frames::{Meta, Status, flags};
use proptest::prelude::*;
use virtio::net::{HDR_F_NEEDS_CSUM, Header, TRANSMITQ};
use zerocopy::IntoBytes;

use super::rig::*;

#[test]
fn clause_5_1_6_2_frames_reach_the_switch_in_order() {
    let mut rig = Rig::running(PLAIN);
    let sent = [frame([2, 0, 0, 0, 0, 9], 0), frame([0xff; 6], 1500)];
    rig.transmit(3, &Header::default(), &sent[0]);
    rig.transmit(1, &Header::default(), &sent[1]);
    rig.kernel.take_calls();
    rig.kick();
    assert_eq!(rig.used(TRANSMITQ), [(3, 0), (1, 0)]);
    let meta = Meta::default();
    assert_eq!(rig.take(), sent.map(|frame| (frame, meta)));
    assert_eq!(rig.counted("Sent"), 2);
    assert_eq!(rig.interrupts(), 1, "one for both");
}

#[test]
fn h35_framing_has_no_meaning() {
    let mut rig = Rig::running(PLAIN);
    let frame = frame(MAC, 20);
    let mut bytes = Header::default().as_bytes().to_vec();
    bytes.extend_from_slice(&frame);
    let at = rig.place(bytes.len());
    rig.memory.ram.copy_out(at, &bytes).unwrap();
    // The header in single bytes, then the frame in two pieces.
    for index in 0..12_u16 {
        let addr = RAM + at as u64 + u64::from(index);
        rig.desc(TRANSMITQ, index, (addr, 1, NEXT, index + 1));
    }
    let addr = RAM + at as u64 + 12;
    rig.desc(TRANSMITQ, 12, (addr, 5, NEXT, 13));
    rig.desc(TRANSMITQ, 13, (addr + 5, frame.len() - 5, 0, 0));
    rig.submit(TRANSMITQ, 0);
    rig.kick();
    assert_eq!(rig.take(), [(frame, Meta::default())]);
}

#[test]
fn h35_frames_that_cannot_be_are_dropped_and_counted() {
    let mut rig = Rig::running(PLAIN);
    let plain = Header::default();
    rig.transmit_raw(0, &[0; 11]);
    rig.transmit(1, &plain, &frame(MAC, 0)[..13]);
    rig.transmit(2, &plain, &frame(MAC, 1501));
    let gso_type = 1;
    rig.transmit(3, &Header { gso_type, ..plain }, &frame(MAC, 46));
    let partial = Header {
        flags: HDR_F_NEEDS_CSUM,
        csum_start: 50.into(),
        csum_offset: 9.into(),
        ..plain
    };
    rig.transmit(4, &partial, &frame(MAC, 46));
    rig.kick();
    assert_eq!(rig.take(), []);
    assert_eq!(rig.counted("SendDropped"), 5);
    // Requests whose buffers are no memory.
    rig.desc(TRANSMITQ, 5, (RAM + RAM_SIZE as u64 - 8, 80, 0, 0));
    rig.desc(TRANSMITQ, 6, (0x0900_0000, 80, 0, 0));
    rig.desc(TRANSMITQ, 7, (RAM, 0xffff_ffff, 0, 0));
    rig.desc(TRANSMITQ, 8, (RAM, 0, 0, 0));
    rig.desc(TRANSMITQ, 9, (RAM, 80, WRITE, 0));
    for head in 5..10 {
        rig.submit(TRANSMITQ, head);
    }
    rig.transmit(10, &plain, &frame(MAC, 46));
    rig.kick();
    assert_eq!(rig.take().len(), 1, "the queue goes on");
    assert_eq!(
        (rig.counted("BadRequest"), rig.counted("SendDropped")),
        (4, 6)
    );
    assert_eq!(rig.used(TRANSMITQ).len(), 11, "everything is given back");
}

#[test]
fn clause_5_1_4_2_a_tagged_frame_may_be_four_bytes_longer() {
    let mut rig = Rig::running(PLAIN);
    let mut tagged = frame(MAC, 1504);
    tagged[12..14].copy_from_slice(&[0x81, 0]);
    rig.transmit(0, &Header::default(), &tagged);
    rig.transmit(1, &Header::default(), &frame(MAC, 1504));
    tagged.push(0);
    rig.transmit(2, &Header::default(), &tagged);
    rig.kick();
    assert_eq!(rig.take().len(), 1);
    assert_eq!(rig.counted("SendDropped"), 2);
}

/// A UDP packet with the pseudo header's sum where its checksum will be.
fn partial() -> (Header, Vec<u8>) {
    let header = Header {
        flags: HDR_F_NEEDS_CSUM,
        csum_start: 34.into(),
        csum_offset: 6.into(),
        ..Header::default()
    };
    (header, frame([2, 0, 0, 0, 0, 9], 61))
}

#[test]
fn partial_checksums_travel_with_the_frame() {
    let mut rig = Rig::running(PLAIN);
    let (header, frame) = partial();
    rig.transmit(0, &header, &frame);
    rig.kick();
    let meta = Meta {
        flags: flags::NEEDS_CSUM,
        csum_start: 34,
        csum_offset: 6,
        tag: 0,
    };
    assert_eq!(rig.take(), [(frame, meta)]);
}

#[test]
fn what_the_switch_does_not_complete_is_completed() {
    let mut rig = Rig::running(PLAIN);
    rig.switch.set_status(Status { csum: false, ..UP });
    let (header, frame) = partial();
    rig.transmit(0, &header, &frame);
    rig.kick();
    let [(got, meta)] = &rig.take()[..] else {
        panic!("one frame");
    };
    assert_eq!(*meta, Meta::default());
    assert_eq!((&got[..40], &got[42..]), (&frame[..40], &frame[42..]));
    let total: u32 = got[34..]
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    // A sum over data with its own checksum is that of the field's former content.
    let field = u32::from(frame[40]) << 8 | u32::from(frame[41]);
    assert_eq!(total % 0xffff, (0xffff - field) % 0xffff);
}

#[test]
fn back_pressure_keeps_requests_in_the_queue() {
    let mut rig = Rig::running(FULL);
    let frames: Vec<Vec<u8>> = (0..14).map(|len| frame(MAC, len)).collect();
    for (head, frame) in (0..).zip(&frames) {
        rig.transmit(head, &Header::default(), frame);
    }
    rig.kick();
    let slots = SLOTS as usize;
    assert_eq!(rig.used(TRANSMITQ).len(), slots, "the rest is not lost");
    assert_eq!(rig.counted("SendBlocked"), 1);
    rig.kick();
    assert_eq!(rig.used(TRANSMITQ).len(), slots);
    let mut got = rig.switched();
    got.extend(rig.switched());
    got.extend(rig.switched());
    let expected: Vec<(Vec<u8>, Meta)> = frames
        .into_iter()
        .map(|frame| (frame, Meta::default()))
        .collect();
    assert_eq!(got, expected);
    assert_eq!(rig.used(TRANSMITQ).len(), 14);
    assert_eq!(rig.counted("SendDropped"), 0);
}

const FULL: u64 = crate::FEATURES;

#[test]
fn an_awake_switch_is_not_notified() {
    let mut rig = Rig::running(FULL);
    let switch = units::ChannelId::new(SWITCH).unwrap();
    rig.kernel.take_calls();
    rig.transmit(0, &Header::default(), &frame(MAC, 46));
    rig.kick();
    let calls = rig.kernel.take_calls();
    assert_eq!(
        calls.iter().filter(|call| wakes(call, switch)).count(),
        1,
        "it waits"
    );
    for head in 1..4 {
        rig.transmit(head, &Header::default(), &frame(MAC, 46));
        rig.kick();
    }
    assert_eq!(rig.kernel.notifications(switch), 0, "it has not looked yet");
    assert_eq!(rig.take().len(), 4);
    assert!(!rig.switch.rx.arm());
    rig.transmit(4, &Header::default(), &frame(MAC, 46));
    rig.kick();
    assert_eq!(rig.kernel.notifications(switch), 1);
}

fn wakes(call: &pd::fake::KernelCall, channel: units::ChannelId) -> bool {
    use pd::fake::KernelCall as C;
    *call == C::Notify(channel) || *call == C::NotifyDeferred(channel)
}

#[test]
fn a_driver_that_wants_no_interrupt_gets_none() {
    let mut rig = Rig::running(PLAIN);
    // VIRTQ_AVAIL_F_NO_INTERRUPT (2.7.7).
    rig.memory
        .ram
        .store(TRANSMITQ * 0x1000 + 0x400, 1_u16)
        .unwrap();
    let vmm = units::ChannelId::new(VMM).unwrap();
    rig.kernel.take_calls();
    for head in 0..4 {
        rig.transmit(head, &Header::default(), &frame(MAC, 46));
        rig.kick();
    }
    assert_eq!((rig.used(TRANSMITQ).len(), rig.interrupts()), (4, 0));
    assert_eq!(rig.kernel.notifications(vmm), 0);
}

#[test]
fn with_a_timer_interrupts_for_sent_frames_wait() {
    let mut rig = Rig::build(true, 0);
    rig.order(PLAIN);
    let timer = units::ChannelId::new(TIMER).unwrap();
    let alarms = |rig: &mut Rig| {
        let calls = rig.kernel.take_calls();
        let armed = |call: &&pd::fake::KernelCall| matches!(call, pd::fake::KernelCall::Call(channel, _) if *channel == timer);
        calls.iter().filter(armed).count()
    };
    alarms(&mut rig);
    for head in 0..4 {
        rig.transmit(head, &Header::default(), &frame(MAC, 46));
        rig.kick();
    }
    assert_eq!((rig.used(TRANSMITQ).len(), rig.interrupts()), (4, 0));
    assert_eq!(alarms(&mut rig), 1, "one alarm for all");
    rig.notify(TIMER);
    assert_eq!(rig.interrupts(), 0, "not yet");
    assert_eq!(alarms(&mut rig), 1, "still owed");
    rig.kernel.advance(62_500_000 / 2000);
    rig.notify(TIMER);
    assert_eq!((rig.interrupts(), alarms(&mut rig)), (1, 0));
    // An interrupt for a received frame does for both.
    rig.offer(0, 2048);
    rig.transmit(0, &Header::default(), &frame(MAC, 46));
    rig.kick();
    assert!(rig.send(&frame(MAC, 46), Meta::default()));
    assert_eq!((rig.interrupts(), alarms(&mut rig)), (2, 1));
    rig.kernel.advance(62_500_000);
    rig.notify(TIMER);
    assert_eq!(rig.interrupts(), 2, "nothing is owed");
    assert_eq!(rig.counted("Stray"), 0);
}

#[test]
fn many_sent_frames_do_not_wait_for_the_timer() {
    let mut rig = Rig::build(true, 0);
    rig.order(PLAIN);
    for turn in 0..8 {
        for head in 0..4 {
            rig.transmit(head, &Header::default(), &frame(MAC, 0));
        }
        rig.kick();
        rig.switched();
        assert_eq!(rig.interrupts(), u32::from(turn == 7), "{turn}");
    }
}

#[test]
fn a_timer_that_refuses_is_as_good_as_none() {
    let mut rig = Rig::build(true, 0);
    rig.kernel
        .answer_with(|_, _| pd::Message::new(timer::BAD_REQUEST));
    rig.order(PLAIN);
    for head in 0..2 {
        rig.transmit(head, &Header::default(), &frame(MAC, 46));
        rig.kick();
        assert_eq!(rig.interrupts(), u32::from(head) + 1);
    }
}

#[test]
fn a_switch_that_lies_costs_its_own_frames() {
    let mut rig = Rig::running(PLAIN);
    rig.memory.link.hostile_second().read_index(77);
    rig.transmit(0, &Header::default(), &frame(MAC, 46));
    rig.kick();
    rig.memory.link.hostile_second().scribble(0xa5);
    rig.notify(SWITCH);
    rig.memory.link.hostile_second().scribble(0xff);
    rig.notify(SWITCH);
    assert_eq!(rig.transport.events().fault, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Frames of any size in buffers of any size, with a switch that is slow now and then: what
    /// fits the MTU arrives once and in order.
    #[test]
    fn what_is_sent_arrives(
        lens in proptest::collection::vec((0_usize..1600, 1_usize..900, any::<bool>()), 1..40),
        event_idx: bool,
    ) {
        let mut rig = Rig::running(if event_idx { FULL } else { PLAIN });
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        // Pairs of descriptors.
        let mut free: Vec<u16> = (0..SIZE).step_by(2).collect();
        let mut seen = 0;
        for (len, cut, drain) in lens {
            while free.is_empty() {
                got.extend(rig.switched());
                let used = rig.used(TRANSMITQ);
                free.extend(used[seen..].iter().map(|(head, _)| u16::try_from(*head).unwrap()));
                seen = used.len();
            }
            let first = free.pop().unwrap();
            let second = first + 1;
            let frame = frame(MAC, len);
            let mut bytes = Header::default().as_bytes().to_vec();
            bytes.extend_from_slice(&frame);
            let at = rig.place(bytes.len());
            rig.memory.ram.copy_out(at, &bytes).unwrap();
            let cut = cut.min(bytes.len() - 1);
            let addr = RAM + at as u64;
            rig.desc(TRANSMITQ, first, (addr, cut, NEXT, second));
            rig.desc(TRANSMITQ, second, (addr + cut as u64, bytes.len() - cut, 0, 0));
            rig.submit(TRANSMITQ, first);
            rig.kick();
            if len <= 1500 {
                sent.push((frame, Meta::default()));
            }
            if drain {
                got.extend(rig.switched());
            }
        }
        for _ in 0..40 {
            got.extend(rig.switched());
        }
        prop_assert_eq!(got, sent);
    }
}
