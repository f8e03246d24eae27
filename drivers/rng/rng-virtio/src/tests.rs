// SPDX-License-Identifier: BSD-2-Clause
//! The driver between clients and a device on a register bank, whose ring is read from memory.

use entropy::{Client, GRAIN, region_size};
use mmio::fake::Bank;
use pd::fake::{FakeKernel, KernelCall, World};
use pd::{Handler, SetupError};
use proptest::prelude::*;
use shm::{Region, Rw, fake};
use units::{ChannelId, ChannelSet};
use virtio::mmio::Register;
use virtio::queue::Descriptor;

use crate::bucket::Bucket;
use crate::{Driver, MAX_CLIENTS};

const QUEUE: u64 = 0x4800_0000;
const OFFSET: usize = 0x400;
const IRQ: u64 = 5;
const TIMER: u64 = 9;
const SLOTS: u32 = 8;
const SECOND: u64 = 62_500_000;
const NAMES: [&str; 2] = ["a", "b"];

/// The device, and everything else that outlives the driver.
struct Bench {
    bank: Bank,
    queue: Region<Rw>,
    grains: [Region<Rw>; 2],
    taken: [Region<Rw>; 2],
    kernel: FakeKernel,
    driver: Driver,
    clients: [Client; 2],
    avail: u16,
    used: u16,
    next: u8,
}

fn at(register: Register) -> usize {
    OFFSET + usize::try_from(register.offset()).unwrap()
}

fn put(bytes: &mut [u8], register: Register, value: u32) {
    bytes[at(register)..][..4].copy_from_slice(&value.to_le_bytes());
}

fn bank() -> Bank {
    let bank = Bank::new(0x1000);
    bank.set32(at(Register::MagicValue), 0x7472_6976);
    bank.set32(at(Register::Version), 2);
    bank.set32(at(Register::DeviceId), 4);
    bank.set32(at(Register::QueueSizeMax), 8);
    let features = virtqueue::features().bits();
    bank.on_write(move |offset, value, bytes| {
        match (Register::at((offset - OFFSET) as u64), value) {
            (Some(Register::DeviceFeaturesSel), half) => {
                let value = u32::try_from((features >> (32 * half)) & 0xffff_ffff).unwrap();
                put(bytes, Register::DeviceFeatures, value);
            }
            (Some(Register::Status), 0) => put(bytes, Register::QueueReady, 0),
            (Some(Register::InterruptAck), _) => put(bytes, Register::InterruptStatus, 0),
            _ => {}
        }
    });
    bank
}

fn create(
    bank: &Bank,
    queue: Region<Rw>,
    grains: &[Region<Rw>; 2],
    taken: &[Region<Rw>; 2],
    rate: u64,
    timer: bool,
) -> Result<Driver, SetupError> {
    let mut world = World::new();
    world
        .registers("regs", bank.window())
        .value("regs.offset", OFFSET as u64)
        .irq("irq", IRQ)
        .region_rw("queue", queue)
        .dma("queue", QUEUE, queue.len() as u64)
        .text("client", NAMES[0])
        .region_rw("a.out", grains[0])
        .region_ro("a.in", taken[0])
        .channel("a", 1)
        .value("a.rate", rate)
        .text("client", NAMES[1])
        .region_rw("b.out", grains[1])
        .region_ro("b.in", taken[1])
        .channel("b", 2);
    if timer {
        world.channel("timer", TIMER);
    }
    world.create()
}

impl Bench {
    fn new(rate: u64) -> Self {
        let (bank, queue) = (bank(), fake::region(0x1000));
        let grains = [(); 2].map(|()| fake::region(region_size(SLOTS)));
        let taken = [(); 2].map(|()| fake::region(region_size(0)));
        let driver = create(&bank, queue, &grains, &taken, rate, true).unwrap();
        let clients = [0, 1].map(|index: usize| {
            let channel = ChannelId::new(20).unwrap();
            Client::new(taken[index], grains[index].read_only(), channel).unwrap()
        });
        let mut bench = Self {
            bank,
            queue,
            grains,
            taken,
            kernel: FakeKernel::new(),
            driver,
            clients,
            avail: 0,
            used: 0,
            next: 0,
        };
        bench.kernel.answer_with(|_, _| pd::Message::new(timer::OK));
        bench.driver.init(&mut bench.kernel);
        bench
    }

    fn restart(&mut self) {
        let (grains, taken) = (self.grains, self.taken);
        self.driver = create(&self.bank, self.queue, &grains, &taken, 0, true).unwrap();
        (self.avail, self.used) = (0, 0);
        self.driver.init(&mut self.kernel);
    }

    fn wake(&mut self, id: u64) {
        self.driver
            .notified(&mut self.kernel, ChannelSet::from_badge(1 << id));
    }

    fn dma(&self, paddr: u64, len: usize) -> Region<Rw> {
        let offset = usize::try_from(paddr - QUEUE).unwrap();
        self.queue.sub(offset, len).unwrap()
    }

    fn area(&self, low: Register) -> u64 {
        self.bank.get32(at(low)).into()
    }

    /// The request that the device has, if any: its head and buffer.
    fn request(&mut self) -> Option<(u16, Region<Rw>)> {
        let size = u16::try_from(self.bank.get32(at(Register::QueueSize))).unwrap();
        let driver = self.area(Register::QueueDriverLow);
        let published: u16 = self.dma(driver + 2, 2).load(0).unwrap();
        if self.avail == published {
            return None;
        }
        let slot = u64::from(self.avail % size);
        let head: u16 = self.dma(driver + 4 + 2 * slot, 2).load(0).unwrap();
        self.avail = self.avail.wrapping_add(1);
        let desc = self.area(Register::QueueDescLow) + 16 * u64::from(head);
        let descriptor: Descriptor = self.dma(desc, 16).read(0).unwrap();
        assert_eq!(
            descriptor.flags.get(),
            2,
            "one buffer, which the device writes"
        );
        let buffer = self.dma(descriptor.addr.get(), descriptor.len.get() as usize);
        Some((head, buffer))
    }

    fn end(&mut self, id: u32, len: u32) {
        let size = u16::try_from(self.bank.get32(at(Register::QueueSize))).unwrap();
        let device = self.area(Register::QueueDeviceLow);
        let slot = u64::from(self.used % size);
        self.dma(device + 4 + 8 * slot, 8)
            .write(0, &[id, len])
            .unwrap();
        // EVENT_IDX is agreed: an interrupt comes for the entry that the driver named (2.7.7.2).
        let event = self.area(Register::QueueDriverLow) + 4 + 2 * u64::from(size);
        let wanted = self.dma(event, 2).load::<u16>(0).unwrap() == self.used;
        self.used = self.used.wrapping_add(1);
        self.dma(device + 2, 2).store_release(0, self.used).unwrap();
        if wanted {
            self.bank.set32(at(Register::InterruptStatus), 1);
            self.wake(IRQ);
        }
    }

    /// The device answers with at most `most` bytes, no two grains alike; how many there were.
    fn answer(&mut self, most: usize) -> Option<usize> {
        let (head, buffer) = self.request()?;
        let len = buffer.len().min(most);
        for offset in 0..len {
            // A counter of grains, then the position.
            let byte = if offset % GRAIN == 0 {
                self.next
            } else {
                offset.to_le_bytes()[0]
            };
            self.next = self.next.wrapping_add(u8::from(offset % GRAIN == 0));
            buffer.store(offset, byte).unwrap();
        }
        self.end(head.into(), u32::try_from(len).unwrap());
        Some(len)
    }

    fn take(&mut self, client: usize) -> Vec<u8> {
        let mut grains = Vec::new();
        while let Some(grain) = self.clients[client].take() {
            grains.push(grain[0]);
        }
        self.clients[client].flush(&mut self.kernel);
        grains
    }

    fn pool_is_clear(&self) -> bool {
        let mut bytes = vec![0; self.queue.len()];
        self.queue.copy_in(0, &mut bytes).unwrap();
        // Behind descriptors and rings.
        bytes[128..].iter().all(|byte| *byte == 0)
    }
}

#[test]
fn clients_get_grains_in_turn_and_nobody_gets_anothers() {
    let mut bench = Bench::new(0);
    assert_eq!(
        bench.answer(4096),
        Some(512),
        "sixteen grains for two rings of eight"
    );
    assert!(bench.pool_is_clear(), "the device's buffer is cleared");
    assert_eq!(bench.take(0), [0, 2, 4, 6, 8, 10, 12, 14]);
    assert_eq!(bench.take(1), [1, 3, 5, 7, 9, 11, 13, 15]);
    assert_eq!(bench.answer(4096), None, "the driver sleeps");
    bench.wake(1);
    assert_eq!(bench.answer(4096), Some(512));
    assert_eq!(bench.take(0)[0], 16);
    let mut left = vec![0; 8 * GRAIN];
    bench.wake(1);
    bench.grains[0].copy_in(region_size(0), &mut left).unwrap();
    assert_eq!(
        left,
        vec![0; 8 * GRAIN],
        "nothing of what was given back is left"
    );
}

#[test]
fn nothing_is_asked_for_that_nobody_has_room_for() {
    let mut bench = Bench::new(0);
    bench.answer(4096);
    assert_eq!(bench.answer(4096), None);
    assert!(bench.clients[0].take().is_some());
    bench.wake(1);
    assert_eq!(bench.answer(4096), Some(GRAIN));
}

#[test]
fn clause_5_4_6_a_device_may_give_less_than_asked_for() {
    let mut bench = Bench::new(0);
    assert_eq!(bench.answer(20), Some(20));
    assert_eq!(bench.take(0), []);
    assert_eq!(bench.answer(20), Some(20));
    assert_eq!(bench.take(0).len(), 1);
    assert_eq!(bench.take(1).len(), 0);
}

#[test]
fn h_38_a_client_gets_no_more_than_its_rate() {
    let mut bench = Bench::new(320);
    let mut total = 0;
    for _ in 0..40 {
        bench.answer(4096);
        total += bench.take(0).len();
        bench.wake(1);
    }
    assert_eq!(total * GRAIN, 1024, "the first kibibyte at once");
    bench.take(1);
    bench.wake(2);
    let channel = ChannelId::new(TIMER).unwrap();
    let asks = |call: &KernelCall| matches!(call, KernelCall::Call(to, _) if *to == channel);
    assert!(bench.kernel.calls().iter().any(asks));
    bench.kernel.advance(SECOND);
    for _ in 0..40 {
        bench.wake(TIMER);
        bench.answer(4096);
        total += bench.take(0).len();
        bench.take(1);
    }
    assert_eq!(total * GRAIN, 1024 + 320, "then so much a second");
}

#[test]
fn clause_2_7_7_each_request_made_from_an_interrupt_interrupts_too() {
    let mut bench = Bench::new(0);
    // Less than the clients have room for, so that each answer is followed by a request at once.
    for _ in 0..3 {
        assert_eq!(bench.answer(2 * GRAIN), Some(2 * GRAIN));
    }
    assert_eq!(bench.take(0), [0, 2, 4]);
    assert_eq!(bench.take(1), [1, 3, 5]);
}

#[test]
fn a_rate_needs_a_timer() {
    let bench = Bench::new(0);
    let (grains, taken) = (bench.grains, bench.taken);
    let with = |rate, timer| create(&bench.bank, bench.queue, &grains, &taken, rate, timer);
    assert!(with(1, false).is_err());
    assert!(with(0, false).is_ok());
    assert_eq!(MAX_CLIENTS, 8);
}

#[test]
fn predictable_bytes_are_not_passed_on() {
    let mut bench = Bench::new(0);
    for round in 0..5 {
        let (head, buffer) = bench.request().unwrap();
        let len = u32::try_from(buffer.len()).unwrap();
        if round % 2 == 0 {
            buffer.fill(0, buffer.len(), 0x55).unwrap();
        }
        bench.end(head.into(), len);
        assert_eq!(bench.take(0).len() + bench.take(1).len(), 0);
    }
    assert!(bench.request().is_none(), "given up");
    assert_ne!(bench.bank.get32(at(Register::Status)) & 128, 0);
}

#[test]
fn a_lying_device_is_reset_and_then_given_up() {
    let mut bench = Bench::new(0);
    for _ in 0..5 {
        let (_, _) = bench.request().unwrap();
        bench.end(7, 32);
        (bench.avail, bench.used) = (0, 0);
    }
    assert!(bench.request().is_none(), "given up");
    let mut bench = Bench::new(0);
    bench.request().unwrap();
    bench.end(7, 32);
    (bench.avail, bench.used) = (0, 0);
    assert_eq!(bench.answer(4096), Some(512), "one reset helped");
    assert_eq!(bench.take(0).len(), 8);
}

#[test]
fn after_a_restart_nothing_of_before_is_left() {
    let mut bench = Bench::new(0);
    let (_, buffer) = bench.request().unwrap();
    buffer.fill(0, buffer.len(), 0xaa).unwrap();
    bench.restart();
    assert!(bench.pool_is_clear());
    bench.answer(4096);
    assert_eq!(bench.take(0).len(), 8);
}

proptest! {
    /// In any time, a client gets at most the burst and its rate.
    #[test]
    fn the_bucket_never_gives_more(
        rate in 1_u64..100_000,
        steps in proptest::collection::vec((0_u64..SECOND, 1_u64..64), 1..200),
    ) {
        let mut bucket = Bucket::new(rate);
        bucket.start(SECOND, 0);
        let (mut now, mut taken) = (0_u64, 0_u64);
        for (ticks, bytes) in steps {
            now += ticks;
            if bucket.available(now) >= bytes {
                bucket.take(bytes);
                taken += bytes;
            } else {
                let ready = bucket.ready(bytes).unwrap();
                prop_assert!(ready > now);
                let mut later = bucket;
                prop_assert!(later.available(ready) >= bytes, "awake when it is enough");
                prop_assert!(bucket.available(ready - 1) < bytes, "and not before");
                now = ready - 1;
            }
            let allowed = 1024 + u128::from(now) * u128::from(rate) / u128::from(SECOND) + 1;
            prop_assert!(u128::from(taken) <= allowed);
        }
    }
}
