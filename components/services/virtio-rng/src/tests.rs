// SPDX-License-Identifier: BSD-2-Clause
//! The backend as a component, with a driver that writes its queue by hand.

use entropy::{GRAIN, Grain, Supply, region_size};
use pd::fake::{FakeKernel, World};
use pd::{Handler, SetupError};
use proptest::prelude::*;
use shm::{Region, Rw, fake};
use units::{ChannelId, ChannelSet};
use vio::{Phase, QueueConfig, Transport};
use virtio::queue::Descriptor;

use crate::{MAX_ANSWER, Rng};

const RAM: u64 = 0x4000_0000;
const RAM_SIZE: usize = 0x2_0000;
const DATA: usize = 0x1000;
const SIZE: u16 = 8;
const VMM: u64 = 3;
const SOURCE: u64 = 7;
const WRITE: u16 = 2;
const CONFIG: QueueConfig = QueueConfig {
    size: SIZE,
    ready: true,
    desc: RAM,
    driver: RAM + 0x400,
    device: RAM + 0x800,
};

/// Everything that outlives the backend.
#[derive(Clone, Copy)]
struct Memory {
    ram: Region<Rw>,
    orders: Region<Rw>,
    answers: Region<Rw>,
    grains: Region<Rw>,
    taken: Region<Rw>,
}

struct Rig {
    kernel: FakeKernel,
    rng: Rng,
    transport: Transport,
    supply: Supply,
    memory: Memory,
    avail: u16,
    next: u8,
}

fn create(memory: &Memory) -> Result<Rng, SetupError> {
    let mut world = World::new();
    world
        .region_rw("ram", memory.ram)
        .region_ro("orders", memory.orders)
        .region_rw("answers", memory.answers)
        .region_rw("rng.out", memory.taken)
        .region_ro("rng.in", memory.grains)
        .channel("rng", SOURCE)
        .channel("vmm", VMM);
    world.create()
}

impl Rig {
    fn new(slots: u32) -> Self {
        let memory = Memory {
            ram: fake::region(RAM_SIZE),
            orders: fake::region(0x1000),
            answers: fake::region(0x1000),
            grains: fake::region(region_size(slots)),
            taken: fake::region(spsc_header()),
        };
        let mut rig = Self {
            kernel: FakeKernel::new(),
            rng: create(&memory).unwrap(),
            transport: Transport::new(memory.orders, memory.answers.read_only()).unwrap(),
            supply: supply(&memory),
            memory,
            avail: 0,
            next: 1,
        };
        rig.rng.init(&mut rig.kernel);
        rig.transport.order(Phase::Running, 0, &[CONFIG]);
        rig.notify(VMM);
        rig
    }

    fn notify(&mut self, channel: u64) {
        let mut channels = ChannelSet::EMPTY;
        channels.insert(ChannelId::new(channel).unwrap());
        self.rng.notified(&mut self.kernel, channels);
    }

    /// The driver of the generator delivers `grains`, each of one repeated byte.
    fn supply(&mut self, grains: usize) -> usize {
        let mut done = 0;
        for _ in 0..grains {
            self.supply.clean();
            let grain: Grain = [self.next; GRAIN];
            if !self.supply.put(&grain) {
                break;
            }
            self.next = self.next.wrapping_add(1);
            done += 1;
        }
        self.supply.flush(&mut self.kernel);
        self.notify(SOURCE);
        done
    }

    fn submit(&mut self, head: u16, addr: u64, len: u32, flags: u16) {
        let descriptor = Descriptor {
            addr: addr.into(),
            len: len.into(),
            flags: flags.into(),
            next: 0.into(),
        };
        let ram = self.memory.ram;
        ram.write(usize::from(head) * 16, &descriptor).unwrap();
        let slot = 0x404 + usize::from(self.avail % SIZE) * 2;
        ram.store(slot, head).unwrap();
        self.avail = self.avail.wrapping_add(1);
        ram.store_release(0x402, self.avail).unwrap();
    }

    fn ask(&mut self, head: u16, len: u32) {
        self.submit(head, RAM + DATA as u64, len, WRITE);
        self.notify(VMM);
    }

    fn used(&self) -> Vec<(u32, u32)> {
        let ram = self.memory.ram;
        let count: u16 = ram.load(0x802).unwrap();
        let entry = |index: u16| {
            let slot = 0x804 + usize::from(index % SIZE) * 8;
            (ram.load(slot).unwrap(), ram.load(slot + 4).unwrap())
        };
        (0..count).map(entry).collect()
    }

    fn data(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory.ram.copy_in(DATA, &mut bytes).unwrap();
        bytes
    }

    fn restart(&mut self) {
        self.rng = create(&self.memory).unwrap();
        self.rng.init(&mut self.kernel);
    }
}

fn supply(memory: &Memory) -> Supply {
    let channel = ChannelId::new(1).unwrap();
    Supply::new(memory.grains, memory.taken.read_only(), channel).unwrap()
}

/// Bytes of a region without slots.
fn spsc_header() -> usize {
    region_size(0)
}

#[test]
fn clause_5_4_the_device_is_an_entropy_source_with_one_queue() {
    let rig = Rig::new(4);
    let offer = rig.transport.offer().unwrap();
    assert_eq!((offer.device, offer.queues, offer.config_len), (4, 1, 0));
}

#[test]
fn clause_5_4_6_a_request_gets_at_least_a_byte_and_its_slot_is_cleared() {
    let mut rig = Rig::new(4);
    rig.ask(2, 40);
    assert_eq!(rig.used(), [], "it waits for entropy");
    assert_eq!(rig.supply(1), 1);
    assert_eq!(rig.used(), [(2, 32)], "less than the buffer");
    assert_eq!(rig.data(33), [[1; 32].as_slice(), &[0]].concat());
    assert_eq!(rig.transport.events().used, 1);
    rig.supply.clean();
    let mut left = vec![0; 4 * GRAIN];
    let at = region_size(0);
    rig.memory.grains.copy_in(at, &mut left).unwrap();
    assert_eq!(left, [0; 4 * GRAIN], "nothing is left in shared memory");
}

#[test]
fn a_part_of_a_grain_is_never_used_later() {
    let mut rig = Rig::new(4);
    rig.supply(2);
    rig.ask(0, 5);
    rig.ask(1, 5);
    assert_eq!(rig.used(), [(0, 5), (1, 5)]);
    assert_eq!(rig.data(5), [2; 5], "the second request got fresh bytes");
}

#[test]
fn h_38_a_huge_request_is_answered_in_bounded_pieces() {
    let mut rig = Rig::new(64);
    assert_eq!(rig.supply(64), 64);
    rig.submit(0, RAM + DATA as u64, 0x1_0000, WRITE);
    rig.submit(1, RAM, u32::MAX, WRITE);
    rig.notify(VMM);
    assert_eq!(
        rig.used(),
        [(0, 256), (1, 0)],
        "the second lies outside memory"
    );
    assert_eq!(rig.data(MAX_ANSWER + 1)[MAX_ANSWER..], [0]);
}

#[test]
fn h_25_to_h_28_odd_requests_are_given_back() {
    let mut rig = Rig::new(4);
    rig.supply(4);
    rig.submit(0, RAM + DATA as u64, 8, 0);
    rig.submit(1, RAM, 0, WRITE);
    rig.submit(2, RAM + RAM_SIZE as u64 - 4, 8, WRITE);
    rig.submit(3, RAM + DATA as u64, 8, WRITE);
    rig.notify(VMM);
    assert_eq!(rig.used(), [(0, 0), (1, 0), (2, 0), (3, 8)]);
}

#[test]
fn h_22_a_broken_queue_stops_the_device_until_reset() {
    let mut rig = Rig::new(4);
    rig.submit(SIZE, RAM, 8, WRITE);
    rig.notify(VMM);
    assert_ne!(rig.transport.events().fault, 0);
    rig.supply(4);
    rig.transport.order(Phase::LetGo, 0, &[]);
    rig.notify(VMM);
    assert!(rig.transport.settled());
    assert_eq!(rig.transport.events().fault, 0);
}

#[test]
fn r6_a_request_in_flight_survives_a_restart() {
    let mut rig = Rig::new(4);
    rig.ask(3, 16);
    rig.ask(4, 16);
    rig.restart();
    rig.supply(4);
    assert_eq!(rig.used(), [(3, 16), (4, 16)]);
    assert_eq!(rig.data(16), [2; 16]);
}

#[test]
fn h_11_after_let_go_nothing_is_written() {
    let mut rig = Rig::new(4);
    rig.ask(0, 16);
    rig.transport.order(Phase::LetGo, 0, &[]);
    rig.notify(VMM);
    rig.supply(4);
    assert_eq!((rig.used(), rig.data(16)), (vec![], vec![0; 16]));
}

#[test]
fn the_record_must_be_complete() {
    let mut world = World::new();
    world.region_rw("ram", fake::region(0x1000));
    assert!(matches!(world.create::<Rng>(), Err(SetupError::Lookup(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    /// Every request is answered once, with bytes that no other one got, across restarts.
    #[test]
    fn requests_get_bytes_of_their_own(
        steps in proptest::collection::vec((0_u8..4, 1_u32..600), 1..120),
    ) {
        let mut rig = Rig::new(16);
        let (mut asked, mut seen, mut last) = (0_usize, 0_usize, 0_u8);
        for (step, len) in steps {
            match step {
                0 | 1 if asked == seen => {
                    let head = u16::try_from(asked % usize::from(SIZE)).unwrap();
                    rig.ask(head, len);
                    asked += 1;
                }
                2 if rig.next < 200 => { rig.supply(3); }
                3 => rig.restart(),
                _ => {}
            }
            let used: u16 = rig.memory.ram.load(0x802).unwrap();
            if usize::from(used) > seen {
                prop_assert_eq!(usize::from(used), asked);
                seen = asked;
                let slot = 0x804 + (seen - 1) % usize::from(SIZE) * 8;
                let count: u32 = rig.memory.ram.load(slot + 4).unwrap();
                prop_assert!(count >= 1 && count as usize <= MAX_ANSWER);
                let data = rig.data(count as usize);
                prop_assert!(data.iter().all(|byte| *byte > last), "fresh bytes");
                last = *data.last().unwrap();
            }
        }
    }

    /// Arbitrary guest memory: no panic; the device works or needs a reset.
    #[test]
    fn arbitrary_queues(bytes in proptest::collection::vec(any::<u8>(), 0xc00)) {
        let mut rig = Rig::new(4);
        rig.memory.ram.copy_out(0, &bytes).unwrap();
        for _ in 0..4 {
            rig.supply(4);
            rig.notify(VMM);
        }
    }
}
