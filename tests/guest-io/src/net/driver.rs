// SPDX-License-Identifier: BSD-2-Clause
//! A network driver with mergeable buffers, partial checksums and a control queue, as operating
//! systems have them, that can be told which of them to use.

use guest::machine::RAM_BASE;
use shm::{Region, Rw};
use virtio::net::{CONTROLQ, F_MRG_RXBUF, HEADER_SIZE, Header, QUEUES, RECEIVEQ, TRANSMITQ};
use virtio::queue::Descriptor;
use virtio_drivers::transport::{DeviceStatus, Transport};
use zerocopy::{FromBytes, IntoBytes};

use super::{NetMachine, Shared};
use crate::registers::Registers;

/// Entries of each queue.
const SIZE: u16 = 32;
/// Distance between the queues' areas in RAM.
const STRIDE: usize = 0x2000;
/// Driver and device area from a queue's descriptors.
const AVAIL: usize = 0x400;
const USED: usize = 0x800;
/// First indirect table of a queue, from its descriptors.
const TABLES: usize = 0x1000;
/// Bytes of an indirect table.
const TABLE: usize = 0x40;
/// First buffer of a queue.
const BUFFERS: usize = 0x1_0000;
/// Bytes of a head's buffer.
const BUFFER: usize = 0x1000;
/// Bytes of RAM that the driver needs.
pub const RAM: usize = BUFFERS + QUEUES * SIZE as usize * BUFFER;

/// VIRTIO_F_INDIRECT_DESC.
const INDIRECT: u64 = 1 << 28;
/// VIRTIO_F_VERSION_1.
const VERSION_1: u64 = 1 << 32;
/// VIRTIO_F_EVENT_IDX.
const EVENT_IDX: u64 = 1 << 29;

/// How the driver uses its queues.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Features that it accepts, if offered.
    pub features: u64,
    /// Bytes of a receive buffer.
    pub buffer: usize,
    /// Bytes of the first of two buffers of a transmitted frame; 0: in one.
    pub cut: usize,
}

/// A frame that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The header before it.
    pub header: Header,
    /// Its bytes.
    pub frame: Vec<u8>,
}

/// One queue's indices.
#[derive(Clone, Copy, Debug, Default)]
struct Ring {
    avail: u16,
    kicked: u16,
    used: u16,
}

/// The driver.
#[derive(Debug)]
pub struct Driver {
    registers: Registers<NetMachine>,
    ram: Region<Rw>,
    shape: Shape,
    /// What was negotiated.
    pub features: u64,
    rings: [Ring; QUEUES],
    /// Heads that are free for transmission.
    free: Vec<u16>,
    /// Writes of QueueNotify so far.
    pub kicks: usize,
}

fn at(queue: usize, offset: usize) -> usize {
    queue * STRIDE + offset
}

fn buffer(queue: usize, head: u16) -> usize {
    BUFFERS + (queue * usize::from(SIZE) + usize::from(head)) * BUFFER
}

fn gpa(offset: usize) -> u64 {
    RAM_BASE.get() + offset as u64
}

#[expect(clippy::expect_used, reason = "test support")]
impl Driver {
    /// Resets and starts the device, and offers it buffers.
    ///
    /// # Panics
    /// If the device refuses.
    #[must_use]
    pub fn start(machine: &Shared, ram: Region<Rw>, shape: Shape) -> Self {
        let mut driver = Self {
            registers: NetMachine::registers(machine.clone(), !0),
            ram,
            shape,
            features: 0,
            rings: [Ring::default(); QUEUES],
            free: (0..SIZE).collect(),
            kicks: 0,
        };
        driver.set_up();
        driver
    }

    fn set_up(&mut self) {
        self.ram.fill(0, BUFFERS, 0).expect("room for the queues");
        let wanted = self.shape.features | VERSION_1;
        self.registers.set_status(DeviceStatus::empty());
        let mut status = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER;
        self.registers.set_status(status);
        self.features = self.registers.read_device_features() & wanted;
        self.registers.write_driver_features(self.features);
        status |= DeviceStatus::FEATURES_OK;
        self.registers.set_status(status);
        for (index, queue) in (0_u16..).zip(0..QUEUES) {
            let areas = [0, AVAIL, USED].map(|area| gpa(at(queue, area)));
            let [desc, driver, device] = areas;
            self.registers
                .queue_set(index, SIZE.into(), desc, driver, device);
        }
        status |= DeviceStatus::DRIVER_OK;
        self.registers.set_status(status);
        assert_eq!(self.registers.get_status(), status, "the device runs");
        for head in 0..SIZE {
            self.offer(head);
        }
        self.kick(RECEIVEQ);
    }

    fn has(&self, feature: u64) -> bool {
        self.features & feature != 0
    }

    /// Makes buffers available: offset, length, and whether the device writes it.
    fn submit(&mut self, queue: usize, head: u16, parts: &[(usize, usize, bool)]) {
        let indirect = self.has(INDIRECT) && parts.len() > 1;
        let table = at(queue, TABLES) + usize::from(head) * TABLE;
        let (base, mut index) = if indirect {
            let len = parts.len() * size_of::<Descriptor>();
            self.put(at(queue, 0), head, (table, len, 4), 0);
            (table, 0)
        } else {
            (at(queue, 0), head)
        };
        let mut parts = parts.iter().peekable();
        while let Some((offset, len, writable)) = parts.next() {
            let next = index + 1;
            let flags = u16::from(parts.peek().is_some()) | if *writable { 2 } else { 0 };
            self.put(base, index, (*offset, *len, flags), next);
            index = next;
        }
        let ring = &mut self.rings[queue];
        let slot = at(queue, AVAIL) + 4 + usize::from(ring.avail % SIZE) * 2;
        ring.avail = ring.avail.wrapping_add(1);
        self.ram.store(slot, head).expect("aligned");
        self.ram
            .store_release(at(queue, AVAIL) + 2, ring.avail)
            .expect("aligned");
    }

    fn put(&self, table: usize, index: u16, part: (usize, usize, u16), next: u16) {
        let (offset, len, flags) = part;
        let descriptor = Descriptor {
            addr: gpa(offset).into(),
            len: u32::try_from(len).expect("small").into(),
            flags: flags.into(),
            next: next.into(),
        };
        self.ram
            .write(table + usize::from(index) * 16, &descriptor)
            .expect("in RAM");
    }

    /// Kicks if the device wants it (2.7.13.4.1).
    pub fn kick(&mut self, queue: usize) {
        let ring = &mut self.rings[queue];
        let old = core::mem::replace(&mut ring.kicked, ring.avail);
        let avail = ring.avail;
        let wanted = if self.has(EVENT_IDX) {
            let event = at(queue, USED) + 4 + usize::from(SIZE) * 8;
            let event = self.ram.load::<u16>(event).expect("aligned");
            virtio::queue::need_event(event, avail, old)
        } else {
            self.ram.load::<u16>(at(queue, USED)) == Ok(0)
        };
        if wanted && old != avail {
            self.kicks += 1;
            self.registers
                .notify(u16::try_from(queue).expect("three queues"));
        }
    }

    fn offer(&mut self, head: u16) {
        self.submit(
            RECEIVEQ,
            head,
            &[(buffer(RECEIVEQ, head), self.shape.buffer, true)],
        );
    }

    /// What the device gave back next: head and length. With event indices, an interrupt is asked
    /// for what comes after it.
    fn reap(&mut self, queue: usize) -> Option<(u16, usize)> {
        let used = self.rings[queue].used;
        if self.ram.load_acquire::<u16>(at(queue, USED) + 2) == Ok(used) {
            return None;
        }
        let slot = at(queue, USED) + 4 + usize::from(used % SIZE) * 8;
        let head = self.ram.load::<u32>(slot).expect("aligned");
        let len = self.ram.load::<u32>(slot + 4).expect("aligned");
        let next = used.wrapping_add(1);
        self.rings[queue].used = next;
        self.ram
            .store(at(queue, AVAIL) + 4 + usize::from(SIZE) * 2, next)
            .expect("aligned");
        let head = u16::try_from(head).expect("a head");
        Some((head, usize::try_from(len).expect("small")))
    }

    /// Makes a frame available for transmission; `false` if there is no head for it. The device
    /// hears of it with [`Driver::kick`].
    pub fn queue(&mut self, header: &Header, frame: &[u8]) -> bool {
        while let Some((head, len)) = self.reap(TRANSMITQ) {
            assert_eq!(len, 0, "nothing is written");
            self.free.push(head);
        }
        // Without indirect tables a head's second descriptor is the next one.
        let cut = self.shape.cut;
        let two = cut > 0 && self.has(INDIRECT);
        let Some(head) = self.free.pop() else {
            return false;
        };
        let place = buffer(TRANSMITQ, head);
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(frame);
        self.ram.copy_out(place, &bytes).expect("in RAM");
        let cut = cut.min(bytes.len() - 1);
        if two {
            let rest = (place + cut, bytes.len() - cut, false);
            self.submit(TRANSMITQ, head, &[(place, cut, false), rest]);
        } else {
            self.submit(TRANSMITQ, head, &[(place, bytes.len(), false)]);
        }
        true
    }

    /// Sends a frame without anything special.
    pub fn send(&mut self, frame: &[u8]) -> bool {
        let sent = self.queue(&Header::default(), frame);
        self.kick(TRANSMITQ);
        sent
    }

    /// Acknowledges the interrupt, if there is one; whether there was.
    pub fn acknowledge(&mut self) -> bool {
        !self.registers.ack_interrupt().is_empty()
    }

    /// The next frame that arrived.
    ///
    /// # Panics
    /// If it is not all there.
    pub fn receive(&mut self) -> Option<Received> {
        let mut bytes = self.take_buffer()?;
        let (header, frame) = bytes.split_at(HEADER_SIZE);
        let header = Header::read_from_bytes(header).expect("a header");
        let frame = frame.to_vec();
        bytes = frame;
        let count = header.num_buffers.get();
        assert!(count == 1 || self.has(F_MRG_RXBUF), "merged");
        for _ in 1..count {
            bytes.extend(self.take_buffer().expect("all buffers at once"));
        }
        self.kick(RECEIVEQ);
        let frame = bytes;
        Some(Received { header, frame })
    }

    fn take_buffer(&mut self) -> Option<Vec<u8>> {
        let (head, len) = self.reap(RECEIVEQ)?;
        let mut bytes = vec![0; len];
        let place = buffer(RECEIVEQ, head);
        self.ram.copy_in(place, &mut bytes).expect("in RAM");
        self.offer(head);
        Some(bytes)
    }

    /// Sends a command; the device's acknowledgement.
    ///
    /// # Panics
    /// If the device does not answer.
    pub fn command(&mut self, bytes: &[u8]) -> u8 {
        let place = buffer(CONTROLQ, 0);
        self.ram.copy_out(place, bytes).expect("in RAM");
        self.ram
            .store(place + bytes.len(), 0x77_u8)
            .expect("in RAM");
        let ack = (place + bytes.len(), 1, true);
        self.submit(CONTROLQ, 0, &[(place, bytes.len(), false), ack]);
        self.kick(CONTROLQ);
        assert_eq!(self.reap(CONTROLQ), Some((0, 1)), "the device answers");
        self.ram.load(place + bytes.len()).expect("in RAM")
    }

    /// Status of the link in the configuration space.
    #[must_use]
    pub fn link_is_up(&self) -> bool {
        self.registers.read_config_space::<u16>(6) == Ok(1)
    }
}
