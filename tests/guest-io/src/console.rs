// SPDX-License-Identifier: BSD-2-Clause
//! A machine with a virtio console: transport, backend, and the far end of the console's stream.

use guest::Span;
use guest::machine::RAM_BASE;
use pd::fake::{FakeKernel, World};
use pd::{Handler, SetupError};
use serial::Stream;
use serial::fake::FakeLink;
use shm::{Region, Rw, fake};
use units::{ChannelId, ChannelSet};
use virtio_console::Console;
use virtio_mmio::Transport;

use crate::memory;
use crate::registers::Machine;

/// The backend's channel to the VMM, and its channel to the multiplexer.
const CHANNELS: [u64; 2] = [3, 7];
/// Bytes of the stream in each direction.
const RING: usize = 1024;
/// Size of the screen.
pub const SCREEN: (u16, u16) = (132, 43);

/// Transport, backend and screen.
#[derive(Debug)]
pub struct ConsoleMachine {
    transport: Transport,
    backend: Console,
    kernel: FakeKernel,
    screen: Stream,
    ram: Region<Rw>,
    regions: [Region<Rw>; 2],
    link: FakeLink,
    output: Vec<u8>,
}

impl ConsoleMachine {
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
        let link = FakeLink::new(RING);
        let backend = create(ram, [orders, answers], &link).expect("the record is complete");
        let record = vio::Transport::new(orders, answers.read_only()).expect("a page is enough");
        let span = Span::new(RAM_BASE, ram.len() as u64).expect("memory has bytes");
        let screen = link.second(ChannelId::new(1).expect("below 62"));
        let mut machine = Self {
            transport: Transport::new(record, virtio::device::CONSOLE, &[span]),
            backend,
            kernel: FakeKernel::new(),
            screen,
            ram,
            regions: [orders, answers],
            link,
            output: Vec::new(),
        };
        machine.backend.init(&mut machine.kernel);
        machine.serve();
        machine
    }

    /// The backend dies and comes back.
    ///
    /// # Panics
    /// If it does not.
    #[expect(clippy::expect_used, reason = "test support")]
    pub fn restart_backend(&mut self) {
        self.backend = create(self.ram, self.regions, &self.link).expect("the record is complete");
        self.backend.init(&mut self.kernel);
        self.serve();
    }

    /// What the backend's peers write: its VMM, then the multiplexer.
    #[must_use]
    pub const fn peers(&self) -> [Region<Rw>; 2] {
        let [orders, _] = self.regions;
        [orders, self.link.memory.second]
    }

    /// What the guest has printed so far.
    pub fn take_output(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.output)
    }

    /// Somebody types; how many bytes there was room for.
    pub fn type_in(&mut self, bytes: &[u8]) -> usize {
        let count = self.screen.write(bytes);
        self.screen.flush(&mut self.kernel);
        self.notify_backend(1);
        self.serve();
        count
    }

    /// Whether the device interrupts its driver.
    #[must_use]
    pub fn interrupts(&self) -> bool {
        bus::Device::irq(&self.transport).is_high()
    }

    /// Requests of the driver that the transport ignored.
    #[must_use]
    pub fn anomalies(&self) -> u64 {
        self.transport.anomalies().total()
    }

    fn notify_backend(&mut self, which: usize) {
        let mut channels = ChannelSet::EMPTY;
        if let Some(channel) = CHANNELS.get(which).and_then(|id| ChannelId::new(*id)) {
            channels.insert(channel);
        }
        self.backend.notified(&mut self.kernel, channels);
    }

    /// The multiplexer reads until there is nothing left.
    fn drain(&mut self) {
        let mut bytes = [0; RING];
        loop {
            let count = self.screen.read(&mut bytes);
            self.output.extend(bytes.iter().take(count));
            self.screen.flush(&mut self.kernel);
            if count == 0 && !self.screen.wait_for_bytes() {
                return;
            }
            self.notify_backend(1);
        }
    }
}

impl Default for ConsoleMachine {
    fn default() -> Self {
        Self::new()
    }
}

fn create(
    ram: Region<Rw>,
    regions: [Region<Rw>; 2],
    link: &FakeLink,
) -> Result<Console, SetupError> {
    let [orders, answers] = regions;
    let [vmm, mux] = CHANNELS;
    let mut world = World::new();
    world
        .region_rw("ram", ram)
        .region_ro("orders", orders)
        .region_rw("answers", answers)
        .region_rw("console.out", link.memory.first)
        .region_ro("console.in", link.memory.second)
        .channel("console", mux)
        .channel("vmm", vmm)
        .value("columns", SCREEN.0.into())
        .value("rows", SCREEN.1.into());
    world.create()
}

impl Machine for ConsoleMachine {
    fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }

    fn serve(&mut self) {
        if self.transport.take_signal() {
            self.notify_backend(0);
        }
        self.drain();
        self.transport.on_backend();
    }
}
