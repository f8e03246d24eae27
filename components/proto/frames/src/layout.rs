// SPDX-License-Identifier: BSD-2-Clause
//! Where things are in a writer's region.

use shm::{Access, OutOfBounds, Region};
use spsc::{HEADER_SIZE, MAX_CAPACITY};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Offset of the writer's status word, u32.
pub(crate) const STATUS_AT: usize = HEADER_SIZE;
/// Offset of the writer's slot size, u32.
pub(crate) const SLOT_AT: usize = HEADER_SIZE + 4;
/// Offset of the writer's headroom, u32.
pub(crate) const HEADROOM_AT: usize = HEADER_SIZE + 8;
/// Offset of the writer's number of slots, u32.
pub(crate) const COUNT_AT: usize = HEADER_SIZE + 12;
/// Offset of the descriptors.
pub(crate) const DESCRIPTORS_AT: usize = HEADER_SIZE + 64;

/// Alignment of the first slot: a cache line.
const LINE: usize = 64;

/// Largest slot in bytes.
pub const MAX_SLOT: u32 = 0x1_0000;

/// What the writer says about the frame in the slot of the same number.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Descriptor {
    /// Bytes of the frame.
    pub(crate) len: u32,
    pub(crate) flags: u16,
    pub(crate) csum_start: u16,
    pub(crate) csum_offset: u16,
    pub(crate) unused: u16,
    pub(crate) tag: u32,
}

/// The slots of a conversation: a constant of its protocol, never read from shared memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Bytes of a slot: a multiple of 8, at most [`MAX_SLOT`].
    slot: u32,
    /// Bytes of a slot before the frame.
    headroom: u32,
}

impl Shape {
    /// Ethernet frames of at most 2036 bytes. The headroom is that of the header that a virtio
    /// network device writes before a frame (VIRTIO 1.3, 5.1.6), so that it can fill slots itself.
    pub const NET: Self = Self::new(2048, 12);

    /// Slots of `slot` bytes that keep `headroom` bytes before each frame. What is not usable is
    /// refused when a port is opened.
    #[must_use]
    pub const fn new(slot: u32, headroom: u32) -> Self {
        Self { slot, headroom }
    }

    /// Longest frame in bytes.
    #[must_use]
    pub const fn max_frame(self) -> u32 {
        self.slot.saturating_sub(self.headroom)
    }

    /// Bytes of a slot.
    #[must_use]
    pub const fn slot(self) -> u32 {
        self.slot
    }

    /// Bytes of a slot before the frame.
    #[must_use]
    pub const fn headroom(self) -> u32 {
        self.headroom
    }

    /// Slots in a region of `region` bytes: the largest power of two that fits. Both ends compute
    /// it from the region that both map. `None` where not one fits or the shape is not usable.
    #[must_use]
    pub fn slots_in(self, region: usize) -> Option<u32> {
        let usable = self.slot.is_multiple_of(8)
            && self.slot <= MAX_SLOT
            && self.headroom < self.slot
            && self.region_size(1)? <= region;
        if !usable {
            return None;
        }
        let each = self.slot as usize + size_of::<Descriptor>();
        let at_most = region.checked_sub(DESCRIPTORS_AT)? / each;
        // Aligning the first slot may cost the last one.
        let at_most = u32::try_from(at_most).unwrap_or(MAX_CAPACITY);
        let mut slots = 1_u32 << at_most.checked_ilog2()?.min(MAX_CAPACITY.ilog2());
        if self.region_size(slots)? > region {
            slots /= 2;
        }
        Some(slots)
    }

    /// Bytes of a region with `slots` slots (a power of two).
    #[must_use]
    pub fn region_size(self, slots: u32) -> Option<usize> {
        let slots = slots as usize;
        slots
            .checked_mul(self.slot as usize)?
            .checked_add(slots_at(slots)?)
    }
}

/// Offset of the first slot.
fn slots_at(slots: usize) -> Option<usize> {
    slots
        .checked_mul(size_of::<Descriptor>())?
        .checked_add(DESCRIPTORS_AT)?
        .checked_next_multiple_of(LINE)
}

/// The descriptors and slots of one writer, as either end sees them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slots<A: Access> {
    descriptors: Region<A>,
    slots: Region<A>,
    slots_at: usize,
    pub(crate) shape: Shape,
    pub(crate) count: u32,
}

impl<A: Access> Slots<A> {
    /// `None` where not one slot fits.
    pub(crate) fn of(region: &Region<A>, shape: Shape) -> Option<Self> {
        let count = shape.slots_in(region.len())?;
        let slots_at = slots_at(count as usize)?;
        let bytes = count as usize * shape.slot as usize;
        let table = count as usize * size_of::<Descriptor>();
        Some(Self {
            descriptors: region.sub(DESCRIPTORS_AT, table).ok()?,
            slots: region.sub(slots_at, bytes).ok()?,
            slots_at,
            shape,
            count,
        })
    }

    /// Offset of the frame in slot `index` from the first slot.
    const fn frame_at(&self, index: u32) -> usize {
        index as usize * self.shape.slot as usize + self.shape.headroom as usize
    }

    /// The first `len` bytes of the frame in slot `index`.
    pub(crate) fn frame(&self, index: u32, len: u32) -> Result<Region<A>, OutOfBounds> {
        self.slots.sub(self.frame_at(index), len as usize)
    }

    /// The bytes of slot `index` before the frame.
    pub(crate) fn headroom(&self, index: u32) -> Result<Region<A>, OutOfBounds> {
        let headroom = self.shape.headroom as usize;
        let at = self.frame_at(index).saturating_sub(headroom);
        self.slots.sub(at, headroom)
    }

    /// Offset of the frame in slot `index` from the region's first byte.
    pub(crate) const fn offset(&self, index: u32) -> usize {
        self.slots_at + self.frame_at(index)
    }

    /// The descriptor of slot `index`, fetched once.
    pub(crate) fn descriptor(&self, index: u32) -> Result<Descriptor, OutOfBounds> {
        self.descriptors
            .read(index as usize * size_of::<Descriptor>())
    }
}

impl Slots<shm::Rw> {
    /// Writes the descriptor of slot `index`.
    pub(crate) fn describe(&self, index: u32, value: &Descriptor) -> Result<(), OutOfBounds> {
        self.descriptors
            .write(index as usize * size_of::<Descriptor>(), value)
    }
}
