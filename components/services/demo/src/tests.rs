// SPDX-License-Identifier: BSD-2-Clause
//! Ping and pong against each other and against liars; the crasher's lives.

use std::cell::RefCell;

use echo::{Item, LABEL_BAD_CALL, RING_ITEMS, answer};
use pd::fake::World;
use pd::{Call, Handler, Message, Notify};
use proptest::prelude::*;
use serial::fake::FakeLink;
use serial::{Console, Stream};
use spsc::fake::Memory;
use units::{ChannelId, ChannelSet};

use crate::ring::Ring;
use crate::{Accident, Crasher, Kind, Ping, Pong};

fn channel() -> ChannelId {
    ChannelId::new(2).unwrap()
}

/// Counts notifications; calls go to a pong, unless it lies about every `lie`th.
struct Kernel {
    notified: bool,
    pong: Option<Pong>,
    calls: u64,
    lie: u64,
}

impl Kernel {
    fn new(pong: Option<Pong>) -> Self {
        Self {
            notified: false,
            pong,
            calls: 0,
            lie: u64::MAX,
        }
    }
}

impl Notify for Kernel {
    fn notify(&mut self, _: ChannelId) {
        self.notified = true;
    }
    fn notify_deferred(&mut self, _: ChannelId) {
        self.notified = true;
    }
}

impl Call for Kernel {
    fn call(&mut self, ch: ChannelId, msg: &Message) -> Message {
        self.calls += 1;
        if self.calls.is_multiple_of(self.lie) {
            return *msg;
        }
        let mut inner = Kernel::new(None);
        self.pong.as_mut().map_or(Message::unexpected(), |pong| {
            pong.protected(&mut inner, ch, *msg)
        })
    }
}

struct Bench {
    ping: Ping,
    kernel: Kernel,
    mux: Stream,
    memory: Memory,
}

impl Bench {
    fn new(messages: u64) -> Self {
        let memory = Memory::new(16 * RING_ITEMS as usize);
        let console = FakeLink::new(1024);
        let ping = Ring::new(memory.first, memory.second.read_only(), channel()).unwrap();
        let pong = Ring::new(memory.second, memory.first.read_only(), channel()).unwrap();
        let mut pong = Pong::new(pong);
        pong.init(&mut Kernel::new(None));
        Self {
            ping: Ping::new(Console::new(console.first(channel())), ping, messages),
            kernel: Kernel::new(Some(pong)),
            mux: console.second(channel()),
            memory,
        }
    }

    fn all() -> ChannelSet {
        [channel()].into_iter().collect()
    }

    /// Runs both as long as one wakes the other; at most `limit` rounds.
    fn run(&mut self, limit: usize) -> usize {
        self.ping.init(&mut self.kernel);
        for round in 0..limit {
            if !std::mem::take(&mut self.kernel.notified) {
                return round;
            }
            let mut inner = Kernel::new(None);
            let pong = self.kernel.pong.as_mut().unwrap();
            pong.notified(&mut inner, Self::all());
            if inner.notified {
                self.ping.notified(&mut self.kernel, Self::all());
            }
        }
        limit
    }

    fn printed(&mut self) -> String {
        let mut bytes = [0; 1024];
        let read = self.mux.read(&mut bytes);
        String::from_utf8(bytes[..read].to_vec()).unwrap()
    }
}

#[test]
fn every_message_is_answered_and_the_verdict_says_so() {
    let mut bench = Bench::new(1000);
    assert!(bench.run(1000) < 1000, "it comes to rest");
    assert_eq!(
        bench.printed(),
        "ping: 500 calls, then 500 messages through the ring\n\
         ping: 1000 messages, 1000 replies, 0 errors\n"
    );
}

#[test]
fn a_wrong_answer_is_an_error_in_the_verdict() {
    let mut bench = Bench::new(1000);
    bench.kernel.lie = 100;
    bench.run(1000);
    assert!(
        bench
            .printed()
            .ends_with("ping: 1000 messages, 995 replies, 5 errors\n")
    );
}

#[test]
fn pong_refuses_calls_that_are_not_its_own() {
    let mut bench = Bench::new(0);
    let pong = bench.kernel.pong.as_mut().unwrap();
    let mut kernel = Kernel::new(None);
    for message in [
        Message::new(1),
        Message::with(9, [1, 2]),
        Message::with(1, [1, 2, 3]),
    ] {
        let reply = pong.protected(&mut kernel, channel(), message);
        assert_eq!((reply.label(), reply.words().len()), (LABEL_BAD_CALL, 0));
    }
    let reply = pong.protected(&mut kernel, channel(), Message::with(1, [7, 8]));
    assert_eq!(reply.words(), [7, answer(8)]);
    assert_eq!(pong.bad_calls(), 3);
}

#[test]
fn pong_keeps_questions_that_it_has_no_room_to_answer() {
    let mut bench = Bench::new(0);
    let pong = bench.kernel.pong.as_mut().unwrap();
    let mut asker = Ring::new(
        bench.memory.first,
        bench.memory.second.read_only(),
        channel(),
    )
    .unwrap();
    let mut kernel = Kernel::new(None);
    let mut asked = 0;
    let mut ask = |asker: &mut Ring, kernel: &mut Kernel| {
        while asker.push(&Item {
            number: asked,
            value: asked,
        }) {
            asked += 1;
        }
        asker.flush(kernel);
    };
    // Two rings' worth: one answered, one waiting for room.
    for _ in 0..2 {
        ask(&mut asker, &mut kernel);
        pong.notified(&mut kernel, Bench::all());
    }
    for number in 0..2 * u64::from(RING_ITEMS) {
        let got = asker.pop().unwrap_or_else(|| {
            asker.flush(&mut kernel);
            pong.notified(&mut kernel, Bench::all());
            asker.pop().unwrap()
        });
        assert_eq!((got.number, got.value), (number, answer(number)));
    }
}

#[test]
fn all_three_are_made_from_their_records() {
    let (console, rings) = (FakeLink::new(1024), Memory::new(16 * RING_ITEMS as usize));
    let world = |out: &'static str, input: &'static str, role: &'static str| {
        let mut world = World::new();
        world
            .region_rw("console.out", console.memory.first)
            .region_ro("console.in", console.memory.second)
            .channel("console", 0)
            .region_rw(out, rings.first)
            .region_ro(input, rings.second)
            .channel(role, 1);
        world
    };
    assert!(
        world("ping.out", "ping.in", "ping")
            .create::<Pong>()
            .is_ok()
    );
    let mut ping = world("pong.out", "pong.in", "pong");
    assert!(ping.create::<Ping>().is_ok());
    assert_eq!(
        ping.value("messages", 1 << 40)
            .create::<Ping>()
            .unwrap_err()
            .to_string(),
        "'messages': it is more than 1048576"
    );
    let mut crasher = world("lives", "other", "other");
    assert!(crasher.create::<Crasher<Note>>().is_err(), "no hole");
    assert!(crasher.value("hole", 0).create::<Crasher<Note>>().is_ok());
}

proptest! {
    /// A pong that writes anything: ping neither panics nor waits in a loop, and never reports more
    /// replies than messages.
    #[test]
    fn ping_survives_a_hostile_pong(
        acts in proptest::collection::vec((0_u8..4, any::<u32>()), 0..50),
    ) {
        let mut bench = Bench::new(40);
        let peer = bench.memory.hostile_second();
        bench.ping.init(&mut bench.kernel);
        for (act, value) in acts {
            match act {
                0 => peer.write_index(value),
                1 => peer.read_index(value),
                2 => peer.write_index(value % 128),
                _ => peer.scribble(value.to_le_bytes()[0]),
            }
            bench.ping.notified(&mut bench.kernel, Bench::all());
        }
        for line in bench.printed().lines().skip(1) {
            let words: Vec<&str> = line.split(' ').collect();
            let (messages, replies): (u64, u64) =
                (words[1].parse().unwrap(), words[3].parse().unwrap());
            prop_assert!(replies <= messages);
        }
    }

    /// A ping that writes anything: pong goes on.
    #[test]
    fn pong_survives_a_hostile_ping(
        acts in proptest::collection::vec((0_u8..4, any::<u32>()), 0..50),
    ) {
        let mut bench = Bench::new(0);
        let peer = bench.memory.first;
        let pong = bench.kernel.pong.as_mut().unwrap();
        let mut kernel = Kernel::new(None);
        for (act, value) in acts {
            match act {
                0 => peer.store::<u32>(8, value).unwrap(),
                1 => peer.store::<u32>(64, value).unwrap(),
                2 => peer.store::<u32>(8, value % 128).unwrap(),
                _ => peer.fill(0, peer.len(), value.to_le_bytes()[0]).unwrap(),
            }
            pong.notified(&mut kernel, Bench::all());
        }
    }
}

thread_local! {
    static HAPPENED: RefCell<Vec<Kind>> = const { RefCell::new(Vec::new()) };
}

#[derive(Default)]
struct Note;

impl Accident for Note {
    fn happen(&mut self, kind: Kind) {
        HAPPENED.with_borrow_mut(|kinds| kinds.push(kind));
    }
}

#[test]
fn each_life_ends_in_another_way_and_stale_data_is_admitted() {
    let link = FakeLink::new(2048);
    let mut mux = link.second(channel());
    let lives = shm::fake::region(8).cell(0).unwrap();
    for _ in 0..4 {
        let console = Console::new(link.first(channel()));
        let mut crasher = Crasher::<Note>::new(console, lives, 0xbad0_0000);
        crasher.init(&mut Kernel::new(None));
    }
    HAPPENED.with_borrow(|kinds| {
        assert_eq!(
            kinds[..],
            [
                Kind::UnmappedStore(0xbad0_0000),
                Kind::TextStore,
                Kind::Undefined,
                Kind::StackExecution
            ]
        );
    });
    let mut bytes = [0; 2048];
    let read = mux.read(&mut bytes);
    let text = String::from_utf8(bytes[..read].to_vec()).unwrap();
    assert!(text.contains("crasher: life 1, .data 41, .bss 0: fresh\n"));
    // Nothing restored the statics between these lives.
    assert!(text.contains("crasher: life 2, .data 42, .bss 1: stale\n"));
}
