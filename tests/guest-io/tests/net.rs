// SPDX-License-Identifier: BSD-2-Clause
//! Network drivers on our transport, backend and switch: the one of the `virtio-drivers` crate, and
//! one with what that crate lacks.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::RefCell;
use std::rc::Rc;

use guest_io::memory::{self, Guest};
use guest_io::net::{Driver, MACS, NetMachine, Network, RAM, Shape, Shared};
use guest_io::registers::Registers;
use proptest::prelude::*;
use shm::fake;
use virtio::net::{HDR_F_NEEDS_CSUM, Header, RECEIVEQ, TRANSMITQ};
use virtio_drivers::device::net::{TxBuffer, VirtIONet};
use virtio_drivers::transport::{DeviceType, Transport};

type Crate = VirtIONet<Guest, Registers<NetMachine>, 16>;

/// VIRTIO_F_INDIRECT_DESC and VIRTIO_F_EVENT_IDX.
const RING: u64 = 3 << 28;
/// Everything.
const ALL: Shape = Shape {
    features: !(1 << 32),
    buffer: 1526,
    cut: 0,
};

/// Two machines with our driver in each.
struct Pair {
    network: Rc<RefCell<Network>>,
    machines: [Shared; 2],
    drivers: [Driver; 2],
}

impl Pair {
    fn new(shapes: [Shape; 2]) -> Self {
        let rams = [RAM, RAM].map(fake::region);
        let (network, machines) = NetMachine::pair(rams);
        let [a, b] = [0, 1].map(|at| Driver::start(&machines[at], rams[at], shapes[at]));
        let mut drivers = [a, b];
        for driver in &mut drivers {
            driver.acknowledge();
        }
        Self {
            network,
            machines,
            drivers,
        }
    }

    fn received(&mut self, index: usize) -> Vec<Vec<u8>> {
        let next = || self.drivers[index].receive().map(|found| found.frame);
        std::iter::from_fn(next).collect()
    }
}

/// A frame between the machines with `len` bytes of payload.
fn frame(from: usize, len: usize) -> Vec<u8> {
    let mut frame = [MACS[1 - from], MACS[from]].concat();
    frame.extend_from_slice(&[0x88, 0xb5]);
    frame.extend((0..len).map(|at| (at * 7 + len).to_le_bytes()[0]));
    frame
}

/// A machine for the crate's driver, and one with ours.
fn mixed(features: u64) -> (Rc<RefCell<Network>>, [Shared; 2], Crate, Driver) {
    let ram = fake::region(RAM);
    let (network, machines) = NetMachine::pair([memory::ram(), ram]);
    let registers = NetMachine::registers(machines[0].clone(), features);
    let theirs = Crate::new(registers, 2048).unwrap();
    let ours = Driver::start(&machines[1], ram, ALL);
    (network, machines, theirs, ours)
}

// Shows AV-12.
#[test]
fn the_driver_finds_a_network_card() {
    let (_, machines, theirs, ours) = mixed(!0);
    let registers = NetMachine::registers(machines[0].clone(), !0);
    assert_eq!(registers.device_type(), DeviceType::Network);
    assert_eq!(theirs.mac_address(), MACS[0]);
    assert_eq!(registers.read_config_space::<u16>(10).unwrap(), 1500);
    assert!(ours.link_is_up());
    let anomalies = [0, 1].map(|at| machines[at].borrow().anomalies());
    assert_eq!(anomalies, [0, 0], "a well-behaved driver is never refused");
}

#[test]
fn the_crates_driver_talks_with_ours_whatever_it_negotiates() {
    for features in [!0, !RING, !(1 << 28), !(1 << 29), 1 << 32] {
        let (_, machines, mut theirs, mut ours) = mixed(features);
        for len in [0, 1, 46, 1000, 1500] {
            let there = frame(0, len);
            theirs.send(TxBuffer::from(&there)).unwrap();
            assert_eq!(ours.receive().unwrap().frame, there);
            let back = frame(1, len);
            assert!(ours.send(&back));
            assert!(theirs.can_recv());
            let got = theirs.receive().unwrap();
            assert_eq!(got.packet(), back);
            theirs.recycle_rx_buffer(got).unwrap();
            assert!(!theirs.can_recv());
        }
        assert_eq!(machines[0].borrow().anomalies(), 0);
    }
}

#[test]
fn clause_2_4_a_driver_that_comes_back_resets_the_device() {
    let (network, machines, mut theirs, mut ours) = mixed(!0);
    for round in 0..100 {
        theirs.send(TxBuffer::from(&frame(0, 46))).unwrap();
        assert!(ours.receive().is_some());
        drop(theirs);
        assert!(ours.send(&frame(1, 46)), "nobody is there");
        let registers = NetMachine::registers(machines[0].clone(), !0);
        theirs = Crate::new(registers, 2048).unwrap();
        assert!(!theirs.can_recv(), "not for this driver, round {round}");
        assert_eq!(machines[0].borrow().anomalies(), 0);
    }
    assert_eq!(network.borrow().counted(0, "QueueFault"), 0);
}

// Shows BH-25.
#[test]
fn r6_drivers_do_not_notice_that_backends_or_the_switch_died() {
    let (network, _, mut theirs, mut ours) = mixed(!0);
    for round in 0..50 {
        theirs.send(TxBuffer::from(&frame(0, round))).unwrap();
        assert_eq!(ours.receive().unwrap().frame, frame(0, round));
        match round % 3 {
            0 => network.borrow_mut().restart_backend(0),
            1 => network.borrow_mut().restart_backend(1),
            _ => network.borrow_mut().restart_switch(),
        }
        assert!(ours.send(&frame(1, round)));
        let got = theirs.receive().unwrap();
        assert_eq!(got.packet(), frame(1, round));
        theirs.recycle_rx_buffer(got).unwrap();
    }
}

#[test]
fn frames_of_any_size_in_buffers_of_any_size() {
    for (buffer, cut) in [(1526, 0), (300, 0), (64, 12), (100, 5), (1526, 700)] {
        let shape = Shape { buffer, cut, ..ALL };
        let mut pair = Pair::new([shape, shape]);
        for len in [0, 37, 38, 300, 1500] {
            assert!(pair.drivers[0].send(&frame(0, len)));
            assert_eq!(pair.received(1), [frame(0, len)], "{buffer} {cut}");
        }
    }
}

#[test]
fn clause_5_1_6_4_1_without_mergeable_buffers_a_frame_is_in_one() {
    let features = ALL.features & !(1 << 15);
    let mut pair = Pair::new([ALL, Shape { features, ..ALL }]);
    assert!(pair.drivers[0].send(&frame(0, 1500)));
    let got = pair.drivers[1].receive().unwrap();
    assert_eq!(
        (got.header.num_buffers.get(), got.frame),
        (1, frame(0, 1500))
    );
}

#[test]
fn partial_checksums_between_guests() {
    let header = Header {
        flags: HDR_F_NEEDS_CSUM,
        csum_start: 34.into(),
        csum_offset: 6.into(),
        ..Header::default()
    };
    let sent = frame(0, 100);
    let mut pair = Pair::new([ALL, ALL]);
    assert!(pair.drivers[0].queue(&header, &sent));
    pair.drivers[0].kick(TRANSMITQ);
    let got = pair.drivers[1].receive().unwrap();
    assert_eq!((got.header.flags, got.header.csum_start.get()), (1, 34));
    assert_eq!(got.frame, sent);
    // A driver that does not take them gets a checksum.
    let features = ALL.features & !2;
    let mut pair = Pair::new([ALL, Shape { features, ..ALL }]);
    assert!(pair.drivers[0].queue(&header, &sent));
    pair.drivers[0].kick(TRANSMITQ);
    let got = pair.drivers[1].receive().unwrap();
    assert_eq!(got.header.flags, 0);
    let word = |at: usize| u32::from(got.frame[at]) << 8 | u32::from(got.frame[at + 1]);
    let sum: u32 = (34..sent.len()).step_by(2).map(word).sum();
    let field = u32::from(sent[40]) << 8 | u32::from(sent[41]);
    assert_eq!((sum + field) % 0xffff, 0);
}

// Shows AV-17.
#[test]
fn h35_a_spoofed_source_is_dropped_and_counted() {
    let mut pair = Pair::new([ALL, ALL]);
    let mut spoofed = frame(0, 46);
    spoofed[11] = 9;
    assert!(pair.drivers[0].send(&spoofed));
    assert_eq!(pair.received(1), Vec::<Vec<u8>>::new());
    assert_eq!(pair.network.borrow().switch_counted("port0.Spoofed"), 1);
    assert!(pair.drivers[0].send(&frame(0, 46)));
    assert_eq!(pair.received(1).len(), 1);
}

#[test]
fn h35_promiscuous_shows_only_what_the_switch_sends() {
    let mut pair = Pair::new([ALL, ALL]);
    assert_eq!(pair.drivers[1].command(&[0, 0, 1]), 0);
    let mut other = frame(0, 46);
    other[5] = 77;
    assert!(pair.drivers[0].send(&other));
    assert_eq!(pair.received(1), Vec::<Vec<u8>>::new());
    let mut group = frame(0, 46);
    group[..6].copy_from_slice(&[1, 0, 0x5e, 0, 0, 1]);
    assert!(pair.drivers[0].send(&group));
    assert_eq!(pair.received(1).len(), 1);
    assert_eq!(pair.drivers[1].command(&[0, 0, 0]), 0);
    assert!(pair.drivers[0].send(&group));
    assert_eq!(pair.received(1).len(), 0);
    assert_eq!(pair.network.borrow().counted(1, "Filtered"), 1);
}

#[test]
fn frames_wait_for_a_slow_switch_which_is_called_once() {
    let mut pair = Pair::new([ALL, ALL]);
    pair.network.borrow_mut().asleep = true;
    let before = pair.network.borrow().notifications;
    for len in 0..30 {
        assert!(pair.drivers[0].send(&frame(0, len)));
    }
    assert_eq!(pair.network.borrow().notifications, before + 1);
    assert_eq!(pair.network.borrow().counted(0, "Sent"), 16, "a ring");
    pair.network.borrow_mut().wake_switch();
    assert_eq!(pair.network.borrow().counted(0, "Sent"), 30);
    let got = pair.received(1);
    assert_eq!(got[..8], [0, 1, 2, 3, 4, 5, 6, 7].map(|len| frame(0, len)));
    // What one sender may not occupy of another's slots is the switch's policy.
    let full = pair.network.borrow().switch_counted("port1.Full");
    assert_eq!(got.len() as u64 + full, 30);
}

#[test]
fn notifications_per_frame() {
    let mut pair = Pair::new([ALL, ALL]);
    let count = |pair: &Pair| {
        let at = |index: usize| pair.machines[index].borrow().interrupts;
        let notifications = pair.network.borrow().notifications;
        (pair.drivers[0].kicks, notifications, at(1))
    };
    let since = |pair: &Pair, before: (usize, usize, usize)| {
        let now = count(pair);
        (now.0 - before.0, now.1 - before.1, now.2 - before.2)
    };
    // The first frame of a ring wakes whoever was never told when to sleep.
    assert!(pair.drivers[0].send(&frame(0, 64)));
    assert!(pair.machines[1].borrow_mut().interrupts());
    pair.drivers[1].acknowledge();
    assert_eq!(pair.received(1).len(), 1);
    // A frame alone: a kick, backend to switch, switch to backend, an interrupt.
    for _ in 0..3 {
        let before = count(&pair);
        assert!(pair.drivers[0].send(&frame(0, 64)));
        assert!(pair.machines[1].borrow_mut().interrupts());
        pair.drivers[1].acknowledge();
        assert_eq!(pair.received(1).len(), 1);
        assert_eq!(since(&pair, before), (1, 2, 1));
    }
    // A batch costs no more.
    let before = count(&pair);
    for _ in 0..8 {
        assert!(pair.drivers[0].queue(&Header::default(), &frame(0, 64)));
    }
    pair.drivers[0].kick(TRANSMITQ);
    assert!(pair.machines[1].borrow_mut().interrupts());
    pair.drivers[1].acknowledge();
    assert_eq!(pair.received(1).len(), 8);
    assert_eq!(since(&pair, before), (1, 2, 1));
}

#[test]
fn h36_a_receiver_without_buffers_loses_its_own_frames_only() {
    let mut pair = Pair::new([ALL, ALL]);
    for round in 0..100 {
        assert!(pair.drivers[0].send(&frame(0, 46)), "round {round}");
    }
    let network = pair.network.borrow();
    let [sent, full] = ["port1.Sent", "port1.Full"].map(|name| network.switch_counted(name));
    assert_eq!(sent + full, 100, "the switch drops what it has no slot for");
    assert!(full > 0);
    assert_eq!(network.counted(1, "Received"), 32, "one buffer each");
    drop(network);
    let got = pair.received(1).len();
    assert!(got >= 32);
    assert!(pair.drivers[1].send(&frame(1, 46)));
    assert_eq!(pair.received(0).len(), 1);
}

/// One thing that happens to the network.
#[derive(Clone, Debug)]
enum Step {
    /// So many frames of this size from this machine.
    Send(usize, usize, usize),
    Receive(usize),
    RestartBackend(usize),
    RestartSwitch,
    RestartDriver(usize),
    Command(usize, Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0_usize..2;
    prop_oneof![
        8 => (who(), 1_usize..12, 0_usize..=1500).prop_map(|(who, n, len)| Step::Send(who, n, len)),
        6 => who().prop_map(Step::Receive),
        2 => who().prop_map(Step::RestartBackend),
        1 => Just(Step::RestartSwitch),
        1 => who().prop_map(Step::RestartDriver),
        1 => (who(), proptest::collection::vec(0_u8..3, 1..12))
            .prop_map(|(who, bytes)| Step::Command(who, bytes)),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    (any::<u64>(), 80_usize..2000, 0_usize..100).prop_map(|(features, buffer, cut)| {
        // Features of the ring, checksums and mergeable buffers, each on or off.
        let optional = RING | 3 | 1 << 15;
        let features = features & optional | ALL.features & !optional;
        let buffer = if features & 1 << 15 == 0 {
            1526
        } else {
            buffer
        };
        Shape {
            features,
            buffer,
            cut,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// Whatever is negotiated and whoever dies: what arrives was sent, whole and in order, and
    /// nothing is lost but to a ring that is full or to a driver that starts again.
    #[test]
    fn whatever_happens_frames_arrive_in_order(
        shapes in [shape(), shape()],
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let rams = [RAM, RAM].map(fake::region);
        let (network, machines) = NetMachine::pair(rams);
        let [a, b] = [0, 1].map(|at| Driver::start(&machines[at], rams[at], shapes[at]));
        let mut drivers = [a, b];
        let mut sent = [Vec::new(), Vec::new()];
        let mut got = [Vec::new(), Vec::new()];
        let (mut counter, mut disturbed) = (0_u32, false);
        for step in steps {
            match step {
                Step::Send(who, count, len) => for _ in 0..count {
                    counter += 1;
                    let mut next = frame(who, len.max(4));
                    next[14..18].copy_from_slice(&counter.to_be_bytes());
                    if drivers[who].send(&next) {
                        sent[who].push(next);
                    } else {
                        disturbed = true;
                    }
                },
                Step::Receive(who) => {
                    while let Some(received) = drivers[who].receive() {
                        got[1 - who].push(received.frame);
                    }
                }
                Step::RestartBackend(who) => network.borrow_mut().restart_backend(who),
                Step::RestartSwitch => network.borrow_mut().restart_switch(),
                Step::RestartDriver(who) => {
                    disturbed = true;
                    drivers[who] = Driver::start(&machines[who], rams[who], shapes[who]);
                }
                Step::Command(who, bytes) => {
                    // Any answer will do, but what it filters is no loss.
                    disturbed = true;
                    drivers[who].command(&bytes);
                }
            }
        }
        for who in [0, 1] {
            while let Some(received) = drivers[who].receive() {
                got[1 - who].push(received.frame);
            }
            prop_assert_eq!(machines[who].borrow().anomalies(), 0);
            prop_assert_eq!(network.borrow().counted(who, "QueueFault"), 0);
        }
        let full = ["port0.Full", "port1.Full"].map(|name| network.borrow().switch_counted(name));
        for who in [0, 1] {
            let mut rest = sent[who].iter();
            prop_assert!(got[who].iter().all(|frame| rest.any(|next| next == frame)));
            if !disturbed && full == [0, 0] {
                prop_assert_eq!(&got[who], &sent[who]);
            }
        }
        // And everything works.
        for who in [0, 1] {
            drivers[who] = Driver::start(&machines[who], rams[who], shapes[who]);
        }
        for who in [0, 1] {
            prop_assert!(drivers[who].send(&frame(who, 99)));
            prop_assert_eq!(drivers[1 - who].receive().unwrap().frame, frame(who, 99));
            drivers[1 - who].kick(RECEIVEQ);
        }
    }
}
