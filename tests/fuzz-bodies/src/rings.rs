// SPDX-License-Identifier: BSD-2-Clause
//! Both ends of every ring against a peer that writes any word of its region at any time: what comes
//! out fits, no call goes on for ever, and each refusal is counted.

use blk::{Client, Features, Info, Op, Request, Segment, Server, Status, Taken};
use frames::Shape;
use pd::fake::FakeKernel;
use shm::{Region, Rw, fake};
use spsc::fake::Memory;
use units::ChannelId;
use virtio::vsock::Header;
use zerocopy::FromZeros;

use crate::memory::{bounded, lie};
use crate::script::Script;

const CAPACITY: u32 = 8;

/// Something at one end of a link.
type Step = Box<dyn FnMut(&mut Script<'_>)>;

#[expect(clippy::expect_used, reason = "test support")]
fn channel() -> ChannelId {
    ChannelId::new(1).expect("below 62")
}

/// An end, and what its peer writes.
fn end(script: &mut Script<'_>) -> (Step, Region<Rw>) {
    match script.byte() % 8 {
        0 => entries(),
        1 => bytes(),
        2 => slots(),
        3 => frames(),
        4 => stream(),
        5 => entropy(),
        6 => client(),
        _ => server(),
    }
}

#[expect(clippy::expect_used, reason = "test support")]
fn entries() -> (Step, Region<Rw>) {
    let memory = Memory::new(CAPACITY as usize * 8);
    let link = memory.attach_first();
    let mut producer = link.producer::<u64>(CAPACITY).expect("room for eight");
    let mut consumer = link.consumer::<u64>(CAPACITY).expect("room for eight");
    let mut faults = [0, 0];
    let step = move |script: &mut Script<'_>| {
        let full = |error| matches!(error, spsc::PushError::Peer(_));
        match script.byte() % 8 {
            0 => faults[0] += u32::from(producer.push(&script.long()).is_err_and(full)),
            1 => drop(producer.publish()),
            2 => faults[0] += u32::from(producer.arm(script.byte().into()).is_err()),
            3 => drop(consumer.release()),
            4 => faults[1] += u32::from(consumer.arm().is_err()),
            5 => drop(consumer.resync()),
            6 => match consumer.available() {
                Ok(count) => assert!(count <= CAPACITY, "{count} entries"),
                Err(_) => faults[1] += 1,
            },
            _ => {
                for popped in 0..=CAPACITY {
                    match consumer.pop() {
                        Ok(Some(_)) => assert!(popped < CAPACITY, "too many entries"),
                        Ok(None) => break,
                        Err(_) => {
                            faults[1] += 1;
                            break;
                        }
                    }
                    if script.chance(2) {
                        break;
                    }
                }
            }
        }
        assert_eq!(producer.faults().count(), faults[0]);
        assert_eq!(consumer.faults().count(), faults[1]);
    };
    (Box::new(step), memory.second)
}

#[expect(clippy::expect_used, reason = "test support")]
fn bytes() -> (Step, Region<Rw>) {
    let memory = Memory::new(64);
    let link = memory.attach_first();
    let mut producer = link.byte_producer(64).expect("room for 64 bytes");
    let mut consumer = link.byte_consumer(64).expect("room for 64 bytes");
    let mut faults = [0, 0];
    let step = move |script: &mut Script<'_>| {
        match script.byte() % 6 {
            0 => match producer.write(script.bytes(100)) {
                Ok(count) => assert!(count <= 64),
                Err(_) => faults[0] += 1,
            },
            1 => drop(producer.publish()),
            2 => faults[0] += u32::from(producer.arm(script.byte().into()).is_err()),
            3 => drop(consumer.release()),
            4 => faults[1] += u32::from(consumer.arm().is_err()),
            _ => {
                let mut into = [0; 100];
                match consumer.read(&mut into[..usize::from(script.byte() % 101)]) {
                    Ok(count) => assert!(count <= 64),
                    Err(_) => {
                        faults[1] += 1;
                        let _ = consumer.resync();
                    }
                }
            }
        }
        assert_eq!(producer.faults().count(), faults[0]);
        assert_eq!(consumer.faults().count(), faults[1]);
    };
    (Box::new(step), memory.second)
}

#[expect(clippy::expect_used, reason = "test support")]
fn slots() -> (Step, Region<Rw>) {
    let memory = Memory::new(0);
    let link = memory.attach_first();
    let mut producer = link.slot_producer(CAPACITY).expect("a power of two");
    let mut consumer = link.slot_consumer(CAPACITY).expect("a power of two");
    let step = move |script: &mut Script<'_>| {
        let [kind, number] = script.array();
        let number = u32::from(number);
        let slots = [producer.slot(number), consumer.slot(number)];
        assert!(slots.into_iter().all(|slot| slot < CAPACITY), "{slots:?}");
        match kind % 8 {
            0 => assert!(
                producer.free(number).is_ok_and(|free| free <= CAPACITY)
                    || producer.faults().count() > 0
            ),
            1 => {
                let _ = producer.stage();
            }
            2 => drop(producer.publish()),
            3 => drop(producer.arm(number)),
            4 => assert!(
                consumer
                    .available(number)
                    .is_ok_and(|count| count <= CAPACITY)
                    || consumer.faults().count() > 0
            ),
            5 => {
                let _ = consumer.take();
            }
            6 => drop(consumer.release(number)),
            _ => {
                if consumer.arm().is_err() {
                    let _ = consumer.resync();
                }
            }
        }
        assert!(
            consumer.held() <= CAPACITY,
            "{} slots held",
            consumer.held()
        );
    };
    (Box::new(step), memory.second)
}

fn frames() -> (Step, Region<Rw>) {
    let shape = Shape::new(128, 16);
    let link = frames::fake::FakeLink::new(shape, CAPACITY);
    let mut port = link.first(channel());
    let mut kernel = FakeKernel::new();
    let step = move |script: &mut Script<'_>| {
        match script.byte() % 8 {
            0 => {
                let _ = port.tx.send(script.bytes(130), frames::Meta::default());
            }
            1 => port.flush(&mut kernel),
            2 => drop((port.peer_restarted(), port.peer_status())),
            3 => drop((port.rx.arm(), port.tx.arm(script.byte().into()))),
            4 => assert!(port.tx.room() <= CAPACITY && port.rx.waiting() <= CAPACITY),
            5 => {
                let _ = port.rx.release_through(u32::from_le_bytes(script.array()));
            }
            6 => {
                if let Some(slot) = port.tx.slot_ahead(script.byte().into()) {
                    assert!(slot.len() <= shape.slot() as usize);
                }
                let _ = port
                    .tx
                    .commit(script.half().into(), frames::Meta::default());
            }
            _ => {
                for taken in 0..=CAPACITY {
                    let Some(frame) = port.rx.peek() else {
                        break;
                    };
                    assert!(taken < CAPACITY, "too many frames");
                    assert!(frame.len() <= shape.max_frame() as usize);
                    assert_eq!(frame.bytes.len(), frame.len());
                    port.rx.advance();
                }
            }
        }
        kernel.take_calls();
    };
    (Box::new(step), link.second)
}

fn stream() -> (Step, Region<Rw>) {
    let link = serial::fake::FakeLink::new(64);
    let mut stream = link.first(channel());
    let mut kernel = FakeKernel::new();
    let step = move |script: &mut Script<'_>| {
        match script.byte() % 8 {
            0 => assert!(stream.write(script.bytes(100)) <= 64),
            1 => stream.write_all_or_drop(script.bytes(100)),
            2 => stream.flush(&mut kernel),
            3 => stream.flush_deferred(&mut kernel),
            4 => drop((
                stream.wait_for_bytes(),
                stream.wait_for_room(script.byte().into()),
            )),
            5 => assert!(stream.room() <= 64),
            _ => assert!(stream.read(&mut [0; 100]) <= 64),
        }
        kernel.take_calls();
    };
    (Box::new(step), link.memory.second)
}

#[expect(clippy::expect_used, reason = "test support")]
fn entropy() -> (Step, Region<Rw>) {
    let [out, peer] = [(); 2].map(|()| fake::region(entropy::region_size(CAPACITY)));
    let mut supply = entropy::Supply::new(out, peer.read_only(), channel()).expect("room");
    let own = fake::region(entropy::region_size(0));
    let mut client = entropy::Client::new(own, peer.read_only(), channel()).expect("room");
    let mut kernel = FakeKernel::new();
    let step = move |script: &mut Script<'_>| {
        match script.byte() % 8 {
            0 => {
                supply.put(&[7; entropy::GRAIN]);
            }
            1 => assert!(supply.clean() <= CAPACITY),
            2 => supply.flush(&mut kernel),
            3 => client.flush(&mut kernel),
            4 => drop((supply.wait(), client.wait())),
            _ => {
                // A peer that lies yields bytes, but never more than its ring has.
                let taken = (0..2 * CAPACITY).take_while(|_| client.take().is_some());
                assert!(taken.count() <= CAPACITY as usize, "too many grains");
            }
        }
        kernel.take_calls();
    };
    (Box::new(step), peer)
}

fn info() -> Info {
    Info {
        features: Features::FLUSH | Features::DISCARD,
        max_discard: 8,
        ..Info::new(1000, 512)
    }
}

/// A client of a block service that lies.
fn client() -> (Step, Region<Rw>) {
    let link = blk::fake::FakeLink::new(0x1000);
    // The service starts honestly.
    let mut honest = link.server(channel());
    honest.start(info());
    let mut client: Client = link.client(channel());
    let mut kernel = FakeKernel::new();
    let mut out = std::collections::BTreeSet::new();
    let step = move |script: &mut Script<'_>| {
        let [kind, id, count] = script.array();
        match kind % 8 {
            0 | 1 => {
                let segments = (0..count % 9).map(|at| Segment {
                    offset: u64::from(at) << 12,
                    len: 512,
                });
                let sector = script.odd();
                let sent = client.submit_data(u32::from(id), Op::Read, sector, segments);
                if sent.is_ok() {
                    out.insert(u32::from(id));
                }
            }
            2 => {
                let sent = client.submit_range(u32::from(id), Op::Flush, 0, 0);
                if sent.is_ok() {
                    out.insert(u32::from(id));
                }
            }
            3 => {
                // A new session: what was under way is.
                let _ = client.poll();
                if let Some(info) = client.info() {
                    assert!(info.is_valid(), "{info:?}");
                }
            }
            4 => client.flush(&mut kernel),
            5 => drop((
                client.wait_for_completions(),
                client.wait_for_room(count.into()),
            )),
            _ => {
                for taken in 0.. {
                    assert!(taken <= 0x1000, "completions without end");
                    let Some(done) = client.completion() else {
                        break;
                    };
                    assert!(
                        done.id < 256 && out.contains(&done.id),
                        "{done:?} was never sent"
                    );
                }
            }
        }
        kernel.take_calls();
    };
    (Box::new(step), link.server)
}

/// A block service with a client that lies.
fn server() -> (Step, Region<Rw>) {
    let link = blk::fake::FakeLink::new(0x1000);
    let mut server: Server = link.server(channel());
    server.start(info());
    let mut honest = link.client(channel());
    let mut kernel = FakeKernel::new();
    let mut request = Request::new();
    let mut held = Vec::new();
    let step = move |script: &mut Script<'_>| {
        let [kind, count] = script.array();
        match kind % 8 {
            0 => {
                let segments = (0..count % 9).map(|at| Segment {
                    offset: u64::from(at) << 12,
                    len: 512,
                });
                let _ = honest.poll();
                let _ = honest.submit_data(count.into(), Op::Write, script.odd(), segments);
                honest.flush(&mut kernel);
            }
            1 => {
                if server.poll() {
                    held.clear();
                }
            }
            2 => server.flush(&mut kernel),
            3 => drop((server.wait_for_requests(), server.wait_for_room())),
            4 => {
                if let Some(id) = held.pop() {
                    server.complete(id, Status::Ok);
                }
            }
            _ => {
                for taken in 0.. {
                    assert!(taken <= 0x1000, "requests without end");
                    match server.take(&mut request) {
                        Taken::Request => {
                            judge(&request);
                            held.push(request.id());
                        }
                        Taken::Answered => {}
                        Taken::Nothing | Taken::Blocked => break,
                    }
                }
            }
        }
        kernel.take_calls();
    };
    (Box::new(step), link.client)
}

/// A request that a server hands out is one that its device can do.
fn judge(request: &Request) {
    let on_disk = info().contains(request.sector(), request.sectors());
    assert!(request.op() == Op::Flush || on_disk, "{request:?}");
    if matches!(request.op(), Op::Read | Op::Write) {
        let segments = request.segments().map(shm::Untrusted::unchecked);
        let total: u64 = segments.map(|segment| u64::from(segment.len)).sum();
        assert_eq!(total, request.sectors() * 512, "{request:?}");
    }
}

/// A packet link, of which headers and payloads are looked at.
fn packets(script: &mut Script<'_>) {
    let memory = frames::fake::FakeLink::new(vsock::SHAPE, CAPACITY);
    let mut link = vsock::Link::new(memory.first(channel()));
    let mut far = vsock::Link::new(memory.second(channel()));
    let mut kernel = FakeKernel::new();
    while script.goes_on() {
        match script.byte() % 8 {
            0 => {
                let mut header = Header::new_zeroed();
                header.len = u32::from(script.byte() & 15).into();
                let _ = far.send_with(&header, |_| true);
            }
            1 => drop(far.send_reset()),
            2 => far.flush(&mut kernel),
            3 => link.drain(),
            4 => drop((
                link.wait_for_packets(),
                link.wait_for_room(1),
                link.peer_restarted(),
            )),
            5 | 6 => lie(script, &[memory.second]),
            _ => {
                if let Some(vsock::Packet::Data { header, payload }) = bounded(|| link.receive()) {
                    assert_eq!(payload.len(), header.len.get() as usize);
                    assert!(payload.len() <= vsock::MAX_PAYLOAD);
                }
                link.advance();
            }
        }
    }
}

/// Uses an end of a link whose peer lies.
///
/// # Panics
/// If the peer gets away with anything.
pub fn run(bytes: &[u8]) {
    fake::scoped(|| {
        let mut script = Script::new(bytes);
        if script.chance(8) {
            return packets(&mut script);
        }
        let (mut step, peer) = end(&mut script);
        while script.goes_on() {
            if script.chance(3) {
                lie(&mut script, &[peer]);
            } else {
                bounded(|| step(&mut script));
            }
        }
    });
}
