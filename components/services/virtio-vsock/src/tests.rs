// SPDX-License-Identifier: BSD-2-Clause
//! The backend as a component, with a driver that writes its queues by hand and a router that is
//! the test.

use frames::fake::FakeLink;
use pd::fake::{FakeKernel, World};
use pd::{Handler, SetupError};
use proptest::prelude::*;
use shm::{Region, Rw, fake};
use trace::View;
use units::{ChannelId, ChannelSet};
use vio::{Phase, QueueConfig, Transport};
use virtio::queue::Descriptor;
use virtio::vsock::{EVENT, HEADER_SIZE, Header, Op, RX, TX, TYPE_STREAM};
use vsock::{Link, MAX_PAYLOAD, Packet, SHAPE};
use zerocopy::{FromBytes, IntoBytes};

use crate::{OFFER, Vsock};

const RAM: u64 = 0x4000_0000;
const RAM_SIZE: usize = 0x8_0000;
/// Where the data of head `n` of a queue is.
const DATA: [usize; 3] = [0x1_0000, 0x4_0000, 0x7_0000];
const STRIDE: usize = 0x4000;
const SIZE: u16 = 8;
const VMM: u64 = 3;
const ROUTER: u64 = 7;
const WRITE: u16 = 2;
const CID: u64 = 5;
const PEER: u64 = 2;

#[derive(Clone, Copy)]
struct Memory {
    ram: Region<Rw>,
    orders: Region<Rw>,
    answers: Region<Rw>,
    trace: Region<Rw>,
    link: FakeLink,
}

struct Rig {
    kernel: FakeKernel,
    vsock: Vsock,
    transport: Transport,
    router: Link,
    memory: Memory,
    avail: [u16; 3],
}

fn create(memory: &Memory, cid: u64) -> Result<Vsock, SetupError> {
    let mut world = World::new();
    world
        .region_rw("ram", memory.ram)
        .region_ro("orders", memory.orders)
        .region_rw("answers", memory.answers)
        .region_rw("trace", memory.trace)
        .region_rw("vsock.out", memory.link.first)
        .region_ro("vsock.in", memory.link.second)
        .channel("vsock", ROUTER)
        .channel("vmm", VMM)
        .value("cid", cid);
    world.create()
}

fn config(queue: usize) -> QueueConfig {
    let base = RAM + queue as u64 * 0x1000;
    QueueConfig {
        size: SIZE,
        ready: true,
        desc: base,
        driver: base + 0x400,
        device: base + 0x800,
    }
}

fn header(op: Op, len: usize) -> Header {
    Header {
        src_cid: CID.into(),
        dst_cid: PEER.into(),
        src_port: 1024.into(),
        dst_port: 7.into(),
        len: u32::try_from(len).unwrap().into(),
        socket_type: TYPE_STREAM.into(),
        op: (op as u16).into(),
        ..Header::default()
    }
}

/// A packet to the guest.
fn inbound(len: usize) -> Header {
    Header {
        src_cid: PEER.into(),
        dst_cid: CID.into(),
        ..header(Op::ReadWrite, len)
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251).to_le_bytes()[0]).collect()
}

impl Rig {
    fn new() -> Self {
        let memory = Memory {
            ram: fake::region(RAM_SIZE),
            orders: fake::region(0x1000),
            answers: fake::region(0x1000),
            trace: fake::region(0x1000),
            link: FakeLink::new(SHAPE, 4),
        };
        let mut rig = Self {
            kernel: FakeKernel::new(),
            vsock: create(&memory, CID).unwrap(),
            transport: Transport::new(memory.orders, memory.answers.read_only()).unwrap(),
            router: router(&memory),
            memory,
            avail: [0; 3],
        };
        rig.vsock.init(&mut rig.kernel);
        rig.run();
        assert!(rig.router.carries() && !rig.router.peer_restarted());
        rig
    }

    fn run(&mut self) {
        self.transport
            .order(Phase::Running, 0, &[config(0), config(1), config(2)]);
        self.notify(VMM);
        assert!(self.transport.settled());
    }

    /// The driver resets the device and clears its rings.
    fn let_go(&mut self) {
        self.transport.order(Phase::LetGo, 0, &[]);
        self.notify(VMM);
        self.avail = [0; 3];
        self.memory.ram.fill(0, 0x3000, 0).unwrap();
    }

    fn notify(&mut self, channel: u64) {
        let mut channels = ChannelSet::EMPTY;
        channels.insert(ChannelId::new(channel).unwrap());
        self.vsock.notified(&mut self.kernel, channels);
    }

    fn restart(&mut self) {
        self.vsock = create(&self.memory, CID).unwrap();
        self.vsock.init(&mut self.kernel);
    }

    fn submit(&mut self, queue: usize, head: u16, addr: u64, len: u32, flags: u16) {
        let descriptor = Descriptor {
            addr: addr.into(),
            len: len.into(),
            flags: flags.into(),
            next: 0.into(),
        };
        let (base, ram) = (queue * 0x1000, self.memory.ram);
        ram.write(base + usize::from(head) * 16, &descriptor)
            .unwrap();
        let avail = &mut self.avail[queue];
        let slot = base + 0x404 + usize::from(*avail % SIZE) * 2;
        ram.store(slot, head).unwrap();
        *avail = avail.wrapping_add(1);
        ram.store_release(base + 0x402, *avail).unwrap();
    }

    fn at(queue: usize, head: u16) -> usize {
        DATA[queue] + usize::from(head) * STRIDE
    }

    /// Offers a buffer of `len` bytes for packets or events.
    fn offer(&mut self, queue: usize, head: u16, len: u32) {
        let at = Self::at(queue, head) as u64;
        self.submit(queue, head, RAM + at, len, WRITE);
    }

    /// Makes a packet available and kicks.
    fn send(&mut self, head: u16, header: &Header, payload: &[u8]) {
        let at = Self::at(TX, head);
        self.memory.ram.write(at, header).unwrap();
        self.memory.ram.copy_out(at + HEADER_SIZE, payload).unwrap();
        let len = u32::try_from(HEADER_SIZE + payload.len()).unwrap();
        self.submit(TX, head, RAM + at as u64, len, 0);
        self.notify(VMM);
    }

    fn used(&self, queue: usize) -> Vec<(u32, u32)> {
        let (base, ram) = (queue * 0x1000 + 0x800, self.memory.ram);
        let count: u16 = ram.load(base + 2).unwrap();
        let entry = |index: u16| {
            let slot = base + 4 + usize::from(index % SIZE) * 8;
            (ram.load(slot).unwrap(), ram.load(slot + 4).unwrap())
        };
        (0..count).map(entry).collect()
    }

    /// The router takes the next packet.
    fn take(&mut self) -> Option<(Header, Vec<u8>)> {
        let packet = self.router.receive()?;
        let Packet::Data { header, payload } = packet else {
            panic!("a reset of the port");
        };
        let mut bytes = vec![0; payload.len()];
        payload.copy_in(0, &mut bytes).unwrap();
        self.router.advance();
        self.router.flush(&mut self.kernel);
        Some((header, bytes))
    }

    fn take_reset(&mut self) {
        assert!(matches!(self.router.receive(), Some(Packet::Reset)));
        self.router.advance();
        self.router.flush(&mut self.kernel);
    }

    /// The router sends a packet to the guest.
    fn deliver(&mut self, header: &Header, payload: &[u8]) {
        assert!(
            self.router
                .send_with(header, |to| to.copy_out(0, payload).is_ok())
        );
        self.router.flush(&mut self.kernel);
        self.notify(ROUTER);
    }

    /// What the guest finds in the buffer of head `head` of the rx queue.
    fn received(&self, head: u16, len: u32) -> (Header, Vec<u8>) {
        let mut bytes = vec![0; len as usize];
        self.memory
            .ram
            .copy_in(Self::at(RX, head), &mut bytes)
            .unwrap();
        let (header, payload) = Header::read_from_prefix(&bytes).unwrap();
        assert_eq!(header.len.get() as usize, payload.len());
        (header, payload.to_vec())
    }

    fn counted(&self, name: &str) -> u64 {
        let trace = self.memory.trace.read_only();
        let view = View::new(&trace).unwrap();
        let mut buffer = [0; 32];
        let mut kinds = 0..20;
        let kind = kinds
            .find(|kind| view.name(*kind, &mut buffer) == Some(name))
            .unwrap();
        view.counter(kind).unwrap()
    }
}

fn router(memory: &Memory) -> Link {
    let mut link = Link::new(memory.link.second(ChannelId::new(1).unwrap()));
    link.set_status(true);
    link
}

#[test]
fn clause_5_10_the_device_has_three_queues_and_the_guests_cid() {
    let rig = Rig::new();
    let offer = rig.transport.offer().unwrap();
    assert_eq!((offer.device, offer.queues), (19, 3));
    assert_eq!(OFFER.features & 0b111, 1, "streams only");
    let mut config = [0; 8];
    rig.transport.read_config(0, &mut config).unwrap();
    assert_eq!(u64::from_le_bytes(config), CID);
}

#[test]
fn clause_5_10_4_reserved_cids_are_refused() {
    let rig = Rig::new();
    for cid in [0, 1, 2, 0xffff_ffff, 1 << 32] {
        let refused = create(&rig.memory, cid);
        assert!(matches!(refused, Err(SetupError::Invalid { .. })), "{cid}");
    }
}

#[test]
fn packets_pass_both_ways() {
    let mut rig = Rig::new();
    let request = header(Op::Request, 0);
    rig.send(0, &request, &[]);
    rig.send(1, &header(Op::ReadWrite, 5), b"hello");
    assert_eq!(rig.take(), Some((request, vec![])));
    let (sent, payload) = rig.take().unwrap();
    assert_eq!((sent, payload), (header(Op::ReadWrite, 5), b"hello".into()));
    assert_eq!(rig.used(TX), [(0, 0), (1, 0)]);
    rig.offer(RX, 3, 4096);
    rig.deliver(&inbound(5), b"world");
    assert_eq!(rig.used(RX), [(3, 49)]);
    assert_eq!(rig.received(3, 49), (inbound(5), b"world".into()));
}

#[test]
fn a_large_packet_leaves_in_pieces_as_there_is_room() {
    let mut rig = Rig::new();
    let bytes = pattern(3 * MAX_PAYLOAD + 100);
    rig.send(0, &header(Op::ReadWrite, bytes.len()), &bytes);
    rig.send(1, &header(Op::ReadWrite, 2), b"ok");
    let (mut got, mut pieces) = (Vec::new(), 0);
    while let Some((header, payload)) = rig.take() {
        assert!(header.len.get() as usize == payload.len());
        got.extend(payload);
        pieces += 1;
        rig.notify(ROUTER);
    }
    assert_eq!(got, [bytes, b"ok".into()].concat());
    assert_eq!(pieces, 5);
    assert_eq!(rig.used(TX), [(0, 0), (1, 0)]);
}

#[test]
fn a_packet_larger_than_the_guests_buffers_arrives_in_several() {
    let mut rig = Rig::new();
    let bytes = pattern(1000);
    rig.deliver(&inbound(bytes.len()), &bytes);
    assert_eq!(rig.used(RX), [], "no buffers yet");
    for head in 0..3 {
        rig.offer(RX, head, 444);
    }
    rig.notify(VMM);
    assert_eq!(rig.used(RX), [(0, 444), (1, 444), (2, 244)]);
    let used = rig.used(RX);
    let parts = used
        .iter()
        .zip(0..)
        .flat_map(|((_, len), head)| rig.received(head, *len).1);
    assert_eq!(parts.collect::<Vec<_>>(), bytes);
}

#[test]
fn h_38_another_cid_never_leaves() {
    let mut rig = Rig::new();
    for (head, cid) in [0, 1, PEER, CID + 1, CID | 1 << 32, u64::MAX]
        .into_iter()
        .enumerate()
    {
        let spoofed = Header {
            src_cid: cid.into(),
            ..header(Op::Request, 0)
        };
        rig.send(u16::try_from(head).unwrap(), &spoofed, &[]);
    }
    assert_eq!(rig.take(), None);
    assert_eq!((rig.used(TX).len(), rig.counted("Spoofed")), (6, 6));
}

#[test]
fn h_38_lengths_that_do_not_agree_never_leave() {
    let mut rig = Rig::new();
    rig.send(0, &header(Op::ReadWrite, 6), b"hello");
    rig.send(1, &header(Op::Request, 5), b"hello");
    rig.send(
        2,
        &header(Op::ReadWrite, usize::try_from(u32::MAX).unwrap()),
        b"",
    );
    let at = Rig::at(TX, 3) as u64;
    rig.submit(TX, 3, RAM + at, 43, 0);
    rig.submit(TX, 4, RAM + at, 44, WRITE);
    rig.notify(VMM);
    assert_eq!(rig.take(), None);
    assert_eq!(rig.counted("BadPacket"), 5);
    assert_eq!(rig.used(TX).len(), 5);
    rig.send(5, &header(Op::ReadWrite, 2), b"hello");
    assert_eq!(
        rig.take().unwrap().1,
        b"he",
        "what follows is not looked at"
    );
}

#[test]
fn h_25_to_h_28_odd_buffers_are_given_back() {
    let mut rig = Rig::new();
    rig.offer(RX, 0, 43);
    rig.offer(RX, 1, 44);
    rig.submit(RX, 2, RAM + RAM_SIZE as u64, 4096, WRITE);
    rig.offer(RX, 3, 4096);
    rig.deliver(&inbound(2), b"hi");
    assert_eq!(rig.used(RX), [(0, 0), (1, 0), (2, 0), (3, 46)]);
    assert_eq!(rig.counted("BadRequest"), 3);
}

#[test]
fn what_is_for_others_does_not_reach_the_guest() {
    let mut rig = Rig::new();
    rig.offer(RX, 0, 4096);
    rig.deliver(&header(Op::ReadWrite, 2), b"no");
    assert!(rig.router.send_reset());
    rig.deliver(&inbound(3), b"yes");
    assert_eq!(rig.used(RX), [(0, 47)]);
    assert_eq!(rig.counted("Misrouted"), 2);
}

#[test]
fn h_22_a_broken_queue_stops_the_device_and_its_connections() {
    let mut rig = Rig::new();
    rig.submit(TX, SIZE, RAM, 44, 0);
    rig.notify(VMM);
    assert_ne!(rig.transport.events().fault, 0);
    rig.notify(ROUTER);
    rig.take_reset();
    assert!(!rig.router.carries());
    rig.let_go();
    assert_eq!(rig.transport.events().fault, 0);
    rig.run();
    rig.send(0, &header(Op::Request, 0), &[]);
    assert!(rig.take().is_some());
}

#[test]
fn a_guests_reset_ends_its_connections_before_anything_new() {
    let mut rig = Rig::new();
    for head in 0..5 {
        rig.send(head, &header(Op::CreditUpdate, 0), &[]);
    }
    rig.let_go();
    assert!(!rig.router.carries());
    rig.run();
    rig.send(0, &header(Op::Request, 0), &[]);
    for _ in 0..4 {
        assert_eq!(
            rig.take().unwrap().0.operation(),
            Some(Op::CreditUpdate),
            "the fifth died with the device"
        );
    }
    rig.notify(ROUTER);
    rig.take_reset();
    rig.notify(ROUTER);
    assert_eq!(rig.take().unwrap().0.operation(), Some(Op::Request));
}

#[test]
fn clause_5_10_6_7_after_a_restart_the_guest_hears_of_it() {
    let mut rig = Rig::new();
    assert_eq!(rig.used(EVENT), []);
    rig.deliver(&inbound(3), b"old");
    rig.send(0, &header(Op::ReadWrite, 4), b"sent");
    rig.restart();
    rig.offer(RX, 0, 4096);
    assert_eq!(rig.used(EVENT), [], "no buffer yet");
    rig.offer(EVENT, 1, 4);
    rig.notify(VMM);
    assert_eq!(rig.used(EVENT), [(1, 4)]);
    let id: u32 = rig.memory.ram.load(Rig::at(EVENT, 1)).unwrap();
    assert_eq!(id, 0);
    assert_eq!(rig.used(RX), [], "its connection is gone");
    assert!(rig.router.peer_restarted());
    rig.deliver(&inbound(3), b"new");
    assert_eq!(rig.received(0, 47).1, b"new");
}

#[test]
fn r6_in_flight_at_a_restart_payload_is_dropped_and_requests_are_repeated() {
    let mut rig = Rig::new();
    let bytes = pattern(5 * MAX_PAYLOAD);
    assert!(
        bytes.len() + HEADER_SIZE > STRIDE,
        "one request, two strides"
    );
    rig.send(0, &header(Op::ReadWrite, bytes.len()), &bytes);
    rig.send(2, &header(Op::Request, 0), &[]);
    rig.restart();
    let mut ops = Vec::new();
    while let Some((header, _)) = rig.take() {
        ops.push(header.operation().unwrap());
        rig.notify(ROUTER);
    }
    assert_eq!(ops[..4], [Op::ReadWrite; 4], "were on the link already");
    assert_eq!(ops[4..], [Op::Request]);
    assert_eq!(rig.used(TX), [(0, 0), (2, 0)]);
}

#[test]
fn the_router_restarts() {
    let mut rig = Rig::new();
    rig.offer(EVENT, 0, 4);
    rig.notify(VMM);
    rig.router = router(&rig.memory);
    rig.notify(ROUTER);
    assert_eq!(rig.used(EVENT), [(0, 4)]);
    assert_eq!(rig.counted("RouterRestarted"), 1);
}

#[test]
fn h_11_after_let_go_nothing_is_written() {
    let mut rig = Rig::new();
    rig.offer(RX, 0, 4096);
    rig.offer(EVENT, 0, 4);
    rig.notify(VMM);
    rig.let_go();
    rig.router = router(&rig.memory);
    rig.deliver(&inbound(2), b"no");
    assert_eq!((rig.used(RX), rig.used(EVENT)), (vec![], vec![]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Payload of any sizes through buffers of any sizes: a stream each way.
    #[test]
    fn both_directions_are_streams(
        sizes in proptest::collection::vec((1_usize..9000, 45_u32..5000), 1..12),
    ) {
        let mut rig = Rig::new();
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        let (mut delivered, mut received, mut seen) = (Vec::new(), Vec::new(), 0_u16);
        for (at, (len, buffer)) in sizes.into_iter().enumerate() {
            let bytes = pattern(len);
            let head = u16::try_from(at).unwrap() % 4 * 2;
            sent.extend_from_slice(&bytes);
            rig.send(head, &header(Op::ReadWrite, len), &bytes);
            while let Some((_, payload)) = rig.take() {
                got.extend(payload);
                rig.notify(ROUTER);
            }
            let bytes = pattern(len.min(MAX_PAYLOAD));
            delivered.extend_from_slice(&bytes);
            rig.deliver(&inbound(bytes.len()), &bytes);
            while received.len() < delivered.len() {
                let head = seen % SIZE;
                rig.offer(RX, head, buffer);
                rig.notify(VMM);
                let slot = 0x804 + usize::from(head) * 8;
                let written: u32 = rig.memory.ram.load(slot + 4).unwrap();
                received.extend(rig.received(head, written).1);
                seen += 1;
            }
        }
        prop_assert_eq!(got, sent);
        prop_assert_eq!(received, delivered);
    }

    /// Arbitrary headers: what leaves has the guest's CID, one of the lengths, and nothing panics.
    #[test]
    fn h_38_arbitrary_headers(
        bytes in proptest::collection::vec(any::<u8>(), HEADER_SIZE),
        own: bool,
        payload in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut rig = Rig::new();
        let mut header = Header::read_from_bytes(&bytes).unwrap();
        if own {
            header.src_cid = CID.into();
        }
        header.len = (header.len.get() % 400).into();
        rig.send(0, &header, &payload);
        if let Some((sent, got)) = rig.take() {
            prop_assert_eq!(sent.src_cid.get(), CID);
            prop_assert_eq!(sent.as_bytes(), header.as_bytes());
            prop_assert!(payload.starts_with(&got));
        }
        prop_assert_eq!(rig.used(TX).len(), 1);
    }

    /// Arbitrary queue memory: no panic; the device works or needs a reset.
    #[test]
    fn arbitrary_queues(bytes in proptest::collection::vec(any::<u8>(), 0x3000)) {
        let mut rig = Rig::new();
        rig.memory.ram.copy_out(0, &bytes).unwrap();
        for _ in 0..3 {
            rig.notify(VMM);
            if rig.router.room() > 0 {
                rig.deliver(&inbound(2), b"hi");
            }
            while rig.router.receive().is_some() {
                rig.router.advance();
            }
        }
    }
}
