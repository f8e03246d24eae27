// SPDX-License-Identifier: BSD-2-Clause
//! The router as a component; its ports' peers are the test.

use frames::fake::FakeLink;
use pd::fake::{FakeKernel, World};
use pd::{Handler, SetupError};
use proptest::prelude::*;
use shm::{Region, Rw, fake};
use trace::View;
use units::{ChannelId, ChannelSet};
use virtio::vsock::{Header, Op, TYPE_STREAM};
use vsock::{Link, Packet, SHAPE};

use crate::Router;

/// Three ports: two guests, `a` and `b`, and a service, `s`.
const A: usize = 0;
const B: usize = 1;
const S: usize = 2;
const CIDS: [u64; 3] = [3, 4, 2];
const SLOTS: u32 = 4;
const TIMER: u64 = 9;
/// Ticks of a millisecond.
const MS: u64 = 62_500;

struct Rig {
    kernel: FakeKernel,
    router: Router,
    links: [FakeLink; 3],
    ends: [Link; 3],
    trace: Region<Rw>,
}

fn create(links: &[FakeLink; 3], trace: Region<Rw>) -> Result<Router, SetupError> {
    let mut world = World::new();
    world
        .region_rw("trace", trace)
        .channel("timer", TIMER)
        .text("port", "a")
        .region_rw("a.out", links[A].first)
        .region_ro("a.in", links[A].second)
        .channel("a", 1)
        .value("a.cid", CIDS[A])
        .text("a.allow", "b")
        .text("a.allow", "s")
        .value("a.limit", 3)
        .text("port", "b")
        .region_rw("b.out", links[B].first)
        .region_ro("b.in", links[B].second)
        .channel("b", 2)
        .value("b.cid", CIDS[B])
        .text("b.allow", "s")
        .text("port", "s")
        .region_rw("s.out", links[S].first)
        .region_ro("s.in", links[S].second)
        .channel("s", 3)
        .value("s.cid", CIDS[S])
        .value("s.patience", 20);
    world.create()
}

fn peer(link: &FakeLink) -> Link {
    let mut end = Link::new(link.second(ChannelId::new(1).unwrap()));
    end.set_status(true);
    end
}

/// A packet from one port to another, by port numbers.
fn packet(op: Op, from: (usize, u32), to: (usize, u32)) -> Header {
    Header {
        src_cid: CIDS[from.0].into(),
        dst_cid: CIDS[to.0].into(),
        src_port: from.1.into(),
        dst_port: to.1.into(),
        socket_type: TYPE_STREAM.into(),
        op: (op as u16).into(),
        buf_alloc: 1000.into(),
        ..Header::default()
    }
}

impl Rig {
    fn new() -> Self {
        let links = [(); 3].map(|()| FakeLink::new(SHAPE, SLOTS));
        let trace = fake::region(0x1000);
        let mut rig = Self {
            kernel: FakeKernel::new(),
            router: create(&links, trace).unwrap(),
            ends: [A, B, S].map(|port| peer(&links[port])),
            links,
            trace,
        };
        rig.kernel.answer_with(|_, _| pd::Message::new(timer::OK));
        rig.router.init(&mut rig.kernel);
        rig.turn();
        assert!(!rig.ends.iter_mut().any(Link::peer_restarted));
        rig
    }

    fn turn(&mut self) {
        for end in &mut self.ends {
            end.flush(&mut self.kernel);
        }
        self.router.notified(&mut self.kernel, ChannelSet::EMPTY);
    }

    fn stage(&mut self, from: usize, header: &Header, payload: &[u8]) -> bool {
        self.ends[from].send_with(header, |to| to.copy_out(0, payload).is_ok())
    }

    fn send(&mut self, from: usize, header: &Header) {
        assert!(self.stage(from, header, &[]));
        self.turn();
    }

    /// Sends payload on a connection.
    fn write(&mut self, from: (usize, u32), to: (usize, u32), payload: &[u8]) {
        let header = Header {
            len: u32::try_from(payload.len()).unwrap().into(),
            ..packet(Op::ReadWrite, from, to)
        };
        assert!(self.stage(from.0, &header, payload));
        self.turn();
    }

    fn take(&mut self, at: usize) -> Option<(Header, Vec<u8>)> {
        let Packet::Data { header, payload } = self.ends[at].receive()? else {
            panic!("routers have no reset");
        };
        let mut bytes = vec![0; payload.len()];
        payload.copy_in(0, &mut bytes).unwrap();
        self.ends[at].advance();
        self.turn();
        Some((header, bytes))
    }

    fn ops(&mut self, at: usize) -> Vec<Op> {
        let mut ops = Vec::new();
        while let Some((header, _)) = self.take(at) {
            ops.push(header.operation().unwrap());
        }
        ops
    }

    /// Opens a connection.
    fn open(&mut self, from: (usize, u32), to: (usize, u32)) {
        self.send(from.0, &packet(Op::Request, from, to));
        assert_eq!(self.ops(to.0), [Op::Request]);
        self.send(to.0, &packet(Op::Response, to, from));
        assert_eq!(self.ops(from.0), [Op::Response]);
    }

    fn restart(&mut self) {
        self.router = create(&self.links, self.trace).unwrap();
        self.router.init(&mut self.kernel);
        self.turn();
    }

    fn counted(&self, name: &str) -> u64 {
        let trace = self.trace.read_only();
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
fn an_allowed_connection_carries_both_ways_and_ends() {
    let mut rig = Rig::new();
    let (a, b) = ((A, 1024), (B, 80));
    rig.open(a, b);
    rig.write(a, b, b"question");
    let (header, payload) = rig.take(B).unwrap();
    assert_eq!(
        (header.src_cid.get(), payload.as_slice()),
        (3, b"question".as_slice())
    );
    rig.write(b, a, b"answer");
    assert_eq!(rig.take(A).unwrap().1, b"answer");
    rig.send(a.0, &packet(Op::Shutdown, a, b));
    rig.send(b.0, &packet(Op::Reset, b, a));
    assert_eq!(rig.ops(B), [Op::Shutdown]);
    assert_eq!(rig.ops(A), [Op::Reset]);
    rig.write(a, b, b"too late");
    assert_eq!((rig.ops(A), rig.ops(B)), (vec![Op::Reset], vec![]));
    assert_eq!(rig.counted("Opened"), 1);
    rig.open(a, b);
}

// Shows BH-29.
#[test]
fn policy_is_about_who_opens() {
    let mut rig = Rig::new();
    for (from, to) in [((B, 1), (A, 2)), ((S, 1), (A, 2)), ((A, 1), (A, 2))] {
        rig.send(from.0, &packet(Op::Request, from, to));
        let (reset, _) = rig.take(from.0).unwrap();
        assert_eq!(reset.operation(), Some(Op::Reset));
        assert_eq!((reset.src_cid.get(), reset.src_port.get()), (CIDS[to.0], 2));
        assert_eq!(
            (reset.dst_cid.get(), reset.dst_port.get()),
            (CIDS[from.0], 1)
        );
    }
    assert_eq!(rig.ops(A), []);
    assert_eq!(rig.counted("Refused"), 3);
}

#[test]
fn h_38_unknown_cids_and_spoofed_ones() {
    let mut rig = Rig::new();
    for cid in [0, 1, 5, 0xffff_ffff, 2 | 1 << 32, u64::MAX] {
        let wild = Header {
            dst_cid: cid.into(),
            ..packet(Op::Request, (A, 1), (S, 7))
        };
        rig.send(A, &wild);
        assert_eq!(rig.take(A).unwrap().0, wild.reset());
        let quiet = Header {
            op: (Op::Reset as u16).into(),
            ..wild
        };
        rig.send(A, &quiet);
        assert_eq!(rig.ops(A), [], "nothing answers an RST");
    }
    rig.send(A, &packet(Op::Request, (B, 1), (S, 7)));
    assert_eq!(
        (rig.ops(A), rig.ops(B), rig.ops(S)),
        (vec![], vec![], vec![])
    );
    assert_eq!(rig.counted("Spoofed"), 1);
}

#[test]
fn clause_5_10_6_4_an_unknown_type_is_reset_with_its_type() {
    let mut rig = Rig::new();
    for (kind, op) in [(0, 1), (2, 1), (0xffff, 5), (1, 0), (1, 8), (1, 0xffff)] {
        let odd = Header {
            socket_type: kind.into(),
            op: op.into(),
            ..packet(Op::Request, (A, 1), (S, 7))
        };
        rig.send(A, &odd);
        assert_eq!(rig.take(A).unwrap().0, odd.reset());
    }
    let loaded = Header {
        len: 1.into(),
        ..packet(Op::Request, (A, 1), (S, 7))
    };
    assert!(rig.stage(A, &loaded, b"x"));
    rig.turn();
    assert_eq!(rig.ops(A), [Op::Reset]);
    assert_eq!(rig.ops(S), []);
}

#[test]
fn what_has_no_place_in_the_connections_state() {
    let mut rig = Rig::new();
    let (a, s) = ((A, 1), (S, 7));
    for op in [Op::Response, Op::ReadWrite, Op::Shutdown, Op::CreditRequest] {
        rig.send(A, &packet(op, a, s));
        assert_eq!(
            (rig.ops(A), rig.ops(S)),
            (vec![Op::Reset], vec![]),
            "{op:?}"
        );
    }
    for (from, to, op) in [
        (a, s, Op::Response),
        (a, s, Op::ReadWrite),
        (a, s, Op::Request),
        (s, a, Op::ReadWrite),
        (s, a, Op::Request),
    ] {
        rig.send(A, &packet(Op::Request, a, s));
        assert_eq!(rig.ops(S), [Op::Request]);
        rig.send(from.0, &packet(op, from, to));
        assert_eq!(rig.ops(A), [Op::Reset], "{op:?}");
        assert_eq!(rig.ops(S), [Op::Reset], "{op:?}");
    }
    assert_eq!(rig.counted("Broken"), 5);
}

#[test]
fn h_38_payload_beyond_the_window_ends_the_connection() {
    let mut rig = Rig::new();
    let (a, b) = ((A, 1), (B, 7));
    rig.open(a, b);
    rig.write(a, b, &[1; 600]);
    rig.write(a, b, &[2; 400]);
    assert_eq!(rig.ops(B), [Op::ReadWrite; 2], "a window of 1000");
    rig.write(a, b, &[3; 1]);
    assert_eq!(rig.ops(B), [Op::Reset]);
    assert_eq!(rig.ops(A), [Op::Reset]);
    rig.open(a, b);
    rig.write(a, b, &[1; 1000]);
    rig.send(
        B,
        &Header {
            fwd_cnt: 1000.into(),
            ..packet(Op::CreditUpdate, b, a)
        },
    );
    rig.write(a, b, &[1; 1000]);
    assert_eq!(rig.ops(B), [Op::ReadWrite; 2], "more credit, more payload");
}

#[test]
fn h_38_credit_cannot_be_forged() {
    for forged in [1001, 5000, 0x7fff_ffff] {
        let mut rig = Rig::new();
        let (a, b) = ((A, 1), (B, 7));
        rig.open(a, b);
        rig.write(a, b, &[1; 1000]);
        assert_eq!(rig.ops(B), [Op::ReadWrite]);
        rig.send(
            B,
            &Header {
                fwd_cnt: forged.into(),
                ..packet(Op::CreditUpdate, b, a)
            },
        );
        assert_eq!((rig.ops(A), rig.ops(B)), (vec![Op::Reset], vec![Op::Reset]));
    }
}

#[test]
fn one_sender_leaves_another_its_share() {
    let mut rig = Rig::new();
    let (a, b, s) = ((A, 1), (B, 1), (S, 7));
    rig.open(a, s);
    rig.open(b, s);
    for _ in 0..4 {
        rig.write(a, s, b"a");
    }
    rig.write(b, s, b"b");
    let order: Vec<u8> = core::iter::from_fn(|| rig.take(S))
        .map(|(_, bytes)| bytes[0])
        .collect();
    assert_eq!(order, *b"aabaa", "two of four slots each");
}

#[test]
fn who_does_not_read_costs_a_wait_once() {
    let mut rig = Rig::new();
    let (a, b, s) = ((A, 1), (B, 1), (S, 7));
    rig.open(a, s);
    rig.open(b, s);
    // The service answers, and `a` does not read: two packets are its share, the third waits.
    for _ in 0..3 {
        rig.write(s, a, b"x");
    }
    rig.write(s, b, b"behind");
    assert_eq!(rig.ops(B), [], "waits behind the third");
    rig.kernel.advance(21 * MS);
    rig.turn();
    assert_eq!(rig.ops(B), [Op::ReadWrite]);
    assert_eq!(rig.counted("Stalled"), 1);
    assert_eq!(rig.ops(S), [Op::Reset], "that connection is over");
    assert_eq!(rig.ops(A), [Op::ReadWrite, Op::ReadWrite, Op::Reset]);
    // Even though it has read everything, nobody waits for it for a while.
    rig.open(a, s);
    for _ in 0..3 {
        rig.write(s, a, b"x");
    }
    assert_eq!(rig.ops(S), [Op::Reset]);
    rig.kernel.advance(201 * MS);
    assert_eq!(rig.ops(A), [Op::ReadWrite, Op::ReadWrite, Op::Reset]);
    rig.open(a, s);
    for _ in 0..3 {
        rig.write(s, a, b"x");
    }
    assert_eq!(rig.ops(S), [], "it waits again");
    assert_eq!(rig.ops(A), [Op::ReadWrite; 3]);
}

#[test]
fn a_waiting_packet_sets_the_alarm() {
    let mut rig = Rig::new();
    rig.open((A, 1), (S, 7));
    rig.kernel.take_calls();
    for _ in 0..3 {
        rig.write((S, 7), (A, 1), b"x");
    }
    let channel = ChannelId::new(TIMER).unwrap();
    let asked = pd::Message::with(timer::SET_DEADLINE, [20 * MS]);
    let asked = pd::fake::KernelCall::Call(channel, asked);
    assert!(rig.kernel.calls().contains(&asked));
}

#[test]
fn connections_are_limited_and_unanswered_ones_make_room() {
    let mut rig = Rig::new();
    for number in 1..=3 {
        rig.send(A, &packet(Op::Request, (A, number), (S, 7)));
        assert_eq!(rig.ops(S), [Op::Request]);
    }
    rig.send(A, &packet(Op::Request, (A, 4), (S, 7)));
    assert_eq!((rig.ops(A), rig.ops(S)), (vec![Op::Reset], vec![]));
    rig.send(B, &packet(Op::Request, (B, 4), (S, 7)));
    assert_eq!(rig.ops(S), [Op::Request], "others have their own limit");
    rig.kernel.advance(11_000 * MS);
    rig.send(A, &packet(Op::Request, (A, 4), (S, 7)));
    assert_eq!(rig.ops(A), [Op::Reset; 2], "the first one, and this one");
    rig.send(A, &packet(Op::Request, (A, 4), (S, 7)));
    assert_eq!(rig.ops(S), [Op::Reset, Op::Request]);
}

#[test]
fn a_port_that_dies_or_is_reset_takes_its_connections_along() {
    for restart in [true, false] {
        let mut rig = Rig::new();
        rig.open((A, 1), (B, 7));
        rig.open((B, 1), (S, 7));
        rig.open((A, 3), (S, 7));
        rig.send(A, &packet(Op::Request, (A, 2), (S, 7)));
        if restart {
            rig.ends[A] = peer(&rig.links[A]);
        } else {
            assert!(rig.ends[A].send_reset());
        }
        rig.turn();
        assert_eq!(rig.ops(B), [Op::Reset]);
        assert_eq!(rig.ops(S)[1..], [Op::Reset; 2]);
        let told = if restart { 3 } else { 0 };
        assert_eq!(rig.ops(A).len(), told);
        rig.write((B, 1), (S, 7), b"still open");
        assert_eq!(rig.ops(S), [Op::ReadWrite]);
    }
}

#[test]
fn nobody_is_behind_a_port() {
    let mut rig = Rig::new();
    rig.ends[B].set_status(false);
    rig.send(A, &packet(Op::Request, (A, 1), (B, 7)));
    assert_eq!((rig.ops(A), rig.ops(B)), (vec![Op::Reset], vec![]));
}

#[test]
fn after_its_own_restart_no_connection_is_left() {
    let mut rig = Rig::new();
    rig.open((A, 1), (B, 7));
    rig.write((A, 1), (B, 7), b"before");
    rig.restart();
    assert!(rig.ends.iter_mut().all(Link::peer_restarted));
    assert_eq!(rig.ops(B), [Op::ReadWrite], "was on its way");
    rig.write((B, 7), (A, 1), b"after");
    assert_eq!((rig.ops(A), rig.ops(B)), (vec![], vec![Op::Reset]));
    rig.open((A, 1), (B, 7));
}

#[test]
fn resets_wait_for_room() {
    let mut rig = Rig::new();
    let (a, s) = ((A, 1), (S, 7));
    rig.open(a, s);
    rig.open((B, 1), s);
    rig.write(a, s, b"1");
    rig.write(a, s, b"2");
    rig.write((B, 1), s, b"3");
    rig.write((B, 1), s, b"4");
    assert!(rig.ends[A].send_reset());
    rig.turn();
    assert_eq!(
        rig.ops(S),
        [
            Op::ReadWrite,
            Op::ReadWrite,
            Op::ReadWrite,
            Op::ReadWrite,
            Op::Reset
        ]
    );
}

#[test]
fn records_that_make_no_sense() {
    let link = FakeLink::new(SHAPE, SLOTS);
    let base = |cid: u64| {
        let mut world = World::new();
        world
            .text("port", "a")
            .region_rw("a.out", link.first)
            .region_ro("a.in", link.second)
            .channel("a", 1)
            .value("a.cid", cid);
        world
    };
    assert!(base(3).create::<Router>().is_ok());
    assert!(base(1).create::<Router>().is_err());
    assert!(base(3).text("a.allow", "a").create::<Router>().is_err());
    assert!(base(3).text("a.allow", "x").create::<Router>().is_err());
    let mut twice = base(3);
    twice
        .text("port", "b")
        .region_rw("b.out", link.first)
        .region_ro("b.in", link.second)
        .channel("b", 2)
        .value("b.cid", 3);
    assert!(twice.create::<Router>().is_err());
}

/// One step of a hostile system.
#[derive(Clone, Debug)]
enum Step {
    Packet {
        from: usize,
        to: usize,
        op: u16,
        numbers: [u32; 2],
        fwd_cnt: u32,
        len: usize,
    },
    Read(usize),
    RestartPort(usize),
    Restart,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let packet = (
        0..3_usize,
        0..3_usize,
        0..9_u16,
        [0..2_u32, 0..2_u32],
        0..50_u32,
        0..60_usize,
    );
    prop_oneof![
        20 => packet.prop_map(|(from, to, op, numbers, fwd_cnt, len)| {
            Step::Packet { from, to, op, numbers, fwd_cnt, len }
        }),
        8 => (0..3_usize).prop_map(Step::Read),
        1 => (0..3_usize).prop_map(Step::RestartPort),
        1 => Just(Step::Restart),
        2 => (0..2000_u64).prop_map(|ms| Step::Wait(ms * MS)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever the ports do, what arrives at one comes from the port it names, is on a connection
    /// that policy allows, and never exceeds the window that this port advertised.
    #[test]
    fn nothing_arrives_that_must_not(steps in proptest::collection::vec(step(), 1..150)) {
        const WINDOW: usize = 100;
        let mut rig = Rig::new();
        let mut unread = std::collections::HashMap::new();
        for step in steps {
            match step {
                Step::Packet { from, to, op, numbers, fwd_cnt, len } => {
                    let len = if op == Op::ReadWrite as u16 { len } else { 0 };
                    let header = Header {
                        op: op.into(),
                        fwd_cnt: fwd_cnt.into(),
                        buf_alloc: u32::try_from(WINDOW).unwrap().into(),
                        len: u32::try_from(len).unwrap().into(),
                        ..packet(Op::Request, (from, numbers[0]), (to, numbers[1]))
                    };
                    let bytes = vec![u8::try_from(from).unwrap(); len];
                    rig.stage(from, &header, &bytes);
                    rig.turn();
                }
                Step::Read(at) => {
                    let Some((header, bytes)) = rig.take(at) else { continue };
                    prop_assert_eq!(header.dst_cid.get(), CIDS[at]);
                    let op = header.operation().unwrap();
                    let from = CIDS.iter().position(|cid| *cid == header.src_cid.get()).unwrap_or(9);
                    if op == Op::Request {
                        prop_assert!([(A, B), (A, S), (B, S)].contains(&(from, at)));
                    }
                    let key = (from, at, header.src_port.get(), header.dst_port.get());
                    if matches!(op, Op::Request | Op::Response | Op::Reset) {
                        unread.remove(&key);
                    }
                    prop_assert!(bytes.iter().all(|byte| usize::from(*byte) == from));
                    let sum = unread.entry(key).or_insert(0);
                    *sum += bytes.len();
                    // Every advertisement stays below 50 bytes taken.
                    prop_assert!(*sum <= WINDOW + 50);
                }
                Step::RestartPort(port) => {
                    rig.ends[port] = peer(&rig.links[port]);
                    unread.clear();
                    rig.turn();
                }
                Step::Restart => {
                    rig.restart();
                    unread.clear();
                }
                Step::Wait(ticks) => {
                    rig.kernel.advance(ticks);
                    rig.turn();
                }
            }
        }
    }

    /// Arbitrary bytes in a port's region: no panic, and the other ports go on.
    #[test]
    fn h_30_a_port_that_writes_anything(
        words in proptest::collection::vec((0_usize..0x200, any::<u32>()), 1..60),
    ) {
        let mut rig = Rig::new();
        let hostile = rig.links[A].hostile_second();
        for (at, word) in words {
            hostile.word(at, word);
            rig.turn();
        }
        rig.open((B, 1), (S, 7));
        rig.write((B, 1), (S, 7), b"fine");
        prop_assert_eq!(rig.take(S).unwrap().1, b"fine");
    }
}
