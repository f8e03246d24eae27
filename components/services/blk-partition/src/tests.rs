// SPDX-License-Identifier: BSD-2-Clause
//! The service between a disk in memory, whose table may be hostile, and clients that may be.

mod disk;
mod isolation;
mod table;

use blk::fake::FakeLink;
use blk::{Change, Client, Completion, Features, Info, Op, Segment, Status};
use disk::{A_RAM, B_RAM, Disk, GPT, RAM_SIZE};
use pd::Handler;
use pd::fake::{FakeKernel, World};
use shm::fake;
use trace::View;
use units::{ChannelId, ChannelSet};

use crate::{Event, Partitions};

const DRIVER: u64 = 1;
const A: u64 = 2;
const B: u64 = 3;

/// The service, the driver's end, and two clients: `a` may write `alpha`, `b` may write `beta`, or
/// what a test says.
struct Bench {
    disk: Disk,
    service: Partitions,
    driver_link: FakeLink,
    links: [FakeLink; 2],
    clients: [Client; 2],
    kernel: FakeKernel,
    trace: shm::Region<shm::Rw>,
    world: World,
}

fn channel(id: u64) -> ChannelId {
    ChannelId::new(id).unwrap()
}

fn seg(offset: u64, len: u32) -> Segment {
    Segment { offset, len }
}

fn world(
    disk: &Disk,
    driver: &FakeLink,
    links: &[FakeLink; 2],
    access: [&'static str; 2],
) -> World {
    let mut world = World::new();
    world
        .region_rw("driver.out", driver.client)
        .region_ro("driver.in", driver.server)
        .channel("driver", DRIVER)
        .region_rw("gpt", disk.gpt)
        .dma("gpt", GPT, disk.gpt.len() as u64)
        .text("client", "a")
        .region_rw("a.out", links[0].server)
        .region_ro("a.in", links[0].client)
        .channel("a", A)
        .dma("a.dma", A_RAM, RAM_SIZE as u64)
        .text("a.access", access[0])
        .text("client", "b")
        .region_rw("b.out", links[1].server)
        .region_ro("b.in", links[1].client)
        .channel("b", B)
        .dma("b.dma", B_RAM, RAM_SIZE as u64)
        .text("b.access", access[1]);
    world
}

impl Bench {
    fn with(disk: Disk, access: [&'static str; 2]) -> Self {
        let driver_link = FakeLink::new(0x8000);
        let links = [FakeLink::new(0x2000), FakeLink::new(0x2000)];
        let trace = fake::region(0x4000);
        let mut world = world(&disk, &driver_link, &links, access);
        world
            .text("a.partition", "alpha")
            .text("b.partition", "beta")
            .region_rw("trace", trace);
        let service = world.create().unwrap();
        let mut bench = Self {
            disk,
            service,
            driver_link,
            clients: [links[0].client(channel(A)), links[1].client(channel(B))],
            links,
            kernel: FakeKernel::new(),
            trace,
            world,
        };
        bench.service.init(&mut bench.kernel);
        bench.disk.start(&bench.driver_link);
        bench.settle();
        bench
    }

    fn new() -> Self {
        Self::with(Disk::new(512), ["rw", "rw"])
    }

    fn wake(&mut self) {
        let all = ChannelSet::from_badge(1 << DRIVER | 1 << A | 1 << B);
        self.service.notified(&mut self.kernel, all);
    }

    /// Service and driver run until nothing moves.
    fn settle(&mut self) {
        for _ in 0..12 {
            self.wake();
            self.disk.run();
        }
        self.wake();
    }

    fn restart_service(&mut self) {
        self.service = self.world.create().unwrap();
        self.service.init(&mut self.kernel);
    }

    fn events(&self, event: &Event) -> u64 {
        let source = self.trace.read_only();
        let view = View::new(&source).unwrap();
        let kind = trace::Event::kind(event);
        view.counter(kind).unwrap_or(0)
    }

    fn submit(&mut self, client: usize, id: u32, op: Op, sector: u64, segments: &[Segment]) {
        let client = &mut self.clients[client];
        client
            .submit_data(id, op, sector, segments.iter().copied())
            .unwrap();
        client.flush(&mut self.kernel);
    }

    fn do_data(&mut self, client: usize, op: Op, sector: u64, segments: &[Segment]) -> Status {
        self.submit(client, 1, op, sector, segments);
        self.settle();
        let Completion { id, status } = self.clients[client].completion().unwrap();
        assert_eq!(id, 1);
        assert_eq!(self.clients[client].completion(), None);
        status
    }

    fn do_range(&mut self, client: usize, op: Op, sector: u64, sectors: u32) -> Status {
        let end = &mut self.clients[client];
        end.submit_range(2, op, sector, sectors).unwrap();
        end.flush(&mut self.kernel);
        self.settle();
        self.clients[client].completion().unwrap().status
    }

    /// What the clients see.
    fn polls(&mut self) -> [Change; 2] {
        self.clients.each_mut().map(Client::poll)
    }
}

#[test]
fn each_client_gets_its_partition() {
    for block in [512, 4096] {
        let mut bench = Bench::with(Disk::new(block), ["rw", "ro"]);
        assert_eq!(bench.polls(), [Change::Up; 2]);
        let infos = bench
            .clients
            .each_ref()
            .map(|client| *client.info().unwrap());
        assert_eq!(infos[0].capacity, 64 * u64::from(block) / 512);
        assert_eq!(infos[1].capacity, 32 * u64::from(block) / 512);
        assert!(infos.iter().all(|info| info.block_size == block));
        assert!(
            infos[0]
                .features
                .contains(Features::DISCARD | Features::FLUSH)
        );
        assert_eq!(infos[1].features, Features::FLUSH | Features::READ_ONLY);

        bench.disk.ram(A_RAM).fill(0x2000, 4096, 0xab).unwrap();
        let segments = [seg(0x2000, 2048), seg(0x2800, 2048)];
        assert_eq!(bench.do_data(0, Op::Write, 8, &segments), Status::Ok);
        let at = bench.disk.alpha() + 8 * 512;
        assert!(bench.disk.medium[at..at + 4096].iter().all(|b| *b == 0xab));
        assert_eq!(bench.do_data(0, Op::Read, 8, &[seg(0, 4096)]), Status::Ok);
        assert_eq!(bench.disk.ram(A_RAM).load(4095), Ok(0xab_u8));
    }
}

#[test]
fn the_last_sector_is_the_end() {
    let mut bench = Bench::new();
    let _ = bench.polls();
    let before = bench.disk.medium.clone();
    let io = Status::IoError;
    assert_eq!(bench.do_data(0, Op::Read, 63, &[seg(0, 512)]), Status::Ok);
    assert_eq!(bench.do_data(0, Op::Write, 64, &[seg(0, 512)]), io);
    assert_eq!(bench.do_data(0, Op::Write, 63, &[seg(0, 1024)]), io);
    assert_eq!(bench.do_data(0, Op::Write, u64::MAX, &[seg(0, 512)]), io);
    let wraps = u64::MAX - (bench.disk.alpha() / 512) as u64 + 1;
    assert_eq!(bench.do_data(0, Op::Write, wraps, &[seg(0, 512)]), io);
    assert_eq!(bench.do_range(0, Op::Discard, 63, 2), io);
    assert_eq!(
        bench.do_range(0, Op::WriteZeroes { unmap: true }, 64, 1),
        io
    );
    assert_eq!(bench.disk.medium, before);
    assert_eq!(bench.do_range(0, Op::Flush, 0, 0), Status::Ok);
    assert_eq!(bench.disk.flushes, 1, "a flush reaches the disk");
}

// Shows AV-11.
#[test]
fn a_reader_cannot_write() {
    let mut bench = Bench::with(Disk::new(512), ["ro", "rw"]);
    let _ = bench.polls();
    let before = bench.disk.medium.clone();
    assert_eq!(
        bench.do_data(0, Op::Write, 0, &[seg(0, 512)]),
        Status::IoError
    );
    assert_eq!(bench.do_range(0, Op::Discard, 0, 1), Status::Unsupported);
    let zero = Op::WriteZeroes { unmap: false };
    assert_eq!(bench.do_range(0, zero, 0, 1), Status::Unsupported);
    assert_eq!(bench.do_data(0, Op::Read, 0, &[seg(0, 512)]), Status::Ok);
    assert_eq!(bench.disk.medium, before);
}

// Shows BH-26.
#[test]
fn memory_outside_the_window_is_refused_and_named() {
    let mut bench = Bench::new();
    let _ = bench.polls();
    let io = Status::IoError;
    let size = RAM_SIZE as u64;
    for offset in [size, size - 511, u64::MAX, u64::MAX - 511, B_RAM - A_RAM] {
        assert_eq!(bench.do_data(0, Op::Read, 0, &[seg(offset, 512)]), io);
    }
    let second = [seg(0, 512), seg(size, 512)];
    assert_eq!(bench.do_data(0, Op::Write, 0, &second), io);
    let named = Event::OutsideWindow {
        client: 0,
        offset: 0,
    };
    assert_eq!(bench.events(&named), 6);
    let last = [seg(size - 512, 512)];
    assert_eq!(bench.do_data(0, Op::Write, 0, &last), Status::Ok);
}

#[test]
fn a_record_that_makes_no_sense_is_refused() {
    let make = |labels: [&'static str; 2], access| {
        let (disk, driver) = (Disk::new(512), FakeLink::new(0x8000));
        let links = [FakeLink::new(0x2000), FakeLink::new(0x2000)];
        let mut world = world(&disk, &driver, &links, access);
        world
            .text("a.partition", labels[0])
            .text("b.partition", labels[1]);
        let made = world.create::<Partitions>();
        made.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(make(["alpha", "beta"], ["rw", "rw"]), Ok(()));
    assert_eq!(
        make(["alpha", "alpha"], ["ro", "ro"]),
        Ok(()),
        "readers may share"
    );
    let shared = "'b': its partition is another's who may write";
    assert_eq!(make(["alpha", "alpha"], ["rw", "ro"]), Err(shared.into()));
    assert_eq!(make(["alpha", "alpha"], ["ro", "rw"]), Err(shared.into()));
    let access = "'a': its access is neither `ro` nor `rw`";
    assert_eq!(make(["alpha", "beta"], ["rx", "rw"]), Err(access.into()));
    let label = "'a': its partition's label is impossible";
    assert_eq!(make(["", "beta"], ["rw", "rw"]), Err(label.into()));
    let long = "0123456789012345678901234567890123456";
    assert_eq!(make([long, "beta"], ["rw", "rw"]), Err(label.into()));
}

#[test]
fn completions_go_to_whom_they_belong_in_any_order() {
    let mut bench = Bench::new();
    let _ = bench.polls();
    for id in 0..8 {
        bench.submit(0, id, Op::Read, u64::from(id), &[seg(0, 512)]);
        bench.submit(1, id, Op::Read, u64::from(id), &[seg(0, 512)]);
    }
    bench.wake();
    bench.disk.fetch();
    assert_eq!(bench.disk.waiting.len(), 16);
    while !bench.disk.waiting.is_empty() {
        bench.disk.finish(bench.disk.waiting.len() / 2);
    }
    bench.disk.flush();
    bench.wake();
    for client in &mut bench.clients {
        let next = || client.completion().map(|end| end.id);
        let mut ids: Vec<_> = core::iter::from_fn(next).collect();
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..8));
    }
}

#[test]
fn a_flood_does_not_keep_the_other_waiting() {
    let mut bench = Bench::new();
    let _ = bench.polls();
    // The longest requests that there are, as many as fit.
    let long = [seg(0, 512); 32];
    for id in 0.. {
        let room = bench.clients[0].room();
        if room < Client::slots(long.len()) {
            break;
        }
        bench.submit(0, id, Op::Read, 0, &long);
    }
    for id in 0..4 {
        bench.submit(1, id, Op::Read, 0, &[seg(0, 512)]);
    }
    bench.wake();
    bench.disk.fetch();
    let place = |ram: u64| {
        let of = |segments: &Vec<Segment>| segments[0].offset == ram;
        bench
            .disk
            .waiting
            .iter()
            .position(|(_, _, segments)| of(segments))
    };
    assert!(
        place(B_RAM).unwrap() <= 17,
        "after one quantum of the other's"
    );
    assert!(place(A_RAM).is_some());
}

#[test]
fn a_client_cannot_have_all_of_the_driver() {
    let mut bench = Bench::new();
    let _ = bench.polls();
    for id in 0..120 {
        bench.submit(0, id, Op::Read, 0, &[seg(0, 512)]);
    }
    bench.wake();
    bench.disk.fetch();
    assert_eq!(bench.disk.waiting.len(), 64, "its half");
    bench.submit(1, 0, Op::Read, 0, &[seg(0, 512)]);
    bench.wake();
    bench.disk.fetch();
    assert_eq!(bench.disk.waiting.len(), 65);
    bench.settle();
    let mut ended = 0;
    while bench.clients[0].completion().is_some() {
        ended += 1;
    }
    assert_eq!(ended, 120, "all of it in the end");
}

#[test]
fn a_driver_that_restarts_makes_the_clients_submit_again() {
    let mut bench = Bench::new();
    let _ = bench.polls();
    bench.submit(0, 5, Op::Write, 0, &[seg(0, 512)]);
    bench.wake();
    bench.disk.stop();
    bench.wake();
    assert_eq!(bench.polls(), [Change::Down; 2]);
    assert!(bench.clients[0].info().is_none());
    bench.disk.start(&bench.driver_link);
    bench.settle();
    assert_eq!(bench.polls(), [Change::Up; 2]);
    assert_eq!(bench.clients[0].completion(), None);
    assert_eq!(bench.do_data(0, Op::Write, 0, &[seg(0, 512)]), Status::Ok);
    let up = Event::DiskUp {
        capacity: 0,
        block_size: 0,
    };
    assert_eq!(bench.events(&up), 2);
}

#[test]
fn a_client_that_restarts_leaves_the_other_alone() {
    let mut bench = Bench::new();
    let _ = bench.polls();
    bench.submit(0, 5, Op::Read, 0, &[seg(0, 512)]);
    bench.wake();
    bench.disk.fetch();
    bench.clients[0] = bench.links[0].client(channel(A));
    bench.wake();
    assert_eq!(
        bench.polls(),
        [Change::None; 2],
        "its request is still at the disk"
    );
    assert_eq!(bench.do_data(1, Op::Read, 0, &[seg(0, 512)]), Status::Ok);
    assert_eq!(bench.polls(), [Change::Up, Change::None]);
    assert_eq!(bench.clients[0].completion(), None, "of its earlier life");
    assert_eq!(bench.do_data(0, Op::Read, 0, &[seg(0, 512)]), Status::Ok);
    assert_eq!(bench.events(&Event::ClientRestarted { client: 0 }), 1);
}

#[test]
fn a_service_that_restarts_waits_for_what_it_left_behind() {
    let mut bench = Bench::new();
    let _ = bench.polls();
    bench.submit(0, 5, Op::Read, 0, &[seg(0, 512)]);
    bench.wake();
    bench.disk.fetch();
    assert_eq!(bench.disk.waiting.len(), 1);
    bench.restart_service();
    assert_eq!(bench.polls(), [Change::Down; 2]);
    bench.disk.poll();
    bench.wake();
    assert_eq!(
        bench.polls(),
        [Change::None; 2],
        "nothing begins while it is at the disk"
    );
    bench.settle();
    assert_eq!(bench.polls(), [Change::Up; 2]);
    assert_eq!(bench.do_data(0, Op::Read, 0, &[seg(0, 512)]), Status::Ok);
}

#[test]
fn a_driver_that_completes_at_will_is_counted() {
    let mut bench = Bench::new();
    let _ = bench.polls();
    for id in [0, 77, 0x7fff_ffff, u32::MAX, 130] {
        bench.disk.complete(id);
    }
    bench.wake();
    assert_eq!(bench.events(&Event::StrayCompletion { id: 0 }), 4);
    assert_eq!(bench.clients[0].completion(), None);
    assert_eq!(bench.do_data(0, Op::Read, 0, &[seg(0, 512)]), Status::Ok);
}

#[test]
fn other_channels_are_stray() {
    let mut bench = Bench::new();
    let stray = ChannelSet::from_badge(1 << 9);
    bench.service.notified(&mut bench.kernel, stray);
    assert_eq!(bench.events(&Event::Stray { channels: 0 }), 1);
    let info: Option<&Info> = bench.clients[0].info();
    assert!(info.is_none(), "not polled");
}
