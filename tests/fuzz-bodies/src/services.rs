// SPDX-License-Identifier: BSD-2-Clause
//! Services whose clients lie: the socket router and its agent, the console multiplexer, the hash
//! server. Each activation comes to its end and asks little of the kernel.

use console_mux::ConsoleMux;
use frames::fake::FakeLink as FrameLink;
use hash_server::{Compress, Server};
use pd::fake::{FakeKernel, World};
use pd::{Component, Handler, Message};
use serial::fake::FakeLink as SerialLink;
use shm::{Region, Rw, fake};
use units::{ChannelId, ChannelSet};
use virtio::vsock::{Header, TYPE_STREAM};
use vsock::{Link, SHAPE};
use vsock_agent::Agent;
use vsock_router::Router;
use zerocopy::FromZeros;

use crate::memory::{bounded, lie};
use crate::script::Script;

const SLOTS: u32 = 8;
/// Kernel calls of one activation, with a few for each of the ports.
const CALLS: usize = 1000;

#[expect(clippy::expect_used, reason = "test support")]
fn channel(id: u64) -> ChannelId {
    ChannelId::new(id).expect("below 62")
}

/// A service and what its peers write.
struct Pd<P> {
    logic: P,
    kernel: FakeKernel,
    world: World,
    peers: Vec<Region<Rw>>,
}

#[expect(clippy::expect_used, reason = "test support")]
impl<P: Component + Handler<FakeKernel>> Pd<P> {
    fn new(mut world: World, peers: Vec<Region<Rw>>) -> Self {
        let mut kernel = FakeKernel::new();
        kernel.answer_with(|_, _| Message::new(0));
        let mut pd = Self {
            logic: world.create().expect("the record is complete"),
            kernel,
            world,
            peers,
        };
        bounded(|| pd.logic.init(&mut pd.kernel));
        pd
    }

    fn activate(&mut self, act: impl FnOnce(&mut P, &mut FakeKernel)) {
        bounded(|| act(&mut self.logic, &mut self.kernel));
        let calls = self.kernel.take_calls().len();
        assert!(calls <= CALLS, "{calls} kernel calls");
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 8 {
            0 => self.kernel.advance(script.odd()),
            1 => lie(script, &self.peers),
            2 => {
                self.logic = self.world.create().expect("it was before");
                self.activate(|logic, kernel| logic.init(kernel));
            }
            3 => {
                let bits = script.long() >> 2;
                self.activate(|logic, kernel| logic.notified(kernel, ChannelSet::from_badge(bits)));
            }
            4 => {
                let id = channel(script.long() % 8);
                let words = [script.odd(), script.odd(), script.odd(), script.odd()];
                let count = script.below(5);
                let message = Message::from_words(u64::from(script.byte() & 3), &words[..count]);
                self.activate(|logic, kernel| {
                    let _ = logic.protected(kernel, id, message);
                });
            }
            _ => self.activate(|logic, kernel| {
                logic.notified(kernel, ChannelSet::from_badge(0b1111_1110));
            }),
        }
    }
}

/// A header that might make sense.
fn header(script: &mut Script<'_>) -> Header {
    let [src, dst, port, op, len, credit] = script.array();
    let mut header = Header::new_zeroed();
    header.src_cid = u64::from(2 + src % 4).into();
    header.dst_cid = u64::from(2 + dst % 4).into();
    header.src_port = u32::from(port & 3).into();
    header.dst_port = u32::from(1 + port / 4 % 8).into();
    header.socket_type = TYPE_STREAM.into();
    header.op = u16::from(op % 9).into();
    header.len = u32::from(if op % 9 == 5 { len } else { 0 }).into();
    header.flags = u32::from(len & 3).into();
    header.buf_alloc = u32::from(credit).wrapping_mul(64).into();
    if op > 240 {
        header.fwd_cnt = u32::from_le_bytes(script.array()).into();
        header.buf_alloc = u32::from_le_bytes(script.array()).into();
    }
    header
}

/// Somebody at the far end of a packet link sends, and takes what comes.
fn packets(end: &mut Link, script: &mut Script<'_>) {
    end.set_status(true);
    let header = header(script);
    let _ = end.send_with(&header, |_| true);
    end.flush(&mut FakeKernel::new());
    if script.chance(2) {
        end.drain();
        end.flush(&mut FakeKernel::new());
    }
}

fn router(script: &mut Script<'_>) {
    let links = [(); 3].map(|()| FrameLink::new(SHAPE, SLOTS));
    let mut world = World::new();
    world
        .region_rw("trace", fake::region(0x1000))
        .text("port", "a")
        .region_rw("a.out", links[0].first)
        .region_ro("a.in", links[0].second)
        .channel("a", 1)
        .value("a.cid", 3)
        .text("a.allow", "b")
        .text("a.allow", "s")
        .value("a.limit", 3)
        .text("port", "b")
        .region_rw("b.out", links[1].first)
        .region_ro("b.in", links[1].second)
        .channel("b", 2)
        .value("b.cid", 4)
        .text("b.allow", "s")
        .text("port", "s")
        .region_rw("s.out", links[2].first)
        .region_ro("s.in", links[2].second)
        .channel("s", 3)
        .value("s.cid", 2)
        .value("s.patience", 20);
    if script.chance(2) {
        world.channel("timer", 4);
    }
    let mut ends = links.map(|link| Link::new(link.second(channel(1))));
    let mut pd = Pd::<Router>::new(world, links.map(|link| link.second).to_vec());
    while script.goes_on() {
        let kind = script.byte();
        match usize::from(kind % 6) {
            port @ 0..3 => packets(&mut ends[port], script),
            _ => pd.step(script),
        }
    }
}

fn agent(script: &mut Script<'_>) {
    let link = FrameLink::new(SHAPE, SLOTS);
    let mut world = World::new();
    world
        .region_rw("trace", fake::region(0x1000))
        .region_rw("vsock.out", link.first)
        .region_ro("vsock.in", link.second)
        .channel("vsock", 1)
        .value("idle", 50);
    if script.chance(2) {
        world.channel("timer", 4);
    }
    let mut end = Link::new(link.second(channel(1)));
    let mut pd = Pd::<Agent>::new(world, vec![link.second]);
    while script.goes_on() {
        match script.byte() % 3 {
            0 => pd.step(script),
            _ => packets(&mut end, script),
        }
    }
}

fn console_mux(script: &mut Script<'_>) {
    let links = [(); 3].map(|()| SerialLink::new(2048));
    let mut world = World::new();
    world
        .region_rw("uart.out", links[0].memory.first)
        .region_ro("uart.in", links[0].memory.second)
        .channel("uart", 1)
        .text("client", "one")
        .region_rw("one.out", links[1].memory.first)
        .region_ro("one.in", links[1].memory.second)
        .channel("one", 2)
        .text("client", "two")
        .region_rw("two.out", links[2].memory.first)
        .region_ro("two.in", links[2].memory.second)
        .channel("two", 3)
        .value("colours", u64::from(script.byte() & 1))
        .value("raw_focus", u64::from(script.byte() & 1));
    let mut ends = links.map(|link| link.second(channel(1)));
    let peers = links.map(|link| link.memory.second);
    let mut pd = Pd::<ConsoleMux>::new(world, peers.to_vec());
    while script.goes_on() {
        let kind = script.byte();
        match usize::from(kind % 6) {
            which @ 0..3 => {
                let end = &mut ends[which];
                if kind & 0x40 == 0 {
                    end.write(script.bytes(200));
                } else {
                    // Keys of the multiplexer.
                    end.write(&[1, script.byte()]);
                }
                end.read(&mut [0; 2048]);
                end.flush(&mut FakeKernel::new());
            }
            _ => pd.step(script),
        }
    }
}

/// Not SHA-256, but as quick to see that all blocks were taken.
enum Mixer {}

impl Compress for Mixer {
    fn compress(state: &mut [u32; 8], blocks: &[[u8; hashing::BLOCK]]) {
        for byte in blocks.as_flattened() {
            state[0] = state[0].rotate_left(5) ^ u32::from(*byte);
        }
    }
}

fn hash(script: &mut Script<'_>) {
    let buffers = [fake::region(0x400), fake::region(0x200)];
    let mut world = World::new();
    world
        .text("client", "a")
        .channel("a", 1)
        .region_ro("a.buffer", buffers[0])
        .text("client", "b")
        .channel("b", 2)
        .region_ro("b.buffer", buffers[1]);
    let mut pd = Pd::<Server<Mixer>>::new(world, buffers.to_vec());
    while script.goes_on() {
        if script.chance(3) {
            pd.step(script);
            continue;
        }
        let (client, len) = (script.below(3) as u64, script.odd());
        let message = Message::with(hashing::HASH, [len, u64::from(script.byte() & 3)]);
        let mut reply = Message::new(0);
        pd.activate(|logic, kernel| reply = logic.protected(kernel, channel(client), message));
        let size = [0, 0x400, 0x200]
            .into_iter()
            .nth(usize::try_from(client).unwrap_or(0));
        let fits = size.is_some_and(|size| len <= size);
        assert!(
            fits || reply.label() != hashing::OK,
            "{len} bytes of {size:?}"
        );
    }
}

/// Uses one of the services.
///
/// # Panics
/// If anybody gets away with anything.
pub fn run(bytes: &[u8]) {
    fake::scoped(|| {
        let mut script = Script::new(bytes);
        match script.byte() % 8 {
            0..=2 => router(&mut script),
            3 | 4 => agent(&mut script),
            5 | 6 => console_mux(&mut script),
            _ => hash(&mut script),
        }
    });
}
