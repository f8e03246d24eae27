// SPDX-License-Identifier: BSD-2-Clause
//! What the guest is told of the disk: features (5.2.3) and configuration space (5.2.4).

use blk::{Features as Can, Info, MAX_SEGMENTS};
use vio::Offer;
use virtio::blk::{Config, Features, QUEUES};
use virtio_device::RING_FEATURES;

/// Largest size of the queue: a request with all its segments, header and status fits without an
/// indirect table, and the in-flight table fits the page of the answers.
pub const QUEUE_MAX: u16 = 128;

/// Most buffers of a request: the segments, the header and the status.
pub(crate) const CHAIN_MAX: usize = QUEUE_MAX as usize;

const _: () = assert!(MAX_SEGMENTS + 2 <= CHAIN_MAX);

/// Ranges of a discard or write zeroes request: one each.
const RANGES: u32 = 1;

/// The device for a disk. FLUSH is always offered (5.2.5.2); without a cache there is nothing to
/// choose, so CONFIG_WCE is not.
pub(crate) fn offer(info: &Info) -> Offer {
    let can = info.features;
    let mut features =
        Features::SEG_MAX | Features::BLK_SIZE | Features::TOPOLOGY | Features::FLUSH;
    if can.contains(Can::READ_ONLY) {
        features |= Features::RO;
    } else {
        features.set(Features::CONFIG_WCE, can.contains(Can::FLUSH));
        features.set(Features::DISCARD, can.contains(Can::DISCARD));
        features.set(Features::WRITE_ZEROES, can.contains(Can::WRITE_ZEROES));
    }
    Offer {
        device: virtio::device::BLOCK,
        features: RING_FEATURES | features.bits(),
        queues: QUEUES,
        queue_max: QUEUE_MAX,
        config_len: size_of::<Config>(),
    }
}

/// The configuration space for a disk.
pub(crate) fn config(info: &Info, writeback: bool) -> Config {
    let zeroing = info.features.contains(Can::WRITE_ZEROES);
    let discard = info.features.contains(Can::DISCARD);
    let unmap = info.features.contains(Can::WRITE_ZEROES | Can::UNMAP);
    let physical = 1_u16.checked_shl(info.physical_exponent.into());
    Config {
        capacity: info.capacity.into(),
        seg_max: u32::from(info.max_segments).into(),
        blk_size: info.block_size.into(),
        physical_block_exp: info.physical_exponent,
        min_io_size: physical.unwrap_or(1).into(),
        writeback: writeback.into(),
        max_discard_sectors: info.max_discard.into(),
        max_discard_seg: if discard { RANGES } else { 0 }.into(),
        discard_sector_alignment: info.discard_alignment.into(),
        max_write_zeroes_sectors: info.max_write_zeroes.into(),
        max_write_zeroes_seg: if zeroing { RANGES } else { 0 }.into(),
        write_zeroes_may_unmap: unmap.into(),
        ..Config::default()
    }
}

/// Whether completed writes may stay in the disk's cache: VIRTIO 1.3, 5.2.6.2, on when a write
/// becomes stable. `written` is what the driver wrote to `writeback`; `default` is the mode after a
/// reset.
pub(crate) fn writeback(negotiated: Features, written: Option<u8>, default: bool) -> bool {
    // Offered and not negotiated: a completed write is stable. And 5.2.5.2: writeback starts as 0.
    let flush = negotiated.contains(Features::FLUSH);
    let initial = default && flush;
    match written {
        Some(value) if negotiated.contains(Features::CONFIG_WCE) => value != 0,
        _ => initial,
    }
}
