// SPDX-License-Identifier: BSD-2-Clause
//! A machine with a virtio entropy device: transport, backend, and the driver's end of its link.

use entropy::{GRAIN, Supply, region_size};
use guest::Span;
use guest::machine::RAM_BASE;
use pd::fake::{FakeKernel, World};
use pd::{Handler, SetupError};
use shm::{Region, Rw, fake};
use units::{ChannelId, ChannelSet};
use virtio_mmio::Transport;
use virtio_rng::Rng;

use crate::memory;
use crate::registers::Machine;

const VMM: u64 = 1;
const SOURCE: u64 = 2;
const SLOTS: u32 = 8;

/// Transport, backend and a source of bytes that are never the same.
#[derive(Debug)]
pub struct EntropyMachine {
    transport: Transport,
    backend: Rng,
    kernel: FakeKernel,
    supply: Supply,
    ram: Region<Rw>,
    /// Orders, answers, grains, and the client's side of the link.
    regions: [Region<Rw>; 4],
    next: u64,
    /// Whether the source has anything to give.
    pub flows: bool,
}

fn create(ram: Region<Rw>, regions: [Region<Rw>; 4]) -> Result<Rng, SetupError> {
    let [orders, answers, grains, taken] = regions;
    let mut world = World::new();
    world
        .region_rw("ram", ram)
        .region_ro("orders", orders)
        .region_rw("answers", answers)
        .region_rw("rng.out", taken)
        .region_ro("rng.in", grains)
        .channel("rng", SOURCE)
        .channel("vmm", VMM);
    world.create()
}

impl EntropyMachine {
    /// A machine of this thread's guest whose backend is up.
    ///
    /// # Panics
    /// If the parts do not fit together.
    #[must_use]
    pub fn new() -> Self {
        Self::with_ram(memory::ram())
    }

    /// A machine whose guest has `ram`, and whose backend is up.
    ///
    /// # Panics
    /// If the parts do not fit together.
    #[must_use]
    #[expect(clippy::expect_used, reason = "test support")]
    pub fn with_ram(ram: Region<Rw>) -> Self {
        let [orders, answers] = [fake::region(0x1000), fake::region(0x1000)];
        let [grains, taken] = [
            fake::region(region_size(SLOTS)),
            fake::region(region_size(0)),
        ];
        let regions = [orders, answers, grains, taken];
        let record = vio::Transport::new(orders, answers.read_only()).expect("a page is enough");
        let span = Span::new(RAM_BASE, ram.len() as u64).expect("memory has bytes");
        let channel = ChannelId::new(1).expect("below 62");
        let mut machine = Self {
            transport: Transport::new(record, virtio::device::ENTROPY, &[span]),
            backend: create(ram, regions).expect("the record is complete"),
            kernel: FakeKernel::new(),
            supply: Supply::new(grains, taken.read_only(), channel).expect("regions are enough"),
            ram,
            regions,
            next: 1,
            flows: true,
        };
        machine.backend.init(&mut machine.kernel);
        machine.serve();
        machine
    }

    /// What the backend's peers write: its VMM, then the source.
    #[must_use]
    pub const fn peers(&self) -> [Region<Rw>; 2] {
        let [orders, _, grains, _] = self.regions;
        [orders, grains]
    }

    /// The backend dies and comes back.
    ///
    /// # Panics
    /// If it does not.
    #[expect(clippy::expect_used, reason = "test support")]
    pub fn restart_backend(&mut self) {
        self.backend = create(self.ram, self.regions).expect("the record is complete");
        self.backend.init(&mut self.kernel);
        self.serve();
    }

    /// Requests of the driver that the transport ignored.
    #[must_use]
    pub fn anomalies(&self) -> u64 {
        self.transport.anomalies().total()
    }

    fn notify(&mut self, channel: u64) {
        let channels = ChannelSet::from_badge(1 << channel);
        self.backend.notified(&mut self.kernel, channels);
    }

    /// The driver of the generator fills the ring with numbers that count up.
    fn refill(&mut self) {
        let mut room = self.supply.clean();
        while self.flows && room > 0 {
            let mut grain = [0; GRAIN];
            for word in grain.chunks_exact_mut(8) {
                word.copy_from_slice(&self.next.to_le_bytes());
            }
            self.next = self.next.wrapping_add(1);
            self.supply.put(&grain);
            room -= 1;
        }
        self.supply.flush(&mut self.kernel);
        self.notify(SOURCE);
    }
}

impl Default for EntropyMachine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine for EntropyMachine {
    fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }

    fn serve(&mut self) {
        if self.transport.take_signal() {
            self.notify(VMM);
        }
        self.refill();
        self.transport.on_backend();
    }
}
