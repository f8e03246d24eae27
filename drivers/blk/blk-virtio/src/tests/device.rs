// SPDX-License-Identifier: BSD-2-Clause
//! A virtio block device: registers on a bank, the ring read from the driver's memory by physical
//! address, a medium in memory. It does as it is told, and lies when told to.

use mmio::fake::Bank;
use shm::{Region, Rw, fake};
use virtio::blk::{Config, Features, Header, Range};
use virtio::mmio::Register;
use virtio::queue::{Descriptor, DescriptorFlags};
use zerocopy::IntoBytes;

pub(super) const QUEUE: u64 = 0x4800_0000;
pub(super) const RAM: u64 = 0x4000_0000;
const RAM_SIZE: usize = 0x2_0000;
const OFFSET: usize = 0x400;

/// A request as the device found it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    head: u16,
    buffers: Vec<(u64, usize, bool)>,
}

pub(super) struct Device {
    pub(super) bank: Bank,
    pub(super) queue: Region<Rw>,
    pub(super) ram: Region<Rw>,
    pub(super) medium: Vec<u8>,
    pub(super) found: Vec<Found>,
    pub(super) flushes: usize,
    pub(super) discarded: Vec<(u64, u32)>,
    /// What every status byte becomes, if not what happened.
    pub(super) status: Option<u8>,
    avail: u16,
    used: u16,
}

fn at(register: Register) -> usize {
    OFFSET + usize::try_from(register.offset()).unwrap()
}

fn put(bytes: &mut [u8], register: Register, value: u32) {
    bytes[at(register)..][..4].copy_from_slice(&value.to_le_bytes());
}

impl Device {
    pub(super) fn new(features: u64, config: &Config, queue: usize) -> Self {
        let bank = Bank::new(0x1000);
        bank.set32(at(Register::MagicValue), 0x7472_6976);
        bank.set32(at(Register::Version), 2);
        bank.set32(at(Register::DeviceId), 2);
        bank.set32(at(Register::QueueSizeMax), 1024);
        for (word, bytes) in config.as_bytes().chunks(4).enumerate() {
            let value = u32::from_le_bytes(bytes.try_into().unwrap());
            bank.set32(OFFSET + 0x100 + 4 * word, value);
        }
        bank.on_write(move |offset, value, bytes| {
            let Some(register) = Register::at((offset - OFFSET) as u64) else {
                return;
            };
            match (register, value) {
                (Register::DeviceFeaturesSel, half) => {
                    let value = (features >> (32 * half)) & 0xffff_ffff;
                    put(
                        bytes,
                        Register::DeviceFeatures,
                        u32::try_from(value).unwrap(),
                    );
                }
                (Register::Status, 0) => put(bytes, Register::QueueReady, 0),
                (Register::InterruptAck, _) => put(bytes, Register::InterruptStatus, 0),
                _ => {}
            }
        });
        Self {
            bank,
            queue: fake::region(queue),
            ram: fake::region(RAM_SIZE),
            medium: vec![0; usize::try_from(config.capacity.get()).unwrap() * 512],
            found: Vec::new(),
            flushes: 0,
            discarded: Vec::new(),
            status: None,
            avail: 0,
            used: 0,
        }
    }

    pub(super) const fn offset() -> u64 {
        OFFSET as u64
    }

    fn register(&self, register: Register) -> u32 {
        self.bank.get32(at(register))
    }

    pub(super) fn status(&self) -> u32 {
        self.register(Register::Status)
    }

    pub(super) fn queue_size(&self) -> usize {
        self.register(Register::QueueSize) as usize
    }

    /// The device begins anew, as its driver's reset made it do.
    pub(super) fn reset(&mut self) {
        (self.avail, self.used) = (0, 0);
        self.found.clear();
    }

    /// Raises interrupt causes.
    pub(super) fn raise(&self, causes: u32) {
        self.bank.set32(at(Register::InterruptStatus), causes);
    }

    pub(super) fn set_status(&self, status: u32) {
        self.bank.set32(at(Register::Status), status);
    }

    pub(super) fn notified(&self) -> usize {
        let is_notify = |access: &mmio::fake::Access| {
            matches!(access, mmio::fake::Access::Write { offset, .. }
                if *offset == at(Register::QueueNotify))
        };
        self.bank.take_log().iter().filter(|a| is_notify(a)).count()
    }

    fn area(&self, low: Register, high: Register) -> u64 {
        u64::from(self.register(high)) << 32 | u64::from(self.register(low))
    }

    fn memory(&self, paddr: u64, len: usize) -> Region<Rw> {
        let find = |base: u64, region: Region<Rw>| {
            region
                .sub(usize::try_from(paddr.checked_sub(base)?).ok()?, len)
                .ok()
        };
        find(QUEUE, self.queue)
            .or_else(|| find(RAM, self.ram))
            .unwrap_or_else(|| panic!("DMA to {paddr:#x}"))
    }

    fn driver(&self) -> u64 {
        self.area(Register::QueueDriverLow, Register::QueueDriverHigh)
    }

    fn device(&self) -> u64 {
        self.area(Register::QueueDeviceLow, Register::QueueDeviceHigh)
    }

    fn descriptor(&self, table: u64, index: u16) -> Descriptor {
        self.memory(table + 16 * u64::from(index), 16)
            .read(0)
            .unwrap()
    }

    /// Fetches all requests that were made available.
    pub(super) fn fetch(&mut self) {
        let published: u16 = self.memory(self.driver() + 2, 2).load(0).unwrap();
        while self.avail != published {
            let slot = usize::from(self.avail) % self.queue_size();
            let head = self
                .memory(self.driver() + 4 + 2 * slot as u64, 2)
                .load(0)
                .unwrap();
            let buffers = self.chain(head);
            self.found.push(Found { head, buffers });
            self.avail = self.avail.wrapping_add(1);
        }
    }

    fn chain(&self, head: u16) -> Vec<(u64, usize, bool)> {
        let mut table = self.area(Register::QueueDescLow, Register::QueueDescHigh);
        let mut descriptor = self.descriptor(table, head);
        let flag = |d: &Descriptor, f: DescriptorFlags| d.flags.get() & f.bits() != 0;
        if flag(&descriptor, DescriptorFlags::INDIRECT) {
            table = descriptor.addr.get();
            descriptor = self.descriptor(table, 0);
        }
        let mut buffers = Vec::new();
        loop {
            let writes = flag(&descriptor, DescriptorFlags::WRITE);
            buffers.push((descriptor.addr.get(), descriptor.len.get() as usize, writes));
            if !flag(&descriptor, DescriptorFlags::NEXT) {
                return buffers;
            }
            descriptor = self.descriptor(table, descriptor.next.get());
        }
    }

    /// Executes and ends the `index`th request that was fetched.
    pub(super) fn finish(&mut self, index: usize) {
        let found = self.found.remove(index);
        let written = self.execute(&found.buffers);
        self.publish_used(found.head.into(), written);
    }

    /// Fetches and ends everything, and interrupts.
    pub(super) fn run(&mut self) {
        self.fetch();
        while !self.found.is_empty() {
            self.finish(0);
        }
        self.raise(1);
    }

    pub(super) fn publish_used(&mut self, id: u32, len: u32) {
        let slot = usize::from(self.used) % self.queue_size();
        let element = self.memory(self.device() + 4 + 8 * slot as u64, 8);
        element.write(0, &[id, len]).unwrap();
        self.used = self.used.wrapping_add(1);
        let index = self.memory(self.device() + 2, 2);
        index.store_release(0, self.used).unwrap();
    }

    fn execute(&mut self, buffers: &[(u64, usize, bool)]) -> u32 {
        let ((header, 16, false), (status, 1, true)) = (buffers[0], buffers[buffers.len() - 1])
        else {
            panic!("header and status: {buffers:?}");
        };
        let header: Header = self.memory(header, 16).read(0).unwrap();
        let data = &buffers[1..buffers.len() - 1];
        let mut at = usize::try_from(header.sector.get()).unwrap() * 512;
        let mut written = 1;
        for &(paddr, len, writes) in data {
            let memory = self.memory(paddr, len);
            match header.request_type.get() {
                0 => {
                    assert!(writes);
                    memory.copy_out(0, &self.medium[at..at + len]).unwrap();
                    written += u32::try_from(len).unwrap();
                }
                1 => {
                    assert!(!writes);
                    memory.copy_in(0, &mut self.medium[at..at + len]).unwrap();
                }
                kind => {
                    let range: Range = memory.read(0).unwrap();
                    self.range(kind, &range);
                }
            }
            at += len;
        }
        if header.request_type.get() == 4 {
            self.flushes += 1;
        }
        let value = self.status.unwrap_or(0);
        self.memory(status, 1).store(0, value).unwrap();
        written
    }

    fn range(&mut self, kind: u32, range: &Range) {
        let (sector, sectors) = (range.sector.get(), range.num_sectors.get());
        match kind {
            11 => self.discarded.push((sector, sectors)),
            13 => {
                let at = usize::try_from(sector).unwrap() * 512;
                self.medium[at..at + sectors as usize * 512].fill(0);
                if range.flags.get() == 1 {
                    self.discarded.push((sector, sectors));
                }
            }
            other => panic!("type {other}"),
        }
    }
}

pub(super) fn everything() -> (u64, Config) {
    let features = crate::config::WANTED.difference(Features::RO | Features::SIZE_MAX);
    let config = Config {
        capacity: 256.into(),
        seg_max: 126.into(),
        blk_size: 512.into(),
        physical_block_exp: 3,
        max_discard_sectors: 64.into(),
        max_discard_seg: 1.into(),
        discard_sector_alignment: 8.into(),
        max_write_zeroes_sectors: 32.into(),
        max_write_zeroes_seg: 1.into(),
        write_zeroes_may_unmap: 1,
        ..Config::default()
    };
    (features.bits() | virtqueue::features().bits(), config)
}
