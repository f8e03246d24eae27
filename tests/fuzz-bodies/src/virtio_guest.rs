// SPDX-License-Identifier: BSD-2-Clause
//! A guest that knows how to drive a virtio device and mostly does not: registers, rings and
//! buffers in any order, and rings that are rewritten while the backend looks at them.

use bus::{Access, Device, Width};
use guest::machine::{RAM_BASE, VIRTIO_STRIDE};
use guest_io::registers::Machine;
use shm::{Region, Rw};

use crate::memory::{Ram, bounded, lie};
use crate::script::Script;

/// Bytes of a guest's memory.
pub const RAM_SIZE: usize = 0x1_0000;
/// Distance of the areas of two queues; descriptors, driver's area, device's area.
const QUEUE_STRIDE: usize = 0x1000;
const DRIVER_AREA: usize = 0x400;
const DEVICE_AREA: usize = 0x800;
/// Where a table of indirect descriptors is, and where the buffers begin.
const INDIRECT: usize = 0x4000;
const BUFFERS: usize = 0x5000;
/// Distance of two buffers.
const BUFFER_STRIDE: usize = 0xa0;
/// Entries of a queue that [`Guest::set_up`] makes.
const QUEUE_SIZE: u16 = 8;
/// Flags of a descriptor (2.7.5).
const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT_FLAG: u16 = 4;

/// What a guest knows of its device.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Queues.
    pub queues: usize,
    /// Beginnings of requests that make sense.
    pub requests: &'static [&'static [u8]],
}

/// A guest at a machine.
#[derive(Debug)]
pub struct Guest {
    shape: Shape,
    ram: Region<Rw>,
}

impl Guest {
    /// A guest of a device of this shape that has `ram`.
    #[must_use]
    pub const fn new(shape: Shape, ram: &Ram) -> Self {
        Self {
            shape,
            ram: ram.region(),
        }
    }

    /// A register is accessed, and the VMM does what it does afterwards.
    fn access(&self, machine: &mut impl Machine, access: Access, store: Option<u64>) -> u64 {
        let transport = machine.transport();
        let answer = match store {
            Some(value) => {
                let value = value & access.width.mask();
                transport.write(access, value).map(|()| 0)
            }
            None => transport.read(access),
        };
        bounded(|| machine.serve());
        let value = answer.unwrap_or(0);
        assert!(value <= access.width.mask(), "{access:?} read {value:#x}");
        value
    }

    fn write(&self, machine: &mut impl Machine, offset: u64, value: u64) {
        self.access(machine, Access::new(offset, Width::Word), Some(value));
    }

    /// Any access to the window.
    pub fn any_access(&self, machine: &mut impl Machine, script: &mut Script<'_>) {
        let kind = script.byte();
        let width = Width::from_sas(u64::from(kind & 3));
        let room = usize::try_from(VIRTIO_STRIDE - width.bytes()).unwrap_or(0);
        let offset = script.below(room + 1) as u64;
        let offset = if kind & 4 == 0 { offset & !3 } else { offset };
        let store = (kind & 8 != 0).then(|| script.odd());
        self.access(machine, Access::new(offset, width), store);
    }

    /// The device is initialised by the book (3.1.1), with these of the features it has.
    pub fn set_up(&self, machine: &mut impl Machine, features: u32) {
        for status in [0, 1, 3] {
            self.write(machine, 0x70, status);
        }
        for (select, wanted) in [(0, features), (1, 1)] {
            self.write(machine, 0x14, select);
            let offered = self.access(machine, Access::new(0x10, Width::Word), None);
            self.write(machine, 0x24, select);
            self.write(machine, 0x20, offered & u64::from(wanted));
        }
        self.write(machine, 0x70, 0xb);
        for queue in 0..self.shape.queues {
            self.make_queue(machine, queue);
        }
        self.write(machine, 0x70, 0xf);
    }

    fn make_queue(&self, machine: &mut impl Machine, queue: usize) {
        let at = queue * QUEUE_STRIDE;
        let _ = self.ram.fill(at, QUEUE_STRIDE, 0);
        self.write(machine, 0x30, queue as u64);
        self.write(machine, 0x38, u64::from(QUEUE_SIZE));
        let areas = [(0x80, 0), (0x90, DRIVER_AREA), (0xa0, DEVICE_AREA)];
        for (register, area) in areas {
            let address = RAM_BASE.get() + (at + area) as u64;
            self.write(machine, register, address & 0xffff_ffff);
            self.write(machine, register + 4, address >> 32);
        }
        self.write(machine, 0x44, 1);
    }

    /// The device is told of a queue.
    pub fn kick(&self, machine: &mut impl Machine, queue: usize) {
        self.write(machine, 0x50, queue as u64);
    }

    /// A chain is made available: mostly one that makes sense.
    pub fn offer(&self, script: &mut Script<'_>) {
        let queue = script.below(self.shape.queues);
        let base = queue * QUEUE_STRIDE;
        let how = script.byte();
        let (head, count) = (how & 7, 1 + (how >> 3 & 3));
        let indirect = how & 0xe0 == 0x20;
        let readable = script.byte() % (count + 1);
        let table = if indirect { INDIRECT } else { base };
        for at in 0..count {
            let slot = if indirect { at } else { (head + at) % 8 };
            let more = if at + 1 < count { NEXT } else { 0 };
            let flags = more | if at < readable { 0 } else { WRITE };
            let next = if indirect {
                at + 1
            } else {
                (head + at + 1) % 8
            };
            self.describe(script, table + usize::from(slot) * 16, flags, next);
        }
        if indirect {
            let bytes = u32::from(count) * 16;
            let address = RAM_BASE.get() + INDIRECT as u64;
            self.descriptor(
                base + usize::from(head) * 16,
                address,
                bytes,
                (INDIRECT_FLAG, 0),
            );
        }
        let idx: u16 = self.ram.load(base + DRIVER_AREA + 2).unwrap_or(0);
        let slot = base + DRIVER_AREA + 4 + usize::from(idx % QUEUE_SIZE) * 2;
        let _ = self.ram.store(slot, u16::from(head));
        let ahead = if how == 0xff { script.half() } else { 1 };
        let _ = self
            .ram
            .store(base + DRIVER_AREA + 2, idx.wrapping_add(ahead));
    }

    /// One descriptor with its buffer, which has the beginning of a request if the device reads it.
    fn describe(&self, script: &mut Script<'_>, at: usize, flags: u16, next: u8) {
        let kind = script.byte();
        let place = BUFFERS + usize::from(kind >> 2) * BUFFER_STRIDE;
        let address = RAM_BASE.get() + place as u64;
        let requests = self.shape.requests;
        let request = requests.get(script.below(requests.len())).copied();
        let request = request.unwrap_or_default();
        let (address, len, flags) = match kind & 3 {
            0 => (address, request.len() as u64, flags),
            1 => (address, u64::from(script.half()), flags),
            2 => (address, 1 + u64::from(script.byte()), flags),
            _ => (
                script.odd(),
                script.odd(),
                flags ^ u16::from(script.byte() & 7),
            ),
        };
        if flags & WRITE == 0 {
            let _ = self.ram.copy_out(place, request);
            // Some fields are what the script says.
            let field = script.byte();
            if field & 0x80 != 0 {
                let value = script.odd().to_le_bytes();
                let _ = self.ram.copy_out(place + usize::from(field & 0x3c), &value);
            }
        }
        let [a, b, c, d, ..] = len.to_le_bytes();
        let len = u32::from_le_bytes([a, b, c, d]);
        self.descriptor(at, address, len, (flags, u16::from(next)));
    }

    fn descriptor(&self, at: usize, address: u64, len: u32, (flags, next): (u16, u16)) {
        // All of these lie in the guest's memory.
        let _ = self.ram.store(at, address);
        let _ = self.ram.store(at + 8, len);
        let _ = self.ram.store(at + 12, flags);
        let _ = self.ram.store(at + 14, next);
    }

    /// Makes a whole request available on `queue`: buffers with these bytes to be read, then ones of
    /// these lengths to be written; they begin at the offset that is the result.
    pub fn request(&self, queue: usize, readable: &[&[u8]], writable: &[u32]) -> usize {
        let base = queue * QUEUE_STRIDE;
        let count = readable.len() + writable.len();
        let mut place = BUFFERS;
        for slot in 0..count {
            let more = if slot + 1 < count { NEXT } else { 0 };
            let (len, flags) = match readable.get(slot) {
                Some(bytes) => {
                    let _ = self.ram.copy_out(place, bytes);
                    (u32::try_from(bytes.len()).unwrap_or(0), more)
                }
                None => (writable[slot - readable.len()], more | WRITE),
            };
            let next = u16::try_from(slot + 1).unwrap_or(0);
            let address = RAM_BASE.get() + place as u64;
            self.descriptor(base + slot * 16, address, len, (flags, next));
            place += len as usize;
        }
        let idx: u16 = self.ram.load(base + DRIVER_AREA + 2).unwrap_or(0);
        let slot = base + DRIVER_AREA + 4 + usize::from(idx % QUEUE_SIZE) * 2;
        let _ = self.ram.store(slot, 0_u16);
        let idx = idx.wrapping_add(1);
        let _ = self.ram.store(base + DRIVER_AREA + 2, idx);
        BUFFERS
    }

    /// The used index of a queue that [`Guest::set_up`] made.
    #[must_use]
    pub fn used(&self, queue: usize) -> u16 {
        let at = queue * QUEUE_STRIDE + DEVICE_AREA + 2;
        self.ram.load(at).unwrap_or(0)
    }

    /// One step of the guest.
    pub fn step(&self, machine: &mut impl Machine, script: &mut Script<'_>) {
        let queues = self.shape.queues;
        match script.byte() % 12 {
            0 => self.any_access(machine, script),
            1 => {
                let [a, b, c, d] = script.array();
                self.set_up(machine, u32::from_le_bytes([a, b, c, d]));
            }
            2 => self.set_up(machine, u32::MAX),
            3 => self.make_queue(machine, script.below(queues)),
            4..=7 => {
                self.offer(script);
                self.kick(machine, script.below(queues + 1));
            }
            8 => self.kick(machine, script.below(queues + 1)),
            9 => lie(script, &[self.ram]),
            10 => {
                // Where the rings are, while the backend looks at them.
                lie(script, &[self.rings()]);
                self.offer(script);
                self.kick(machine, script.below(queues));
            }
            _ => self.write(machine, 0x64, 3),
        }
    }

    fn rings(&self) -> Region<Rw> {
        let len = self.shape.queues * QUEUE_STRIDE;
        self.ram.sub(0, len).unwrap_or(self.ram)
    }
}
