// SPDX-License-Identifier: BSD-2-Clause
//! Tests named after the clauses of VIRTIO 1.3 and the cases of hostile-guest.md, with a driver
//! that writes whatever it likes into the queue's memory.

mod mock_driver;

use guest_mem::GuestMem;
use proptest::prelude::*;
use shm::{Region, Rw, fake};
use units::Gpa;
use vio::{Backend, Offer, QueueConfig};
use virtio::queue::Descriptor;

use super::*;

const RAM: u64 = 0x4000_0000;
const RAM_SIZE: usize = 0x1_0000;
const DESC: usize = 0;
const AVAIL: usize = 0x400;
const USED: usize = 0x600;
const TABLE: usize = 0x1000;
const DATA: u64 = RAM + 0x2000;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

/// Queue memory that both sides see, and the driver's own indices.
struct Rig {
    ram: Region<Rw>,
    mem: GuestMem,
    queue: Queue,
    answers: Region<Rw>,
    chain: Chain,
    size: u16,
    avail: u16,
    event_idx: bool,
}

fn backend(answers: Region<Rw>) -> Backend {
    let offer = Offer {
        device: 3,
        features: 0,
        queues: 1,
        queue_max: 64,
        config_len: 0,
    };
    Backend::new(fake::region(0x1000).read_only(), answers, offer, &[]).unwrap()
}

fn config(size: u16) -> QueueConfig {
    let at = |offset: usize| RAM + offset as u64;
    QueueConfig {
        size,
        ready: true,
        desc: at(DESC),
        driver: at(AVAIL),
        device: at(USED),
    }
}

impl Rig {
    fn new(size: u16, event_idx: bool) -> Self {
        let ram = fake::region(RAM_SIZE);
        let mem = GuestMem::new().with(Gpa::new(RAM), ram).unwrap();
        let answers = fake::region(0x1000);
        let inflight = backend(answers).inflight(0, size).unwrap();
        let setup = Setup {
            mem: &mem,
            config: config(size),
            event_idx,
            indirect: true,
            inflight,
        };
        let queue = Queue::new(setup).unwrap();
        Self {
            ram,
            mem,
            queue,
            answers,
            chain: Chain::new(),
            size,
            avail: 0,
            event_idx,
        }
    }

    /// The backend died; a new one takes over from memory.
    fn restart(&mut self) -> Result<(), Fault> {
        let inflight = backend(self.answers).inflight(0, self.size).unwrap();
        let (mem, config, event_idx) = (&self.mem, config(self.size), self.event_idx);
        self.queue = Queue::resume(Setup {
            mem,
            config,
            event_idx,
            indirect: true,
            inflight,
        })?;
        Ok(())
    }

    /// Entry `at.1` of the table at offset `at.0`.
    fn put(&self, at: (usize, u16), addr: u64, len: u32, flags: u16, next: u16) {
        let descriptor = Descriptor {
            addr: addr.into(),
            len: len.into(),
            flags: flags.into(),
            next: next.into(),
        };
        self.ram
            .write(at.0 + usize::from(at.1) * 16, &descriptor)
            .unwrap();
    }

    /// A descriptor of the queue's own table.
    fn desc(&self, index: u16, addr: u64, len: u32, flags: u16, next: u16) {
        self.put((DESC, index), addr, len, flags, next);
    }

    fn set_avail_idx(&mut self, idx: u16) {
        self.avail = idx;
        self.ram.store_release(AVAIL + 2, idx).unwrap();
    }

    fn submit(&mut self, head: u16) {
        let slot = AVAIL + 4 + usize::from(self.avail % self.size) * 2;
        self.ram.store(slot, head).unwrap();
        self.set_avail_idx(self.avail.wrapping_add(1));
    }

    /// One buffer of 16 bytes at its own address.
    fn submit_simple(&mut self, head: u16) {
        self.desc(head, DATA + u64::from(head) * 16, 16, 0, 0);
        self.submit(head);
    }

    fn pop(&mut self) -> Result<Popped, Fault> {
        self.queue.pop(&mut self.chain)
    }

    fn used_idx(&self) -> u16 {
        self.ram.load(USED + 2).unwrap()
    }

    fn used(&self, index: u16) -> (u32, u32) {
        let slot = USED + 4 + usize::from(index % self.size) * 8;
        (
            self.ram.load(slot).unwrap(),
            self.ram.load(slot + 4).unwrap(),
        )
    }

    fn set_used_event(&self, event: u16) {
        self.ram
            .store(AVAIL + 4 + usize::from(self.size) * 2, event)
            .unwrap();
    }

    fn avail_event(&self) -> u16 {
        self.ram
            .load(USED + 4 + usize::from(self.size) * 8)
            .unwrap()
    }

    /// Lengths of the chain's buffers: those to read, those to write.
    fn lens(&self) -> (Vec<usize>, Vec<usize>) {
        let lens = |buffers: &[Region<Rw>]| buffers.iter().map(Region::len).collect();
        (lens(self.chain.readable()), lens(self.chain.writable()))
    }
}

#[test]
fn clause_2_7_a_request_goes_through() {
    let mut rig = Rig::new(8, false);
    assert_eq!(rig.pop(), Ok(Popped::Empty));
    rig.ram.copy_out(0x2000, b"hello world").unwrap();
    rig.desc(5, DATA, 6, NEXT, 2);
    rig.desc(2, DATA + 6, 5, NEXT, 7);
    rig.desc(7, DATA + 0x100, 4, WRITE | NEXT, 1);
    rig.desc(1, DATA + 0x200, 4, WRITE, 0);
    rig.submit(5);
    assert_eq!(rig.pop(), Ok(Popped::Chain));
    assert_eq!(rig.lens(), (vec![6, 5], vec![4, 4]));
    let mut bytes = [0; 20];
    let mut reader = rig.chain.reader();
    assert_eq!(reader.remaining(), 11);
    assert_eq!(reader.read(&mut bytes), 11);
    assert_eq!(&bytes[..11], b"hello world");
    let mut writer = rig.chain.writer();
    assert_eq!(writer.write(b"abcdefghij"), 8);
    let mut back = [0; 4];
    rig.ram.copy_in(0x2200, &mut back).unwrap();
    assert_eq!(&back, b"efgh");
    rig.queue.complete(rig.chain.head(), 8);
    assert_eq!(rig.used_idx(), 0, "nothing is seen before it is published");
    rig.queue.publish();
    assert_eq!((rig.used_idx(), rig.used(0)), (1, (5, 8)));
    assert_eq!(rig.pop(), Ok(Popped::Empty));
}

#[test]
fn clause_2_7_4_framing_has_no_meaning() {
    let mut rig = Rig::new(8, false);
    for (index, len) in [3, 1, 5].into_iter().enumerate() {
        let index = u16::try_from(index).unwrap();
        rig.desc(
            index,
            DATA + u64::from(index) * 8,
            len,
            if index < 2 { NEXT } else { 0 },
            index + 1,
        );
    }
    rig.submit(0);
    rig.pop().unwrap();
    let mut cursor = rig.chain.reader();
    cursor.skip(2);
    assert_eq!(cursor.next(100).map(|piece| piece.len()), Some(1));
    assert_eq!(cursor.next(0).map(|piece| piece.len()), None);
    let mut rest = [0; 4];
    assert_eq!(cursor.read(&mut rest), 4);
    assert_eq!(cursor.remaining(), 2);
    cursor.skip(usize::MAX);
    assert_eq!((cursor.remaining(), cursor.next(9).is_none()), (0, true));
}

#[test]
fn h21_the_available_index_wraps_but_does_not_jump() {
    let mut rig = Rig::new(4, false);
    for round in 0..0x1_0010_u32 {
        rig.submit_simple(u16::try_from(round % 4).unwrap());
        assert_eq!(rig.pop(), Ok(Popped::Chain));
        rig.queue.complete(rig.chain.head(), 0);
        rig.queue.publish();
    }
    assert_eq!(rig.used_idx(), 0x10);
    rig.set_avail_idx(rig.avail.wrapping_add(5));
    assert_eq!(rig.pop(), Err(Fault::AvailIndex));
    let mut rig = Rig::new(4, false);
    rig.set_avail_idx(0xffff);
    assert_eq!(rig.pop(), Err(Fault::AvailIndex), "backward");
}

#[test]
fn h22_head_out_of_range() {
    for head in [4, 0x8000, 0xffff] {
        let mut rig = Rig::new(4, false);
        rig.submit(head);
        assert_eq!(rig.pop(), Err(Fault::Index));
    }
}

#[test]
fn h23_loops_and_chains_longer_than_the_queue() {
    let mut rig = Rig::new(4, false);
    rig.desc(0, DATA, 8, NEXT, 0);
    rig.submit(0);
    assert_eq!(rig.pop(), Err(Fault::TooLong));
    let mut rig = Rig::new(4, false);
    for index in 0..4 {
        rig.desc(index, DATA, 8, NEXT, (index + 1) % 4);
    }
    rig.submit(2);
    assert_eq!(rig.pop(), Err(Fault::TooLong));
    rig.desc(1, DATA, 8, 0, 0);
    assert_eq!(rig.pop(), Ok(Popped::Chain), "4 of 4 are fine");
}

#[test]
fn h24_next_out_of_range() {
    let mut rig = Rig::new(4, false);
    rig.desc(0, DATA, 8, NEXT, 4);
    rig.submit(0);
    assert_eq!(rig.pop(), Err(Fault::Index));
}

#[test]
fn h25_and_h26_buffers_that_cannot_be() {
    let end = RAM + RAM_SIZE as u64;
    for (addr, len, error) in [
        (DATA, 0, ChainError::Empty),
        (DATA, u32::MAX, ChainError::Address),
        (u64::MAX, 2, ChainError::Address),
        (u64::MAX - 7, 8, ChainError::Address),
        (end, 1, ChainError::Address),
        (end - 1, 2, ChainError::Address),
        (RAM - 1, 2, ChainError::Address),
        (0x0900_0000, 4, ChainError::Address),
    ] {
        let mut rig = Rig::new(4, false);
        rig.desc(1, DATA, 8, NEXT, 0);
        rig.desc(0, addr, len, WRITE, 0);
        rig.submit(1);
        assert_eq!(rig.pop(), Ok(Popped::Bad(error)), "{addr:#x} {len:#x}");
        rig.queue.publish();
        assert_eq!((rig.used_idx(), rig.used(0)), (1, (1, 0)));
        rig.submit_simple(1);
        assert_eq!(rig.pop(), Ok(Popped::Chain), "the queue goes on");
    }
}

#[test]
fn h25_a_sum_above_32_bits_is_refused() {
    // Two regions' worth of addresses cannot be had on the heap: the chain is fed directly.
    // The same region again and again makes up the sum.
    let mut chain = Chain::<256>::new();
    chain.start(0);
    let large = fake::region(1 << 25);
    let pushed = (0..127)
        .map(|_| chain.push(Ok(large), true))
        .collect::<Result<Vec<()>, _>>();
    assert!(pushed.is_ok());
    assert_eq!(
        chain.push(Ok(large), true),
        Err(ChainError::Length),
        "128 × 2^25 = 2^32"
    );
}

#[test]
fn a_chain_with_more_buffers_than_the_device_takes_is_bad() {
    let mut rig = Rig::new(64, false);
    for index in 0..64 {
        let flags = if index < 63 { NEXT | WRITE } else { WRITE };
        rig.desc(index, DATA, 1, flags, index + 1);
    }
    rig.submit(0);
    let mut chain = Chain::<63>::new();
    assert_eq!(
        rig.queue.pop(&mut chain),
        Ok(Popped::Bad(ChainError::Buffers))
    );
    rig.queue.publish();
    assert_eq!((rig.used_idx(), rig.used(0)), (1, (0, 0)));
    rig.submit(0);
    let mut chain = Chain::<64>::new();
    assert_eq!(rig.queue.pop(&mut chain), Ok(Popped::Chain));
}

#[test]
fn bad_requests_can_be_kept_to_write_a_status() {
    let mut rig = Rig::new(8, false);
    rig.queue.keep_bad();
    let pop = |rig: &mut Rig, head, flags: u16, len: u32| {
        rig.desc(head, 0x0900_0000, 8, NEXT | flags, 7);
        rig.desc(7, DATA, len, WRITE, 0);
        rig.submit(head);
        let popped = rig.pop().unwrap();
        (popped, rig.chain.tail().map(Region::len))
    };
    let address = Popped::Bad(ChainError::Address);
    assert_eq!(pop(&mut rig, 0, 0, 3), (address, Some(3)));
    assert_eq!(pop(&mut rig, 1, 0, 0), (address, None), "no byte to write");
    rig.queue.publish();
    assert_eq!((rig.used_idx(), rig.queue.in_flight()), (0, 2));
    rig.queue.complete(0, 1);
    rig.queue.publish();
    assert_eq!((rig.used_idx(), rig.used(0)), (1, (0, 1)));
    rig.desc(2, DATA, 8, WRITE, 0);
    rig.submit(2);
    assert_eq!(rig.pop(), Ok(Popped::Chain));
    assert_eq!(rig.chain.tail().map(Region::len), Some(8));
    rig.submit_simple(3);
    rig.pop().unwrap();
    assert_eq!(rig.chain.tail().map(Region::len), None, "only to be read");
}

#[test]
fn a_batch_is_published_at_once_and_its_heads_are_free_only_then() {
    let mut rig = Rig::new(8, false);
    for head in 0..5 {
        rig.submit_simple(head);
    }
    for _ in 0..5 {
        rig.pop().unwrap();
    }
    for head in [4, 0, 2] {
        rig.queue.complete(head, u32::from(head) + 1);
        rig.queue.complete(head, 99);
    }
    assert_eq!((rig.used_idx(), rig.queue.in_flight()), (0, 5));
    rig.submit_simple(4);
    assert_eq!(
        rig.pop(),
        Err(Fault::InFlight),
        "the driver cannot know that it is done"
    );
    assert!(rig.queue.take_notification());
    let used: Vec<_> = (0..3).map(|index| rig.used(index)).collect();
    assert_eq!((rig.used_idx(), used), (3, vec![(4, 5), (0, 1), (2, 3)]));
    assert_eq!(rig.queue.in_flight(), 2);
    assert_eq!(rig.pop(), Ok(Popped::Chain));
}

#[test]
fn the_available_index_is_fetched_once_per_batch() {
    let mut rig = Rig::new(8, false);
    for head in 0..3 {
        rig.submit_simple(head);
    }
    rig.pop().unwrap();
    // Whatever the driver does to it now is looked at when those three are taken.
    rig.set_avail_idx(77);
    assert_eq!(rig.pop(), Ok(Popped::Chain));
    assert_eq!(rig.pop(), Ok(Popped::Chain));
    assert_eq!(rig.pop(), Err(Fault::AvailIndex));
}

#[test]
fn the_largest_queue_has_every_head_in_flight() {
    let ram = fake::region(RAM_SIZE);
    let mem = GuestMem::new().with(Gpa::new(RAM), ram).unwrap();
    let size = MAX_SIZE;
    let offer = Offer {
        device: 3,
        features: 0,
        queues: 1,
        queue_max: size,
        config_len: 0,
    };
    let orders = fake::region(0x1000).read_only();
    let backend = Backend::new(orders, fake::region(0x2000), offer, &[]).unwrap();
    let config = QueueConfig {
        size,
        ready: true,
        desc: RAM,
        driver: RAM + 0x1000,
        device: RAM + 0x2000,
    };
    let inflight = backend.inflight(0, size).unwrap();
    let (event_idx, indirect) = (false, true);
    let mut queue = Queue::new(Setup {
        mem: &mem,
        config,
        event_idx,
        indirect,
        inflight,
    })
    .unwrap();
    let mut chain = <Chain>::new();
    for round in 0..3_u16 {
        for head in 0..size {
            let descriptor = Descriptor {
                addr: DATA.into(),
                len: 8.into(),
                ..Descriptor::default()
            };
            ram.write(usize::from(head) * 16, &descriptor).unwrap();
            ram.store(0x1004 + usize::from(head) * 2, head).unwrap();
        }
        ram.store_release(0x1002, (round + 1) * size).unwrap();
        for head in 0..size {
            assert_eq!(queue.pop(&mut chain), Ok(Popped::Chain));
            assert_eq!(chain.head(), head);
        }
        assert_eq!(queue.pop(&mut chain), Ok(Popped::Empty));
        assert_eq!(queue.in_flight(), u32::from(size));
        for head in (0..size).rev() {
            queue.complete(head, 0);
        }
        assert!(queue.take_notification());
        assert_eq!(queue.in_flight(), 0);
        assert_eq!(ram.load::<u16>(0x2002), Ok((round + 1) * size));
    }
}

#[test]
fn h27_legal_indirect_forms_work() {
    let mut rig = Rig::new(8, false);
    let table = RAM + TABLE as u64;
    rig.put((TABLE, 0), DATA, 3, NEXT, 2);
    rig.put((TABLE, 2), DATA, 4, WRITE, 0);
    // WRITE on the indirect descriptor itself is ignored (2.7.5.3.2).
    rig.desc(0, table, 48, INDIRECT | WRITE, 0);
    rig.submit(0);
    assert_eq!(rig.pop(), Ok(Popped::Chain));
    assert_eq!(rig.lens(), (vec![3], vec![4]));
    // After normal descriptors (2.7.5.3.2).
    rig.desc(1, DATA, 7, NEXT, 2);
    rig.desc(2, table, 48, INDIRECT, 0);
    rig.submit(1);
    assert_eq!(rig.pop(), Ok(Popped::Chain));
    assert_eq!(rig.lens(), (vec![7, 3], vec![4]));
    // As many as the queue has.
    for index in 0..8 {
        rig.put(
            (TABLE, index),
            DATA,
            1,
            if index < 7 { NEXT } else { 0 },
            index + 1,
        );
    }
    rig.desc(3, table, 128, INDIRECT, 0);
    rig.submit(3);
    assert_eq!(rig.pop(), Ok(Popped::Chain));
    assert_eq!(rig.lens().0.len(), 8);
}

#[test]
fn h27_other_indirect_forms_are_faults() {
    let table = RAM + TABLE as u64;
    let end = RAM + RAM_SIZE as u64;
    for (addr, len, flags) in [
        (table, 16, INDIRECT | NEXT),
        (table, 0, INDIRECT),
        (table, 17, INDIRECT),
        (table, 15, INDIRECT),
        (table, 16 * 9, INDIRECT),
        (table, 0xffff_fff0, INDIRECT),
        (end - 16, 32, INDIRECT),
        (u64::MAX - 8, 16, INDIRECT),
        (0, 16, INDIRECT),
    ] {
        let mut rig = Rig::new(8, false);
        rig.put((TABLE, 0), DATA, 1, 0, 0);
        rig.desc(0, addr, len, flags, 1);
        rig.submit(0);
        assert_eq!(rig.pop(), Err(Fault::Indirect), "{addr:#x} {len} {flags}");
    }
    let nested = |flags, next| {
        let mut rig = Rig::new(8, false);
        rig.put((TABLE, 0), table, 16, flags, next);
        rig.desc(0, table, 32, INDIRECT, 0);
        rig.submit(0);
        rig.pop()
    };
    assert_eq!(nested(INDIRECT, 0), Err(Fault::Indirect));
    assert_eq!(nested(NEXT, 2), Err(Fault::Index));
    assert_eq!(nested(NEXT, 0), Err(Fault::TooLong));
    let mut rig = Rig::new(8, false);
    rig.queue = {
        let inflight = backend(fake::region(0x1000)).inflight(0, 8).unwrap();
        let (mem, config) = (&rig.mem, config(8));
        Queue::new(Setup {
            mem,
            config,
            event_idx: false,
            indirect: false,
            inflight,
        })
        .unwrap()
    };
    rig.put((TABLE, 0), DATA, 1, 0, 0);
    rig.desc(0, table, 16, INDIRECT, 0);
    rig.submit(0);
    assert_eq!(rig.pop(), Err(Fault::Indirect), "not negotiated");
}

#[test]
fn h28_readable_after_writable() {
    let mut rig = Rig::new(4, false);
    rig.desc(0, DATA, 8, WRITE | NEXT, 1);
    rig.desc(1, DATA, 8, 0, 0);
    rig.submit(0);
    assert_eq!(rig.pop(), Ok(Popped::Bad(ChainError::Order)));
}

// Shows BH-03.
#[test]
fn h29_descriptors_rewritten_after_the_fetch_have_no_effect() {
    let mut rig = Rig::new(4, false);
    rig.submit_simple(0);
    rig.pop().unwrap();
    rig.desc(0, u64::MAX, u32::MAX, NEXT | INDIRECT, 0xffff);
    assert_eq!(rig.lens(), (vec![16], vec![]));
    assert_eq!(rig.chain.reader().read(&mut [0; 100]), 16);
}

#[test]
fn h30_the_used_ring_is_written_and_never_read() {
    let mut rig = Rig::new(4, false);
    for head in 0..3 {
        rig.submit_simple(head);
        rig.pop().unwrap();
        rig.ram.fill(USED, 100, 0xa5).unwrap();
        rig.queue.complete(head, 9);
        rig.queue.publish();
        assert_eq!(rig.used_idx(), head + 1);
        assert_eq!(rig.used(head), (u32::from(head), 9));
    }
}

#[test]
fn h31_the_same_head_twice_while_in_flight() {
    let mut rig = Rig::new(4, false);
    rig.submit_simple(1);
    rig.submit(1);
    assert_eq!(rig.pop(), Ok(Popped::Chain));
    assert_eq!(rig.pop(), Err(Fault::InFlight));
    rig.queue.complete(1, 0);
    rig.queue.publish();
    assert_eq!(rig.pop(), Ok(Popped::Chain));
    rig.queue.complete(2, 0);
    rig.queue.complete(99, 0);
    rig.queue.complete(300, 0);
    rig.queue.publish();
    assert_eq!(rig.used_idx(), 1, "heads that are not in flight");
    assert_eq!(rig.queue.in_flight(), 1);
}

#[test]
fn clause_2_7_7_notifications_by_flag() {
    let mut rig = Rig::new(4, false);
    let give = |rig: &mut Rig, flags: u16| {
        rig.ram.store(AVAIL, flags).unwrap();
        rig.submit_simple(0);
        rig.pop().unwrap();
        rig.queue.complete(0, 0);
        rig.queue.take_notification()
    };
    assert!(give(&mut rig, 0));
    assert!(!rig.queue.take_notification(), "nothing new");
    assert!(!give(&mut rig, 1));
    assert!(give(&mut rig, 0));
    rig.queue.disarm();
    assert_eq!(rig.ram.load::<u16>(USED), Ok(1));
    assert!(!rig.queue.arm());
    assert_eq!(rig.ram.load::<u16>(USED), Ok(0));
}

#[test]
fn clause_2_7_7_2_notifications_by_used_event() {
    let mut rig = Rig::new(8, true);
    rig.set_used_event(2);
    let mut told = Vec::new();
    for head in 0..6 {
        rig.submit_simple(head);
        rig.pop().unwrap();
        rig.queue.complete(head, 0);
        told.push(rig.queue.take_notification());
    }
    assert_eq!(told, [false, false, true, false, false, false]);
    rig.set_used_event(6);
    for head in 0..2 {
        rig.submit_simple(head);
        rig.pop().unwrap();
        rig.queue.complete(head, 0);
    }
    assert!(rig.queue.take_notification(), "crossed within a batch");
}

#[test]
fn clause_2_7_10_arm_and_look_again() {
    let mut rig = Rig::new(8, true);
    assert!(!rig.queue.arm());
    assert_eq!(rig.avail_event(), 0);
    rig.submit_simple(0);
    assert!(
        rig.queue.arm(),
        "a request that came before arming is not slept over"
    );
    rig.pop().unwrap();
    assert!(!rig.queue.arm());
    assert_eq!(rig.avail_event(), 1);
}

#[test]
fn impossible_queues_are_refused() {
    let rig = Rig::new(8, false);
    let good = config(8);
    for bad in [
        QueueConfig { size: 0, ..good },
        QueueConfig { size: 6, ..good },
        QueueConfig { size: 512, ..good },
        QueueConfig {
            ready: false,
            ..good
        },
        QueueConfig {
            desc: good.desc + 8,
            ..good
        },
        QueueConfig {
            driver: good.driver + 1,
            ..good
        },
        QueueConfig {
            device: good.device + 2,
            ..good
        },
        QueueConfig {
            desc: RAM + RAM_SIZE as u64 - 112,
            ..good
        },
        QueueConfig { driver: 0, ..good },
        QueueConfig {
            device: u64::MAX - 3,
            ..good
        },
    ] {
        let inflight = backend(fake::region(0x1000)).inflight(0, 8).unwrap();
        let setup = Setup {
            mem: &rig.mem,
            config: bad,
            event_idx: false,
            indirect: true,
            inflight,
        };
        assert_eq!(Queue::new(setup).unwrap_err(), Fault::Setup, "{bad:x?}");
    }
}

// Shows BH-25.
#[test]
fn r6_a_new_backend_resumes_where_the_old_one_died() {
    let mut rig = Rig::new(8, true);
    rig.set_used_event(0x8000);
    for head in [3, 1, 6, 0] {
        rig.submit_simple(head);
    }
    for _ in 0..3 {
        rig.pop().unwrap();
    }
    rig.queue.note(1, 77);
    rig.queue.complete(3, 0);
    rig.queue.publish();
    rig.restart().unwrap();
    let (first, popped) = rig.queue.unfinished(0, &mut rig.chain).unwrap().unwrap();
    assert_eq!((first.head, first.cookie, popped), (1, 77, Popped::Chain));
    let (second, _) = rig
        .queue
        .unfinished(first.sequence, &mut rig.chain)
        .unwrap()
        .unwrap();
    assert_eq!(second.head, 6);
    assert_eq!(
        rig.queue.unfinished(second.sequence, &mut rig.chain),
        Ok(None)
    );
    rig.queue.complete(6, 0);
    rig.queue.complete(1, 0);
    assert_eq!(rig.pop(), Ok(Popped::Chain));
    assert_eq!(rig.chain.head(), 0);
    rig.queue.complete(0, 0);
    rig.queue.publish();
    let heads: Vec<u32> = (0..4).map(|index| rig.used(index).0).collect();
    assert_eq!((rig.used_idx(), heads), (4, vec![3, 6, 1, 0]));
}

#[test]
fn r6_a_notification_that_the_old_backend_still_owed_is_sent() {
    let mut rig = Rig::new(8, true);
    rig.set_used_event(0);
    for head in 0..3 {
        rig.submit_simple(head);
        rig.pop().unwrap();
        rig.queue.complete(head, 0);
    }
    rig.queue.publish();
    rig.restart().unwrap();
    assert!(rig.queue.take_notification());
    assert!(!rig.queue.take_notification(), "once");
}

#[test]
fn r6_what_was_given_back_but_not_published_is_done_again() {
    let mut rig = Rig::new(8, true);
    for head in [5, 2] {
        rig.submit_simple(head);
        rig.pop().unwrap();
        rig.queue.note(head, 9);
        rig.queue.complete(head, 0);
    }
    rig.restart().unwrap();
    let (first, _) = rig.queue.unfinished(0, &mut rig.chain).unwrap().unwrap();
    assert_eq!((first.head, first.cookie, rig.used_idx()), (5, 9, 0));
    let next = rig.queue.unfinished(first.sequence, &mut rig.chain);
    assert_eq!(next.unwrap().unwrap().0.head, 2);
}

#[test]
fn r6_a_death_between_publishing_and_noting_it_repeats_nothing() {
    let mut rig = Rig::new(8, true);
    for head in [5, 2, 1] {
        rig.submit_simple(head);
        rig.pop().unwrap();
    }
    rig.queue.complete(5, 0);
    rig.queue.complete(1, 0);
    // As `publish` leaves memory after the used index: the table has the batch of 2 from 0 on.
    rig.answers.store(0x200, 2_u32 << 16).unwrap();
    rig.ram.store(USED + 2, 2_u16).unwrap();
    rig.restart().unwrap();
    let (only, _) = rig.queue.unfinished(0, &mut rig.chain).unwrap().unwrap();
    assert_eq!(only.head, 2);
    let next = rig.queue.unfinished(only.sequence, &mut rig.chain);
    assert_eq!(next, Ok(None));
}

#[test]
fn requests_that_are_put_back_are_found_again() {
    let mut rig = Rig::new(8, true);
    for head in [5, 3, 7] {
        rig.submit_simple(head);
    }
    let take = |rig: &mut Rig| {
        assert_eq!(rig.pop(), Ok(Popped::Chain));
        rig.chain.head()
    };
    assert_eq!((take(&mut rig), take(&mut rig)), (5, 3));
    rig.queue.complete(5, 1);
    rig.queue.put_back(5);
    rig.queue.put_back(3);
    rig.queue.put_back(3);
    rig.queue.put_back(60);
    assert_eq!(take(&mut rig), 3, "once, and what was completed stays so");
    assert_eq!(take(&mut rig), 7);
    rig.queue.put_back(7);
    rig.queue.put_back(3);
    rig.queue.publish();
    assert_eq!((rig.used_idx(), rig.queue.in_flight()), (1, 0));
    rig.restart().unwrap();
    assert_eq!((take(&mut rig), take(&mut rig)), (3, 7));
    assert_eq!(rig.pop(), Ok(Popped::Empty));
}

#[test]
fn a_device_that_needs_more_requests_hears_of_the_next_one() {
    let mut rig = Rig::new(8, true);
    rig.submit_simple(0);
    rig.submit_simple(1);
    for head in [0, 1] {
        assert_eq!(rig.pop(), Ok(Popped::Chain));
        assert_eq!(rig.chain.head(), head);
    }
    assert_eq!(rig.pop(), Ok(Popped::Empty));
    rig.queue.put_back(1);
    rig.queue.put_back(0);
    assert!(rig.queue.arm(), "there are some");
    assert!(!rig.queue.arm_for_more());
    assert_eq!(rig.avail_event(), 2);
    rig.submit_simple(2);
    assert!(rig.queue.arm_for_more(), "it came meanwhile");
    for head in [0, 1, 2] {
        assert_eq!(rig.pop(), Ok(Popped::Chain));
        assert_eq!(rig.chain.head(), head);
    }
}

#[test]
fn r6_a_queue_that_is_rewound_takes_its_requests_again() {
    let mut rig = Rig::new(8, true);
    for head in [6, 1, 4, 2] {
        rig.submit_simple(head);
    }
    for _ in 0..3 {
        assert_eq!(rig.pop(), Ok(Popped::Chain));
    }
    rig.queue.complete(6, 9);
    rig.queue.publish();
    rig.queue.complete(1, 9);
    rig.restart().unwrap();
    rig.queue.rewind();
    for head in [1, 4, 2] {
        assert_eq!(rig.pop(), Ok(Popped::Chain));
        assert_eq!(rig.chain.head(), head);
        rig.queue.complete(head, 0);
    }
    rig.queue.publish();
    let used: Vec<u32> = (0..rig.used_idx()).map(|at| rig.used(at).0).collect();
    assert_eq!(used, [6, 1, 4, 2]);
}

#[test]
fn a_driver_that_changes_the_used_index_cannot_be_resumed() {
    let mut rig = Rig::new(8, false);
    rig.submit_simple(0);
    rig.pop().unwrap();
    rig.ram.store(USED + 2, 5_u16).unwrap();
    assert_eq!(rig.restart(), Err(Fault::Resume));
}

#[test]
fn faults_have_distinct_codes() {
    let codes: Vec<u32> = Fault::ALL.iter().map(|fault| fault.code()).collect();
    assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7]);
}

proptest! {
    /// Arbitrary bytes in the whole of guest memory, arbitrary steps: no panic, chains within
    /// bounds, and memory outside the used area and the chains' writable buffers unchanged.
    #[test]
    fn arbitrary_memory(
        bytes in proptest::collection::vec(any::<u8>(), 0x800),
        flags in proptest::collection::vec(0_u16..8, 64),
        steps in proptest::collection::vec((0_u8..6, any::<u16>()), 1..80),
        size in prop_oneof![Just(1_u16), Just(4), Just(64)],
        event_idx: bool,
        sane: bool,
    ) {
        let mut rig = Rig::new(size, event_idx);
        rig.ram.copy_out(0, &bytes).unwrap();
        rig.ram.store(USED + 2, 0_u16).unwrap();
        if sane {
            for (index, flags) in (0..size).zip(flags) {
                let word = u16::from_le_bytes([bytes[usize::from(index)], bytes[usize::from(index) + 64]]);
                let addr = if word % 5 == 0 { RAM + TABLE as u64 } else { DATA + u64::from(word) };
                rig.desc(index, addr, u32::from(word % 64), flags, word % size);
                rig.put((TABLE, index), DATA, 16, flags & 3, word % 6);
                rig.ram.store(AVAIL + 4 + usize::from(index) * 2, (word >> 8) % size).unwrap();
            }
            rig.set_avail_idx(0);
        }
        for (step, value) in steps {
            match step {
                0 => rig.set_avail_idx(rig.avail.wrapping_add(value % (size + 1))),
                1 => rig.queue.complete(value % 70, u32::from(value)),
                2 => { rig.queue.take_notification(); }
                3 => { rig.queue.arm(); }
                4 if value % 8 == 0 && rig.restart().is_err() => return Ok(()),
                _ => {}
            }
            match rig.pop() {
                Ok(Popped::Chain) => {
                    let buffers = rig.chain.readable().len() + rig.chain.writable().len();
                    prop_assert!((1..=usize::from(size)).contains(&buffers));
                    for buffer in rig.chain.readable().iter().chain(rig.chain.writable()) {
                        let at = buffer.address() - rig.ram.address();
                        prop_assert!(at + buffer.len() as u64 <= RAM_SIZE as u64);
                    }
                }
                Ok(_) => {}
                Err(_) => return Ok(()),
            }
            prop_assert!(rig.queue.in_flight() <= u32::from(size));
        }
    }

    /// H-32: whatever the driver writes into used_event and flags, a driver that waits by the
    /// rules is told: with used_event at the last index that it has seen, the next completion
    /// notifies.
    #[test]
    fn h32_no_notification_is_lost(
        junk in proptest::collection::vec(any::<u16>(), 0..20), batch in 1_u16..8,
    ) {
        let mut rig = Rig::new(8, true);
        for event in junk {
            rig.set_used_event(event);
            rig.submit_simple(0);
            rig.pop().unwrap();
            rig.queue.complete(0, 0);
            rig.queue.take_notification();
        }
        rig.set_used_event(rig.used_idx());
        for head in 0..batch {
            rig.submit_simple(head);
            rig.pop().unwrap();
            rig.queue.complete(head, 0);
        }
        prop_assert!(rig.queue.take_notification());
    }
}
