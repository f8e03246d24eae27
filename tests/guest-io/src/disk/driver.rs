// SPDX-License-Identifier: BSD-2-Clause
//! A driver with many requests in flight, as operating systems have them, that can be told which
//! features and which kind of descriptors to use.

use std::collections::BTreeMap;

use bus::Width;
use guest::machine::RAM_BASE;
use shm::{Region, Rw};
use virtio::blk::{Features, Header, Range, Type};
use virtio::mmio::Register;
use virtio::queue::Descriptor;
use zerocopy::IntoBytes;

use super::DiskMachine;

/// Entries of the queue.
const SIZE: u16 = 64;
/// Offset of the descriptor area in RAM.
const DESC: usize = 0;
/// The driver area.
const AVAIL: usize = 0x1000;
/// The device area.
const USED: usize = 0x2000;
/// First indirect table; one per head, of 0x100 bytes.
const TABLES: usize = 0x4000;
/// First header, with ranges behind it, and status; 0x100 bytes per head.
const HEADERS: usize = 0x8000;
/// First buffer, of [`BUFFER`] bytes per head.
const BUFFERS: usize = 0x1_0000;
/// Bytes of a head's buffer.
pub(super) const BUFFER: usize = 0x2000;
/// Descriptors of a head: no request has more buffers.
const PARTS: u16 = 8;
/// Offset of the status from the header.
const STATUS: usize = 0x80;

/// How the driver uses its queue.
#[derive(Clone, Copy, Debug, Default)]
pub struct Queueing {
    /// VIRTIO_F_INDIRECT_DESC.
    pub indirect: bool,
    /// VIRTIO_F_EVENT_IDX.
    pub event_idx: bool,
    /// Buffers that the data is cut into, 1 to 4.
    pub pieces: usize,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// What to do; any number.
    pub kind: u32,
    /// First sector.
    pub sector: u64,
    /// Bytes that the device reads.
    pub out: Vec<u8>,
    /// Number of bytes that the device writes.
    pub room: usize,
}

/// A request that the device gave back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What [`Driver::submit`] answered.
    pub head: u16,
    /// Status; 0xff if none was written.
    pub status: u8,
    /// Bytes that the device wrote.
    pub data: Vec<u8>,
    /// The length in the used ring.
    pub len: u32,
}

impl Submission {
    /// A read of `len` bytes.
    #[must_use]
    pub fn read(sector: u64, len: usize) -> Self {
        Self::of(Type::In, sector, Vec::new(), len)
    }

    /// A write.
    #[must_use]
    pub fn write(sector: u64, out: Vec<u8>) -> Self {
        Self::of(Type::Out, sector, out, 0)
    }

    /// A flush.
    #[must_use]
    pub fn flush() -> Self {
        Self::of(Type::Flush, 0, Vec::new(), 0)
    }

    /// A discard or write zeroes request.
    #[must_use]
    pub fn range(kind: Type, sector: u64, sectors: u32, flags: u32) -> Self {
        let range = Range {
            sector: sector.into(),
            num_sectors: sectors.into(),
            flags: flags.into(),
        };
        Self::of(kind, 0, range.as_bytes().to_vec(), 0)
    }

    /// Anything.
    #[must_use]
    pub fn of(kind: Type, sector: u64, out: Vec<u8>, room: usize) -> Self {
        Self {
            kind: kind as u32,
            sector,
            out,
            room,
        }
    }
}

/// The driver. Its machine is passed to each call.
#[derive(Debug)]
pub struct Driver {
    ram: Region<Rw>,
    queueing: Queueing,
    /// Bytes to read back per head in flight.
    flying: BTreeMap<u16, usize>,
    avail: u16,
    kicked: u16,
    used: u16,
}

#[expect(clippy::expect_used, reason = "test support")]
impl Driver {
    /// Resets and starts the device with `features` and those of the ring.
    ///
    /// # Panics
    /// If the device refuses.
    #[must_use]
    pub fn start(
        machine: &mut DiskMachine,
        ram: Region<Rw>,
        features: Features,
        queueing: Queueing,
    ) -> Self {
        let mut driver = Self {
            ram,
            queueing,
            flying: BTreeMap::new(),
            avail: 0,
            kicked: 0,
            used: 0,
        };
        assert!(Self::reset(machine), "the reset ends at once");
        driver.set_up(machine, features);
        driver
    }

    /// Writes 0 to the status; whether the reset is over.
    pub fn reset(machine: &mut DiskMachine) -> bool {
        set(machine, Register::Status, 0);
        Self::is_reset(machine)
    }

    /// Whether the status reads 0.
    pub fn is_reset(machine: &mut DiskMachine) -> bool {
        machine.read(Register::Status.offset(), Width::Word) == 0
    }

    /// From a reset device to a running one.
    ///
    /// # Panics
    /// If the device refuses.
    pub fn set_up(&mut self, machine: &mut DiskMachine, features: Features) {
        (self.avail, self.kicked, self.used) = (0, 0, 0);
        self.flying.clear();
        self.ram.fill(0, TABLES, 0).expect("room for the queue");
        set(machine, Register::Status, 1);
        set(machine, Register::Status, 3);
        let ring =
            u32::from(self.queueing.indirect) << 28 | u32::from(self.queueing.event_idx) << 29;
        let low = u32::try_from(features.bits() & 0xffff_ffff).expect("32 bits");
        for (select, value) in [(0, low | ring), (1, 1)] {
            set(machine, Register::DriverFeaturesSel, select);
            set(machine, Register::DriverFeatures, value);
        }
        set(machine, Register::Status, 0xb);
        set(machine, Register::QueueSel, 0);
        set(machine, Register::QueueSize, SIZE.into());
        for (register, area) in [
            (Register::QueueDescLow, DESC),
            (Register::QueueDriverLow, AVAIL),
            (Register::QueueDeviceLow, USED),
        ] {
            let address = u32::try_from(RAM_BASE.get()).expect("below 4 GiB");
            let area = u32::try_from(area).expect("small");
            set(machine, register, address + area);
        }
        set(machine, Register::QueueReady, 1);
        set(machine, Register::Status, 0xf);
        let status = machine.read(Register::Status.offset(), Width::Word);
        assert_eq!(status, 0xf, "the device runs");
    }

    /// Heads that are in flight.
    #[must_use]
    pub fn flying(&self) -> usize {
        self.flying.len()
    }

    /// Makes a request available; `None` if there is no head for it. Without indirect tables each
    /// request has [`PARTS`] descriptors to itself.
    pub fn submit(&mut self, request: &Submission) -> Option<u16> {
        let step = if self.queueing.indirect { 1 } else { PARTS };
        let mut heads = (0..SIZE).step_by(step.into());
        let head = heads.find(|head| !self.flying.contains_key(head))?;
        let place = usize::from(head / step);
        let header = HEADERS + place * 0x100;
        let buffer = BUFFERS + place * BUFFER;
        let wire = Header {
            request_type: request.kind.into(),
            reserved: 0.into(),
            sector: request.sector.into(),
        };
        self.ram.write(header, &wire).expect("in RAM");
        self.ram.store(header + STATUS, 0xff_u8).expect("in RAM");
        let mut out = request.out.as_slice();
        for (at, len, _) in cut(buffer, out.len(), self.queueing.pieces, 0) {
            let (piece, rest) = out.split_at(len);
            self.ram.copy_out(at, piece).expect("in RAM");
            out = rest;
        }
        let mut parts = vec![(header, size_of::<Header>(), 0)];
        parts.extend(cut(buffer, request.out.len(), self.queueing.pieces, 0));
        parts.extend(cut(buffer, request.room, self.queueing.pieces, 2));
        parts.push((header + STATUS, 1, 2));
        self.chain(head, &parts);
        self.flying.insert(head, request.room);
        let slot = AVAIL + 4 + usize::from(self.avail % SIZE) * 2;
        self.ram.store(slot, head).expect("aligned");
        self.avail = self.avail.wrapping_add(1);
        self.ram
            .store_release(AVAIL + 2, self.avail)
            .expect("aligned");
        Some(head)
    }

    fn chain(&self, head: u16, parts: &[(usize, usize, u16)]) {
        let table = TABLES + usize::from(head) * 0x100;
        let (base, first) = if self.queueing.indirect {
            let len = parts.len() * size_of::<Descriptor>();
            self.put(DESC, head, (table, len, 4), 0);
            (table, 0)
        } else {
            (DESC, head)
        };
        for (index, part) in (first..).zip(parts) {
            let last = index + 1 == first + u16::try_from(parts.len()).expect("few");
            let (at, len, flags) = *part;
            let next = if last { 0 } else { index + 1 };
            self.put(base, index, (at, len, flags | u16::from(!last)), next);
        }
    }

    fn put(&self, table: usize, index: u16, part: (usize, usize, u16), next: u16) {
        let (at, len, flags) = part;
        let descriptor = Descriptor {
            addr: (RAM_BASE.get() + at as u64).into(),
            len: u32::try_from(len).expect("small").into(),
            flags: flags.into(),
            next: next.into(),
        };
        self.ram
            .write(table + usize::from(index) * 16, &descriptor)
            .expect("in RAM");
    }

    /// Kicks if the device wants it (2.7.13.4.1).
    pub fn kick(&mut self, machine: &mut DiskMachine) {
        let old = core::mem::replace(&mut self.kicked, self.avail);
        let wanted = if self.queueing.event_idx {
            let event = USED + 4 + usize::from(SIZE) * 8;
            let event = self.ram.load::<u16>(event).expect("aligned");
            virtio::queue::need_event(event, self.avail, old)
        } else {
            self.ram.load::<u16>(USED) == Ok(0)
        };
        if wanted && old != self.avail {
            set(machine, Register::QueueNotify, 0);
        }
    }

    /// Takes what the device gave back. With `quiet`, the next interrupt is asked for later, when
    /// half of what is in flight is back.
    ///
    /// # Panics
    /// If the device gave back what it did not have.
    pub fn reap(&mut self, machine: &mut DiskMachine, quiet: bool) -> Vec<Outcome> {
        let status = machine.read(Register::InterruptStatus.offset(), Width::Word);
        let status = u32::try_from(status).expect("32 bits");
        set(machine, Register::InterruptAck, status);
        let step = if self.queueing.indirect { 1 } else { PARTS };
        let mut outcomes = Vec::new();
        while self.ram.load_acquire::<u16>(USED + 2) != Ok(self.used) {
            let slot = USED + 4 + usize::from(self.used % SIZE) * 8;
            let head = self.ram.load::<u32>(slot).expect("aligned");
            let head = u16::try_from(head).expect("a head");
            let room = self.flying.remove(&head).expect("in flight");
            let place = usize::from(head / step);
            let mut data = vec![0; room];
            let buffer = BUFFERS + place * BUFFER;
            let mut into = data.as_mut_slice();
            for (at, len, _) in cut(buffer, room, self.queueing.pieces, 2) {
                let (piece, rest) = into.split_at_mut(len);
                self.ram.copy_in(at, piece).expect("in RAM");
                into = rest;
            }
            outcomes.push(Outcome {
                head,
                status: self
                    .ram
                    .load(HEADERS + place * 0x100 + STATUS)
                    .expect("in RAM"),
                data,
                len: self.ram.load(slot + 4).expect("aligned"),
            });
            self.used = self.used.wrapping_add(1);
        }
        if self.queueing.event_idx {
            let later = if quiet { self.flying.len() / 2 } else { 0 };
            let event = self.used.wrapping_add(u16::try_from(later).expect("few"));
            let at = AVAIL + 4 + usize::from(SIZE) * 2;
            self.ram.store(at, event).expect("aligned");
        }
        outcomes
    }

    /// Where the data of the request with this head is.
    #[must_use]
    pub fn buffer(&self, head: u16) -> Region<Rw> {
        let step = if self.queueing.indirect { 1 } else { PARTS };
        self.ram
            .sub(BUFFERS + usize::from(head / step) * BUFFER, BUFFER)
            .expect("in RAM")
    }
}

/// `len` bytes at `at` in at most `pieces` buffers, the last one first: none is the neighbour of the
/// one before it.
fn cut(at: usize, len: usize, pieces: usize, flags: u16) -> Vec<(usize, usize, u16)> {
    let piece = len.div_ceil(pieces.clamp(1, 4)).max(1);
    let mut end = at + len;
    let mut parts = Vec::new();
    for start in (0..len).step_by(piece) {
        let len = piece.min(len - start);
        end -= len;
        parts.push((end, len, flags));
    }
    parts
}

fn set(machine: &mut DiskMachine, register: Register, value: u32) {
    machine.write(register.offset(), Width::Word, value.into());
}
