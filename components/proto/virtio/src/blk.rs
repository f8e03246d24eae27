// SPDX-License-Identifier: BSD-2-Clause
//! Block device (5.2).

use bitflags::bitflags;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// requestq of a device without VIRTIO_BLK_F_MQ (5.2.2).
pub const REQUESTQ: usize = 0;
/// Number of queues of a device without VIRTIO_BLK_F_MQ.
pub const QUEUES: usize = 1;

/// Bytes of the protocol's sectors, whatever the device's block size (5.2.4).
pub const SECTOR_SIZE: u64 = 512;
/// Bytes of the serial number that GET_ID answers (5.2.6).
pub const ID_BYTES: usize = 20;

bitflags! {
    /// Features (5.2.3), VIRTIO_BLK_F_*.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Features: u64 {
        /// Largest size of a segment is in size_max.
        const SIZE_MAX = 1 << 1;
        /// Most segments of a request are in seg_max.
        const SEG_MAX = 1 << 2;
        /// Legacy geometry.
        const GEOMETRY = 1 << 4;
        /// The device is read-only.
        const RO = 1 << 5;
        /// Block size is in blk_size.
        const BLK_SIZE = 1 << 6;
        /// Flush command.
        const FLUSH = 1 << 9;
        /// Optimal alignment is in topology.
        const TOPOLOGY = 1 << 10;
        /// The driver may switch between writeback and writethrough.
        const CONFIG_WCE = 1 << 11;
        /// Several queues.
        const MQ = 1 << 12;
        /// Discard command.
        const DISCARD = 1 << 13;
        /// Write zeroes command.
        const WRITE_ZEROES = 1 << 14;
        /// Lifetime information.
        const LIFETIME = 1 << 15;
        /// Secure erase command.
        const SECURE_ERASE = 1 << 16;
        /// Zoned device.
        const ZONED = 1 << 17;
        /// The bits that belong to no device type.
        const _ = !0;
    }
}

/// Device configuration layout (5.2.4), up to the fields of discard and write zeroes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Config {
    /// Size in sectors of 512 bytes.
    pub capacity: U64,
    /// Largest size of a segment, with SIZE_MAX.
    pub size_max: U32,
    /// Most segments of data of a request, with SEG_MAX.
    pub seg_max: U32,
    /// Cylinders, heads and sectors, with GEOMETRY.
    pub geometry: [u8; 4],
    /// Block size in bytes, with BLK_SIZE.
    pub blk_size: U32,
    /// Logical blocks per physical block, as a power of two; with TOPOLOGY, as the next three.
    pub physical_block_exp: u8,
    /// Logical blocks before the first aligned one.
    pub alignment_offset: u8,
    /// Suggested smallest transfer in blocks.
    pub min_io_size: U16,
    /// Suggested largest transfer in blocks.
    pub opt_io_size: U32,
    /// 1: writeback, 0: writethrough; with CONFIG_WCE. The driver may write it.
    pub writeback: u8,
    /// Zero.
    pub unused0: u8,
    /// Number of queues, with MQ.
    pub num_queues: U16,
    /// Most sectors of a segment to discard, with DISCARD, as the next two.
    pub max_discard_sectors: U32,
    /// Most segments of a discard request.
    pub max_discard_seg: U32,
    /// Alignment of discarded ranges in sectors.
    pub discard_sector_alignment: U32,
    /// Most sectors of a segment to write zeroes to, with WRITE_ZEROES, as the next two.
    pub max_write_zeroes_sectors: U32,
    /// Most segments of a write zeroes request.
    pub max_write_zeroes_seg: U32,
    /// Whether write zeroes may deallocate.
    pub write_zeroes_may_unmap: u8,
    /// Zero.
    pub unused1: [u8; 3],
}

const _: () = assert!(size_of::<Config>() == 60);

/// Offset of `writeback` in the configuration space.
pub const WRITEBACK: usize = core::mem::offset_of!(Config, writeback);

/// Start of every request (5.2.6), struct virtio_blk_req: device-readable.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Header {
    /// VIRTIO_BLK_T_*, see [`Type`].
    pub request_type: U32,
    /// Priority with some drivers; ignored.
    pub reserved: U32,
    /// First sector, of 512 bytes each.
    pub sector: U64,
}

/// Bytes of a [`Header`].
pub const HEADER_SIZE: usize = size_of::<Header>();

/// One range of a discard or write zeroes request (5.2.6), struct
/// virtio_blk_discard_write_zeroes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Range {
    /// First sector.
    pub sector: U64,
    /// Number of sectors.
    pub num_sectors: U32,
    /// [`FLAG_UNMAP`]; the others are reserved.
    pub flags: U32,
}

/// Bytes of a [`Range`].
pub const RANGE_SIZE: usize = size_of::<Range>();

/// Flag of a [`Range`]: the device may deallocate; write zeroes only.
pub const FLAG_UNMAP: u32 = 1;

/// Types of requests (5.2.6), VIRTIO_BLK_T_*, as far as they are defined for devices that are
/// not zoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Type {
    /// Read.
    In = 0,
    /// Write.
    Out = 1,
    /// Flush volatile caches.
    Flush = 4,
    /// Get the serial number.
    GetId = 8,
    /// Get lifetime information.
    GetLifetime = 10,
    /// Discard.
    Discard = 11,
    /// Write zeroes.
    WriteZeroes = 13,
    /// Secure erase.
    SecureErase = 14,
}

impl Type {
    /// All types.
    pub const ALL: [Self; 8] = [
        Self::In,
        Self::Out,
        Self::Flush,
        Self::GetId,
        Self::GetLifetime,
        Self::Discard,
        Self::WriteZeroes,
        Self::SecureErase,
    ];

    /// The type with this number.
    #[must_use]
    pub const fn from_wire(wire: u32) -> Option<Self> {
        Some(match wire {
            0 => Self::In,
            1 => Self::Out,
            4 => Self::Flush,
            8 => Self::GetId,
            10 => Self::GetLifetime,
            11 => Self::Discard,
            13 => Self::WriteZeroes,
            14 => Self::SecureErase,
            _ => return None,
        })
    }
}

/// The last byte of every request (5.2.6), VIRTIO_BLK_S_*: device-writable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Success.
    Ok = 0,
    /// Device or driver error.
    IoErr = 1,
    /// Request unsupported.
    Unsupp = 2,
}
