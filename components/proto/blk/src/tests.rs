// SPDX-License-Identifier: BSD-2-Clause
//! Both ends on heap memory, restarts at any point, lying peers.

use std::collections::BTreeMap;

use pd::Notify;
use proptest::prelude::*;
use spsc::HEADER_SIZE;
use units::ChannelId;
use zerocopy::IntoBytes;

use crate::fake::FakeLink;
use crate::wire::{Head, RawCompletion, RawInfo, RawSegment, TAIL_SIZE, ring_capacity};
use crate::*;

#[derive(Debug, Default)]
struct Bell(usize);

impl Notify for Bell {
    fn notify(&mut self, _: ChannelId) {
        self.0 += 1;
    }
    fn notify_deferred(&mut self, _: ChannelId) {
        self.0 += 1;
    }
}

fn channel() -> ChannelId {
    ChannelId::new(3).unwrap()
}

fn disk() -> Info {
    Info {
        features: Features::FLUSH | Features::DISCARD | Features::WRITE_ZEROES | Features::UNMAP,
        max_discard: 64,
        max_write_zeroes: 32,
        ..Info::new(1000, 512)
    }
}

fn seg(offset: u64, len: u32) -> Segment {
    Segment { offset, len }
}

struct Bench {
    link: FakeLink,
    client: Client,
    server: Server,
    bell: Bell,
    request: Request,
}

impl Bench {
    fn with(info: Info) -> Self {
        let link = FakeLink::default();
        let mut bench = Self {
            link,
            client: link.client(channel()),
            server: link.server(channel()),
            bell: Bell::default(),
            request: Request::new(),
        };
        bench.server.start(info);
        assert_eq!(bench.client.poll(), Change::Up);
        assert_eq!(bench.client.info(), Some(&info));
        bench
    }

    fn new() -> Self {
        Self::with(disk())
    }

    fn take(&mut self) -> Taken {
        self.server.take(&mut self.request)
    }

    /// Submits, lets the server look, and answers the completion if it refused.
    fn refusal(&mut self, id: u32, op: Op, sector: u64, segments: &[Segment]) -> Option<Status> {
        self.client
            .submit_data(id, op, sector, segments.iter().copied())
            .unwrap();
        self.verdict(id)
    }

    fn range_refusal(&mut self, id: u32, op: Op, sector: u64, sectors: u32) -> Option<Status> {
        self.client.submit_range(id, op, sector, sectors).unwrap();
        self.verdict(id)
    }

    fn verdict(&mut self, id: u32) -> Option<Status> {
        self.client.flush(&mut self.bell);
        let taken = self.take();
        self.server.flush(&mut self.bell);
        if taken == Taken::Request {
            self.server.complete(id, Status::Ok);
            self.server.flush(&mut self.bell);
            assert!(self.client.completion().is_some());
            return None;
        }
        assert_eq!(taken, Taken::Answered);
        let completion = self.client.completion().unwrap();
        assert_eq!(completion.id, id);
        Some(completion.status)
    }
}

#[test]
fn sizes_are_pinned_to_the_readme() {
    assert_eq!(size_of::<Head>(), 16);
    assert_eq!(size_of::<RawSegment>(), 16);
    assert_eq!(size_of::<RawCompletion>(), 8);
    assert_eq!(size_of::<RawInfo>(), 48);
    assert_eq!((SECTOR_SIZE, MAX_SEGMENTS, TAIL_SIZE), (512, 126, 128));
    assert_eq!(ring_capacity(0x1000, 16), Some(128));
    assert_eq!(ring_capacity(0x1000, 8), Some(256));
    assert_eq!(ring_capacity(0x100, 8), None);
    let ops = [
        Op::Read,
        Op::Write,
        Op::Flush,
        Op::Discard,
        Op::WriteZeroes { unmap: false },
        Op::WriteZeroes { unmap: true },
    ];
    assert_eq!(ops.map(Op::raw), [0, 1, 2, 3, 4, 5]);
    assert!(ops.iter().all(|op| Op::from_raw(op.raw()) == Some(*op)));
    assert_eq!(Op::from_raw(6), None);
}

#[test]
fn regions_must_hold_the_longest_request() {
    let small = FakeLink::new(0x800);
    assert!(Client::new(small.client, small.server.read_only(), channel()).is_err());
    assert!(Server::new(small.server, small.client.read_only(), channel()).is_err());
}

#[test]
fn the_longest_request_arrives_whole_with_one_notification() {
    let mut bench = Bench::new();
    bench.client.flush(&mut bench.bell);
    bench.bell.0 = 0;
    assert!(!bench.server.wait_for_requests());
    let segments: Vec<_> = (0..126).map(|i| seg(i * 0x1000, 512)).collect();
    bench
        .client
        .submit_data(7, Op::Write, 1, segments.iter().copied())
        .unwrap();
    assert_eq!(
        bench.client.submit_range(8, Op::Discard, 0, 8),
        Err(SubmitError::Full)
    );
    assert_eq!(bench.take(), Taken::Nothing, "nothing before the flush");
    bench.client.flush(&mut bench.bell);
    assert_eq!(bench.bell.0, 1);
    assert_eq!(bench.take(), Taken::Request);
    let request = &bench.request;
    assert_eq!((request.id(), request.op()), (7, Op::Write));
    assert_eq!((request.sector(), request.sectors()), (1, 126));
    let found: Vec<_> = request.segments().map(shm::Untrusted::unchecked).collect();
    assert_eq!(found, segments);
    assert_eq!(bench.server.in_flight(), 1);

    assert!(!bench.client.wait_for_completions());
    bench.server.complete(7, Status::Ok);
    bench.bell.0 = 0;
    bench.server.flush(&mut bench.bell);
    assert_eq!(bench.bell.0, 1);
    let done = Completion {
        id: 7,
        status: Status::Ok,
    };
    assert_eq!(bench.client.completion(), Some(done));
    assert_eq!(bench.client.completion(), None);
}

#[test]
fn completions_come_in_any_order() {
    let mut bench = Bench::new();
    for id in 0..3 {
        bench
            .client
            .submit_data(id, Op::Read, 0, [seg(0, 512)])
            .unwrap();
    }
    bench.client.flush(&mut bench.bell);
    for _ in 0..3 {
        assert_eq!(bench.take(), Taken::Request);
    }
    for id in [2, 0, 1] {
        bench.server.complete(id, Status::IoError);
    }
    bench.server.flush(&mut bench.bell);
    let order: Vec<_> = core::iter::from_fn(|| bench.client.completion()).collect();
    assert_eq!(order.iter().map(|c| c.id).collect::<Vec<_>>(), [2, 0, 1]);
    assert!(order.iter().all(|c| c.status == Status::IoError));
}

/// hostile-guest.md H-34 as far as the protocol decides it.
#[test]
fn h_34_what_is_not_of_this_disk_is_refused() {
    let mut bench = Bench::new();
    let io = Some(Status::IoError);
    assert_eq!(bench.refusal(1, Op::Read, 999, &[seg(0, 512)]), None);
    assert_eq!(bench.refusal(1, Op::Read, 999, &[seg(0, 1024)]), io);
    assert_eq!(bench.refusal(2, Op::Write, 1000, &[seg(0, 512)]), io);
    assert_eq!(bench.refusal(3, Op::Write, u64::MAX, &[seg(0, 512)]), io);
    assert_eq!(bench.refusal(4, Op::Read, 0, &[seg(0, 0)]), io);
    assert_eq!(bench.refusal(5, Op::Read, 0, &[seg(0, 511)]), io);
    let (most, split) = (seg(0, u32::MAX), [seg(0, 1), seg(9, 511)]);
    assert_eq!(bench.refusal(6, Op::Read, 0, &[most; 126]), io);
    assert_eq!(bench.refusal(7, Op::Read, 0, &split), None);
    assert_eq!(bench.range_refusal(8, Op::Discard, 0, 65), io);
    assert_eq!(bench.range_refusal(8, Op::Discard, 0, 64), None);
    assert_eq!(bench.range_refusal(8, Op::Discard, 0, 0), io);
    assert_eq!(bench.range_refusal(8, Op::Discard, 990, 11), io);
    let zero = Op::WriteZeroes { unmap: true };
    assert_eq!(bench.range_refusal(9, zero, 0, 33), io);
    assert_eq!(bench.range_refusal(9, Op::Flush, u64::MAX, 1), None);
    assert_eq!(bench.server.counters().refused, 10);
}

#[test]
fn a_disk_refuses_what_it_cannot_do() {
    let mut bench = Bench::with(Info {
        features: Features::READ_ONLY,
        ..Info::new(1000, 512)
    });
    let refused = bench.refusal(1, Op::Write, 0, &[seg(0, 512)]);
    assert_eq!(refused, Some(Status::IoError), "5.2.6.2");
    let refused = bench.range_refusal(2, Op::Discard, 0, 8);
    assert_eq!(refused, Some(Status::Unsupported));
    let flushed = bench.range_refusal(3, Op::Flush, 0, 0);
    assert_eq!(flushed, Some(Status::Ok), "no cache, nothing to do");
    assert_eq!(bench.refusal(4, Op::Read, 0, &[seg(0, 512)]), None);

    let mut bench = Bench::with(Info {
        max_segments: 2,
        max_segment_size: 8192,
        ..Info::new(1000, 4096)
    });
    let io = Some(Status::IoError);
    assert_eq!(bench.refusal(1, Op::Write, 8, &[seg(0, 4096)]), None);
    assert_eq!(bench.refusal(2, Op::Write, 4, &[seg(0, 4096)]), io);
    assert_eq!(bench.refusal(3, Op::Write, 8, &[seg(0, 512)]), io);
    assert_eq!(bench.refusal(4, Op::Write, 8, &[seg(0, 12288)]), io);
    assert_eq!(bench.refusal(5, Op::Read, 0, &[seg(0, 4096); 3]), io);
}

#[test]
fn a_client_that_takes_no_completions_is_not_served_beyond_them() {
    let mut bench = Bench::new();
    let (mut taken, mut blocked) = (0, false);
    for id in 0..400 {
        bench.client.submit_range(id, Op::Flush, 0, 0).unwrap();
        bench.client.flush(&mut bench.bell);
        match bench.take() {
            Taken::Request => taken += 1,
            other => {
                assert_eq!(other, Taken::Blocked);
                blocked = true;
                break;
            }
        }
        bench.server.flush(&mut bench.bell);
        if id % 2 == 0 {
            bench.server.complete(id, Status::Ok);
        }
    }
    assert!(blocked);
    assert_eq!(taken, 256, "as many as completions fit");
    assert!(!bench.server.wait_for_room());
    bench.server.flush(&mut bench.bell);
    bench.bell.0 = 0;
    assert!(bench.client.completion().is_some());
    bench.client.flush(&mut bench.bell);
    assert_eq!(bench.bell.0, 1, "the server waits for room");
    assert_eq!(bench.take(), Taken::Request);
}

#[test]
fn a_server_that_restarts_is_seen_and_runs_nothing_old() {
    let mut bench = Bench::new();
    for id in 0..2 {
        bench.client.submit_range(id, Op::Flush, 0, 0).unwrap();
    }
    bench.client.flush(&mut bench.bell);
    assert_eq!(bench.take(), Taken::Request);
    bench.server = bench.link.server(channel());
    assert_eq!(bench.client.poll(), Change::Down);
    assert_eq!(
        bench.client.submit_range(5, Op::Flush, 0, 0),
        Err(SubmitError::Down)
    );
    bench.bell.0 = 0;
    bench.server.start(disk());
    bench.server.flush(&mut bench.bell);
    assert_eq!(bench.bell.0, 1, "a session is announced");
    assert_eq!(bench.take(), Taken::Answered, "stale");
    // The first was taken but its slot not given back, so it came again; stale as well.
    assert_eq!(bench.take(), Taken::Answered);
    assert_eq!(bench.take(), Taken::Nothing);
    assert_eq!(bench.server.counters().stale, 2);
    assert_eq!(bench.client.poll(), Change::Up);
    assert_eq!(bench.client.poll(), Change::None);
    bench.client.submit_range(9, Op::Flush, 0, 0).unwrap();
    bench.client.flush(&mut bench.bell);
    assert_eq!(bench.take(), Taken::Request);
    assert_eq!(bench.request.id(), 9);
}

#[test]
fn a_client_that_restarts_waits_for_what_it_left_behind() {
    let mut bench = Bench::new();
    for id in 0..2 {
        bench.client.submit_range(id, Op::Flush, 0, 0).unwrap();
    }
    bench.client.flush(&mut bench.bell);
    assert_eq!(bench.take(), Taken::Request);
    bench.client = bench.link.client(channel());
    assert_eq!(
        bench.client.poll(),
        Change::None,
        "the session was another's"
    );
    assert!(bench.client.info().is_none());
    assert!(!bench.server.poll(), "one is in flight");
    assert_eq!(bench.take(), Taken::Nothing, "nobody is there to be served");
    assert!(!bench.server.wait_for_requests());
    bench.server.complete(0, Status::Ok);
    assert!(bench.server.poll());
    bench.server.flush(&mut bench.bell);
    assert_eq!(bench.client.poll(), Change::Up);
    assert_eq!(bench.client.completion(), None, "of the earlier session");
    assert_eq!(bench.client.counters().stale, 1);
    assert_eq!(bench.take(), Taken::Answered, "so is the other request");
    assert_eq!(bench.take(), Taken::Nothing);
}

#[test]
fn a_lying_client_is_counted_and_survived() {
    let mut bench = Bench::new();
    let head = |segments, op| Head {
        id: 1.into(),
        session: bench.server.session().into(),
        op,
        segments,
        sector: 0.into(),
    };
    let heads = [head(127, 0), head(2, 0), head(0, 0), head(0, 99)];
    let put = |at: usize, head: &Head| {
        let slot = HEADER_SIZE + at * 16;
        bench.link.client.copy_out(slot, head.as_bytes()).unwrap();
        let index = u32::try_from(at).unwrap() + 1;
        bench.link.client.store_release(8, index).unwrap();
    };
    put(0, &heads[0]);
    let mut request = Request::new();
    assert_eq!(bench.server.take(&mut request), Taken::Nothing, "too many");
    put(1, &heads[1]);
    assert_eq!(bench.server.take(&mut request), Taken::Nothing, "half");
    assert_eq!(bench.server.counters().peer_faults, 2);
    put(2, &heads[2]);
    assert_eq!(bench.server.take(&mut request), Taken::Answered, "no data");
    put(3, &heads[3]);
    assert_eq!(
        bench.server.take(&mut request),
        Taken::Answered,
        "no such operation"
    );
    assert_eq!(bench.server.counters().refused, 2);
    bench.link.client.store_release(8, 5000_u32).unwrap();
    assert_eq!(bench.server.take(&mut request), Taken::Nothing);
    assert_eq!(bench.server.counters().peer_faults, 3);
}

#[test]
fn an_impossible_disk_is_no_session() {
    let good = disk();
    let bad = [
        Info {
            block_size: 0,
            ..good
        },
        Info {
            block_size: 513,
            ..good
        },
        Info {
            block_size: 1 << 17,
            ..good
        },
        Info {
            capacity: 1001,
            block_size: 4096,
            ..good
        },
        Info {
            capacity: u64::MAX,
            ..good
        },
        Info {
            physical_exponent: 32,
            ..good
        },
        Info {
            max_segments: 0,
            ..good
        },
        Info {
            max_segments: 127,
            ..good
        },
        Info {
            max_segment_size: 511,
            ..good
        },
    ];
    for info in bad {
        let mut bench = Bench::new();
        let mut raw = info.encode();
        raw.up = 1.into();
        raw.client_life = 1.into();
        raw.session = 77.into();
        let tail = bench.link.server.len() - TAIL_SIZE;
        bench.link.server.write(tail + 8, &raw).unwrap();
        bench.link.server.store_release(tail + 4, 50_u32).unwrap();
        assert_eq!(bench.client.poll(), Change::Down, "{info:?}");
        assert_eq!(bench.client.counters().peer_faults, 1);
        // An honest server never gets that far.
        bench.server.start(info);
        assert_eq!(bench.server.info(), None);
        assert_eq!(bench.client.poll(), Change::None);
    }
}

#[test]
fn a_description_that_never_stands_still_is_not_used() {
    let mut bench = Bench::new();
    let tail = bench.link.server.len() - TAIL_SIZE;
    bench.link.server.store_release(tail + 4, 51_u32).unwrap();
    assert_eq!(bench.client.poll(), Change::None);
    assert!(bench.client.info().is_some(), "as it was");
}

proptest! {
    /// Whatever either peer writes anywhere: no panic, no request outside the disk, bounded work.
    #[test]
    fn hostile_peers_are_survived(
        writes in proptest::collection::vec((0_usize..1024, any::<u32>(), any::<bool>()), 1..60),
    ) {
        let mut bench = Bench::new();
        let mut bell = Bell::default();
        for (at, value, to_server) in writes {
            let region = if to_server { bench.link.client } else { bench.link.server };
            region.store_release(at * 4, value).unwrap();
            let _ = bench.client.poll();
            let _ = bench.client.submit_data(value, Op::Write, value.into(), [seg(0, 512)]);
            bench.client.flush(&mut bell);
            let _ = bench.server.poll();
            let info = disk();
            for _ in 0..4 {
                if bench.take() == Taken::Request {
                    let request = &bench.request;
                    let (sector, sectors) = (request.sector(), request.sectors());
                    prop_assert!(request.op() == Op::Flush || info.contains(sector, sectors));
                    bench.server.complete(request.id(), Status::Ok);
                }
            }
            bench.server.flush(&mut bell);
            let _ = bench.server.wait_for_requests();
            let _ = bench.server.wait_for_room();
            for _ in 0..4 {
                let _ = bench.client.completion();
            }
            let _ = bench.client.wait_for_completions();
            let _ = bench.client.wait_for_room(2);
        }
    }

    /// Either end restarts at any point: every request that the client insists on is completed to
    /// it, in a session in which the server ran it, and none runs while an earlier run of the same
    /// request can still reach the device.
    #[test]
    fn restarts_lose_and_repeat_nothing(acts in proptest::collection::vec(0_u8..8, 1..200)) {
        let mut bench = Bench::new();
        let mut bell = Bell::default();
        let mut wanted: BTreeMap<u32, bool> = BTreeMap::new();
        let mut device: Vec<u32> = Vec::new();
        let mut next = 0;
        for act in acts.into_iter().chain(core::iter::repeat_n([3, 4, 5], 40).flatten()) {
            match act {
                0 | 1 => { wanted.insert(next, false); next += 1; }
                2 => {
                    bench.client = bench.link.client(channel());
                    wanted.values_mut().for_each(|sent| *sent = false);
                }
                3 => {
                    let _ = bench.server.poll();
                    while bench.take() == Taken::Request {
                        prop_assert!(!device.contains(&bench.request.id()), "runs twice at once");
                        device.push(bench.request.id());
                    }
                    bench.server.flush(&mut bell);
                }
                4 => if !device.is_empty() {
                    bench.server.complete(device.remove(device.len() / 2), Status::Ok);
                    bench.server.flush(&mut bell);
                },
                5 => {
                    if bench.client.poll() == Change::Up {
                        wanted.values_mut().for_each(|sent| *sent = false);
                    }
                    while let Some(completion) = bench.client.completion() {
                        prop_assert!(wanted.remove(&completion.id).is_some(), "told twice");
                    }
                    for (id, sent) in wanted.iter_mut().filter(|(_, sent)| !**sent) {
                        *sent = bench.client.submit_range(*id, Op::Flush, 0, 0).is_ok();
                    }
                    bench.client.flush(&mut bell);
                }
                6 => {
                    // The server restarts, and resets the device.
                    bench.server = bench.link.server(channel());
                    device.clear();
                    bench.server.start(disk());
                }
                _ => bench.server.flush(&mut bell),
            }
        }
        for _ in 0..400 {
            let _ = bench.server.poll();
            while bench.take() == Taken::Request { device.push(bench.request.id()); }
            for id in device.drain(..) { bench.server.complete(id, Status::Ok); }
            bench.server.flush(&mut bell);
            if bench.client.poll() == Change::Up {
                wanted.values_mut().for_each(|sent| *sent = false);
            }
            while let Some(completion) = bench.client.completion() {
                prop_assert!(wanted.remove(&completion.id).is_some());
            }
            for (id, sent) in wanted.iter_mut().filter(|(_, sent)| !**sent) {
                *sent = bench.client.submit_range(*id, Op::Flush, 0, 0).is_ok();
            }
            bench.client.flush(&mut bell);
        }
        prop_assert!(wanted.is_empty(), "{} left", wanted.len());
    }
}
