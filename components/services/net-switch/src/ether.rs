// SPDX-License-Identifier: BSD-2-Clause
//! The start of a frame, as an owned copy.

use frames::Frame;

use crate::mac::Mac;

/// Bytes of a frame that decisions are made on, if it has as many. The rest is never looked at.
const HEAD: usize = 48;

/// Bytes of the two addresses.
const MACS: usize = 12;

/// Bytes of the header without a tag.
const HEADER: usize = 14;

/// Bytes of a VLAN tag.
pub(crate) const TAG: usize = 4;

/// EtherTypes.
const ARP: u16 = 0x0806;
const RARP: u16 = 0x8035;
const VLAN: u16 = 0x8100;
const SERVICE_VLAN: u16 = 0x88a8;
const OLD_SERVICE_VLAN: u16 = 0x9100;

/// Bits of a tag's control information that are no VLAN id: priority and drop eligibility.
const PRIORITY: u16 = 0xf000;

/// The bits that are: 1 to 4094, 0 for a frame that only has a priority.
const VLAN_ID: u16 = 0x0fff;

/// The start of a frame. The peer can change its frame at any time, so decisions are made on this
/// copy and the copy is what is sent on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    bytes: [u8; HEAD],
    /// Bytes of it that the frame has.
    len: usize,
    pub(crate) dst: Mac,
    pub(crate) src: Mac,
    tag: Option<u16>,
    kind: u16,
}

impl Head {
    /// Fetches the start of `frame`; `None` where that is too short for its header.
    pub(crate) fn fetch(frame: &Frame) -> Option<Self> {
        let mut bytes = [0; HEAD];
        let len = frame.len().min(HEAD);
        frame.bytes.copy_in(0, bytes.get_mut(..len)?).ok()?;
        let mut head = Self {
            bytes,
            len,
            dst: mac(&bytes, 0)?,
            src: mac(&bytes, 6)?,
            tag: None,
            kind: word(&bytes, MACS)?,
        };
        if head.kind == VLAN {
            head.tag = word(&bytes, MACS + 2);
            head.kind = word(&bytes, MACS + TAG)?;
        }
        (len >= head.payload_at()).then_some(head)
    }

    /// Bytes of the header, with its tag.
    pub(crate) const fn payload_at(&self) -> usize {
        match self.tag {
            Some(_) => HEADER + TAG,
            None => HEADER,
        }
    }

    /// Whether the frame has a tag.
    pub(crate) const fn is_tagged(&self) -> bool {
        self.tag.is_some()
    }

    /// Whether a tag follows that is not understood: of a provider, or a second one.
    pub(crate) const fn is_nested(&self) -> bool {
        matches!(self.kind, VLAN | SERVICE_VLAN | OLD_SERVICE_VLAN)
    }

    /// The VLAN id of the tag; 0 without one. `None` for the reserved id.
    pub(crate) fn vlan(&self) -> Option<u16> {
        let id = self.tag.unwrap_or(0) & VLAN_ID;
        (id != VLAN_ID).then_some(id)
    }

    /// Whether the frame says what its sender's address is a second time, and says something else
    /// (ARP, RFC 826: the sender's hardware address), or is too short to say it.
    pub(crate) fn contradicts_itself(&self) -> bool {
        matches!(self.kind, ARP | RARP) && {
            let at = self.payload_at() + 8;
            at + 6 > self.len || mac(&self.bytes, at) != Some(self.src)
        }
    }

    /// The parts of a frame that leaves with the tag of `vlan`, or without one for 0.
    pub(crate) fn parts(&self, vlan: u16) -> Parts<'_> {
        let behind = if self.is_tagged() { MACS + TAG } else { MACS };
        let known = self.bytes.get(..self.len).unwrap_or_default();
        let [high, low] = (self.tag.unwrap_or(0) & PRIORITY | vlan).to_be_bytes();
        let [kind_high, kind_low] = VLAN.to_be_bytes();
        Parts {
            macs: known.get(..MACS).unwrap_or_default(),
            tag: (vlan != 0).then_some([kind_high, kind_low, high, low]),
            known: known.get(behind..).unwrap_or_default(),
            rest_at: self.len,
        }
    }
}

/// What a frame that is sent on consists of, in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) macs: &'a [u8],
    pub(crate) tag: Option<[u8; TAG]>,
    /// What follows in the copy.
    pub(crate) known: &'a [u8],
    /// Byte of the frame from which on the rest follows.
    pub(crate) rest_at: usize,
}

fn mac(bytes: &[u8], at: usize) -> Option<Mac> {
    bytes.get(at..)?.first_chunk().copied().map(Mac::new)
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_be_bytes)
}
