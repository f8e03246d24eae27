// SPDX-License-Identifier: BSD-2-Clause
//! The backend as a component, with a driver that writes its queues by hand. Tests with a real
//! driver and the real transport are in `tests/guest-io`.

use pd::fake::{FakeKernel, World};
use pd::{Handler, SetupError};
use proptest::prelude::*;
use serial::Stream;
use serial::fake::FakeLink;
use shm::{Region, Rw, fake};
use trace::View;
use units::{ChannelId, ChannelSet};
use vio::{Phase, QueueConfig, Transport};
use virtio::queue::Descriptor;

use crate::{Console, OFFER};

const RAM: u64 = 0x4000_0000;
const RAM_SIZE: usize = 0x2_0000;
/// Base of each queue's three areas in RAM.
const QUEUE: [usize; 2] = [0, 0x1000];
const DATA: usize = 0x4000;
const SIZE: u16 = 8;
const VMM: u64 = 3;
const MUX: u64 = 7;
const WRITE: u16 = 2;

struct Rig {
    kernel: FakeKernel,
    console: Console,
    transport: Transport,
    screen: Stream,
    ram: Region<Rw>,
    memory: Memory,
    avail: [u16; 2],
}

/// Everything that outlives the backend.
#[derive(Clone, Copy)]
struct Memory {
    ram: Region<Rw>,
    orders: Region<Rw>,
    answers: Region<Rw>,
    trace: Region<Rw>,
    link: FakeLink,
}

fn create(memory: &Memory) -> Result<Console, SetupError> {
    let mut world = World::new();
    world
        .region_rw("ram", memory.ram)
        .region_ro("orders", memory.orders)
        .region_rw("answers", memory.answers)
        .region_rw("trace", memory.trace)
        .region_rw("console.out", memory.link.memory.first)
        .region_ro("console.in", memory.link.memory.second)
        .channel("console", MUX)
        .channel("vmm", VMM)
        .value("columns", 80)
        .value("rows", 25);
    world.create()
}

fn config(index: usize) -> QueueConfig {
    let base = RAM + QUEUE[index] as u64;
    QueueConfig {
        size: SIZE,
        ready: true,
        desc: base,
        driver: base + 0x400,
        device: base + 0x800,
    }
}

impl Rig {
    fn new() -> Self {
        let memory = Memory {
            ram: fake::region(RAM_SIZE),
            orders: fake::region(0x1000),
            answers: fake::region(0x1000),
            trace: fake::region(0x1000),
            link: FakeLink::new(256),
        };
        let mut rig = Self {
            kernel: FakeKernel::new(),
            console: create(&memory).unwrap(),
            transport: Transport::new(memory.orders, memory.answers.read_only()).unwrap(),
            screen: memory.link.second(ChannelId::new(1).unwrap()),
            ram: memory.ram,
            memory,
            avail: [0; 2],
        };
        rig.console.init(&mut rig.kernel);
        rig
    }

    /// A rig whose device runs, with or without event indices.
    fn running(features: u64) -> Self {
        let mut rig = Self::new();
        rig.order(features);
        rig
    }

    fn order(&mut self, features: u64) {
        self.transport
            .order(Phase::Running, features, &[config(0), config(1)]);
        self.kick();
        assert!(self.transport.settled());
    }

    fn notify(&mut self, channel: u64) {
        let mut channels = ChannelSet::EMPTY;
        channels.insert(ChannelId::new(channel).unwrap());
        self.console.notified(&mut self.kernel, channels);
    }

    fn kick(&mut self) {
        self.notify(VMM);
    }

    /// The backend dies and comes back with nothing but its memory.
    fn restart(&mut self) {
        self.console = create(&self.memory).unwrap();
        self.console.init(&mut self.kernel);
    }

    fn submit(&mut self, queue: usize, head: u16, addr: u64, len: u32) {
        let flags = if queue == 0 { WRITE } else { 0 };
        self.submit_with(queue, head, addr, len, flags);
    }

    fn submit_with(&mut self, queue: usize, head: u16, addr: u64, len: u32, flags: u16) {
        let (addr, len, flags) = (addr.into(), len.into(), flags.into());
        let descriptor = Descriptor {
            addr,
            len,
            flags,
            next: 0.into(),
        };
        let base = QUEUE[queue];
        self.ram
            .write(base + usize::from(head) * 16, &descriptor)
            .unwrap();
        let slot = base + 0x404 + usize::from(self.avail[queue] % SIZE) * 2;
        self.ram.store(slot, head).unwrap();
        self.avail[queue] = self.avail[queue].wrapping_add(1);
        self.ram
            .store_release(base + 0x402, self.avail[queue])
            .unwrap();
    }

    /// Makes `bytes` available for transmission at a place of their own.
    fn transmit(&mut self, head: u16, bytes: &[u8]) {
        let at = DATA + usize::from(head) * 0x1000;
        self.ram.copy_out(at, bytes).unwrap();
        let len = u32::try_from(bytes.len()).unwrap();
        self.submit(1, head, RAM + at as u64, len);
    }

    fn used(&self, queue: usize) -> Vec<(u32, u32)> {
        let base = QUEUE[queue] + 0x800;
        let count: u16 = self.ram.load(base + 2).unwrap();
        let entry = |index: u16| {
            let slot = base + 4 + usize::from(index % SIZE) * 8;
            (
                self.ram.load(slot).unwrap(),
                self.ram.load(slot + 4).unwrap(),
            )
        };
        (0..count).map(entry).collect()
    }

    fn shown(&mut self) -> Vec<u8> {
        let mut bytes = [0; 4096];
        let count = self.screen.read(&mut bytes);
        self.screen.flush(&mut self.kernel);
        bytes[..count].to_vec()
    }

    fn type_in(&mut self, bytes: &[u8]) {
        assert_eq!(self.screen.write(bytes), bytes.len());
        self.screen.flush(&mut self.kernel);
        self.notify(MUX);
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

#[test]
fn clause_5_3_the_device_is_a_console_with_two_queues() {
    let rig = Rig::new();
    let offer = rig.transport.offer().unwrap();
    assert_eq!(
        (offer.device, offer.queues, offer.features & 0xff),
        (3, 2, 1)
    );
    assert_eq!(OFFER.features & 1, 0, "no size without columns and rows");
    let mut config = [0; 4];
    rig.transport.read_config(0, &mut config).unwrap();
    assert_eq!(config, [80, 0, 25, 0]);
}

#[test]
fn clause_5_3_6_transmitted_bytes_reach_the_stream() {
    let mut rig = Rig::running(0);
    rig.transmit(2, b"hello ");
    rig.transmit(0, b"world\n");
    rig.kick();
    assert_eq!(rig.shown(), b"hello world\n");
    assert_eq!(rig.used(1), [(2, 0), (0, 0)]);
    assert_eq!(rig.transport.events().used, 1, "one interrupt for both");
}

#[test]
fn clause_5_3_6_typed_bytes_fill_the_buffers_that_are_offered() {
    let mut rig = Rig::running(0);
    rig.type_in(b"early");
    assert_eq!(rig.used(0), []);
    rig.submit(0, 4, RAM + DATA as u64, 3);
    rig.submit(0, 5, RAM + DATA as u64 + 0x100, 100);
    rig.kick();
    assert_eq!(rig.used(0), [(4, 3), (5, 2)]);
    rig.submit(0, 4, RAM + DATA as u64 + 0x200, 100);
    rig.kick();
    rig.type_in(b"x");
    assert_eq!(rig.used(0), [(4, 3), (5, 2), (4, 1)]);
    let mut bytes = [0; 3];
    rig.ram.copy_in(DATA, &mut bytes).unwrap();
    assert_eq!(&bytes, b"ear");
    rig.ram.copy_in(DATA + 0x100, &mut bytes).unwrap();
    assert_eq!(&bytes, b"ly\0");
}

#[test]
fn clause_2_7_10_the_driver_is_asked_to_kick_again() {
    let mut rig = Rig::running(1 << 29);
    let avail_event = |rig: &Rig, queue: usize| -> u16 {
        let at = QUEUE[queue] + 0x804 + usize::from(SIZE) * 8;
        rig.ram.load(at).unwrap()
    };
    for round in 1..4 {
        rig.transmit(round, b"x");
        rig.kick();
        assert_eq!(avail_event(&rig, 1), round);
    }
    // Nobody waits for receive buffers until somebody types.
    rig.submit(0, 0, RAM + DATA as u64, 1);
    rig.kick();
    rig.type_in(b"ab");
    assert_eq!((rig.used(0).len(), avail_event(&rig, 0)), (1, 1));
}

#[test]
fn h37_a_flood_waits_for_the_stream_and_loses_nothing() {
    let mut rig = Rig::running(1 << 29);
    let flood: Vec<u8> = (0..3000_u32).map(|at| at.to_le_bytes()[0]).collect();
    rig.transmit(0, &flood);
    rig.kick();
    assert_eq!(rig.used(1), [], "256 bytes are on their way");
    let mut shown = Vec::new();
    for _ in 0..100 {
        shown.extend(rig.shown());
        rig.notify(MUX);
    }
    assert_eq!(shown, flood);
    assert_eq!(rig.used(1), [(0, 0)]);
}

#[test]
fn h37_odd_buffers() {
    let mut rig = Rig::running(0);
    rig.submit(1, 0, RAM + RAM_SIZE as u64 - 4, 8);
    rig.submit(1, 1, RAM, 0);
    rig.submit_with(1, 2, RAM + DATA as u64, 8, WRITE);
    rig.submit(1, 3, 0x0900_0000, u32::MAX);
    rig.transmit(4, b"still here");
    rig.kick();
    assert_eq!(rig.shown(), b"still here");
    assert_eq!(rig.used(1).len(), 5);
    assert_eq!(rig.counted("BadRequest"), 4);
    rig.submit_with(0, 0, RAM + DATA as u64, 8, 0);
    rig.kick();
    rig.type_in(b"a");
    assert_eq!(
        rig.used(0),
        [(0, 0)],
        "receive buffer that cannot be written"
    );
}

#[test]
fn clause_2_1_2_a_broken_queue_stops_the_device_until_reset() {
    let mut rig = Rig::running(0);
    rig.submit(1, SIZE, 0, 1);
    rig.kick();
    assert_ne!(rig.transport.events().fault, 0);
    assert_eq!(rig.counted("QueueFault"), 1);
    rig.submit(0, 0, RAM + DATA as u64, 8);
    rig.type_in(b"lost?");
    assert_eq!(rig.used(0), [], "no queue is touched");
    rig.restart();
    assert_ne!(rig.transport.events().fault, 0, "not even after a restart");
    rig.notify(MUX);
    assert_eq!(rig.used(0), []);
    rig.transport.order(Phase::LetGo, 0, &[]);
    rig.kick();
    assert!(rig.transport.settled());
    assert_eq!(rig.transport.events().fault, 0);
}

#[test]
fn h11_after_let_go_no_queue_is_touched() {
    let mut rig = Rig::running(0);
    rig.submit(0, 0, RAM + DATA as u64, 8);
    rig.kick();
    rig.transport.order(Phase::LetGo, 0, &[]);
    rig.kick();
    rig.type_in(b"abc");
    rig.transmit(0, b"def");
    rig.kick();
    assert_eq!(
        (rig.used(0), rig.used(1), rig.shown()),
        (vec![], vec![], vec![])
    );
}

#[test]
fn stopping_one_queue_leaves_the_other_alone() {
    let mut rig = Rig::running(0);
    rig.transmit(0, b"one ");
    rig.kick();
    rig.transport
        .order(Phase::Running, 0, &[QueueConfig::default(), config(1)]);
    rig.kick();
    rig.transmit(1, b"two");
    rig.kick();
    assert_eq!(rig.shown(), b"one two");
    assert_eq!(rig.used(1), [(0, 0), (1, 0)]);
}

#[test]
fn r6_a_restart_in_the_middle_of_a_request_goes_on_where_it_was() {
    let mut rig = Rig::running(1 << 29);
    let text: Vec<u8> = (0..600_u32)
        .map(|at| b'a' + (at % 26).to_le_bytes()[0])
        .collect();
    rig.transmit(3, &text);
    rig.submit(0, 1, RAM + DATA as u64, 64);
    rig.kick();
    let mut shown = rig.shown();
    rig.restart();
    for _ in 0..10 {
        shown.extend(rig.shown());
        rig.notify(MUX);
    }
    assert_eq!(shown, text);
    assert_eq!(rig.used(1), [(3, 0)]);
    rig.type_in(b"ok");
    assert_eq!(rig.used(0), [(1, 2)]);
    assert!(rig.counted("Resumed") >= 2);
}

#[test]
fn a_stray_notification_is_counted() {
    let mut rig = Rig::new();
    rig.notify(20);
    assert_eq!(rig.counted("Stray"), 1);
}

#[test]
fn the_record_must_be_complete() {
    let mut world = World::new();
    world.region_rw("ram", fake::region(0x1000));
    let missing: Result<Console, SetupError> = world.create();
    assert!(matches!(missing, Err(SetupError::Lookup(_))));
    world
        .region_ro("orders", fake::region(0x1000))
        .region_rw("answers", fake::region(0x800))
        .channel("vmm", VMM);
    let small: Result<Console, SetupError> = world.create();
    assert!(matches!(small, Err(SetupError::Invalid { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// Whatever is sent in whatever pieces, with restarts in between, arrives once and in order.
    #[test]
    fn everything_sent_arrives_in_order(
        pieces in proptest::collection::vec((1_usize..700, any::<bool>(), any::<bool>()), 1..20),
        event_idx: bool,
    ) {
        let mut rig = Rig::running(if event_idx { 1 << 29 } else { 0 });
        let (mut sent, mut shown) = (Vec::new(), Vec::new());
        for (at, (len, read, restart)) in pieces.into_iter().enumerate() {
            let bytes: Vec<u8> = (0..len).map(|byte| (byte + at).to_le_bytes()[0]).collect();
            sent.extend_from_slice(&bytes);
            rig.transmit(u16::try_from(at).unwrap() % SIZE, &bytes);
            rig.kick();
            while rig.used(1).len() <= at {
                shown.extend(rig.shown());
                rig.notify(MUX);
            }
            if read {
                shown.extend(rig.shown());
            }
            if restart {
                rig.restart();
            }
        }
        shown.extend(rig.shown());
        prop_assert_eq!(shown, sent);
    }

    /// Arbitrary guest memory: no panic; the device works or needs a reset.
    #[test]
    fn arbitrary_queues(
        bytes in proptest::collection::vec(any::<u8>(), 0x1000),
        kicks in 1_usize..10,
    ) {
        let mut rig = Rig::running(3 << 28);
        rig.ram.copy_out(QUEUE[0], &bytes).unwrap();
        rig.ram.copy_out(QUEUE[1], &bytes).unwrap();
        for byte in bytes.iter().take(kicks) {
            let jump = u16::from(*byte) % (SIZE + 2);
            for queue in [0, 1] {
                let idx = rig.avail[queue].wrapping_add(jump);
                rig.avail[queue] = idx;
                rig.ram.store(QUEUE[queue] + 0x402, idx).unwrap();
            }
            rig.kick();
            rig.shown();
            let _ = rig.screen.write(b"typed");
            rig.screen.flush(&mut rig.kernel);
            rig.notify(MUX);
        }
    }
}
