// SPDX-License-Identifier: BSD-2-Clause
//! The block driver of the `virtio-drivers` crate on our transport and backend, and a driver with
//! many requests in flight, against a reference disk.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use blk::{Features as Can, Info};
use bus::Width;
use guest_io::disk::{DiskMachine, Driver, Mischief, Outcome, Queueing, SERIAL, Submission};
use guest_io::memory::{self, Guest};
use guest_io::registers::Registers;
use proptest::prelude::*;
use shm::{Region, Rw, fake};
use virtio::blk::{Features, Type, WRITEBACK};
use virtio::mmio::{CONFIG, Register};
use virtio_drivers::Error;
use virtio_drivers::device::blk::VirtIOBlk;
use virtio_drivers::transport::{DeviceType, Transport};

type TheirDriver = VirtIOBlk<Guest, Registers<DiskMachine>>;

const RAM_SIZE: usize = 0x10_0000;
/// Bytes on either side of RAM that nobody may touch.
const GUARD: usize = 0x1000;
const CANARY: u8 = 0xc5;
const SECTORS: u64 = 64;

fn can() -> Can {
    Can::FLUSH | Can::DISCARD | Can::WRITE_ZEROES | Can::UNMAP
}

fn info(features: Can) -> Info {
    Info {
        features,
        max_discard: 32,
        max_write_zeroes: 32,
        ..Info::new(SECTORS, 512)
    }
}

fn their_machine(features: Can) -> Rc<RefCell<DiskMachine>> {
    let machine = DiskMachine::new(memory::ram(), info(features), true);
    Rc::new(RefCell::new(machine))
}

/// A machine with RAM between guards, and a driver.
struct Rig {
    memory: Region<Rw>,
    ram: Region<Rw>,
    machine: DiskMachine,
    driver: Driver,
}

fn all() -> Features {
    Features::FLUSH | Features::CONFIG_WCE | Features::DISCARD | Features::WRITE_ZEROES
}

impl Rig {
    fn with(info: Info, features: Features, queueing: Queueing, write_cache: bool) -> Self {
        let memory = fake::region(RAM_SIZE + 2 * GUARD);
        memory.fill(0, memory.len(), CANARY).unwrap();
        let ram = memory.sub(GUARD, RAM_SIZE).unwrap();
        ram.fill(0, RAM_SIZE, 0).unwrap();
        let mut machine = DiskMachine::new(ram, info, write_cache);
        let driver = Driver::start(&mut machine, ram, features, queueing);
        Self {
            memory,
            ram,
            machine,
            driver,
        }
    }

    fn new(queueing: Queueing) -> Self {
        Self::with(info(can()), all(), queueing, true)
    }

    fn submit(&mut self, request: &Submission) -> u16 {
        let head = self.driver.submit(request).unwrap();
        self.driver.kick(&mut self.machine);
        head
    }

    /// One request from start to end.
    fn run(&mut self, request: &Submission) -> Outcome {
        let head = self.submit(request);
        let mut outcomes = self.driver.reap(&mut self.machine, false);
        assert_eq!(outcomes.len(), 1);
        let outcome = outcomes.pop().unwrap();
        assert_eq!(outcome.head, head);
        outcome
    }

    fn status(&mut self, request: &Submission) -> u8 {
        self.run(request).status
    }

    fn guards_are_intact(&self) -> bool {
        let mut bytes = [0; GUARD];
        [0, GUARD + RAM_SIZE].into_iter().all(|at| {
            self.memory.copy_in(at, &mut bytes).is_ok() && bytes.iter().all(|byte| *byte == CANARY)
        })
    }

    fn config_byte(&mut self, offset: usize) -> u8 {
        let value = self.machine.read(CONFIG + offset as u64, Width::Byte);
        u8::try_from(value).unwrap()
    }
}

fn plain() -> Queueing {
    Queueing {
        pieces: 1,
        ..Queueing::default()
    }
}

fn linux() -> Queueing {
    Queueing {
        indirect: true,
        event_idx: true,
        pieces: 2,
    }
}

// Shows AV-07.
#[test]
fn the_driver_finds_a_disk_its_size_and_its_serial_number() {
    let machine = their_machine(can());
    let registers = Registers::new(machine.clone());
    assert_eq!(registers.device_type(), DeviceType::Block);
    let mut driver = TheirDriver::new(registers).unwrap();
    assert_eq!((driver.capacity(), driver.readonly()), (SECTORS, false));
    let mut id = [0; 20];
    let len = driver.device_id(&mut id).unwrap();
    assert_eq!(&id[..len], SERIAL.as_bytes());
    assert_eq!(machine.borrow().anomalies(), 0);
}

// Shows AV-08.
#[test]
fn what_is_written_is_read_and_a_flush_makes_it_stable() {
    let machine = their_machine(can());
    let mut driver = TheirDriver::new(Registers::new(machine.clone())).unwrap();
    let data: Vec<u8> = (0..4096_u32).map(|at| at.to_le_bytes()[0]).collect();
    driver.write_blocks(3, &data).unwrap();
    let mut back = vec![0; 4096];
    driver.read_blocks(3, &mut back).unwrap();
    assert_eq!(back, data);
    assert_eq!(machine.borrow().service.stable()[1536..][..512], [0; 512]);
    driver.flush().unwrap();
    assert_eq!(machine.borrow().service.flushes, 1, "it reached the device");
    assert_eq!(machine.borrow().service.stable()[1536..][..4096], data);
    assert_eq!(memory::shared(), 0, "the device has let go of every buffer");
    assert_eq!(
        driver.read_blocks(60, &mut back),
        Err(Error::IoError),
        "across the end"
    );
}

// Shows AV-11.
#[test]
fn clause_5_2_6_2_a_read_only_disk() {
    let machine = their_machine(can() | Can::READ_ONLY);
    let mut driver = TheirDriver::new(Registers::new(machine.clone())).unwrap();
    assert!(driver.readonly());
    assert_eq!(driver.write_blocks(0, &[1; 512]), Err(Error::IoError));
    driver.read_blocks(0, &mut [0; 512]).unwrap();
    assert_eq!(
        machine.borrow().service.requests,
        1,
        "the write went nowhere"
    );
}

#[test]
fn clause_2_4_a_driver_that_comes_back_resets_the_device() {
    let machine = their_machine(can());
    for round in 0..200_u8 {
        let mut driver = TheirDriver::new(Registers::new(machine.clone())).unwrap();
        driver.write_blocks(1, &[round; 512]).unwrap();
        assert_eq!(machine.borrow().anomalies(), 0, "round {round}");
    }
    assert_eq!(machine.borrow().service.present()[512], 199);
}

/// One request of the driver, as it comes from proptest.
#[derive(Clone, Debug)]
enum Step {
    Read(u64, usize),
    Write(u64, usize, u8),
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..SECTORS + 2, 1_usize..5).prop_map(|(at, len)| Step::Read(at, len)),
        3 => (0..SECTORS + 2, 1_usize..5, any::<u8>()).prop_map(|(at, len, byte)| Step::Write(at, len, byte)),
        1 => Just(Step::Flush),
    ]
}

fn mischief() -> impl Strategy<Value = Mischief> {
    prop_oneof![
        3 => Just(Mischief::None),
        1 => Just(Mischief::RestartBackend),
        1 => Just(Mischief::RestartService),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    /// R6: whatever restarts between any two notifications, and whatever is negotiated, the driver
    /// sees a disk.
    // Shows AV-07.
    #[test]
    fn their_driver_sees_a_disk(
        steps in proptest::collection::vec(step(), 1..30),
        mischief in proptest::collection::vec(mischief(), 0..120),
        indirect: bool, event_idx: bool, flush: bool,
    ) {
        let machine = their_machine(can());
        let ring = u64::from(indirect) << 28 | u64::from(event_idx) << 29;
        let features = 1 << 32 | ring | u64::from(flush) << 9;
        let registers = Registers::with_features(machine.clone(), features);
        let mut driver = TheirDriver::new(registers).unwrap();
        machine.borrow_mut().mischief.extend(mischief);
        let mut reference = vec![0; usize::try_from(SECTORS).unwrap() * 512];
        for step in steps {
            match step {
                Step::Read(sector, len) => {
                    let at = usize::try_from(sector).unwrap();
                    let mut data = vec![0; len * 512];
                    let done = driver.read_blocks(at, &mut data);
                    let expected = reference.get(at * 512..(at + len) * 512);
                    prop_assert_eq!(done.is_ok(), expected.is_some());
                    if let Some(expected) = expected {
                        prop_assert_eq!(data, expected);
                    }
                }
                Step::Write(sector, len, byte) => {
                    let at = usize::try_from(sector).unwrap();
                    let done = driver.write_blocks(at, &vec![byte; len * 512]);
                    let range = reference.get_mut(at * 512..(at + len) * 512);
                    prop_assert_eq!(done.is_ok(), range.is_some());
                    if let Some(range) = range {
                        range.fill(byte);
                    }
                    if !flush {
                        // 5.2.6.2: offered and not negotiated, so each write is stable.
                        prop_assert!(machine.borrow().service.stable() == reference);
                    }
                }
                Step::Flush => {
                    driver.flush().unwrap();
                    if flush {
                        prop_assert!(machine.borrow().service.stable() == reference);
                    }
                }
            }
        }
        prop_assert!(machine.borrow().service.present() == reference);
        prop_assert_eq!(machine.borrow().anomalies(), 0);
    }
}

#[test]
fn requests_complete_in_any_order_with_one_interrupt() {
    let mut rig = Rig::new(linux());
    rig.machine.service.backwards = true;
    let heads: Vec<u16> = (0..32)
        .map(|sector| rig.driver.submit(&Submission::read(sector, 512)).unwrap())
        .collect();
    rig.driver.kick(&mut rig.machine);
    assert!(rig.machine.interrupts());
    let outcomes = rig.driver.reap(&mut rig.machine, false);
    let order: Vec<u16> = outcomes.iter().map(|outcome| outcome.head).rev().collect();
    assert_eq!(order, heads);
    assert!(
        outcomes
            .iter()
            .all(|outcome| (outcome.status, outcome.len) == (0, 513))
    );
    assert!(!rig.machine.interrupts());
}

// Shows AV-09.
#[test]
fn h34_discard_and_write_zeroes() {
    for queueing in [plain(), linux()] {
        let mut rig = Rig::new(queueing);
        assert_eq!(rig.status(&Submission::write(4, vec![9; 2048])), 0);
        assert_eq!(
            rig.status(&Submission::range(Type::WriteZeroes, 5, 2, 0)),
            0
        );
        let data = rig.run(&Submission::read(4, 2048)).data;
        let expected = [vec![9; 512], vec![0; 1024], vec![9; 512]].concat();
        assert_eq!(data, expected);
        assert_eq!(rig.status(&Submission::range(Type::Discard, 4, 4, 0)), 0);
        for (kind, sector, sectors, flags, status) in [
            (Type::Discard, 0, 1, 1, 2),
            (Type::Discard, 0, 33, 0, 1),
            (Type::WriteZeroes, SECTORS - 1, 2, 0, 1),
            (Type::WriteZeroes, 0, 1, 2, 2),
            (Type::SecureErase, 0, 1, 0, 2),
        ] {
            let request = Submission::range(kind, sector, sectors, flags);
            assert_eq!(rig.status(&request), status, "{request:?}");
        }
        assert_eq!(
            rig.machine.service.requests, 4,
            "the disk has no part in refusals"
        );
    }
}

#[test]
fn h34_one_byte_segments_and_the_size_of_data() {
    let mut rig = Rig::new(plain());
    for (len, status) in [(512, 0), (511, 1), (1, 1), (0, 1), (1024, 0)] {
        assert_eq!(
            rig.status(&Submission::write(0, vec![1; len])),
            status,
            "{len}"
        );
        assert_eq!(rig.status(&Submission::read(0, len)), status, "{len}");
    }
    let outcome = rig.run(&Submission::read(u64::MAX, 512));
    assert_eq!((outcome.status, outcome.len), (1, 0));
}

#[test]
fn a_disk_that_fails_is_told_to_the_driver() {
    let mut rig = Rig::new(linux());
    rig.machine.service.broken = true;
    assert_eq!(rig.status(&Submission::write(0, vec![1; 512])), 1);
    assert_eq!(rig.status(&Submission::read(0, 512)), 1);
    assert_eq!(
        rig.status(&Submission::flush()),
        1,
        "never acknowledged before it is done"
    );
    rig.machine.service.broken = false;
    assert_eq!(rig.status(&Submission::flush()), 0);
}

#[test]
fn blocks_of_4096_bytes() {
    let info = Info {
        features: can(),
        ..Info::new(SECTORS, 4096)
    };
    let mut rig = Rig::with(info, all(), linux(), true);
    let size = rig.config_byte(21);
    assert_eq!(size, 0x10, "blk_size 0x1000");
    assert_eq!(rig.status(&Submission::write(8, vec![7; 4096])), 0);
    assert_eq!(rig.run(&Submission::read(8, 4096)).data, vec![7; 4096]);
    assert_eq!(rig.status(&Submission::read(8, 512)), 1);
    assert_eq!(rig.status(&Submission::write(9, vec![7; 4096])), 1);
}

// Shows AV-08.
#[test]
fn clause_5_2_6_2_writethrough_and_back() {
    let mut rig = Rig::new(linux());
    let write = |rig: &mut Rig, byte| {
        assert_eq!(rig.status(&Submission::write(0, vec![byte; 512])), 0);
        rig.machine.service.stable()[0]
    };
    assert_eq!(rig.config_byte(WRITEBACK), 1);
    assert_eq!(write(&mut rig, 1), 0, "in the cache");
    let offset = CONFIG + WRITEBACK as u64;
    assert!(rig.machine.write(offset, Width::Byte, 0));
    assert_eq!(rig.config_byte(WRITEBACK), 0);
    assert_eq!(write(&mut rig, 2), 2);
    let zeroes = Submission::range(Type::WriteZeroes, 0, 1, 0);
    assert_eq!(rig.status(&zeroes), 0);
    assert_eq!(rig.machine.service.stable()[0], 0);
    assert!(rig.machine.write(offset, Width::Byte, 1));
    assert_eq!(write(&mut rig, 3), 0);
    rig.machine.restart_backend();
    assert_eq!(write(&mut rig, 4), 0, "the mode outlives the backend");
    assert!(rig.machine.write(offset, Width::Byte, 0));
    rig.machine.restart_backend();
    assert_eq!((write(&mut rig, 5), rig.config_byte(WRITEBACK)), (5, 0));
    // A reset brings back the mode of the record.
    rig.driver = Driver::start(&mut rig.machine, rig.ram, all(), linux());
    assert_eq!((write(&mut rig, 6), rig.config_byte(WRITEBACK)), (5, 1));
    let mut rig = Rig::with(info(can()), all(), linux(), false);
    assert_eq!((write(&mut rig, 1), rig.config_byte(WRITEBACK)), (1, 0));
    // Without FLUSH negotiated, writeback starts as 0 (5.2.5.2).
    let features = Features::CONFIG_WCE;
    let mut rig = Rig::with(info(can()), features, linux(), true);
    assert_eq!((write(&mut rig, 1), rig.config_byte(WRITEBACK)), (1, 0));
}

#[test]
fn writethrough_shares_flushes() {
    let mut rig = Rig::with(info(can()), Features::empty(), linux(), true);
    rig.machine.manual = true;
    for sector in 0..10 {
        rig.driver
            .submit(&Submission::write(sector, vec![1; 512]))
            .unwrap();
    }
    rig.driver.kick(&mut rig.machine);
    rig.machine.finish(0);
    assert_eq!(rig.machine.service.jobs(), 10, "nine writes and a flush");
    for _ in 0..9 {
        rig.machine.finish(0);
    }
    assert_eq!(rig.driver.reap(&mut rig.machine, false), []);
    rig.machine.finish(0);
    let outcomes = rig.driver.reap(&mut rig.machine, false);
    assert_eq!(outcomes.len(), 1, "what was done before the first flush");
    rig.machine.finish(0);
    assert_eq!(rig.driver.reap(&mut rig.machine, false).len(), 9);
    assert_eq!(rig.machine.service.flushes, 2);
}

#[test]
fn h11_a_reset_waits_for_what_the_device_has() {
    let mut rig = Rig::new(linux());
    rig.machine.manual = true;
    let head = rig.submit(&Submission::read(0, 4096));
    rig.submit(&Submission::write(9, vec![1; 512]));
    assert!(
        !Driver::reset(&mut rig.machine),
        "the device may write to memory"
    );
    rig.machine.finish(1);
    assert!(!Driver::is_reset(&mut rig.machine));
    rig.machine.restart_backend();
    assert!(
        !Driver::is_reset(&mut rig.machine),
        "whoever serves the queue"
    );
    rig.machine.finish(0);
    assert!(Driver::is_reset(&mut rig.machine));
    let buffer = rig.driver.buffer(head);
    buffer.fill(0, buffer.len(), CANARY).unwrap();
    rig.machine.manual = false;
    rig.driver.set_up(&mut rig.machine, all());
    assert_eq!(rig.status(&Submission::flush()), 0);
    assert_eq!(buffer.load::<u8>(0x1fff), Ok(CANARY));
}

#[test]
fn h11_nothing_new_is_taken_while_a_reset_waits() {
    let mut rig = Rig::new(linux());
    rig.machine.manual = true;
    rig.submit(&Submission::read(0, 512));
    rig.submit(&Submission::read(1, 512));
    rig.driver.submit(&Submission::read(2, 512)).unwrap();
    assert!(!Driver::reset(&mut rig.machine));
    rig.machine.finish(0);
    assert_eq!(rig.machine.service.jobs(), 1);
    rig.machine.finish(0);
    assert!(Driver::is_reset(&mut rig.machine));
    assert_eq!(rig.machine.service.requests, 2);
}

#[test]
fn what_does_not_fit_the_link_waits_for_room() {
    let queueing = Queueing {
        pieces: 4,
        ..linux()
    };
    let mut rig = Rig::new(queueing);
    // Five slots each, of which the link has 128.
    for sector in 0..60 {
        let request = Submission::write(sector, vec![7; 512]);
        rig.driver.submit(&request).unwrap();
    }
    rig.driver.kick(&mut rig.machine);
    let outcomes = rig.driver.reap(&mut rig.machine, false);
    assert_eq!(outcomes.len(), 60);
    assert!(outcomes.iter().all(|outcome| outcome.status == 0));
    assert!(
        rig.machine.service.present()[..60 * 512]
            .iter()
            .all(|byte| *byte == 7)
    );
    // The same for what is submitted again.
    rig.machine.manual = true;
    for sector in 0..60 {
        rig.driver.submit(&Submission::read(sector, 512)).unwrap();
    }
    rig.driver.kick(&mut rig.machine);
    assert_eq!(rig.machine.service.jobs(), 60);
    rig.machine.manual = false;
    rig.machine.restart_backend();
    rig.machine.revive_service();
    assert_eq!(rig.driver.reap(&mut rig.machine, false).len(), 60);
}

#[test]
fn h11_a_reset_while_the_service_is_dead_waits_for_it() {
    let mut rig = Rig::new(linux());
    rig.machine.manual = true;
    rig.submit(&Submission::read(0, 4096));
    rig.machine.kill_service();
    assert!(!Driver::reset(&mut rig.machine));
    rig.machine.restart_backend();
    assert!(!Driver::is_reset(&mut rig.machine));
    rig.machine.revive_service();
    assert!(Driver::is_reset(&mut rig.machine));
    // Nothing in flight: nothing to wait for.
    rig.machine.manual = false;
    rig.driver.set_up(&mut rig.machine, all());
    rig.machine.kill_service();
    rig.machine.revive_service();
    assert_eq!(rig.status(&Submission::read(0, 512)), 0);
    assert!(Driver::reset(&mut rig.machine));
}

// Shows BH-25.
#[test]
fn r6_a_service_that_comes_back_is_a_slow_disk() {
    let mut rig = Rig::new(linux());
    rig.machine.manual = true;
    for sector in 0..20 {
        rig.driver
            .submit(&Submission::write(sector, vec![1; 512]))
            .unwrap();
    }
    rig.driver.kick(&mut rig.machine);
    rig.machine.finish(7);
    rig.machine.kill_service();
    assert_eq!(rig.driver.reap(&mut rig.machine, false).len(), 1);
    rig.submit(&Submission::write(30, vec![2; 512]));
    rig.machine.manual = false;
    rig.machine.revive_service();
    let outcomes = rig.driver.reap(&mut rig.machine, false);
    assert!(outcomes.iter().all(|outcome| outcome.status == 0));
    assert_eq!(outcomes.len(), 20);
    assert!(
        rig.machine.service.present()[..10240]
            .iter()
            .all(|byte| *byte == 1)
    );
    assert_eq!(rig.machine.service.present()[30 * 512], 2);
}

#[test]
fn a_disk_of_another_size_changes_the_configuration() {
    let mut rig = Rig::new(linux());
    rig.machine.kill_service();
    rig.machine.service.resize(SECTORS * 2);
    rig.machine.revive_service();
    assert!(rig.machine.interrupts());
    let status = rig
        .machine
        .read(Register::InterruptStatus.offset(), Width::Word);
    assert_eq!((status & 2, rig.config_byte(0)), (2, 128));
    assert_eq!(rig.status(&Submission::read(100, 512)), 0);
}

#[test]
fn h28_h34_no_byte_for_the_status() {
    let mut rig = Rig::new(plain());
    // The status in a buffer that the device only reads; header and status as the driver has them.
    let head = rig
        .driver
        .submit(&Submission::write(0, vec![1; 512]))
        .unwrap();
    for index in 0..3 {
        let flags = usize::from(head + index) * 16 + 12;
        rig.ram.store(flags, u16::from(index < 2)).unwrap();
    }
    rig.driver.kick(&mut rig.machine);
    let outcomes = rig.driver.reap(&mut rig.machine, false);
    assert_eq!((outcomes[0].status, outcomes[0].len), (0xff, 0));
    // The data outside RAM: the status says so.
    let head = rig
        .driver
        .submit(&Submission::write(0, vec![1; 512]))
        .unwrap();
    let addr = usize::from(head + 1) * 16;
    rig.ram.store(addr, 0x0900_0000_u64).unwrap();
    rig.driver.kick(&mut rig.machine);
    let outcomes = rig.driver.reap(&mut rig.machine, false);
    assert_eq!(outcomes[0].status, 1);
    // A readable buffer after a writable one: nothing is written.
    let head = rig
        .driver
        .submit(&Submission::write(0, vec![1; 512]))
        .unwrap();
    let flags = usize::from(head) * 16 + 12;
    rig.ram.store(flags, 3_u16).unwrap();
    rig.driver.kick(&mut rig.machine);
    let outcomes = rig.driver.reap(&mut rig.machine, false);
    assert_eq!((outcomes[0].status, outcomes[0].len), (0xff, 0));
    assert_eq!(rig.machine.service.requests, 0);
    assert_eq!(
        rig.status(&Submission::read(0, 512)),
        0,
        "the queue goes on"
    );
}

#[test]
fn clause_2_1_2_a_broken_queue_ends_with_the_next_reset() {
    let mut rig = Rig::new(plain());
    rig.machine.manual = true;
    rig.submit(&Submission::read(0, 512));
    rig.ram.store(0x1002, 500_u16).unwrap();
    rig.machine
        .write(Register::QueueNotify.offset(), Width::Word, 0);
    let status = rig.machine.read(Register::Status.offset(), Width::Word);
    assert_eq!(status & 64, 64, "DEVICE_NEEDS_RESET");
    assert!(
        !Driver::reset(&mut rig.machine),
        "the read is still at the device"
    );
    rig.machine.finish(0);
    assert!(Driver::is_reset(&mut rig.machine));
    rig.machine.manual = false;
    rig.driver.set_up(&mut rig.machine, all());
    assert_eq!(rig.status(&Submission::read(0, 512)), 0);
}

/// Something that happens to a machine with many requests in flight.
#[derive(Clone, Debug)]
enum Act {
    Submit(Submission),
    Finish(usize),
    Reap(bool),
    RestartBackend,
    KillService,
    ReviveService,
    Reset,
}

fn act() -> impl Strategy<Value = Act> {
    let read = (0..SECTORS + 1, 1_usize..4).prop_map(|(at, len)| Submission::read(at, len * 512));
    let write = (0..SECTORS + 1, 1_usize..4, any::<u8>())
        .prop_map(|(at, len, byte)| Submission::write(at, vec![byte; len * 512]));
    let zeroes = (0..SECTORS, 1_u32..4, 0_u32..2)
        .prop_map(|(at, len, flags)| Submission::range(Type::WriteZeroes, at, len, flags));
    let submit = prop_oneof![4 => read, 6 => write, 2 => zeroes, 1 => Just(Submission::flush())];
    prop_oneof![
        20 => submit.prop_map(Act::Submit),
        16 => (0_usize..20).prop_map(Act::Finish),
        6 => any::<bool>().prop_map(Act::Reap),
        1 => Just(Act::RestartBackend),
        1 => Just(Act::KillService),
        2 => Just(Act::ReviveService),
        1 => Just(Act::Reset),
    ]
}

/// What was ever written to a sector, and how much of it is certain. Each sector has one value in
/// all its bytes.
#[derive(Clone, Debug)]
struct Sector {
    values: Vec<u8>,
    /// The last write that was acknowledged.
    acked: usize,
    /// What a loss of power leaves is this value or a later one.
    stable: usize,
    /// Requests in flight that touch it.
    readers: usize,
    written: bool,
}

/// A request in flight, and what was acknowledged before it, for a flush.
#[derive(Debug)]
struct Flight {
    request: Submission,
    acked: Vec<usize>,
}

/// The machine, and what must be true of it.
struct Model {
    rig: Rig,
    sectors: Vec<Sector>,
    flying: BTreeMap<u16, Flight>,
    writethrough: bool,
}

fn is_write(request: &Submission) -> bool {
    request.kind == Type::Out as u32 || request.kind == Type::WriteZeroes as u32
}

/// The sectors of a request that is on the disk, and what it writes.
fn target(request: &Submission) -> Option<(std::ops::Range<usize>, u8)> {
    let word = |at: usize| {
        let bytes = request.out.get(at..at + 4);
        u64::from(u32::from_le_bytes(bytes.unwrap().try_into().unwrap()))
    };
    let (sector, sectors, byte) = if request.kind == Type::WriteZeroes as u32 {
        (word(0), word(8), 0)
    } else {
        let len = request.out.len().max(request.room) as u64 / 512;
        let byte = request.out.first().copied().unwrap_or(0);
        (request.sector, len, byte)
    };
    let range = usize::try_from(sector).unwrap()..usize::try_from(sector + sectors).unwrap();
    (sector + sectors <= SECTORS).then_some((range, byte))
}

impl Model {
    fn new(queueing: Queueing, features: Features) -> Self {
        let mut rig = Rig::with(info(can()), features, queueing, true);
        rig.machine.manual = true;
        let sector = Sector {
            values: vec![0],
            acked: 0,
            stable: 0,
            readers: 0,
            written: false,
        };
        Self {
            rig,
            sectors: vec![sector; usize::try_from(SECTORS).unwrap()],
            flying: BTreeMap::new(),
            writethrough: !features.contains(Features::FLUSH),
        }
    }

    /// Requests that are in flight together do not touch what one of them writes: their order
    /// would be open.
    fn submit(&mut self, request: &Submission) {
        let on_disk = target(request).filter(|_| request.kind != Type::Flush as u32);
        if let Some((range, byte)) = on_disk {
            let sectors = &mut self.sectors[range];
            let write = is_write(request);
            if sectors.iter().any(|s| s.written || write && s.readers > 0) {
                return;
            }
            let Some(head) = self.rig.driver.submit(request) else {
                return;
            };
            for sector in sectors {
                if write {
                    sector.values.push(byte);
                    sector.written = true;
                } else {
                    sector.readers += 1;
                }
            }
            self.track(head, request);
        } else if let Some(head) = self.rig.driver.submit(request) {
            self.track(head, request);
        }
        self.rig.driver.kick(&mut self.rig.machine);
    }

    fn track(&mut self, head: u16, request: &Submission) {
        let acked = self.sectors.iter().map(|sector| sector.acked).collect();
        let request = request.clone();
        self.flying.insert(head, Flight { request, acked });
    }

    fn reap(&mut self, quiet: bool) {
        for outcome in self.rig.driver.reap(&mut self.rig.machine, quiet) {
            let flight = self.flying.remove(&outcome.head).unwrap();
            let request = &flight.request;
            if request.kind == Type::Flush as u32 {
                assert_eq!(outcome.status, 0);
                for (sector, acked) in self.sectors.iter_mut().zip(flight.acked) {
                    sector.stable = sector.stable.max(acked);
                }
                continue;
            }
            let Some((range, _)) = target(request) else {
                assert_eq!(outcome.status, 1, "{request:?}");
                continue;
            };
            assert_eq!(outcome.status, 0, "{request:?}");
            for (index, sector) in self.sectors[range].iter_mut().enumerate() {
                if is_write(request) {
                    sector.acked = sector.values.len() - 1;
                    sector.written = false;
                    if self.writethrough {
                        sector.stable = sector.acked;
                    }
                } else {
                    sector.readers -= 1;
                    let data = &outcome.data[index * 512..][..512];
                    let value = sector.values[sector.acked];
                    assert!(data.iter().all(|byte| *byte == value), "{request:?}");
                }
            }
        }
    }

    /// The driver gives up on what is in flight.
    fn reset(&mut self, features: Features) {
        let Rig {
            machine, driver, ..
        } = &mut self.rig;
        let mut over = Driver::reset(machine);
        machine.revive_service();
        while machine.service.jobs() > 0 {
            assert!(!over, "the device still has requests");
            machine.finish(0);
            over = Driver::is_reset(machine);
        }
        assert!(Driver::is_reset(machine));
        driver.set_up(machine, features);
        self.flying.clear();
        for (sector, present) in self
            .sectors
            .iter_mut()
            .zip(machine.service.present().chunks(512))
        {
            assert!(sector.values[sector.acked..].contains(&present[0]));
            sector.values.push(present[0]);
            sector.acked = sector.values.len() - 1;
            (sector.readers, sector.written) = (0, false);
        }
    }

    fn act(&mut self, act: Act, features: Features) {
        match act {
            Act::Submit(request) => self.submit(&request),
            Act::Finish(index) => {
                let jobs = self.rig.machine.service.jobs();
                if jobs > 0 {
                    self.rig.machine.finish(index % jobs);
                }
            }
            Act::Reap(quiet) => self.reap(quiet),
            Act::RestartBackend => self.rig.machine.restart_backend(),
            Act::KillService => self.rig.machine.kill_service(),
            Act::ReviveService => self.rig.machine.revive_service(),
            Act::Reset => self.reset(features),
        }
    }

    /// What would be left if the power failed now.
    fn check_stable(&self) {
        let stable = self.rig.machine.service.stable().chunks(512);
        for (number, (sector, found)) in self.sectors.iter().zip(stable).enumerate() {
            let allowed = &sector.values[sector.stable..];
            let same = found.iter().all(|byte| *byte == found[0]);
            assert!(same && allowed.contains(&found[0]), "sector {number}");
        }
    }

    /// Everything comes to an end, without an error.
    fn finish(&mut self) {
        self.rig.machine.manual = false;
        self.rig.machine.revive_service();
        self.reap(false);
        assert_eq!(self.rig.driver.flying(), 0);
        let present = self.rig.machine.service.present().chunks(512);
        for (sector, found) in self.sectors.iter().zip(present) {
            assert!(found.iter().all(|byte| Some(byte) == sector.values.last()));
        }
        assert!(self.rig.guards_are_intact());
        assert_eq!(self.rig.machine.anomalies(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    /// R6: requests in any order, restarts and resets at any point: no error, every read is right,
    /// everything that was acknowledged as flushed survives a loss of power, and what is left in
    /// the end is what was written.
    #[test]
    fn many_requests_in_flight_on_a_disk(
        acts in proptest::collection::vec(act(), 1..150),
        indirect: bool, event_idx: bool, pieces in 1_usize..5, optional: u64,
    ) {
        // FLUSH, CONFIG_WCE and DISCARD each on or off.
        let optional = Features::from_bits_retain(optional) & all();
        let features = optional | Features::WRITE_ZEROES;
        let queueing = Queueing { indirect, event_idx, pieces };
        let mut model = Model::new(queueing, features);
        for act in acts {
            model.act(act, features);
            model.check_stable();
        }
        model.finish();
        model.check_stable();
    }

    /// H-21 to H-34 at once: arbitrary descriptors, headers and indices. Nothing outside RAM is
    /// touched, nothing beyond the disk is asked for, and a reset makes it work again.
    #[test]
    fn h21_to_h34_arbitrary_queues(
        bytes in proptest::collection::vec(any::<u8>(), 0x400),
        descriptors in proptest::collection::vec((0_u16..8, 0_u64..0x40, 0_u32..0x900, 0_u16..70), 64),
        kinds in proptest::collection::vec((0_u32..15, 0_u64..70), 64),
        kicks in proptest::collection::vec((0_u16..70, any::<u16>(), any::<bool>()), 1..30),
        queueing in prop_oneof![Just(plain()), Just(linux())], wild: bool,
    ) {
        let mut rig = Rig::new(queueing);
        rig.machine.manual = true;
        for (index, (flags, place, len, next)) in descriptors.into_iter().enumerate() {
            let (kind, sector) = kinds[index];
            rig.ram.store(0x8000 + index * 0x100, kind).unwrap();
            rig.ram.store(0x8008 + index * 0x100, sector).unwrap();
            // A header, a table of descriptors, data, a status; or nonsense.
            let addr = 0x4000_8000 + place * 0x100;
            let len = if flags == 4 { len & !15 } else { len.max(1) };
            for at in [index * 16, 0x8020 + index * 0x100] {
                rig.ram.store(at, addr).unwrap();
                rig.ram.store(at + 8, len).unwrap();
                rig.ram.store(at + 12, flags).unwrap();
                rig.ram.store(at + 14, next).unwrap();
            }
        }
        if wild {
            rig.ram.copy_out(0, &bytes).unwrap();
        }
        let mut avail = 0_u16;
        for (jump, head, finish) in kicks {
            let slot = 0x1004 + usize::from(avail % 64) * 2;
            rig.ram.store(slot, if wild { head } else { head % 64 }).unwrap();
            avail = avail.wrapping_add(if wild { jump } else { jump % 3 });
            rig.ram.store(0x1002, avail).unwrap();
            rig.machine.write(Register::QueueNotify.offset(), Width::Word, 0);
            if finish {
                let jobs = rig.machine.service.jobs();
                rig.machine.finish(usize::from(head) % jobs.max(1));
            } else if head % 11 == 0 {
                rig.machine.restart_backend();
            }
        }
        prop_assert!(rig.guards_are_intact());
        Driver::reset(&mut rig.machine);
        while rig.machine.service.jobs() > 0 {
            rig.machine.finish(0);
        }
        prop_assert!(Driver::is_reset(&mut rig.machine));
        rig.machine.manual = false;
        rig.driver.set_up(&mut rig.machine, all());
        prop_assert_eq!(rig.status(&Submission::write(1, vec![5; 512])), 0);
        prop_assert_eq!(rig.run(&Submission::read(1, 512)).data, vec![5; 512]);
    }
}
