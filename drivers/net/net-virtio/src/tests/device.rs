// SPDX-License-Identifier: BSD-2-Clause
//! The device, as the specification says, or as the tests want it.

use std::sync::{Arc, Mutex};

use frames::fake::FakeLink;
use mmio::fake::Bank;
use shm::{Region, Rw};
use virtio::Features;
use virtio::mmio::Register;
use virtio::net::Header;
use zerocopy::{FromBytes, IntoBytes};

/// Where the device finds its regions.
pub(super) const QUEUE: u64 = 0x10_0000;
pub(super) const OUT: u64 = 0x20_0000;
pub(super) const INPUT: u64 = 0x30_0000;

/// Flags of a descriptor.
const NEXT: u16 = 1;
const WRITE: u16 = 2;

/// A descriptor: address, length, whether the device may write it.
pub(super) type Part = (u64, u32, bool);

/// What the registers say.
#[derive(Clone, Copy, Default)]
struct QueueState {
    ready: u32,
    size: u32,
    /// Descriptor, driver and device area, low and high half each.
    areas: [u32; 6],
    /// Next entries of the driver's and the device's ring.
    avail: u16,
    used: u16,
}

#[derive(Default)]
struct Registers {
    selected: usize,
    queues: [QueueState; 2],
    features: [u64; 2],
    select: [u32; 2],
    notified: Vec<u64>,
    resets: u32,
    dead: bool,
}

pub(super) struct Device {
    bank: Bank,
    base: usize,
    registers: Arc<Mutex<Registers>>,
    memory: [(u64, Region<Rw>); 3],
}

fn at(register: Register) -> usize {
    usize::try_from(register.offset()).unwrap()
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

impl Registers {
    fn written(&mut self, base: usize, offset: usize, value: u64, bytes: &mut [u8]) {
        let value32 = u32::try_from(value & 0xffff_ffff).unwrap();
        let Some(register) = Register::at((offset - base) as u64) else {
            return;
        };
        let queue = &mut self.queues[self.selected.min(1)];
        match register {
            Register::Status if value == 0 => {
                self.queues = Default::default();
                self.resets += 1;
                if self.dead {
                    put(bytes, base + at(Register::Status), 0x40);
                }
            }
            Register::DeviceFeaturesSel => {
                let half = self.features[0] >> (32 * (value & 1));
                let half = u32::try_from(half & 0xffff_ffff).unwrap();
                put(bytes, base + at(Register::DeviceFeatures), half);
            }
            Register::DriverFeaturesSel => self.select[1] = value32,
            Register::DriverFeatures => {
                self.features[1] |= value << (32 * self.select[1]);
            }
            Register::QueueSel => {
                self.selected = usize::try_from(value).unwrap();
                let (ready, most) = self
                    .queues
                    .get(self.selected)
                    .map_or((0, 0), |queue| (queue.ready, 256));
                put(bytes, base + at(Register::QueueReady), ready);
                put(bytes, base + at(Register::QueueSizeMax), most);
            }
            Register::QueueSize => queue.size = value32,
            Register::QueueReady => queue.ready = value32,
            Register::QueueDescLow => queue.areas[0] = value32,
            Register::QueueDescHigh => queue.areas[1] = value32,
            Register::QueueDriverLow => queue.areas[2] = value32,
            Register::QueueDriverHigh => queue.areas[3] = value32,
            Register::QueueDeviceLow => queue.areas[4] = value32,
            Register::QueueDeviceHigh => queue.areas[5] = value32,
            Register::QueueNotify => self.notified.push(value),
            Register::InterruptAck => {
                let status = base + at(Register::InterruptStatus);
                put(bytes, status, u32::from(bytes[status]) & !value32);
            }
            _ => {}
        }
    }
}

impl Device {
    pub(super) fn new(
        bank: &Bank,
        base: usize,
        features: u64,
        (queue, link): (Region<Rw>, FakeLink),
    ) -> Self {
        let ring = Features::VERSION_1 | Features::EVENT_IDX | Features::INDIRECT_DESC;
        let registers = Arc::new(Mutex::new(Registers {
            features: [features | ring.bits(), 0],
            ..Registers::default()
        }));
        let device = Self {
            bank: bank.clone(),
            base,
            registers: Arc::clone(&registers),
            memory: [(QUEUE, queue), (OUT, link.first), (INPUT, link.second)],
        };
        for (register, value) in [
            (Register::MagicValue, 0x7472_6976),
            (Register::Version, 2),
            (Register::DeviceId, 1),
        ] {
            bank.set32(base + at(register), value);
        }
        device.set_link(true);
        bank.on_write(move |offset, value, bytes| {
            if offset >= base {
                let mut registers = registers.lock().unwrap();
                registers.written(base, offset, value, bytes);
            }
        });
        device
    }

    fn state<R>(&self, look: impl FnOnce(&mut Registers) -> R) -> R {
        look(&mut self.registers.lock().unwrap())
    }

    /// What the driver agreed to.
    pub(super) fn agreed(&self) -> u64 {
        self.state(|registers| registers.features[1])
    }

    /// Resets so far.
    pub(super) fn resets(&self) -> u32 {
        self.state(|registers| registers.resets)
    }

    /// From now on, it does not reset any more.
    pub(super) fn die(&self) {
        self.state(|registers| registers.dead = true);
    }

    /// Queues notified since the last call.
    pub(super) fn notified(&self) -> Vec<u64> {
        self.state(|registers| core::mem::take(&mut registers.notified))
    }

    pub(super) fn set_link(&self, up: bool) {
        // The status follows the MAC address.
        self.bank.set32(self.base + 0x104, u32::from(up) << 16);
    }

    /// Sets causes of an interrupt.
    pub(super) fn interrupt(&self, causes: u32) {
        self.bank
            .set32(self.base + at(Register::InterruptStatus), causes);
    }

    pub(super) fn set_status(&self, status: u32) {
        self.bank.set32(self.base + at(Register::Status), status);
    }

    fn area(queue: &QueueState, area: usize) -> u64 {
        u64::from(queue.areas[2 * area]) | u64::from(queue.areas[2 * area + 1]) << 32
    }

    /// The region and offset of `len` bytes that the device may reach.
    fn find(&self, paddr: u64, len: u64) -> (Region<Rw>, usize) {
        let inside = |(base, region): &&(u64, Region<Rw>)| {
            paddr >= *base && paddr + len <= *base + region.len() as u64
        };
        let (base, region) = self
            .memory
            .iter()
            .find(inside)
            .expect("memory of the driver");
        (*region, usize::try_from(paddr - base).unwrap())
    }

    fn load<T: FromBytes + IntoBytes>(&self, paddr: u64) -> T {
        let (region, at) = self.find(paddr, size_of::<T>() as u64);
        region.read(at).unwrap()
    }

    fn store<T: IntoBytes + zerocopy::Immutable>(&self, paddr: u64, value: &T) {
        let (region, at) = self.find(paddr, size_of::<T>() as u64);
        region.write(at, value).unwrap();
    }

    pub(super) fn read(&self, paddr: u64, len: u32) -> Vec<u8> {
        let (region, at) = self.find(paddr, len.into());
        let mut bytes = vec![0; len as usize];
        region.copy_in(at, &mut bytes).unwrap();
        bytes
    }

    pub(super) fn write(&self, paddr: u64, bytes: &[u8]) {
        let (region, at) = self.find(paddr, bytes.len() as u64);
        region.copy_out(at, bytes).unwrap();
    }

    fn queue(&self, index: usize) -> QueueState {
        self.state(|registers| registers.queues[index])
    }

    /// The next chain that the driver offered: its head and parts.
    pub(super) fn take(&self, index: usize) -> Option<(u16, Vec<Part>)> {
        let queue = self.queue(index);
        if queue.ready == 0 {
            return None;
        }
        let driver = Self::area(&queue, 1);
        if self.load::<u16>(driver + 2) == queue.avail {
            return None;
        }
        let slot = u64::from(queue.avail) % u64::from(queue.size);
        let head: u16 = self.load(driver + 4 + 2 * slot);
        self.state(|registers| {
            let avail = &mut registers.queues[index].avail;
            *avail = avail.wrapping_add(1);
        });
        let mut parts = Vec::new();
        let mut next = head;
        loop {
            let at = Self::area(&queue, 0) + 16 * u64::from(next);
            let flags: u16 = self.load(at + 12);
            parts.push((self.load(at), self.load(at + 8), flags & WRITE != 0));
            if flags & NEXT == 0 {
                return Some((head, parts));
            }
            next = self.load(at + 14);
        }
    }

    /// Uses a buffer; whether the driver wants an interrupt.
    pub(super) fn done(&self, index: usize, head: u32, len: u32) -> bool {
        let queue = self.queue(index);
        if queue.ready == 0 {
            return false;
        }
        let device = Self::area(&queue, 2);
        let slot = u64::from(queue.used) % u64::from(queue.size);
        self.store(device + 4 + 8 * slot, &[head, len]);
        let new = queue.used.wrapping_add(1);
        self.used_index(index, new);
        let event: u16 = self.load(Self::area(&queue, 1) + 4 + 2 * u64::from(queue.size));
        new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(queue.used)
    }

    /// Publishes any used index.
    pub(super) fn used_index(&self, index: usize, value: u16) {
        let queue = self.queue(index);
        if queue.ready == 0 {
            return;
        }
        self.state(|registers| registers.queues[index].used = value);
        self.store(Self::area(&queue, 2) + 2, &value);
    }

    /// Asks to be notified of the next buffer.
    pub(super) fn sleep(&self, index: usize) {
        let queue = self.queue(index);
        let event = Self::area(&queue, 2) + 4 + 8 * u64::from(queue.size);
        self.store(event, &queue.avail);
    }

    /// Receives a frame into a chain that was taken.
    pub(super) fn fill(
        &self,
        (head, parts): &(u16, Vec<Part>),
        header: &Header,
        frame: &[u8],
    ) -> bool {
        let bytes = [header.as_bytes(), frame].concat();
        assert_eq!(parts.len(), 1, "a slot is one buffer");
        assert!(parts[0].2 && bytes.len() <= parts[0].1 as usize);
        self.write(parts[0].0, &bytes);
        self.done(0, (*head).into(), u32::try_from(bytes.len()).unwrap())
    }
}
