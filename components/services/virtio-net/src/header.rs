// SPDX-License-Identifier: BSD-2-Clause
//! The header before each frame (5.1.6) and what it says about checksums.

use frames::{Meta, flags};
use virtio::net::{F_CSUM, F_GUEST_CSUM, HDR_F_DATA_VALID, HDR_F_NEEDS_CSUM, HDR_GSO_NONE, Header};

use crate::filter::ETHERNET;

/// Why a frame that the driver sent is dropped. Each is a fault of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadFrame {
    /// Less than a header, or than an Ethernet header behind it.
    Short,
    /// More than the MTU.
    Long,
    /// Segments are to be made of it, which was not negotiated (5.1.6.2).
    Segmented,
    /// The checksum is outside the frame, or in the Ethernet header, or was not negotiated.
    Checksum,
}

impl BadFrame {
    /// A number for the trace, from 1.
    pub(crate) const fn code(self) -> u32 {
        self as u32 + 1
    }
}

/// What goes to the switch with a transmitted frame of `len` bytes (H-35). Flags that are not
/// known and all that only matters for segments are ignored (5.1.6.2).
pub(crate) fn transmitted(header: &Header, features: u64, len: usize) -> Result<Meta, BadFrame> {
    if len < ETHERNET {
        return Err(BadFrame::Short);
    }
    if header.gso_type != HDR_GSO_NONE {
        return Err(BadFrame::Segmented);
    }
    if header.flags & HDR_F_NEEDS_CSUM == 0 {
        return Ok(Meta::default());
    }
    let meta = Meta {
        flags: flags::NEEDS_CSUM,
        csum_start: header.csum_start.get(),
        csum_offset: header.csum_offset.get(),
        tag: 0,
    };
    let sound = usize::from(meta.csum_start) >= ETHERNET && meta.csum_fits(len);
    if features & F_CSUM != 0 && sound {
        Ok(meta)
    } else {
        Err(BadFrame::Checksum)
    }
}

/// The header of a received frame in `buffers` buffers. With VIRTIO_NET_F_GUEST_CSUM the driver
/// completes checksums itself, if it ever needs them; else they are complete.
pub(crate) fn received(meta: Meta, features: u64, buffers: u16) -> Header {
    let mut header = Header {
        num_buffers: buffers.into(),
        ..Header::default()
    };
    if features & F_GUEST_CSUM == 0 {
        return header;
    }
    if meta.needs_csum() {
        header.flags = HDR_F_NEEDS_CSUM;
        header.csum_start = meta.csum_start.into();
        header.csum_offset = meta.csum_offset.into();
    } else if meta.flags & flags::DATA_VALID != 0 {
        header.flags = HDR_F_DATA_VALID;
    }
    header
}
