// SPDX-License-Identifier: BSD-2-Clause
//! Tests: pinned layout, model, hostile peers, restarts, two threads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::vec::Vec;

use proptest::prelude::*;

use crate::fake::Memory;
use crate::wake::passes;
use crate::*;

fn ring(capacity: u32) -> (Memory, Producer<u64>, Consumer<u64>) {
    let memory = Memory::new(capacity as usize * 8);
    let producer = memory.attach_first().producer(capacity).unwrap();
    let consumer = memory.attach_second().consumer(capacity).unwrap();
    (memory, producer, consumer)
}

fn pop(consumer: &mut Consumer<u64>) -> Option<u64> {
    consumer.pop().unwrap().map(shm::Untrusted::unchecked)
}

/// Moves both indices of an idle ring to `start`, as long operation would.
fn start_at(memory: &Memory, start: u32) {
    memory.first.store(layout::WRITE_AT, start).unwrap();
    memory.second.store(layout::READ_AT, start).unwrap();
}

#[test]
fn layout_is_pinned() {
    let (memory, mut producer, mut consumer) = ring(4);
    assert_eq!(
        producer.send(&0x11),
        Ok(Wake::Needed),
        "a zeroed peer counts as asleep"
    );
    assert_eq!(pop(&mut consumer), Some(0x11));
    assert_eq!(consumer.release(), Wake::Needed);
    assert_eq!(producer.arm(4), Ok(Armed::Ready));
    assert_eq!(consumer.arm(), Ok(Armed::Sleep));
    let first = |at| memory.first.load::<u32>(at).unwrap();
    let second = |at| memory.second.load::<u32>(at).unwrap();
    assert_eq!(memory.first.read::<[u8; 4]>(0), Ok(*b"SPSC"));
    assert_eq!(first(4), 1, "generation");
    assert_eq!(first(8), 1, "write index");
    assert_eq!(first(12), 0, "wake for space at 1 + 4 - 4 - 1");
    assert_eq!(second(64), 1, "read index");
    assert_eq!(second(68), 1, "wake for data");
    assert_eq!(memory.first.load::<u64>(128), Ok(0x11), "first entry");
    assert_eq!(entry_region_size::<u64>(4), 160);
    assert_eq!(byte_region_size(64), 192);
}

#[test]
fn bad_layouts_are_refused() {
    let memory = Memory::new(32);
    let link = memory.attach_first();
    for capacity in [0, 3, 12, MAX_CAPACITY + 1, u32::MAX, 1 << 31] {
        let error = link.producer::<u64>(capacity).map(drop).unwrap_err();
        assert_eq!(error, LayoutError::Capacity(capacity));
    }
    assert!(matches!(
        link.producer::<u64>(8).map(drop),
        Err(LayoutError::Region(_))
    ));
    assert!(matches!(
        link.consumer::<u64>(8).map(drop),
        Err(LayoutError::Region(_))
    ));
    assert!(matches!(
        link.byte_producer(64).map(drop),
        Err(LayoutError::Region(_))
    ));
    assert!(link.byte_consumer(32).is_ok());
    let short = memory.first.sub(0, 64).unwrap();
    assert!(Link::attach(short, memory.second.read_only()).is_err());
    assert!(Link::attach(memory.second, short.read_only()).is_err());
    let skewed = memory.first.sub(1, 140).unwrap();
    assert!(Link::attach(skewed, memory.second.read_only()).is_err());
}

#[test]
fn full_and_empty() {
    let (_, mut producer, mut consumer) = ring(2);
    assert_eq!(pop(&mut consumer), None);
    producer.push(&1).unwrap();
    assert_eq!(pop(&mut consumer), None, "staged entries are invisible");
    producer.push(&2).unwrap();
    assert_eq!(producer.push(&3), Err(PushError::Full));
    let _ = producer.publish();
    assert_eq!(consumer.available(), Ok(2));
    assert_eq!(pop(&mut consumer), Some(1));
    assert_eq!(
        producer.push(&3),
        Err(PushError::Full),
        "taken is not released"
    );
    let _ = consumer.release();
    assert_eq!(producer.free(), Ok(1));
    producer.push(&3).unwrap();
    let _ = producer.publish();
    assert_eq!((pop(&mut consumer), pop(&mut consumer)), (Some(2), Some(3)));
}

#[test]
fn one_signal_per_arming() {
    let (_, mut producer, mut consumer) = ring(4);
    assert_eq!(producer.send(&1), Ok(Wake::Needed));
    assert_eq!(producer.send(&2), Ok(Wake::NotNeeded), "already signalled");
    assert_eq!(
        consumer.arm(),
        Ok(Armed::Ready),
        "entries arrived before arming"
    );
    while pop(&mut consumer).is_some() {}
    assert_eq!(
        consumer.release(),
        Wake::Needed,
        "the producer never armed, its word is zero"
    );
    assert_eq!(
        producer.send(&3),
        Ok(Wake::NotNeeded),
        "the consumer is awake"
    );
    assert_eq!(pop(&mut consumer), Some(3));
    assert_eq!(consumer.release(), Wake::NotNeeded);
    assert_eq!(consumer.arm(), Ok(Armed::Sleep));
    assert_eq!(producer.publish(), Wake::NotNeeded, "nothing new");
    assert_eq!(producer.send(&4), Ok(Wake::Needed));
}

#[test]
fn a_producer_is_woken_when_enough_is_free() {
    let (_, mut producer, mut consumer) = ring(4);
    for value in 0..4 {
        let _ = producer.send(&value).unwrap();
    }
    assert_eq!(producer.arm(3), Ok(Armed::Sleep));
    for expected in [
        Wake::NotNeeded,
        Wake::NotNeeded,
        Wake::Needed,
        Wake::NotNeeded,
    ] {
        assert!(pop(&mut consumer).is_some());
        assert_eq!(consumer.release(), expected);
    }
    assert_eq!(
        producer.arm(99),
        Ok(Armed::Ready),
        "more than the capacity means all of it"
    );
}

#[test]
fn passing_is_exact_around_the_wrap() {
    let near = u32::MAX - 1;
    assert_eq!(passes(near, near, 1), Wake::Needed);
    assert_eq!(passes(0, near, 1), Wake::Needed);
    assert_eq!(passes(1, near, 1), Wake::NotNeeded);
    assert_eq!(passes(near - 1, near, 1), Wake::NotNeeded);
    assert_eq!(passes(5, 5, 5), Wake::NotNeeded);
    assert_eq!(Wake::NotNeeded.or(Wake::Needed), Wake::Needed);
}

// Shows BH-05.
#[test]
fn hostile_read_indices_are_named_and_counted() {
    // (read index found, expected fault), with write index 6 and read index 3 seen before.
    let write = 6;
    let ahead = |found| Some(PeerFault::ReadAhead { found, write });
    let cases = [
        (3, None),
        (6, None),
        (7, ahead(7)),
        (1, ahead(1)),
        (u32::MAX, ahead(u32::MAX)),
        (0x8000_0000, ahead(0x8000_0000)),
        (2, Some(PeerFault::ReadBackward { found: 2, seen: 3 })),
    ];
    for (found, expected) in cases {
        let memory = Memory::new(32);
        start_at(&memory, 3);
        let peer = memory.hostile_second();
        let mut producer = memory.attach_first().producer::<u64>(4).unwrap();
        for value in 0..3 {
            let _ = producer.send(&value).unwrap();
        }
        peer.read_index(found);
        assert_eq!(producer.free().err(), expected, "{found}");
        assert_eq!(producer.faults().last(), expected);
        assert_eq!(producer.faults().count(), u32::from(expected.is_some()));
        assert_eq!(producer.arm(4).err(), expected);
        peer.read_index(6);
        assert_eq!(producer.free(), Ok(4), "an honest index is taken again");
    }
}

// Shows BH-05.
#[test]
fn hostile_write_indices_are_named_and_counted() {
    // (write index found, expected fault), with read index 3 and write index 5 seen before.
    let ahead = |found| Some(PeerFault::WriteAhead { found, read: 3 });
    let cases = [
        (5, None),
        (7, None),
        (8, ahead(8)),
        (2, ahead(2)),
        (u32::MAX, ahead(u32::MAX)),
        (0x8000_0003, ahead(0x8000_0003)),
        (4, Some(PeerFault::WriteBackward { found: 4, seen: 5 })),
    ];
    for (found, expected) in cases {
        let memory = Memory::new(32);
        memory.first.store(layout::READ_AT, 3_u32).unwrap();
        let peer = memory.hostile_second();
        peer.write_index(5);
        let mut consumer = memory.attach_first().consumer::<u64>(4).unwrap();
        assert_eq!(consumer.available(), Ok(2));
        peer.write_index(found);
        assert_eq!(consumer.available().err(), expected, "{found}");
        assert_eq!(consumer.faults().last(), expected);
        if expected.is_some() {
            assert_eq!(consumer.faults().count(), 1);
            assert_eq!(consumer.resync(), Wake::Needed);
            assert_eq!(
                consumer.available(),
                Ok(0),
                "resync skips to the peer's index"
            );
            peer.write_index(found.wrapping_add(4));
            assert_eq!(consumer.available(), Ok(4), "and goes on from there");
        }
    }
}

#[test]
fn taking_without_releasing_does_not_make_room() {
    let memory = Memory::new(32);
    let peer = memory.hostile_second();
    let mut consumer = memory.attach_first().consumer::<u64>(4).unwrap();
    peer.write_index(4);
    assert!(consumer.pop().unwrap().is_some());
    peer.write_index(5);
    assert_eq!(
        consumer.available(),
        Err(PeerFault::WriteAhead { found: 5, read: 1 }),
        "slot 0 still belongs to the consumer"
    );
}

#[test]
fn restarts_continue_where_the_indices_say() {
    let memory = Memory::new(32);
    let mut producer = memory.attach_first().producer::<u64>(4).unwrap();
    let second = memory.attach_second();
    let mut consumer = second.consumer::<u64>(4).unwrap();
    assert_eq!(second.peer_generation(), 1);
    for value in 1..=3 {
        producer.push(&value).unwrap();
    }
    let _ = producer.publish();
    producer.push(&99).unwrap();
    let mut producer = memory.attach_first().producer::<u64>(4).unwrap();
    assert_eq!(second.peer_generation(), 2, "the restart is visible");
    assert_eq!(producer.free(), Ok(1), "the staged entry is lost");
    let _ = producer.send(&4).unwrap();

    assert_eq!(pop(&mut consumer), Some(1));
    let _ = consumer.release();
    assert_eq!(pop(&mut consumer), Some(2));
    let mut consumer = memory.attach_second().consumer::<u64>(4).unwrap();
    assert_eq!(
        pop(&mut consumer),
        Some(2),
        "taken but not released comes again"
    );
    assert_eq!((pop(&mut consumer), pop(&mut consumer)), (Some(3), Some(4)));
}

#[test]
fn contradicting_indices_are_resolved_by_who_attaches() {
    let memory = Memory::new(32);
    memory.first.store(layout::WRITE_AT, 1000_u32).unwrap();
    memory.second.store(layout::READ_AT, 5_u32).unwrap();
    let mut producer = memory.attach_first().producer::<u64>(4).unwrap();
    assert_eq!(producer.free(), Ok(4));
    assert_eq!(memory.first.load::<u32>(layout::WRITE_AT), Ok(5));

    memory.first.store(layout::WRITE_AT, 1000_u32).unwrap();
    let mut consumer = memory.attach_second().consumer::<u64>(4).unwrap();
    assert_eq!(consumer.available(), Ok(0));
    assert_eq!(memory.second.load::<u32>(layout::READ_AT), Ok(1000));
}

#[test]
fn a_generation_is_never_zero_after_attaching() {
    let memory = Memory::new(32);
    memory.hostile_second().generation(u32::MAX);
    let first = memory.attach_first();
    assert_eq!(first.peer_generation(), u32::MAX);
    let _ = memory.attach_second();
    assert_eq!(first.peer_generation(), 1);
}

#[test]
fn a_byte_stream_wraps() {
    let memory = Memory::new(8);
    start_at(&memory, u32::MAX - 2);
    let mut producer = memory.attach_first().byte_producer(8).unwrap();
    let mut consumer = memory.attach_second().byte_consumer(8).unwrap();
    assert_eq!(producer.write(b"0123456789"), Ok(8));
    assert_eq!(producer.write(b"x"), Ok(0));
    let mut into = [0; 10];
    assert_eq!(consumer.read(&mut into), Ok(0), "not yet published");
    let _ = producer.publish();
    assert_eq!(consumer.read(&mut into[..3]), Ok(3));
    assert_eq!(consumer.read(&mut into[3..]), Ok(5));
    assert_eq!(&into[..8], b"01234567");
    assert_eq!(producer.free(), Ok(0));
    let _ = consumer.release();
    assert_eq!(producer.free(), Ok(8));
}

// Shows BH-04.
#[test]
fn a_scribbling_peer_changes_nothing_but_its_own_data() {
    for byte in 0..=255 {
        let memory = Memory::new(64);
        let peer = memory.hostile_second();
        let link = memory.attach_first();
        let mut consumer = link.byte_consumer(64).unwrap();
        let mut producer = link.byte_producer(64).unwrap();
        peer.scribble(byte);
        let mut into = [0; 64];
        let taken = consumer.read(&mut into).unwrap_or(0);
        assert!(into[..taken].iter().all(|b| *b == byte));
        let _ = producer.write(&[1; 64]);
        let _ = (
            producer.publish(),
            producer.arm(1),
            consumer.arm(),
            consumer.release(),
        );
    }
}

#[test]
fn two_threads_exchange_everything_without_lost_wake_ups() {
    const COUNT: u64 = 50_000;
    let (_, mut producer, mut consumer) = ring(8);
    let (to_consumer, wake_consumer) = mpsc::channel::<()>();
    let (to_producer, wake_producer) = mpsc::channel::<()>();

    let sender = thread::spawn(move || {
        let mut signals = 0_u64;
        for value in 0..COUNT {
            loop {
                match producer.send(&value) {
                    Ok(wake) => {
                        if wake.is_needed() {
                            signals += 1;
                            to_consumer.send(()).unwrap();
                        }
                        break;
                    }
                    Err(PushError::Full) => {
                        if producer.arm(4).unwrap() == Armed::Sleep {
                            wake_producer.recv().unwrap();
                        }
                    }
                    Err(PushError::Peer(fault)) => panic!("{fault}"),
                }
            }
        }
        signals
    });

    let mut expected = 0;
    let mut armings = 0_u64;
    while expected < COUNT {
        while let Some(value) = pop(&mut consumer) {
            assert_eq!(value, expected);
            expected += 1;
            if consumer.release().is_needed() {
                let _ = to_producer.send(());
            }
        }
        armings += 1;
        if expected < COUNT && consumer.arm().unwrap() == Armed::Sleep {
            wake_consumer.recv().unwrap();
        }
    }
    let signals = sender.join().unwrap();
    assert!(
        signals <= armings + 1,
        "{signals} signals for {armings} armings"
    );
}

/// Store buffering: without the full fence, both sides may miss each other.
#[test]
fn arming_and_publishing_at_once_never_miss_each_other() {
    const ROUNDS: u32 = 100_000;
    let (_, mut producer, mut consumer) = ring(1);
    let turn = Arc::new(AtomicU32::new(0));
    let missed = Arc::new(AtomicU32::new(0));
    let meet = |turn: &AtomicU32, goal: u32| {
        turn.fetch_add(1, Ordering::AcqRel);
        let mut spins = 0_u32;
        while turn.load(Ordering::Acquire) < goal {
            spins += 1;
            // Spinning makes both arrive together; yielding helps where one core must do.
            if spins.is_multiple_of(2000) {
                thread::yield_now();
            }
        }
    };
    let (turn2, missed2) = (Arc::clone(&turn), Arc::clone(&missed));
    let sender = thread::spawn(move || {
        for round in 0..ROUNDS {
            meet(&turn2, round * 4 + 2);
            let wake = producer.send(&0).unwrap();
            // Bit 0: the consumer sleeps; bit 1: it was not woken.
            missed2.fetch_or(u32::from(!wake.is_needed()) << 1, Ordering::AcqRel);
            meet(&turn2, round * 4 + 4);
        }
    });
    for round in 0..ROUNDS {
        missed.store(0, Ordering::Release);
        meet(&turn, round * 4 + 2);
        let armed = consumer.arm().unwrap();
        missed.fetch_or(u32::from(armed == Armed::Sleep), Ordering::AcqRel);
        meet(&turn, round * 4 + 4);
        assert_ne!(
            missed.load(Ordering::Acquire),
            3,
            "lost wake-up in round {round}"
        );
        assert!(pop(&mut consumer).is_some());
        let _ = consumer.release();
    }
    sender.join().unwrap();
}

#[test]
fn slots_come_back_a_few_at_a_time() {
    let memory = Memory::new(0);
    start_at(&memory, u32::MAX - 1);
    let mut producer = memory.attach_first().slot_producer(4).unwrap();
    let mut consumer = memory.attach_second().slot_consumer(4).unwrap();
    assert_eq!(producer.free(1), Ok(4));
    assert_eq!([0, 1, 2, 3].map(|ahead| producer.slot(ahead)), [2, 3, 0, 1]);
    assert!(!consumer.take(), "nothing is known to be there");
    for _ in 0..4 {
        assert!(producer.stage());
    }
    assert!(!producer.stage(), "full");
    let _ = producer.publish();
    assert_eq!(consumer.available(1), Ok(4));
    assert_eq!(consumer.slot(0), 2);
    for _ in 0..3 {
        assert!(consumer.take());
    }
    assert_eq!(consumer.slot(0), 1);
    assert_eq!(producer.free(1), Ok(0), "taken is not released");
    let _ = consumer.release(2);
    assert_eq!(consumer.position(), 1, "wrapped");
    assert_eq!((consumer.held(), producer.free(1)), (1, Ok(2)));
    let _ = consumer.release(9);
    assert_eq!(consumer.held(), 0);
    assert_eq!(producer.free(4), Ok(3), "the fourth was not taken");
    assert_eq!(producer.arm(4), Ok(Armed::Sleep));
    assert!(consumer.take());
    assert_eq!(consumer.release(1), Wake::Needed);
    assert_eq!(producer.faults().count() + consumer.faults().count(), 0);
}

/// Steps of the model test.
#[derive(Clone, Copy, Debug)]
enum Step {
    Push(u64),
    Publish,
    Pop,
    Release,
    RestartProducer,
    RestartConsumer,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<u64>().prop_map(Step::Push),
        3 => Just(Step::Publish),
        4 => Just(Step::Pop),
        3 => Just(Step::Release),
        1 => Just(Step::RestartProducer),
        1 => Just(Step::RestartConsumer),
    ]
}

/// What an ideal ring holds.
#[derive(Default)]
struct Model {
    /// Taken but not released.
    taken: VecDeque<u64>,
    /// Published, not taken.
    waiting: VecDeque<u64>,
    /// Staged, not published.
    staged: VecDeque<u64>,
}

impl Model {
    fn len(&self) -> usize {
        self.taken.len() + self.waiting.len() + self.staged.len()
    }
}

proptest! {
    /// A ring behaves as the model for any sequence of steps, from any index, across restarts.
    #[test]
    fn entries_match_the_model(
        steps in proptest::collection::vec(any_step(), 0..80),
        start in prop_oneof![Just(0_u32), Just(u32::MAX - 3), any::<u32>()],
        log in 0_u32..4,
    ) {
        let capacity = 1 << log;
        let memory = Memory::new(capacity as usize * 8);
        start_at(&memory, start);
        let mut producer = memory.attach_first().producer::<u64>(capacity).unwrap();
        let mut consumer = memory.attach_second().consumer::<u64>(capacity).unwrap();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Push(value) => {
                    let fits = model.len() < capacity as usize;
                    prop_assert_eq!(producer.push(&value).is_ok(), fits);
                    if fits {
                        model.staged.push_back(value);
                    }
                }
                Step::Publish => {
                    let _ = producer.publish();
                    model.waiting.append(&mut model.staged);
                }
                Step::Pop => {
                    let expected = model.waiting.pop_front();
                    prop_assert_eq!(pop(&mut consumer), expected);
                    model.taken.extend(expected);
                }
                Step::Release => {
                    let _ = consumer.release();
                    model.taken.clear();
                }
                Step::RestartProducer => {
                    producer = memory.attach_first().producer(capacity).unwrap();
                    model.staged.clear();
                }
                Step::RestartConsumer => {
                    consumer = memory.attach_second().consumer(capacity).unwrap();
                    model.taken.append(&mut model.waiting);
                    std::mem::swap(&mut model.taken, &mut model.waiting);
                }
            }
        }
        prop_assert_eq!(producer.faults().count() + consumer.faults().count(), 0);
    }

    /// A byte stream delivers the bytes in order, whatever the chunks.
    #[test]
    fn bytes_match_the_model(
        chunks in proptest::collection::vec((0_u8..20, 0_usize..20), 0..60),
        start in prop_oneof![Just(0_u32), Just(u32::MAX - 3), any::<u32>()],
    ) {
        let memory = Memory::new(16);
        start_at(&memory, start);
        let mut producer = memory.attach_first().byte_producer(16).unwrap();
        let mut consumer = memory.attach_second().byte_consumer(16).unwrap();
        let (mut sent, mut received) = (Vec::new(), Vec::new());
        let mut next = 0_u8;
        for (write, read) in chunks {
            let chunk: Vec<u8> = (0..write).map(|i| next.wrapping_add(i)).collect();
            let written = producer.write(&chunk).unwrap();
            prop_assert_eq!(written, usize::from(write).min(16 - (sent.len() - received.len())));
            sent.extend_from_slice(&chunk[..written]);
            next = sent.last().map_or(0, |last| last.wrapping_add(1));
            let _ = producer.publish();
            let mut into = std::vec![0; read];
            let taken = consumer.read(&mut into).unwrap();
            received.extend_from_slice(&into[..taken]);
            let _ = consumer.release();
        }
        prop_assert_eq!(&received[..], &sent[..received.len()]);
    }

    /// No sequence of words from a hostile peer panics, hands out more than the capacity, or
    /// touches memory outside the ring.
    // Shows BH-05.
    #[test]
    fn a_hostile_peer_cannot_break_a_side(
        words in proptest::collection::vec((0_u8..5, any::<u32>(), any::<bool>()), 0..60),
    ) {
        let memory = Memory::new(64);
        let peer = memory.hostile_second();
        let link = memory.attach_first();
        let mut producer = link.producer::<u64>(8).unwrap();
        let mut consumer = link.consumer::<u64>(8).unwrap();
        for (which, value, near) in words {
            // Values near the indices in use find more than values from all of u32.
            let value = if near { value % 24 } else { value };
            match which {
                0 => peer.write_index(value),
                1 => peer.read_index(value),
                2 => peer.wake_data(value),
                3 => peer.wake_space(value),
                _ => peer.generation(value),
            }
            prop_assert!(producer.free().unwrap_or(0) <= 8);
            prop_assert!(consumer.available().unwrap_or(0) <= 8);
            if consumer.pop().is_err() && near {
                let _ = consumer.resync();
            }
            let _ = (producer.push(&7), producer.publish(), producer.arm(value));
            let _ = (consumer.release(), consumer.arm());
        }
    }
}
