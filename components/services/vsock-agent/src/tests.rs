// SPDX-License-Identifier: BSD-2-Clause
//! The agent as a component; the router is the test.

use frames::fake::FakeLink;
use pd::Handler;
use pd::fake::{FakeKernel, KernelCall, World};
use proptest::prelude::*;
use units::{ChannelId, ChannelSet};
use virtio::vsock::{Header, Op, SHUTDOWN_RECEIVE, SHUTDOWN_SEND, TYPE_STREAM};
use vsock::{ECHO_PORT, HEALTH_PORT, Link, Packet, SHAPE};

use crate::{Agent, BUFFER, MAX_CONNECTIONS, MAX_PER_CID};

const CID: u64 = 2;
const SECOND: u64 = 62_500_000;
const TIMER: u64 = 9;

struct Rig {
    kernel: FakeKernel,
    agent: Agent,
    router: Link,
    link: FakeLink,
}

fn create(link: &FakeLink) -> Agent {
    let mut world = World::new();
    world
        .region_rw("vsock.out", link.first)
        .region_ro("vsock.in", link.second)
        .channel("vsock", 1)
        .channel("timer", TIMER);
    world.create().unwrap()
}

fn router(link: &FakeLink) -> Link {
    let mut end = Link::new(link.second(ChannelId::new(1).unwrap()));
    end.set_status(true);
    end
}

/// A packet of the socket `number` of guest `cid` to a port of the agent.
fn from(cid: u64, number: u32, port: u32, op: Op) -> Header {
    Header {
        src_cid: cid.into(),
        dst_cid: CID.into(),
        src_port: number.into(),
        dst_port: port.into(),
        socket_type: TYPE_STREAM.into(),
        op: (op as u16).into(),
        buf_alloc: 100_000.into(),
        ..Header::default()
    }
}

fn echo(op: Op) -> Header {
    from(3, 1000, ECHO_PORT, op)
}

impl Rig {
    fn new(slots: u32) -> Self {
        let link = FakeLink::new(SHAPE, slots);
        let mut rig = Self {
            kernel: FakeKernel::new(),
            agent: create(&link),
            router: router(&link),
            link,
        };
        rig.kernel.answer_with(|_, _| pd::Message::new(timer::OK));
        rig.agent.init(&mut rig.kernel);
        rig.turn();
        assert!(!rig.router.peer_restarted());
        rig
    }

    fn turn(&mut self) {
        self.router.flush(&mut self.kernel);
        self.agent.notified(&mut self.kernel, ChannelSet::EMPTY);
    }

    fn send(&mut self, header: &Header) {
        assert!(self.router.send(header));
        self.turn();
    }

    fn write(&mut self, header: Header, payload: &[u8]) {
        let header = Header {
            len: u32::try_from(payload.len()).unwrap().into(),
            op: (Op::ReadWrite as u16).into(),
            ..header
        };
        assert!(
            self.router
                .send_with(&header, |to| to.copy_out(0, payload).is_ok())
        );
        self.turn();
    }

    fn take(&mut self) -> Option<(Header, Vec<u8>)> {
        let Packet::Data { header, payload } = self.router.receive()? else {
            panic!("the agent has no reset");
        };
        let mut bytes = vec![0; payload.len()];
        payload.copy_in(0, &mut bytes).unwrap();
        self.router.advance();
        self.turn();
        Some((header, bytes))
    }

    fn ops(&mut self) -> Vec<Op> {
        core::iter::from_fn(|| self.take())
            .map(|(header, _)| header.operation().unwrap())
            .collect()
    }

    fn open(&mut self, request: Header) {
        self.send(&request);
        let (response, _) = self.take().unwrap();
        assert_eq!(response.operation(), Some(Op::Response));
        assert_eq!(response.buf_alloc.get() as usize, BUFFER);
        assert_eq!(
            (
                response.src_cid,
                response.src_port,
                response.dst_cid,
                response.dst_port
            ),
            (
                request.dst_cid,
                request.dst_port,
                request.src_cid,
                request.src_port
            )
        );
    }
}

#[test]
fn the_echo_comes_back_and_the_connection_ends_when_the_client_does() {
    let mut rig = Rig::new(8);
    rig.open(echo(Op::Request));
    rig.write(echo(Op::ReadWrite), b"hello");
    let (header, payload) = rig.take().unwrap();
    assert_eq!(payload, b"hello");
    assert_eq!(header.fwd_cnt.get(), 5, "free again");
    rig.send(&Header {
        flags: SHUTDOWN_SEND.into(),
        ..echo(Op::Shutdown)
    });
    let (end, _) = rig.take().unwrap();
    assert_eq!(end.operation(), Some(Op::Shutdown));
    assert_eq!(end.flags.get(), SHUTDOWN_SEND | SHUTDOWN_RECEIVE);
    rig.send(&echo(Op::Reset));
    assert_eq!(rig.ops(), []);
    rig.open(echo(Op::Request));
}

#[test]
fn a_client_that_closes_gets_rst() {
    let mut rig = Rig::new(8);
    rig.open(echo(Op::Request));
    let flags = SHUTDOWN_SEND | SHUTDOWN_RECEIVE;
    rig.send(&Header {
        flags: flags.into(),
        ..echo(Op::Shutdown)
    });
    assert_eq!(rig.ops(), [Op::Reset]);
    rig.send(&echo(Op::CreditUpdate));
    assert_eq!(rig.ops(), [Op::Reset], "there is no connection");
    rig.send(&echo(Op::Reset));
    assert_eq!(rig.ops(), [], "nothing answers an RST");
}

#[test]
fn health_is_a_report_and_an_end() {
    let mut rig = Rig::new(8);
    rig.open(echo(Op::Request));
    rig.write(echo(Op::ReadWrite), b"12345");
    rig.take().unwrap();
    rig.kernel.advance(7 * SECOND);
    rig.send(&from(4, 9, HEALTH_PORT, Op::Request));
    let (response, _) = rig.take().unwrap();
    assert_eq!(response.operation(), Some(Op::Response));
    let (_, text) = rig.take().unwrap();
    let text = String::from_utf8(text).unwrap();
    for line in [
        "uptime_seconds 7",
        "connections_open 1",
        "connections_accepted 1",
        "connections_refused 0",
        "bytes_received 5",
        "bytes_sent 5",
        "link_faults 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    assert_eq!(rig.ops(), [Op::Shutdown]);
}

#[test]
fn clause_5_10_6_3_payload_waits_for_credit() {
    let mut rig = Rig::new(8);
    rig.open(Header {
        buf_alloc: 10.into(),
        ..echo(Op::Request)
    });
    let narrow = Header {
        buf_alloc: 10.into(),
        ..echo(Op::ReadWrite)
    };
    rig.write(narrow, b"0123456789abcdef");
    assert_eq!(rig.take().unwrap().1, b"0123456789");
    assert_eq!(rig.ops(), [Op::CreditRequest]);
    rig.send(&Header {
        buf_alloc: 10.into(),
        ..echo(Op::CreditUpdate)
    });
    assert_eq!(rig.ops(), [], "asked once");
    let update = Header {
        buf_alloc: 10.into(),
        fwd_cnt: 10.into(),
        ..echo(Op::CreditUpdate)
    };
    rig.send(&update);
    assert_eq!(rig.take().unwrap().1, b"abcdef");
    rig.send(&Header {
        buf_alloc: 10.into(),
        fwd_cnt: 10.into(),
        ..echo(Op::CreditRequest)
    });
    let (answer, _) = rig.take().unwrap();
    assert_eq!(
        (answer.operation(), answer.fwd_cnt.get()),
        (Some(Op::CreditUpdate), 16)
    );
}

#[test]
fn h_38_more_than_was_granted_or_forged_credit_ends_the_connection() {
    let closed = Header {
        buf_alloc: 0.into(),
        ..echo(Op::Request)
    };
    let mut rig = Rig::new(8);
    rig.open(closed);
    rig.write(closed, &[1; BUFFER]);
    assert_eq!(rig.ops(), [Op::CreditRequest]);
    rig.write(closed, &[1; 1]);
    assert_eq!(rig.ops(), [Op::Reset]);
    rig.open(closed);
    rig.send(&Header {
        fwd_cnt: 1.into(),
        ..echo(Op::CreditUpdate)
    });
    assert_eq!(rig.ops(), [Op::Reset], "nothing was sent");
    for op in [Op::Request, Op::Response] {
        rig.open(closed);
        rig.send(&echo(op));
        assert_eq!(rig.ops(), [Op::Reset], "{op:?}");
    }
    rig.open(closed);
    rig.send(&Header {
        flags: SHUTDOWN_SEND.into(),
        ..echo(Op::Shutdown)
    });
    assert_eq!(rig.ops(), [Op::Shutdown]);
    rig.write(echo(Op::ReadWrite), b"after the end");
    assert_eq!(rig.ops(), [Op::Reset]);
}

#[test]
fn what_is_refused() {
    let mut rig = Rig::new(8);
    for header in [
        from(3, 1, 8, Op::Request),
        from(3, 1, ECHO_PORT, Op::ReadWrite),
        Header {
            socket_type: 2.into(),
            ..echo(Op::Request)
        },
        Header {
            op: 99.into(),
            ..echo(Op::Request)
        },
    ] {
        rig.send(&header);
        assert_eq!(rig.take().unwrap().0, header.reset());
    }
    rig.send(&Header {
        dst_cid: 5.into(),
        ..echo(Op::Request)
    });
    assert_eq!(rig.ops(), []);
}

#[test]
fn connections_are_limited_per_cid_and_in_all() {
    let mut rig = Rig::new(8);
    let per_cid = u32::try_from(MAX_PER_CID).unwrap();
    for cid in [3, 4] {
        for number in 0..per_cid {
            rig.open(from(cid, number, ECHO_PORT, Op::Request));
        }
        rig.send(&from(cid, per_cid, ECHO_PORT, Op::Request));
        assert_eq!(rig.ops(), [Op::Reset]);
    }
    assert_eq!(2 * MAX_PER_CID, MAX_CONNECTIONS);
    rig.send(&from(5, 0, ECHO_PORT, Op::Request));
    assert_eq!(rig.ops(), [Op::Reset]);
    rig.send(&from(4, 0, ECHO_PORT, Op::Reset));
    rig.open(from(5, 0, ECHO_PORT, Op::Request));
}

#[test]
fn silent_connections_end() {
    let mut rig = Rig::new(8);
    rig.open(echo(Op::Request));
    let channel = ChannelId::new(TIMER).unwrap();
    let asked = pd::Message::with(timer::SET_DEADLINE, [300 * SECOND]);
    assert!(
        rig.kernel
            .calls()
            .contains(&KernelCall::Call(channel, asked))
    );
    rig.kernel.advance(299 * SECOND);
    rig.turn();
    assert_eq!(rig.ops(), []);
    rig.kernel.advance(SECOND);
    rig.turn();
    assert_eq!(rig.ops(), [Op::Reset]);
    rig.open(echo(Op::Request));
    rig.send(&Header {
        flags: SHUTDOWN_SEND.into(),
        ..echo(Op::Shutdown)
    });
    assert_eq!(rig.ops(), [Op::Shutdown]);
    rig.kernel.advance(8 * SECOND);
    rig.turn();
    assert_eq!(rig.ops(), [Op::Reset], "nobody confirmed the end");
}

#[test]
fn what_is_owed_waits_for_room() {
    let mut rig = Rig::new(2);
    for number in 0..2 {
        assert!(rig.router.send(&from(3, number, ECHO_PORT, Op::Request)));
    }
    rig.turn();
    for number in 0..2 {
        rig.write(from(3, number, ECHO_PORT, Op::ReadWrite), b"x");
    }
    assert_eq!(
        rig.ops(),
        [Op::Response, Op::Response, Op::ReadWrite, Op::ReadWrite]
    );
}

#[test]
fn after_a_restart_of_either_side_there_are_no_connections() {
    let mut rig = Rig::new(8);
    rig.open(echo(Op::Request));
    rig.agent = create(&rig.link);
    rig.agent.init(&mut rig.kernel);
    rig.write(echo(Op::ReadWrite), b"x");
    assert_eq!(rig.ops(), [Op::Reset]);
    rig.open(echo(Op::Request));
    rig.router = router(&rig.link);
    rig.write(echo(Op::ReadWrite), b"x");
    assert_eq!(rig.ops(), [Op::Reset]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    /// A client that keeps to its credit gets back what it sent, in order, whatever its own buffer.
    #[test]
    fn an_honest_client_gets_its_bytes_back(
        pieces in proptest::collection::vec(1_usize..1500, 1..20),
        buffer in 1_u32..3000,
        slots in 1_u32..4,
    ) {
        let mut rig = Rig::new(1 << slots);
        let (mut sent, mut got, mut granted) = (Vec::<u8>::new(), Vec::new(), BUFFER);
        let mine = |got: usize| Header {
            buf_alloc: buffer.into(),
            fwd_cnt: u32::try_from(got).unwrap().into(),
            ..echo(Op::ReadWrite)
        };
        rig.open(Header { op: (Op::Request as u16).into(), ..mine(0) });
        let mut pieces = pieces.into_iter().peekable();
        for _ in 0..20_000 {
            if let Some(len) = pieces.next_if(|len| granted.saturating_sub(sent.len()) >= *len) {
                let bytes: Vec<u8> = (0..len).map(|at| (at + sent.len()).to_le_bytes()[0]).collect();
                sent.extend_from_slice(&bytes);
                rig.write(mine(got.len()), &bytes);
            }
            match rig.take() {
                Some((header, bytes)) => {
                    granted = header.fwd_cnt.get() as usize + BUFFER;
                    prop_assert_ne!(header.operation(), Some(Op::Reset));
                    prop_assert!(bytes.len() <= buffer as usize);
                    got.extend(bytes);
                }
                None if pieces.peek().is_none() && got.len() == sent.len() => break,
                None => {
                    let update = Header { op: (Op::CreditRequest as u16).into(), ..mine(got.len()) };
                    rig.send(&update);
                }
            }
        }
        prop_assert_eq!(got, sent);
    }

    /// Any packets at all: no panic, never more connections than allowed.
    #[test]
    fn h_38_arbitrary_packets(
        packets in proptest::collection::vec(
            (0_u64..4, 0_u32..3, 0_u16..9, any::<[u16; 3]>(), 0_usize..300), 1..80),
    ) {
        let mut rig = Rig::new(4);
        for (cid, number, op, [flags, fwd_cnt, buf_alloc], len) in packets {
            let header = Header {
                op: op.into(),
                flags: u32::from(flags).into(),
                fwd_cnt: u32::from(fwd_cnt % 8).into(),
                buf_alloc: u32::from(buf_alloc).into(),
                len: u32::try_from(len).unwrap().into(),
                ..from(cid, number, [ECHO_PORT, HEALTH_PORT, 8][usize::from(flags) % 3], Op::Request)
            };
            let _ = rig.router.send_with(&header, |to| to.fill(0, len, 7).is_ok());
            rig.turn();
            if flags & 1 == 0 {
                rig.take();
            }
        }
        rig.ops();
    }
}
