// SPDX-License-Identifier: BSD-2-Clause
//! What goes with a frame.

use crate::layout::Descriptor;

/// Bits of [`Meta::flags`]. The lower byte is named here, the upper one is the conversation's.
pub mod flags {
    /// The checksum is still to be computed: over everything from `csum_start` on, to be stored
    /// `csum_offset` bytes further, where the pseudo header's sum is now. As
    /// `VIRTIO_NET_HDR_F_NEEDS_CSUM` (VIRTIO 1.3, 5.1.6).
    pub const NEEDS_CSUM: u16 = 1;
    /// Whoever received the frame checked its checksums. As `VIRTIO_NET_HDR_F_DATA_VALID`.
    pub const DATA_VALID: u16 = 2;
}

/// What the writer says about a frame, besides its length. The reader got it from a peer: every
/// field may have any value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Meta {
    /// Bits of [`flags`].
    pub flags: u16,
    /// Byte of the frame at which checksumming starts.
    pub csum_start: u16,
    /// Bytes from there to the checksum field.
    pub csum_offset: u16,
    /// The conversation's own.
    pub tag: u32,
}

impl Meta {
    /// Whether the checksum is still to be computed.
    #[must_use]
    pub const fn needs_csum(self) -> bool {
        self.flags & flags::NEEDS_CSUM != 0
    }

    /// Whether the checksum field lies in a frame of `len` bytes.
    #[must_use]
    pub const fn csum_fits(self, len: usize) -> bool {
        self.csum_start as usize + self.csum_offset as usize + 2 <= len
    }

    pub(crate) const fn describe(self, len: u32) -> Descriptor {
        Descriptor {
            len,
            flags: self.flags,
            csum_start: self.csum_start,
            csum_offset: self.csum_offset,
            unused: 0,
            tag: self.tag,
        }
    }
}

impl From<Descriptor> for Meta {
    fn from(from: Descriptor) -> Self {
        Self {
            flags: from.flags,
            csum_start: from.csum_start,
            csum_offset: from.csum_offset,
            tag: from.tag,
        }
    }
}
