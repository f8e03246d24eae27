// SPDX-License-Identifier: BSD-2-Clause
//! The driver between a client and a device that does as it is told, or lies.

mod device;

use blk::fake::FakeLink;
use blk::{Change, Client, Completion, Features as Can, Info, Op, Segment, Status};
use device::{Device, QUEUE, RAM, everything};
use pd::Handler;
use pd::fake::{FakeKernel, KernelCall, World};
use proptest::prelude::*;
use units::{ChannelId, ChannelSet};
use virtio::blk::{Config, Features};

use crate::Driver;

const CLIENT: u64 = 4;
const IRQ: u64 = 5;

struct Bench {
    device: Device,
    driver: Driver,
    client: Client,
    link: FakeLink,
    kernel: FakeKernel,
}

fn world(device: &Device, link: &FakeLink) -> World {
    let mut world = World::new();
    world
        .registers("regs", device.bank.window())
        .value("regs.offset", Device::offset())
        .irq("irq", IRQ)
        .region_rw("queue", device.queue)
        .dma("queue", QUEUE, device.queue.len() as u64)
        .region_rw("client.out", link.server)
        .region_ro("client.in", link.client)
        .channel("client", CLIENT);
    world
}

fn channel() -> ChannelId {
    ChannelId::new(CLIENT).unwrap()
}

fn seg(offset: u64, len: u32) -> Segment {
    Segment {
        offset: RAM + offset,
        len,
    }
}

impl Bench {
    fn with(features: u64, config: &Config, queue: usize) -> Self {
        let device = Device::new(features, config, queue);
        let link = FakeLink::new(0x4000);
        let driver = world(&device, &link).create().unwrap();
        let mut bench = Self {
            device,
            driver,
            client: link.client(channel()),
            link,
            kernel: FakeKernel::new(),
        };
        bench.driver.init(&mut bench.kernel);
        bench.wake(CLIENT);
        assert_eq!(bench.client.poll(), Change::Up);
        bench
    }

    fn new() -> Self {
        let (features, config) = everything();
        Self::with(features, &config, 0x5_0000)
    }

    fn wake(&mut self, id: u64) {
        self.driver
            .notified(&mut self.kernel, ChannelSet::from_badge(1 << id));
    }

    /// Shows the driver what was submitted.
    fn kick(&mut self) {
        self.client.flush(&mut self.kernel);
        self.wake(CLIENT);
    }

    /// The device does all it has.
    fn run(&mut self) {
        self.device.run();
        self.wake(IRQ);
    }

    fn ends(&mut self) -> Vec<(u32, Status)> {
        let next = |Completion { id, status }| (id, status);
        core::iter::from_fn(|| self.client.completion().map(next)).collect()
    }

    fn do_data(&mut self, op: Op, sector: u64, segments: &[Segment]) -> Status {
        self.client
            .submit_data(1, op, sector, segments.iter().copied())
            .unwrap();
        self.finish()
    }

    fn do_range(&mut self, op: Op, sector: u64, sectors: u32) -> Status {
        self.client.submit_range(1, op, sector, sectors).unwrap();
        self.finish()
    }

    fn finish(&mut self) -> Status {
        self.kick();
        self.run();
        let ends = self.ends();
        assert_eq!(ends.len(), 1, "{ends:?}");
        ends[0].1
    }
}

#[test]
fn the_disk_is_described_as_the_device_says() {
    let bench = Bench::new();
    let expected = Info {
        physical_exponent: 3,
        features: Can::FLUSH | Can::DISCARD | Can::WRITE_ZEROES | Can::UNMAP,
        max_discard: 64,
        discard_alignment: 8,
        max_write_zeroes: 32,
        ..Info::new(256, 512)
    };
    assert_eq!(bench.client.info(), Some(&expected));
    assert_eq!(bench.device.status(), 15);

    let (_, config) = everything();
    let config = Config {
        capacity: 255.into(),
        blk_size: 4096.into(),
        size_max: 8192.into(),
        ..config
    };
    let features = Features::RO | Features::BLK_SIZE | Features::SIZE_MAX;
    let bench = Bench::with(features.bits() | 1 << 32, &config, 0x5_0000);
    let expected = Info {
        features: Can::READ_ONLY,
        max_segments: 1,
        max_segment_size: 8192,
        ..Info::new(248, 4096)
    };
    assert_eq!(
        bench.client.info(),
        Some(&expected),
        "only what was agreed on"
    );
}

// Shows BH-27.
#[test]
fn data_goes_between_medium_and_memory_in_place() {
    let mut bench = Bench::new();
    let bytes: Vec<u8> = (0..2048_u32).map(|i| i.to_le_bytes()[0] ^ 0x5a).collect();
    bench.device.ram.copy_out(0x1000, &bytes).unwrap();
    let from = [seg(0x1000, 512), seg(0x1200, 1), seg(0x1201, 1535)];
    assert_eq!(bench.do_data(Op::Write, 7, &from), Status::Ok);
    assert_eq!(bench.device.medium[7 * 512..11 * 512], bytes);
    let into = [seg(0x5000, 1024), seg(0x3000, 1024)];
    assert_eq!(bench.do_data(Op::Read, 7, &into), Status::Ok);
    let mut found = [0; 1024];
    bench.device.ram.copy_in(0x3000, &mut found).unwrap();
    assert_eq!(found[..], bytes[1024..]);
}

#[test]
fn operations_without_data_reach_the_device() {
    let mut bench = Bench::new();
    assert_eq!(bench.do_range(Op::Flush, 0, 0), Status::Ok);
    assert_eq!(bench.device.flushes, 1);
    bench.device.medium.fill(1);
    assert_eq!(bench.do_range(Op::Discard, 8, 16), Status::Ok);
    let zero = |unmap| Op::WriteZeroes { unmap };
    assert_eq!(bench.do_range(zero(false), 2, 3), Status::Ok);
    assert_eq!(bench.device.discarded, [(8, 16)]);
    assert_eq!(
        bench.device.medium.iter().filter(|b| **b == 0).count(),
        3 * 512
    );
    assert_eq!(bench.do_range(zero(true), 2, 3), Status::Ok);
    assert_eq!(bench.device.discarded, [(8, 16), (2, 3)]);
}

#[test]
fn what_the_device_cannot_do_is_refused_here() {
    let (_, config) = everything();
    let mut bench = Bench::with(1 << 32, &config, 0x5_0000);
    assert_eq!(bench.do_range(Op::Discard, 8, 16), Status::Unsupported);
    assert_eq!(bench.do_range(Op::Flush, 0, 0), Status::Ok, "no cache");
    assert_eq!(bench.device.flushes, 0);
    assert_eq!(
        bench.do_data(Op::Read, 256, &[seg(0, 512)]),
        Status::IoError
    );
}

#[test]
fn the_devices_word_is_passed_on() {
    let mut bench = Bench::new();
    let verdicts = [
        (1, Status::IoError),
        (2, Status::Unsupported),
        (3, Status::IoError),
        (0xff, Status::IoError),
        (0, Status::Ok),
    ];
    for (raw, status) in verdicts {
        bench.device.status = Some(raw);
        assert_eq!(bench.do_data(Op::Read, 0, &[seg(0, 512)]), status);
    }
}

#[test]
fn many_requests_are_in_flight_with_one_notification_each_way() {
    let mut bench = Bench::new();
    assert_eq!(bench.device.queue_size(), 128);
    let _ = bench.device.notified();
    for id in 0..200 {
        bench
            .client
            .submit_data(id, Op::Read, id.into(), [seg(u64::from(id) * 512, 512)])
            .unwrap();
    }
    bench.kick();
    bench.device.fetch();
    assert_eq!(bench.device.found.len(), 128, "as many as the queue holds");
    assert_eq!(bench.device.notified(), 1);
    assert!(!bench.client.wait_for_completions());
    let before = bench.kernel.calls().len();
    // In reverse order.
    while let Some(last) = bench.device.found.len().checked_sub(1) {
        bench.device.finish(last);
    }
    bench.device.raise(1);
    bench.wake(IRQ);
    let calls = &bench.kernel.calls()[before..];
    let wakes = |call: &&KernelCall| matches!(call, KernelCall::NotifyDeferred(_));
    assert_eq!(calls.iter().filter(wakes).count(), 1, "{calls:?}");
    let ends = bench.ends();
    assert!(ends.iter().map(|end| end.0).eq((0..128).rev()));
    bench.run();
    assert_eq!(bench.ends().len(), 72, "the rest went with the interrupt");
}

#[test]
fn a_small_memory_makes_a_small_queue() {
    let (features, config) = everything();
    let mut bench = Bench::with(features, &config, 0x6000);
    assert_eq!(bench.device.queue_size(), 8);
    assert_eq!(bench.do_data(Op::Read, 0, &[seg(0, 512); 126]), Status::Ok);
    let plain = features & !(1 << 28);
    let mut bench = Bench::with(plain, &config, 0x2000);
    assert_eq!(bench.device.queue_size(), 64);
    assert_eq!(bench.client.info().unwrap().max_segments, 62, "no tables");
    assert_eq!(bench.do_data(Op::Read, 0, &[seg(0, 512); 62]), Status::Ok);

    let device = Device::new(features, &config, 0x1000);
    let link = FakeLink::new(0x4000);
    let error = world(&device, &link).create::<Driver>().err().unwrap();
    assert_eq!(error.to_string(), "'queue': is too small for a queue");
}

#[test]
fn a_device_that_lies_is_reset_and_the_client_told() {
    let mut bench = Bench::new();
    bench
        .client
        .submit_data(3, Op::Read, 0, [seg(0, 512)])
        .unwrap();
    bench.kick();
    bench.device.fetch();
    bench.device.publish_used(77, 0);
    bench.device.raise(1);
    bench.wake(IRQ);
    bench.device.reset();
    assert_eq!(bench.client.poll(), Change::Up, "submit again");
    assert!(bench.ends().is_empty());
    assert_eq!(bench.do_data(Op::Read, 0, &[seg(0, 512)]), Status::Ok);
}

#[test]
fn a_device_that_always_lies_is_given_up() {
    let mut bench = Bench::new();
    for turn in 0..5 {
        bench.device.publish_used(0, 0);
        bench.device.raise(1);
        bench.wake(IRQ);
        bench.device.reset();
        let expected = if turn < 4 { Change::Up } else { Change::Down };
        assert_eq!(bench.client.poll(), expected);
    }
    assert_eq!(bench.device.status() & 128, 128, "FAILED");
    bench.wake(CLIENT);
}

#[test]
fn a_device_that_needs_a_reset_gets_it() {
    let mut bench = Bench::new();
    bench.device.set_status(15 | 64);
    bench.device.raise(2);
    bench.wake(IRQ);
    bench.device.reset();
    assert_eq!(bench.device.status(), 15);
    assert_eq!(bench.client.poll(), Change::Up);
    assert_eq!(bench.do_data(Op::Read, 0, &[seg(0, 512)]), Status::Ok);
}

#[test]
fn a_driver_that_restarts_resets_the_device_first() {
    let mut bench = Bench::new();
    bench
        .client
        .submit_data(3, Op::Read, 0, [seg(0, 512)])
        .unwrap();
    bench.kick();
    let _ = bench.device.bank.take_log();
    bench.driver = world(&bench.device, &bench.link).create().unwrap();
    let log = bench.device.bank.take_log();
    let at = |wanted: &[usize]| {
        log.iter().position(|access| {
            matches!(access, mmio::fake::Access::Write { offset, .. } if wanted.contains(offset))
        })
    };
    assert_eq!(
        at(&[0x470]),
        at(&[0x470, 0x444, 0x480]),
        "status comes first"
    );
    bench.device.reset();
    bench.driver.init(&mut bench.kernel);
    assert_eq!(bench.client.poll(), Change::Up);
    assert_eq!(bench.do_data(Op::Write, 0, &[seg(0, 512)]), Status::Ok);
    assert_eq!(bench.driver.counters().peer_faults, 0);
}

proptest! {
    /// Whatever the client's memory says, requests stay on the disk and in the memory that it named.
    #[test]
    fn a_hostile_client_is_survived(
        writes in proptest::collection::vec((0_usize..256, any::<u32>()), 1..80),
    ) {
        let mut bench = Bench::new();
        for (at, value) in writes {
            bench.link.client.store_release(at * 4, value).unwrap();
            // The device panics on DMA outside, so segments are kept inside.
            for slot in 0..64 {
                let offset = 128 + 16 * slot;
                let word: u64 = bench.link.client.load(offset).unwrap();
                bench.link.client.store(offset, RAM + word % 0x1_0000).unwrap();
                let len: u32 = bench.link.client.load(offset + 8).unwrap();
                bench.link.client.store(offset + 8, len % 0x1_0000).unwrap();
            }
            bench.wake(CLIENT);
            bench.run();
            prop_assert_eq!(bench.device.status(), 15);
        }
    }

    /// Whatever the device writes into the queue's memory and its status bytes.
    #[test]
    fn a_hostile_device_is_survived(
        writes in proptest::collection::vec((0_usize..0x1800, any::<u32>(), any::<bool>()), 1..80),
    ) {
        let mut bench = Bench::new();
        for (at, value, config) in writes {
            let _ = bench.client.submit_data(value, Op::Read, 0, [seg(0, 512)]);
            bench.kick();
            bench.device.queue.store(at * 4, value).unwrap();
            bench.device.raise(if config { 3 } else { 1 });
            bench.wake(IRQ);
            if bench.client.poll() == Change::Down {
                break;
            }
            while bench.client.completion().is_some() {}
        }
    }
}
