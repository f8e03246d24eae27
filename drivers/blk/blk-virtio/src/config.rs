// SPDX-License-Identifier: BSD-2-Clause
//! The configuration space (5.2.4) and what it means for clients.

use blk::{Features as Can, Info, MAX_SEGMENTS};
use mmio::fields::ReadPure;
use mmio::{UniqueMmioPointer, field_shared};
use virtio::blk::Features;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The configuration space as registers, each read in its own width (4.2.2.2).
#[derive(Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Registers {
    capacity_low: ReadPure<u32>,
    capacity_high: ReadPure<u32>,
    size_max: ReadPure<u32>,
    seg_max: ReadPure<u32>,
    geometry: [u8; 4],
    blk_size: ReadPure<u32>,
    physical_block_exp: ReadPure<u8>,
    alignment_offset: ReadPure<u8>,
    min_io_size: ReadPure<u16>,
    opt_io_size: ReadPure<u32>,
    writeback: ReadPure<u8>,
    unused0: u8,
    num_queues: ReadPure<u16>,
    max_discard_sectors: ReadPure<u32>,
    max_discard_seg: ReadPure<u32>,
    discard_sector_alignment: ReadPure<u32>,
    max_write_zeroes_sectors: ReadPure<u32>,
    max_write_zeroes_seg: ReadPure<u32>,
    write_zeroes_may_unmap: ReadPure<u8>,
    unused1: [u8; 3],
}

const _: () = assert!(size_of::<Registers>() == size_of::<virtio::blk::Config>());

/// Features of the device that this driver uses. CONFIG_WCE is not among them: with FLUSH and
/// without it, there is a cache (5.2.5.2).
pub(crate) const WANTED: Features = Features::SIZE_MAX
    .union(Features::SEG_MAX)
    .union(Features::RO)
    .union(Features::BLK_SIZE)
    .union(Features::FLUSH)
    .union(Features::TOPOLOGY)
    .union(Features::DISCARD)
    .union(Features::WRITE_ZEROES);

/// The disk by its configuration space. What the device says is checked by [`Info::is_valid`] when a
/// session begins.
pub(crate) fn info(config: &mut UniqueMmioPointer<'static, Registers>, agreed: Features) -> Info {
    let read32 = |present: bool, value: u32, default: u32| if present { value } else { default };
    let has = |feature| agreed.contains(feature);
    let low = field_shared!(config, capacity_low).read();
    let high = field_shared!(config, capacity_high).read();
    let block = field_shared!(config, blk_size).read();
    let block_size = read32(has(Features::BLK_SIZE), block, 512);
    let block_sectors = u64::from(block_size / 512).max(1);
    let capacity = u64::from(high) << 32 | u64::from(low);
    let mut info = Info {
        // A last, partial block cannot be addressed.
        capacity: capacity - capacity % block_sectors,
        ..Info::new(0, block_size)
    };
    if has(Features::TOPOLOGY) {
        info.physical_exponent = field_shared!(config, physical_block_exp).read();
    }
    // 5.2.5.1: without SEG_MAX, one segment is always taken.
    let segments = read32(
        has(Features::SEG_MAX),
        field_shared!(config, seg_max).read(),
        1,
    );
    let most = u16::try_from(MAX_SEGMENTS).unwrap_or(u16::MAX);
    info.max_segments = u16::try_from(segments).unwrap_or(most).min(most);
    if has(Features::SIZE_MAX) {
        info.max_segment_size = field_shared!(config, size_max).read();
    }
    info.features.set(Can::READ_ONLY, has(Features::RO));
    info.features.set(Can::FLUSH, has(Features::FLUSH));
    release(config, agreed, &mut info);
    info
}

/// What the device can discard and zero.
fn release(config: &mut UniqueMmioPointer<'static, Registers>, agreed: Features, info: &mut Info) {
    if agreed.contains(Features::DISCARD) {
        info.features |= Can::DISCARD;
        info.max_discard = field_shared!(config, max_discard_sectors).read();
        info.discard_alignment = field_shared!(config, discard_sector_alignment).read();
    }
    if agreed.contains(Features::WRITE_ZEROES) {
        info.features |= Can::WRITE_ZEROES;
        info.max_write_zeroes = field_shared!(config, max_write_zeroes_sectors).read();
        let unmap = field_shared!(config, write_zeroes_may_unmap).read() == 1;
        info.features.set(Can::UNMAP, unmap);
    }
}
