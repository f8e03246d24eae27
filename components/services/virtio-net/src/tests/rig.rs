// SPDX-License-Identifier: BSD-2-Clause
//! A guest's memory, the transport's end of the record, and the switch's end of the link.

use frames::fake::FakeLink;
use frames::{Meta, Port, Shape, Status};
use pd::fake::{FakeKernel, World};
use pd::{Handler, Message, SetupError};
use shm::{Region, Rw, fake};
use trace::View;
use units::{ChannelId, ChannelSet};
use vio::{Phase, QueueConfig, Transport};
use virtio::net::{CONTROLQ, Header, QUEUES, RECEIVEQ, TRANSMITQ};
use virtio::queue::Descriptor;
use zerocopy::IntoBytes;

use crate::{FEATURES, Net};

pub(super) const RAM: u64 = 0x4000_0000;
pub(super) const RAM_SIZE: usize = 0x10_0000;
const DATA: usize = 0x8000;
pub(super) const SIZE: u16 = 16;
pub(super) const VMM: u64 = 3;
pub(super) const SWITCH: u64 = 7;
pub(super) const TIMER: u64 = 9;
pub(super) const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
pub(super) const WRITE: u16 = 2;
pub(super) const NEXT: u16 = 1;
/// Slots of the link in each direction.
pub(super) const SLOTS: u32 = 8;
/// Everything but event indices, so that each kick and interrupt is counted.
pub(super) const PLAIN: u64 = FEATURES & !(1 << 29);

/// Everything that outlives the backend.
#[derive(Clone, Copy)]
pub(super) struct Memory {
    pub(super) ram: Region<Rw>,
    orders: Region<Rw>,
    answers: Region<Rw>,
    trace: Region<Rw>,
    pub(super) link: FakeLink,
    timer: bool,
    pub(super) mac_change: u64,
}

pub(super) struct Rig {
    pub(super) kernel: FakeKernel,
    pub(super) net: Net,
    pub(super) transport: Transport,
    pub(super) switch: Port,
    pub(super) memory: Memory,
    avail: [u16; QUEUES],
    /// Fresh guest memory for buffers.
    next: usize,
}

pub(super) fn create(memory: &Memory) -> Result<Net, SetupError> {
    let mut world = World::new();
    world
        .region_rw("ram", memory.ram)
        .region_ro("orders", memory.orders)
        .region_rw("answers", memory.answers)
        .region_rw("trace", memory.trace)
        .region_rw("net.out", memory.link.first)
        .region_ro("net.in", memory.link.second)
        .channel("net", SWITCH)
        .channel("vmm", VMM)
        .text("mac", "52:54:00:00:00:01")
        .value("mtu", 1500)
        .value("mac.change", memory.mac_change);
    if memory.timer {
        world.channel("timer", TIMER);
    }
    world.create()
}

pub(super) fn config(index: usize) -> QueueConfig {
    let base = RAM + index as u64 * 0x1000;
    QueueConfig {
        size: SIZE,
        ready: true,
        desc: base,
        driver: base + 0x400,
        device: base + 0x800,
    }
}

pub(super) const UP: Status = Status {
    up: true,
    link: true,
    csum: true,
    mtu: 0,
};

impl Rig {
    pub(super) fn build(timer: bool, mac_change: u64) -> Self {
        let memory = Memory {
            ram: fake::region(RAM_SIZE),
            orders: fake::region(0x1000),
            answers: fake::region(0x4000),
            trace: fake::region(0x1000),
            link: FakeLink::new(Shape::NET, SLOTS),
            timer,
            mac_change,
        };
        let mut kernel = FakeKernel::new();
        kernel.answer_with(|_, _| Message::new(timer::OK));
        let mut switch = memory.link.second(ChannelId::new(1).unwrap());
        switch.set_status(UP);
        let mut rig = Self {
            kernel,
            net: create(&memory).unwrap(),
            transport: Transport::new(memory.orders, memory.answers.read_only()).unwrap(),
            switch,
            memory,
            avail: [0; QUEUES],
            next: DATA,
        };
        rig.net.init(&mut rig.kernel);
        rig
    }

    pub(super) fn new() -> Self {
        Self::build(false, 0)
    }

    /// A rig whose device runs with these features.
    pub(super) fn running(features: u64) -> Self {
        let mut rig = Self::new();
        rig.order(features);
        rig
    }

    pub(super) fn order(&mut self, features: u64) {
        let queues: Vec<QueueConfig> = (0..QUEUES).map(config).collect();
        self.transport.order(Phase::Running, features, &queues);
        self.kick();
        assert!(self.transport.settled());
    }

    pub(super) fn let_go(&mut self) {
        self.transport.order(Phase::LetGo, 0, &[]);
        self.kick();
        assert!(self.transport.settled());
        self.memory.ram.fill(0, DATA, 0).unwrap();
        self.avail = [0; QUEUES];
    }

    pub(super) fn notify(&mut self, channel: u64) {
        let mut channels = ChannelSet::EMPTY;
        channels.insert(ChannelId::new(channel).unwrap());
        self.net.notified(&mut self.kernel, channels);
    }

    pub(super) fn kick(&mut self) {
        self.notify(VMM);
    }

    /// The backend dies and comes back with nothing but its memory.
    pub(super) fn restart(&mut self) {
        self.net = create(&self.memory).unwrap();
        self.net.init(&mut self.kernel);
    }

    /// Fresh guest memory.
    pub(super) fn place(&mut self, len: usize) -> usize {
        let at = self.next;
        self.next += len;
        at
    }

    /// Guest memory that was never used.
    pub(super) const fn bytes_left(&self) -> usize {
        RAM_SIZE - self.next
    }

    pub(super) fn desc(&self, queue: usize, index: u16, descriptor: (u64, usize, u16, u16)) {
        let (addr, len, flags, next) = descriptor;
        let descriptor = Descriptor {
            addr: addr.into(),
            len: u32::try_from(len).unwrap().into(),
            flags: flags.into(),
            next: next.into(),
        };
        let at = queue * 0x1000 + usize::from(index) * 16;
        self.memory.ram.write(at, &descriptor).unwrap();
    }

    pub(super) fn submit(&mut self, queue: usize, head: u16) {
        let base = queue * 0x1000 + 0x400;
        let slot = base + 4 + usize::from(self.avail[queue] % SIZE) * 2;
        self.memory.ram.store(slot, head).unwrap();
        self.avail[queue] = self.avail[queue].wrapping_add(1);
        self.memory
            .ram
            .store_release(base + 2, self.avail[queue])
            .unwrap();
    }

    /// Offers one buffer of `len` bytes for reception; where it is.
    pub(super) fn offer(&mut self, head: u16, len: usize) -> usize {
        let at = self.place(len);
        self.desc(RECEIVEQ, head, (RAM + at as u64, len, WRITE, 0));
        self.submit(RECEIVEQ, head);
        at
    }

    /// Makes header and frame available in one buffer.
    pub(super) fn transmit(&mut self, head: u16, header: &Header, frame: &[u8]) {
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(frame);
        self.transmit_raw(head, &bytes);
    }

    pub(super) fn transmit_raw(&mut self, head: u16, bytes: &[u8]) {
        let at = self.place(bytes.len());
        self.memory.ram.copy_out(at, bytes).unwrap();
        self.desc(TRANSMITQ, head, (RAM + at as u64, bytes.len(), 0, 0));
        self.submit(TRANSMITQ, head);
    }

    /// Sends a command and answers the device's acknowledgement; 0x77: there is none.
    pub(super) fn command(&mut self, bytes: &[u8]) -> u8 {
        let at = self.place(bytes.len() + 1);
        let ack = at + bytes.len();
        self.memory.ram.copy_out(at, bytes).unwrap();
        self.memory.ram.store(ack, 0x77_u8).unwrap();
        self.desc(CONTROLQ, 0, (RAM + at as u64, bytes.len(), NEXT, 1));
        self.desc(CONTROLQ, 1, (RAM + ack as u64, 1, WRITE, 0));
        self.submit(CONTROLQ, 0);
        self.kick();
        self.memory.ram.load(ack).unwrap()
    }

    pub(super) fn used(&self, queue: usize) -> Vec<(u32, u32)> {
        let base = queue * 0x1000 + 0x800;
        let count: u16 = self.memory.ram.load(base + 2).unwrap();
        let entry = |index: u16| {
            let slot = base + 4 + usize::from(index % SIZE) * 8;
            (
                self.memory.ram.load(slot).unwrap(),
                self.memory.ram.load(slot + 4).unwrap(),
            )
        };
        (0..count).map(entry).collect()
    }

    pub(super) fn bytes(&self, at: usize, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory.ram.copy_in(at, &mut bytes).unwrap();
        bytes
    }

    /// What the switch got, without giving slots back.
    pub(super) fn take(&mut self) -> Vec<(Vec<u8>, Meta)> {
        let mut frames = Vec::new();
        while let Some(frame) = self.switch.rx.peek() {
            let mut bytes = vec![0; frame.len()];
            frame.bytes.copy_in(0, &mut bytes).unwrap();
            frames.push((bytes, frame.meta));
            self.switch.rx.advance();
        }
        frames
    }

    /// The switch takes what there is, gives the slots back and tells if it was asked to.
    pub(super) fn switched(&mut self) -> Vec<(Vec<u8>, Meta)> {
        let frames = self.take();
        let before = self.kernel.notifications(self.switch.channel());
        self.switch.flush(&mut self.kernel);
        if self.kernel.notifications(self.switch.channel()) > before {
            self.notify(SWITCH);
        }
        frames
    }

    /// The switch sends a frame; `false` where it has no slot.
    pub(super) fn send(&mut self, frame: &[u8], meta: Meta) -> bool {
        let sent = self.switch.tx.send(frame, meta);
        self.switch.flush(&mut self.kernel);
        self.notify(SWITCH);
        sent
    }

    pub(super) fn interrupts(&self) -> u32 {
        self.transport.events().used
    }

    pub(super) fn config(&self) -> Vec<u8> {
        let mut config = vec![0; 12];
        self.transport.read_config(0, &mut config).unwrap();
        config
    }

    pub(super) fn counted(&self, name: &str) -> u64 {
        let trace = self.memory.trace.read_only();
        let view = View::new(&trace).unwrap();
        let mut buffer = [0; 32];
        let kind = (0..40)
            .find(|kind| view.name(*kind, &mut buffer) == Some(name))
            .unwrap();
        view.counter(kind).unwrap()
    }
}

/// A frame to `destination` with `len` bytes of payload that tell its place.
pub(super) fn frame(destination: [u8; 6], len: usize) -> Vec<u8> {
    let mut frame = destination.to_vec();
    frame.extend_from_slice(&[0x52, 0x54, 0, 0, 0, 2, 0x08, 0x00]);
    frame.extend((0..len).map(|at| (at * 7 % 251).to_le_bytes()[0]));
    frame
}
