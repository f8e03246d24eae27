// SPDX-License-Identifier: BSD-2-Clause
//! A guest that does whatever it likes: registers, queue memory, and time, in any order
//! (hostile-guest.md H-01 to H-31 at once).
//!
//! [`run`] is the body of a fuzz target: bytes in; it panics if anything happens that no guest may
//! cause. A property test runs it briefly with the rest of the suite.

use bus::{Access, Bus, Device, IoError, IrqLine, Policy, Width, Window};
use guest::Span;
use guest::machine::{GICD, PRIMECELL_SIZE, RTC, UART, VIRTIO, VIRTIO_STRIDE};
use pd::Handler;
use pd::fake::{FakeKernel, World};
use pl011_emu::Pl011;
use pl031_emu::Pl031;
use serial::Stream;
use serial::fake::FakeLink;
use shm::{Region, Rw, fake};
use units::{ChannelId, ChannelSet, Gpa};
use virtio_console::Console;
use virtio_mmio::Transport;

/// Bytes of one step of a script.
pub const STEP: usize = 12;

/// Bytes of guest RAM.
const RAM_SIZE: usize = 0x1_0000;
/// Bytes on either side of it that nobody may touch.
const GUARD: usize = 0x1000;
/// What is in them.
const CANARY: u8 = 0xc5;
/// Where the guest has its RAM.
const RAM: Gpa = guest::machine::RAM_BASE;
/// The backend's channel to the VMM.
const VMM: u64 = 3;
/// The backend's channel to the multiplexer.
const MUX: u64 = 7;

/// The devices of the guest.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "three of them")]
enum Model {
    Uart(Pl011),
    Rtc(Pl031),
    Virtio(Transport),
}

impl Device for Model {
    fn read(&mut self, access: Access) -> Result<u64, IoError> {
        match self {
            Self::Uart(device) => device.read(access),
            Self::Rtc(device) => device.read(access),
            Self::Virtio(device) => device.read(access),
        }
    }

    fn write(&mut self, access: Access, value: u64) -> Result<(), IoError> {
        match self {
            Self::Uart(device) => device.write(access, value),
            Self::Rtc(device) => device.write(access, value),
            Self::Virtio(device) => device.write(access, value),
        }
    }

    fn irq(&self) -> IrqLine {
        match self {
            Self::Uart(device) => device.irq(),
            Self::Rtc(device) => device.irq(),
            Self::Virtio(device) => device.irq(),
        }
    }
}

struct Machine {
    bus: Bus<Model, 3>,
    backend: Console,
    kernel: FakeKernel,
    screen: Stream,
    memory: Region<Rw>,
    ram: Region<Rw>,
    now: u64,
    held: bool,
}

#[expect(clippy::expect_used, reason = "test support")]
impl Machine {
    fn new() -> Self {
        let memory = fake::region(RAM_SIZE + 2 * GUARD);
        memory.fill(0, memory.len(), CANARY).expect("all of it");
        let ram = memory.sub(GUARD, RAM_SIZE).expect("between the guards");
        ram.fill(0, RAM_SIZE, 0).expect("all of it");
        let [orders, answers] = [fake::region(0x1000), fake::region(0x1000)];
        let link = FakeLink::new(256);
        let mut world = World::new();
        world
            .region_rw("ram", ram)
            .region_ro("orders", orders)
            .region_rw("answers", answers)
            .region_rw("console.out", link.memory.first)
            .region_ro("console.in", link.memory.second)
            .channel("console", MUX)
            .channel("vmm", VMM);
        let backend = world.create().expect("the record is complete");
        let record = vio::Transport::new(orders, answers.read_only()).expect("a page is enough");
        let span = Span::new(RAM, RAM_SIZE as u64).expect("RAM has bytes");
        let mut bus = Bus::new(Policy::Ignore);
        let mut attach = |base: Gpa, size, model| {
            bus.insert(
                Window {
                    base: base.get(),
                    size,
                },
                model,
            )
            .expect("disjoint windows");
        };
        attach(UART, PRIMECELL_SIZE, Model::Uart(Pl011::new()));
        attach(RTC, PRIMECELL_SIZE, Model::Rtc(Pl031::new(0, 0)));
        let transport = Transport::new(record, virtio::device::CONSOLE, &[span]);
        attach(VIRTIO, VIRTIO_STRIDE, Model::Virtio(transport));
        let screen = link.second(ChannelId::new(1).expect("below 62"));
        let kernel = FakeKernel::new();
        let mut machine = Self {
            bus,
            backend,
            kernel,
            screen,
            memory,
            ram,
            now: 0,
            held: false,
        };
        machine.backend.init(&mut machine.kernel);
        machine.serve();
        machine
    }

    fn notify_backend(&mut self, channel: u64) {
        let mut channels = ChannelSet::EMPTY;
        channels.insert(ChannelId::new(channel).expect("below 62"));
        self.backend.notified(&mut self.kernel, channels);
    }

    /// What the VMM does after an access. With `held`, the backend does not get to run.
    fn serve(&mut self) {
        let mut signal = false;
        for (_, model) in self.bus.devices_mut() {
            match model {
                Model::Uart(uart) => while uart.take_tx().is_some() {},
                Model::Rtc(rtc) => rtc.advance_to(self.now),
                Model::Virtio(transport) => signal |= transport.take_signal(),
            }
        }
        if signal && !self.held {
            self.notify_backend(VMM);
        }
        for (_, model) in self.bus.devices_mut() {
            if let Model::Virtio(transport) = model {
                transport.on_backend();
                assert!(
                    self.held || !transport.is_settling(),
                    "the backend did not let go"
                );
            }
        }
    }

    fn access(&mut self, gpa: u64, kind: u8, value: u64) {
        let width = Width::from_sas(u64::from(kind));
        let done = if kind & 4 != 0 {
            self.bus.write(gpa, width, 0, value)
        } else {
            self.bus.read(gpa, width, 0)
        };
        let done = done.expect("this policy never aborts");
        assert!(done.value <= width.mask());
        self.serve();
    }

    /// A well-formed step of a driver, so that scripts get deep.
    fn drive(&mut self, which: u8, value: u64) {
        let base = VIRTIO.get();
        let mut write = |offset, value| self.access(base + offset, 4 | 2, value);
        match which % 6 {
            0 => {
                for status in [0, 1, 3] {
                    write(0x70, status);
                }
                for (select, features) in [(0, 0x3000_0000 & value), (1, 1)] {
                    write(0x24, select);
                    write(0x20, features);
                }
                write(0x70, 0xb);
            }
            1 => {
                let queue = value & 1;
                let area = RAM.get() + queue * 0x1000;
                write(0x30, queue);
                write(0x38, 8);
                for (offset, area) in [(0x80, area), (0x90, area + 0x400), (0xa0, area + 0x800)] {
                    write(offset, area);
                    write(offset + 4, 0);
                }
                write(0x44, 1);
            }
            2 => write(0x70, 0xf),
            3 => write(0x50, value & 1),
            4 => write(0x64, 3),
            _ => write(0x70, 0),
        }
    }

    /// Puts a descriptor and an available entry where the queues of [`Machine::drive`] have them.
    fn offer(&mut self, bytes: [u8; 8], flags: u8) {
        let [queue, head, place, len, next, idx, ..] = bytes;
        let base = usize::from(queue & 1) * 0x1000;
        let desc = base + usize::from(head % 8) * 16;
        let addr = RAM.get() + 0x2000 + u64::from(place) * 0x100;
        let ram = self.ram;
        ram.store(desc, addr).expect("aligned");
        ram.store(desc + 8, u32::from(len)).expect("aligned");
        ram.store(desc + 12, u16::from(flags & 7)).expect("aligned");
        ram.store(desc + 14, u16::from(next % 9)).expect("aligned");
        let seen: u16 = ram.load(base + 0x402).expect("aligned");
        let slot = base + 0x404 + usize::from(seen % 8) * 2;
        ram.store(slot, u16::from(head % 9)).expect("aligned");
        ram.store(base + 0x402, seen.wrapping_add(u16::from(idx % 3)))
            .expect("aligned");
    }

    fn step(&mut self, step: [u8; STEP]) {
        let [kind, which, a, b, value @ ..] = step;
        let offset = u64::from(u16::from_le_bytes([a, b]));
        let word = u64::from_le_bytes(value);
        match kind % 8 {
            0 => {
                let bases = [UART, RTC, VIRTIO, GICD, RAM].map(Gpa::get);
                let base = bases
                    .into_iter()
                    .cycle()
                    .nth(usize::from(which))
                    .unwrap_or(0);
                self.access(base.wrapping_add(offset), kind >> 3, word);
            }
            1 => self.access(VIRTIO.get() + offset % 0x204, kind >> 3, word),
            2 | 3 => self.drive(which, word),
            4 | 5 => self.offer(value, which),
            6 => {
                let at = usize::from(u16::from_le_bytes([a, b]) % 0x2000) & !7;
                self.ram.store(at, word).expect("aligned and below the end");
            }
            _ => self.pass_time(which, offset),
        }
    }

    fn pass_time(&mut self, which: u8, by: u64) {
        self.now += by;
        // Now and then the backend is slow: the guest sees a reset that is not over.
        self.held = which.is_multiple_of(5);
        let mut bytes = [0; 64];
        while self.screen.read(&mut bytes) > 0 {}
        self.screen
            .write(bytes.get(..usize::from(which % 64)).unwrap_or_default());
        self.screen.flush(&mut self.kernel);
        if !self.held {
            self.notify_backend(VMM);
            self.notify_backend(MUX);
        }
        for (_, model) in self.bus.devices_mut() {
            if let Model::Uart(uart) = model {
                let _ = uart.push_rx(which);
            }
        }
        self.serve();
    }

    fn guards_are_intact(&self) -> bool {
        let mut bytes = [0; GUARD];
        [0, GUARD + RAM_SIZE].into_iter().all(|at| {
            self.memory.copy_in(at, &mut bytes).is_ok() && bytes.iter().all(|byte| *byte == CANARY)
        })
    }
}

/// Runs a script.
///
/// # Panics
/// If the guest gets away with something.
pub fn run(script: &[u8]) {
    let mut machine = Machine::new();
    let (steps, _) = script.as_chunks::<STEP>();
    for step in steps {
        machine.step(*step);
    }
    assert!(
        machine.guards_are_intact(),
        "memory outside the guest's was written"
    );
    // Whatever it did: after a reset the device works for a driver that behaves.
    machine.held = false;
    machine.notify_backend(VMM);
    machine.serve();
    machine.drive(5, 0);
    machine.ram.fill(0, RAM_SIZE, 0).unwrap_or_default();
    // What was sent before the reset is still on its way.
    machine.pass_time(1, 0);
    for (which, value) in [(0, 0), (1, 0), (1, 1), (2, 0)] {
        machine.drive(which, value);
    }
    let _ = machine.ram.copy_out(0x2100, b"sane");
    machine.offer([1, 0, 1, 4, 0, 1, 0, 0], 0);
    machine.drive(3, 1);
    let mut shown = [0; 8];
    let count = machine.screen.read(&mut shown);
    assert_eq!(
        shown.get(..count),
        Some(&b"sane"[..]),
        "the device did not recover"
    );
}
