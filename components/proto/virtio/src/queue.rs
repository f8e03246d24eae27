// SPDX-License-Identifier: BSD-2-Clause
//! Split virtqueues (2.7).
//!
//! ```text
//! descriptor area   Descriptor × size                                        aligned to 16
//! driver area       flags u16, idx u16, ring u16 × size, used_event u16      aligned to 2
//! device area       flags u16, idx u16, (id u32, len u32) × size, avail_event u16   to 4
//! ```

use bitflags::bitflags;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Largest queue size (2.7).
pub const MAX_SIZE: u16 = 0x8000;

/// One descriptor (2.7.5), struct virtq_desc.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Descriptor {
    /// Guest-physical address of the buffer.
    pub addr: U64,
    /// Its length in bytes.
    pub len: U32,
    /// See [`DescriptorFlags`].
    pub flags: U16,
    /// The next descriptor of the chain, with [`DescriptorFlags::NEXT`].
    pub next: U16,
}

const _: () = assert!(size_of::<Descriptor>() as u64 == DESCRIPTOR_SIZE);

/// Bytes of a descriptor.
pub const DESCRIPTOR_SIZE: u64 = 16;
/// Bytes of an entry of the driver's ring.
pub const AVAIL_ENTRY_SIZE: u64 = 2;
/// Bytes of an entry of the device's ring, struct virtq_used_elem.
pub const USED_ENTRY_SIZE: u64 = 8;
/// Offset of flags in the driver and device area.
pub const FLAGS: u64 = 0;
/// Offset of idx in the driver and device area.
pub const IDX: u64 = 2;
/// Offset of ring in the driver and device area.
pub const RING: u64 = 4;

/// Alignments of the three areas in bytes (2.7, table).
pub const ALIGNMENTS: [u64; 3] = [16, 2, 4];

bitflags! {
    /// Flags of a descriptor.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct DescriptorFlags: u16 {
        /// The chain goes on at `next`.
        const NEXT = 1;
        /// The device writes the buffer; otherwise it reads it.
        const WRITE = 2;
        /// The buffer holds a table of descriptors.
        const INDIRECT = 4;
    }
}

/// VIRTQ_AVAIL_F_NO_INTERRUPT: the driver wants no notification of used buffers.
pub const AVAIL_NO_INTERRUPT: u16 = 1;
/// VIRTQ_USED_F_NO_NOTIFY: the device wants no notification of available buffers.
pub const USED_NO_NOTIFY: u16 = 1;

/// Sizes in bytes of the descriptor, driver and device area of a queue of `size` entries, with
/// used_event and avail_event (there is room for them whether negotiated or not).
#[must_use]
pub const fn area_sizes(size: u16) -> [u64; 3] {
    let size = size as u64;
    [
        DESCRIPTOR_SIZE * size,
        RING + AVAIL_ENTRY_SIZE * size + 2,
        RING + USED_ENTRY_SIZE * size + 2,
    ]
}

/// Whether crossing from index `old` to `new` passes the other side's `event` (2.7.7.2, 2.7.10.1:
/// the vring_need_event of Linux).
#[must_use]
pub const fn need_event(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}
