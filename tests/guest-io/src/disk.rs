// SPDX-License-Identifier: BSD-2-Clause
//! A machine with a virtio disk: transport, backend, and a partition service with a disk in memory.
//! Notifications go where they were sent and nowhere else, so one that is missing shows.

mod driver;
mod service;

pub use driver::{Driver, Outcome, Queueing, Submission};
pub use service::Service;

use std::collections::VecDeque;

use bus::{Access, Device, Width};
use guest::Span;
use guest::machine::RAM_BASE;
use pd::fake::{FakeKernel, World};
use pd::{Handler, SetupError};
use shm::{Region, Rw, fake};
use units::{ChannelId, ChannelSet};
use virtio_blk::Blk;
use virtio_mmio::Transport;

use crate::registers::Machine;

/// The backend's channel to the VMM.
const VMM: u64 = 3;
/// The backend's channel to the partition service.
const BLK: u64 = 7;
/// What GET_ID answers.
pub const SERIAL: &str = "bulkhead-0123456789";

/// Something that happens while the machine works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// Nothing.
    None,
    /// The backend dies and comes back.
    RestartBackend,
    /// The partition service dies and comes back; the device has done some of what it had.
    RestartService,
}

/// Transport, backend and service.
#[derive(Debug)]
pub struct DiskMachine {
    transport: Transport,
    backend: Blk,
    kernel: FakeKernel,
    /// The far end of the block link.
    pub service: Service,
    wiring: Wiring,
    /// One for each round of notifications.
    pub mischief: VecDeque<Mischief>,
    /// The service does nothing by itself.
    pub manual: bool,
}

/// Everything that outlives the backend.
#[derive(Clone, Copy, Debug)]
struct Wiring {
    ram: Region<Rw>,
    orders: Region<Rw>,
    answers: Region<Rw>,
    link: blk::fake::FakeLink,
    write_cache: bool,
}

fn create(wiring: &Wiring) -> Result<Blk, SetupError> {
    let mut world = World::new();
    world
        .region_rw("ram", wiring.ram)
        .region_ro("orders", wiring.orders)
        .region_rw("answers", wiring.answers)
        .region_rw("blk.out", wiring.link.client)
        .region_ro("blk.in", wiring.link.server)
        .channel("blk", BLK)
        .channel("vmm", VMM)
        .text("serial", SERIAL)
        .value("write_cache", wiring.write_cache.into());
    world.create()
}

#[expect(clippy::expect_used, reason = "test support")]
fn channel(id: u64) -> ChannelId {
    ChannelId::new(id).expect("below 62")
}

#[expect(clippy::expect_used, reason = "test support")]
impl DiskMachine {
    /// A machine whose guest has `ram`, with a disk as `info` says; the service is up.
    ///
    /// # Panics
    /// If the parts do not fit together.
    #[must_use]
    pub fn new(ram: Region<Rw>, info: blk::Info, write_cache: bool) -> Self {
        let [orders, answers] = [fake::region(0x1000), fake::region(0x1000)];
        let link = blk::fake::FakeLink::default();
        let wiring = Wiring {
            ram,
            orders,
            answers,
            link,
            write_cache,
        };
        let record = vio::Transport::new(orders, answers.read_only()).expect("a page is enough");
        let span = Span::new(RAM_BASE, ram.len() as u64).expect("memory has bytes");
        let mut machine = Self {
            transport: Transport::new(record, virtio::device::BLOCK, &[span]),
            backend: create(&wiring).expect("the record is complete"),
            kernel: FakeKernel::new(),
            service: Service::new(link, ram, info),
            wiring,
            mischief: VecDeque::new(),
            manual: false,
        };
        machine.backend.init(&mut machine.kernel);
        machine.service.revive();
        machine.pump(true);
        machine
    }

    /// What the backend's peers write: its VMM, then the partition service.
    #[must_use]
    pub const fn peers(&self) -> [Region<Rw>; 2] {
        [self.wiring.orders, self.wiring.link.server]
    }

    /// The backend dies and comes back.
    ///
    /// # Panics
    /// If it does not.
    pub fn restart_backend(&mut self) {
        self.backend = create(&self.wiring).expect("the record is complete");
        self.backend.init(&mut self.kernel);
        self.pump(false);
    }

    /// Completes the `index`th of the requests that are at the device.
    pub fn finish(&mut self, index: usize) {
        self.service.finish(index);
        self.pump(true);
    }

    /// The partition service dies: what the device has, it still has.
    pub fn kill_service(&mut self) {
        self.service.die();
        self.pump(false);
    }

    /// The partition service comes back, after the device has done or dropped what it had.
    pub fn revive_service(&mut self) {
        self.service.revive();
        self.pump(true);
    }

    /// Whether the device interrupts its driver.
    #[must_use]
    pub fn interrupts(&self) -> bool {
        Device::irq(&self.transport).is_high()
    }

    /// Requests of the driver that the transport ignored.
    #[must_use]
    pub fn anomalies(&self) -> u64 {
        self.transport.anomalies().total()
    }

    /// A register is read.
    pub fn read(&mut self, offset: u64, width: Width) -> u64 {
        let value = self.transport.read(Access::new(offset, width)).unwrap_or(0);
        self.serve();
        value
    }

    /// A register is written; whether it was accepted.
    pub fn write(&mut self, offset: u64, width: Width, value: u64) -> bool {
        let written = self.transport.write(Access::new(offset, width), value);
        self.serve();
        written.is_ok()
    }

    fn notify_backend(&mut self, id: u64) {
        let mut channels = ChannelSet::EMPTY;
        channels.insert(channel(id));
        self.backend.notified(&mut self.kernel, channels);
    }

    /// Delivers notifications until there are none. `service`: it has something to say by itself.
    fn pump(&mut self, mut service: bool) {
        loop {
            match self.mischief.pop_front() {
                Some(Mischief::RestartBackend) => {
                    self.backend = create(&self.wiring).expect("the record is complete");
                    self.backend.init(&mut self.kernel);
                }
                Some(Mischief::RestartService) => {
                    self.service.die();
                    self.service.revive();
                    service = true;
                }
                Some(Mischief::None) | None => {}
            }
            if self.transport.take_signal() {
                self.notify_backend(VMM);
            }
            service |= self.kernel.notifications(channel(BLK)) > 0;
            let transport = self.kernel.notifications(channel(VMM)) > 0;
            self.kernel.take_calls();
            if transport {
                self.transport.on_backend();
            }
            if core::mem::take(&mut service) {
                if self.service.serve(!self.manual) {
                    self.notify_backend(BLK);
                }
            } else if !transport && self.mischief.is_empty() {
                return;
            }
        }
    }
}

impl Machine for DiskMachine {
    fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }

    fn serve(&mut self) {
        self.pump(false);
    }
}
