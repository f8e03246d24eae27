// SPDX-License-Identifier: BSD-2-Clause
//! The driver as a component, between a device that the tests play and the switch's end of its link.

mod device;
mod hostile;
mod traffic;

use frames::fake::FakeLink;
use frames::{Meta, Port, Shape, Status};
use mmio::fake::Bank;
use pd::fake::{FakeKernel, World};
use pd::{Handler, SetupError};
use shm::{Region, Rw, fake};
use trace::View;
use units::{ChannelId, ChannelSet};
use virtio::net::{F_CSUM, F_GUEST_CSUM, F_STATUS};

use crate::{Driver, Event};
use device::{Device, INPUT, OUT, QUEUE};

/// Slots of the link.
const SLOTS: u32 = 8;
const SWITCH: u64 = 4;
const IRQ: u64 = 9;

/// Bytes of the region of queues.
const QUEUE_BYTES: usize = 0x4000;

/// Everything that outlives the driver.
struct Memory {
    bank: Bank,
    queue: Region<Rw>,
    link: FakeLink,
    trace: Region<Rw>,
}

struct Rig {
    kernel: FakeKernel,
    driver: Driver,
    device: Device,
    switch: Port,
    memory: Memory,
}

fn create(memory: &Memory) -> Result<Driver, SetupError> {
    let link = (memory.link.first, memory.link.second);
    let mut world = World::new();
    world
        .registers("regs", memory.bank.window())
        .value("regs.offset", 0x200)
        .irq("irq", IRQ)
        .region_rw("queue", memory.queue)
        .dma("queue", QUEUE, QUEUE_BYTES as u64)
        .region_rw("switch.out", link.0)
        .dma("switch.out", OUT, link.0.len() as u64)
        .region_ro("switch.in", link.1)
        .dma("switch.in", INPUT, link.1.len() as u64)
        .channel("switch", SWITCH)
        .region_rw("trace", memory.trace);
    world.create()
}

impl Rig {
    fn new() -> Self {
        Self::offering(F_STATUS | F_CSUM | F_GUEST_CSUM)
    }

    /// A rig whose device offers these features, and those of the rings.
    fn offering(features: u64) -> Self {
        let link = FakeLink::new(Shape::NET, SLOTS);
        let memory = Memory {
            bank: Bank::new(0x1000),
            queue: fake::region(QUEUE_BYTES),
            link,
            trace: fake::region(0x1000),
        };
        let device = Device::new(&memory.bank, 0x200, features, (memory.queue, link));
        let mut rig = Self {
            kernel: FakeKernel::new(),
            driver: create(&memory).unwrap(),
            device,
            switch: link.second(ChannelId::new(1).unwrap()),
            memory,
        };
        rig.switch.set_status(Status {
            up: true,
            link: true,
            ..Status::DOWN
        });
        rig.driver.init(&mut rig.kernel);
        rig
    }

    /// The driver dies and comes back with nothing but its memory.
    fn restart(&mut self) {
        self.driver = create(&self.memory).unwrap();
        self.driver.init(&mut self.kernel);
    }

    fn notify(&mut self, id: u64) {
        let channels: ChannelSet = [ChannelId::new(id).unwrap()].into_iter().collect();
        self.driver.notified(&mut self.kernel, channels);
    }

    /// The device interrupts for used buffers.
    fn interrupt(&mut self) {
        self.device.interrupt(1);
        self.notify(IRQ);
    }

    /// The switch sends.
    fn send(&mut self, frame: &[u8], meta: Meta) {
        assert!(self.switch.tx.send(frame, meta));
        let _ = self.switch.tx.publish();
    }

    /// What the switch gets.
    fn receive(&mut self) -> Option<(Vec<u8>, Meta)> {
        let frame = self.switch.rx.peek()?;
        let mut bytes = vec![0; frame.len()];
        frame.bytes.copy_in(0, &mut bytes).unwrap();
        self.switch.rx.advance();
        let _ = self.switch.rx.release();
        Some((bytes, frame.meta))
    }

    fn count(&self, event: Event) -> u64 {
        let bytes = self.memory.trace.read_only();
        let view = View::new(&bytes).unwrap();
        view.counter(trace::Event::kind(&event)).unwrap()
    }
}

/// A frame of `len` bytes that all say `tag`.
fn frame(tag: u8, len: usize) -> Vec<u8> {
    vec![tag; len]
}
