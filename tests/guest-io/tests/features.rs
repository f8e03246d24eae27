// SPDX-License-Identifier: BSD-2-Clause
//! Every backend with features of its class and of its queues on and off, the parts that drivers
//! may leave out (VIRTIO 1.3, 2.2.1 and 2.7).
#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::RefCell;
use std::rc::Rc;

use blk::{Features as Can, Info};
use bus::Width;
use guest_io::console::ConsoleMachine;
use guest_io::disk::{DiskMachine, Driver, Outcome, Queueing, Submission};
use guest_io::entropy_device::EntropyMachine;
use guest_io::memory::{self, Guest};
use guest_io::net::NetMachine;
use guest_io::registers::Registers;
use guest_io::sockets::{Network, SocketMachine};
use shm::{Region, Rw, fake};
use virtio::blk::{Config, Features, Type};
use virtio::mmio::CONFIG;
use virtio_drivers::device::blk::VirtIOBlk;
use virtio_drivers::device::console::VirtIOConsole;
use virtio_drivers::device::net::VirtIONet;
use virtio_drivers::device::rng::VirtIORng;
use virtio_drivers::device::socket::{
    VirtIOSocket, VsockAddr, VsockConnectionManager, VsockEventType,
};
use virtio_drivers::transport::{DeviceStatus, Transport};

/// VIRTIO_F_INDIRECT_DESC and VIRTIO_F_EVENT_IDX.
const RING: u64 = 3 << 28;
/// Nothing but VIRTIO_F_VERSION_1, which no driver can leave out.
const NOTHING: u64 = 1 << 32;
/// What the driver gets to see: all, queues with one, the other or none of their features, nothing.
const MASKS: [u64; 5] = [!0, !(1 << 28), !(1 << 29), !RING, NOTHING];

const SECTORS: u64 = 64;
const RAM: usize = 0x10_0000;

fn info(sector: u32) -> Info {
    Info {
        features: Can::FLUSH | Can::DISCARD | Can::WRITE_ZEROES | Can::UNMAP,
        max_discard: 32,
        max_write_zeroes: 32,
        ..Info::new(SECTORS, sector)
    }
}

/// A disk and a driver that negotiated some of its features.
struct Disk {
    machine: DiskMachine,
    driver: Driver,
    /// Bytes of a block.
    block: usize,
}

impl Disk {
    fn new(sector: u32, features: Features, queueing: Queueing) -> Self {
        let ram: Region<Rw> = fake::region(RAM);
        let mut machine = DiskMachine::new(ram, info(sector), true);
        let driver = Driver::start(&mut machine, ram, features, queueing);
        let block = usize::try_from(sector).unwrap();
        Self {
            machine,
            driver,
            block,
        }
    }

    fn run(&mut self, request: &Submission) -> Outcome {
        self.driver.submit(request).unwrap();
        self.driver.kick(&mut self.machine);
        self.driver.reap(&mut self.machine, false).pop().unwrap()
    }

    fn status(&mut self, request: &Submission) -> u8 {
        self.run(request).status
    }

    /// The first byte of the disk after a loss of power.
    fn stable(&self) -> u8 {
        self.machine.service.stable()[0]
    }
}

/// All sets of the features that a driver chooses from.
fn subsets() -> impl Iterator<Item = Features> {
    let choices = [
        Features::FLUSH,
        Features::CONFIG_WCE,
        Features::DISCARD,
        Features::WRITE_ZEROES,
    ];
    (0..1_u32 << choices.len()).map(move |set| {
        let chosen = choices.iter().enumerate();
        let chosen = chosen.filter(|(at, _)| set & 1 << at != 0);
        chosen.fold(Features::empty(), |all, (_, feature)| all | *feature)
    })
}

/// Whatever is negotiated, reads, writes and flushes work and a write is stable when the driver may
/// take it for stable; what is not negotiated is refused and changes nothing.
// Shows AV-08, AV-09.
#[test]
fn clause_5_2_6_2_a_disk_does_what_was_negotiated() {
    for (sector, features) in [512, 4096]
        .into_iter()
        .flat_map(|s| subsets().map(move |f| (s, f)))
    {
        for (indirect, event_idx) in [(false, false), (true, false), (false, true), (true, true)] {
            let pieces = 2;
            let queueing = Queueing {
                indirect,
                event_idx,
                pieces,
            };
            let mut disk = Disk::new(sector, features, queueing);
            let block = disk.block;
            let what = format!("{sector} {features:?} {queueing:?}");
            assert_eq!(
                disk.status(&Submission::write(0, vec![7; block])),
                0,
                "{what}"
            );
            // Without FLUSH a driver takes every write for stable (5.2.6.2).
            let cached = features.contains(Features::FLUSH);
            assert_eq!(disk.stable(), if cached { 0 } else { 7 }, "{what}");
            assert_eq!(disk.status(&Submission::flush()), 0, "{what}");
            assert_eq!(disk.stable(), 7, "{what}");
            assert_eq!(
                disk.run(&Submission::read(0, block)).data,
                vec![7; block],
                "{what}"
            );
            let sectors = sector / 512;
            for (kind, feature) in [
                (Type::WriteZeroes, Features::WRITE_ZEROES),
                (Type::Discard, Features::DISCARD),
            ] {
                let before = disk.machine.service.requests;
                let on = features.contains(feature);
                let status = disk.status(&Submission::range(kind, 0, sectors, 0));
                assert_eq!(status, if on { 0 } else { 2 }, "{kind:?} {what}");
                assert_eq!(
                    disk.machine.service.requests > before,
                    on,
                    "{kind:?} {what}"
                );
            }
            let zeroed = features.contains(Features::WRITE_ZEROES);
            if zeroed || !features.contains(Features::DISCARD) {
                let data = disk.run(&Submission::read(0, block)).data;
                assert_eq!(data[0], if zeroed { 0 } else { 7 }, "{what}");
            }
            assert_eq!(disk.machine.anomalies(), 0, "{what}");
        }
    }
}

/// CONFIG_WCE: without it the field cannot be written; with it, it changes what a write means.
// Shows AV-08.
#[test]
fn clause_5_2_5_writeback_is_written_only_where_that_is_negotiated() {
    let writeback = CONFIG + std::mem::offset_of!(Config, writeback) as u64;
    for features in subsets() {
        let mut disk = Disk::new(
            512,
            features,
            Queueing {
                pieces: 1,
                ..Queueing::default()
            },
        );
        disk.machine.write(writeback, Width::Byte, 0);
        assert_eq!(disk.status(&Submission::write(0, vec![9; 512])), 0);
        let cached = features.contains(Features::FLUSH) && !features.contains(Features::CONFIG_WCE);
        assert_eq!(disk.stable(), if cached { 0 } else { 9 }, "{features:?}");
    }
}

/// One queue, and no way to ask for more: neither disks nor cards offer MQ.
#[test]
fn there_is_one_queue_for_each_direction() {
    const BLK_MQ: u64 = 1 << 12;
    const NET_MQ: u64 = 1 << 22;
    let machine = DiskMachine::new(memory::ram(), info(512), true);
    let mut disk = Registers::new(Rc::new(RefCell::new(machine)));
    assert_eq!(disk.read_device_features() & BLK_MQ, 0);
    assert_eq!(
        (disk.max_queue_size(0) > 0, disk.max_queue_size(1)),
        (true, 0)
    );
    let (_, machines) = NetMachine::pair([memory::ram(), fake::region(RAM)]);
    let mut card = NetMachine::registers(machines[0].clone(), !0);
    assert_eq!(card.read_device_features() & NET_MQ, 0);
    // Receive, transmit, control.
    let sizes = [0, 1, 2, 3].map(|queue| card.max_queue_size(queue) > 0);
    assert_eq!(sizes, [true, true, true, false]);
}

#[test]
fn the_crates_disk_driver_works_whatever_it_negotiates() {
    const FLUSH: u64 = 1 << 9;
    for mask in MASKS.into_iter().chain([!FLUSH]) {
        let machine = Rc::new(RefCell::new(DiskMachine::new(
            memory::ram(),
            info(512),
            true,
        )));
        let registers = Registers::with_features(machine.clone(), mask);
        let mut driver = VirtIOBlk::<Guest, _>::new(registers).unwrap();
        let data = [0x3c; 2048];
        driver.write_blocks(1, &data).unwrap();
        driver.flush().unwrap();
        assert_eq!(
            machine.borrow().service.stable()[512..2560],
            data,
            "{mask:#x}"
        );
        let mut back = [0; 2048];
        driver.read_blocks(1, &mut back).unwrap();
        assert_eq!(back, data, "{mask:#x}");
        assert_eq!(machine.borrow().anomalies(), 0, "{mask:#x}");
    }
}

#[test]
fn the_crates_entropy_driver_works_whatever_it_negotiates() {
    for mask in MASKS {
        let machine = Rc::new(RefCell::new(EntropyMachine::new()));
        let registers = Registers::with_features(machine.clone(), mask);
        let mut driver = VirtIORng::<Guest, _>::new(registers).unwrap();
        for _ in 0..40 {
            let mut bytes = [0; 64];
            assert!(driver.request_entropy(&mut bytes).unwrap() > 0, "{mask:#x}");
        }
        assert_eq!(machine.borrow().anomalies(), 0, "{mask:#x}");
    }
}

#[test]
fn the_crates_console_driver_works_whatever_it_negotiates() {
    for mask in MASKS {
        let machine = Rc::new(RefCell::new(ConsoleMachine::new()));
        let registers = Registers::with_features(machine.clone(), mask);
        let mut driver = VirtIOConsole::<Guest, _>::new(registers).unwrap();
        driver.send(b'>').unwrap();
        assert_eq!(machine.borrow_mut().take_output(), b">", "{mask:#x}");
        machine.borrow_mut().type_in(b"ls");
        driver.ack_interrupt().unwrap();
        let typed = [driver.recv(true).unwrap(), driver.recv(true).unwrap()];
        assert_eq!(typed, [Some(b'l'), Some(b's')], "{mask:#x}");
        assert_eq!(machine.borrow().anomalies(), 0, "{mask:#x}");
    }
}

#[test]
fn the_crates_socket_driver_works_whatever_it_negotiates() {
    const ECHO: VsockAddr = VsockAddr { cid: 2, port: 7 };
    for mask in MASKS {
        let network = Network::new([true; 2]);
        let machine = Rc::new(RefCell::new(SocketMachine::new(&network, 0)));
        let registers = Registers::with_features(machine.clone(), mask);
        let socket = VirtIOSocket::<Guest, _>::new(registers).unwrap();
        let mut manager = VsockConnectionManager::new(socket);
        manager.connect(ECHO, 1000).unwrap();
        let event = manager.poll().unwrap().unwrap();
        assert_eq!(event.event_type, VsockEventType::Connected, "{mask:#x}");
        manager.send(ECHO, 1000, b"hello").unwrap();
        while manager.poll().unwrap().is_some() {}
        let mut bytes = [0; 16];
        assert_eq!(manager.recv(ECHO, 1000, &mut bytes), Ok(5), "{mask:#x}");
        assert_eq!(&bytes[..5], b"hello", "{mask:#x}");
        assert_eq!(machine.borrow().anomalies(), 0, "{mask:#x}");
    }
}

/// STATUS: a guest's link is up exactly while the guest that it may talk to runs a driver, whatever
/// dies and comes back in between.
// Shows AV-13.
#[test]
fn clause_5_1_4_the_link_follows_the_other_guest() {
    let (network, machines) = NetMachine::pair([memory::ram(), fake::region(RAM)]);
    let up = || {
        let registers = NetMachine::registers(machines[1].clone(), !0);
        registers.read_config_space::<u16>(6).unwrap() == 1
    };
    assert!(!up(), "nobody is there");
    for round in 0..10 {
        let registers = NetMachine::registers(machines[0].clone(), !0);
        let driver = VirtIONet::<Guest, _, 16>::new(registers, 2048).unwrap();
        assert!(up(), "round {round}");
        match round % 3 {
            0 => network.borrow_mut().restart_backend(0),
            1 => network.borrow_mut().restart_backend(1),
            _ => network.borrow_mut().restart_switch(),
        }
        assert!(up(), "a restart is no loss of the link, round {round}");
        drop(driver);
        NetMachine::registers(machines[0].clone(), !0).set_status(DeviceStatus::empty());
        assert!(!up(), "the driver is gone, round {round}");
    }
}
