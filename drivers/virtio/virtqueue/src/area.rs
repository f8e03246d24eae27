// SPDX-License-Identifier: BSD-2-Clause
//! Where the parts of a queue lie.

use pd::{Setup, SetupError};
use record::WindowEntry;
use shm::{Region, Rw};
use units::{Bytes, PhysAddr};
use virtio::queue::{
    AVAIL_ENTRY_SIZE, DESCRIPTOR_SIZE, FLAGS, IDX, MAX_SIZE, RING, USED_ENTRY_SIZE,
};

/// Bytes of a descriptor, and the alignment of every area.
pub(crate) const DESCRIPTOR: usize = 16;
/// Bytes of an entry of the driver's ring.
pub(crate) const AVAIL_ENTRY: usize = 2;
/// Bytes of an entry of the device's ring.
pub(crate) const USED_ENTRY: usize = 8;
/// Offset of the flags in the driver's and device's area.
pub(crate) const FLAGS_AT: usize = 0;
/// Offset of the index in the driver's and device's area.
pub(crate) const IDX_AT: usize = 2;
/// Offset of the ring in the driver's and device's area.
pub(crate) const RING_AT: usize = 4;

const _: () = assert!(DESCRIPTOR as u64 == DESCRIPTOR_SIZE);
const _: () = assert!(AVAIL_ENTRY as u64 == AVAIL_ENTRY_SIZE);
const _: () = assert!(USED_ENTRY as u64 == USED_ENTRY_SIZE);
const _: () = assert!(FLAGS_AT as u64 == FLAGS && IDX_AT as u64 == IDX && RING_AT as u64 == RING);

/// Memory that this driver maps and the device reaches: a cursor that hands out parts of it.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    memory: Region<Rw>,
    paddr: PhysAddr,
}

impl Area {
    /// The region `role` (rw) and the window of the same role.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where one of them is missing, cannot be mapped so, or differs in size.
    pub fn find(setup: &mut Setup<'_>, role: &str) -> Result<Self, SetupError> {
        let memory = setup.region_rw(role)?;
        Self::new(memory, setup.dma(role)?)
            .ok_or_else(|| SetupError::invalid(role, "region and window differ"))
    }

    /// Memory at a window; `None` where they differ in size.
    #[must_use]
    pub fn new(memory: Region<Rw>, window: WindowEntry) -> Option<Self> {
        (window.size == Bytes::new(memory.len() as u64)).then_some(Self {
            memory,
            paddr: window.paddr,
        })
    }

    /// Bytes left.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.memory.len()
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// The memory.
    #[must_use]
    pub const fn memory(&self) -> Region<Rw> {
        self.memory
    }

    /// Where the device finds it.
    #[must_use]
    pub const fn paddr(&self) -> PhysAddr {
        self.paddr
    }

    /// Takes the next `len` bytes at a physical address that is a multiple of `align` (a power of
    /// two of at least 8); `None` where they are not there.
    pub fn take(&mut self, len: usize, align: u64) -> Option<Self> {
        let paddr = self.paddr.align_up(align)?;
        let skip = usize::try_from(paddr.offset_from(self.paddr)?).ok()?;
        let end = skip.checked_add(len)?;
        let memory = self.memory.sub(skip, len).ok()?;
        let (_, rest) = self.memory.split_at(end).ok()?;
        self.paddr = self.paddr.checked_add(end as u64)?;
        self.memory = rest;
        Some(Self { memory, paddr })
    }
}

/// Sizes of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Entries: a power of two up to 32768 (2.7).
    pub size: u16,
    /// Descriptors of each entry's indirect table; 0 for none.
    pub indirect: u16,
}

impl Layout {
    /// Bytes that [`Area::take`] needs for a queue, padding included.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        let [descriptors, driver, device, tables] = self.sizes();
        descriptors + driver + device + tables
    }

    /// Whether a queue may have this size (2.7).
    pub(crate) const fn is_valid(&self) -> bool {
        self.size.is_power_of_two() && self.size <= MAX_SIZE
    }

    /// Offset of the word behind the driver's ring, used_event.
    pub(crate) const fn used_event_at(&self) -> usize {
        RING_AT + AVAIL_ENTRY * self.size as usize
    }

    /// Offset of the word behind the device's ring, avail_event.
    pub(crate) const fn avail_event_at(&self) -> usize {
        RING_AT + USED_ENTRY * self.size as usize
    }

    /// Bytes of descriptors, driver area, device area and tables, in multiples of 16.
    const fn sizes(&self) -> [usize; 4] {
        let size = self.size as usize;
        [
            DESCRIPTOR * size,
            (self.used_event_at() + 2).next_multiple_of(DESCRIPTOR),
            (self.avail_event_at() + 2).next_multiple_of(DESCRIPTOR),
            DESCRIPTOR * size * self.indirect as usize,
        ]
    }

    /// The parts of a queue at the front of `area`: descriptors, driver area, device area, tables.
    pub(crate) fn place(&self, area: &mut Area) -> Option<[Area; 4]> {
        let mut whole = area.take(self.bytes(), DESCRIPTOR as u64)?;
        let [descriptors, driver, device, tables] = self.sizes();
        Some([
            whole.take(descriptors, DESCRIPTOR as u64)?,
            whole.take(driver, DESCRIPTOR as u64)?,
            whole.take(device, DESCRIPTOR as u64)?,
            whole.take(tables, DESCRIPTOR as u64)?,
        ])
    }
}
