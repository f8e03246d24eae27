// SPDX-License-Identifier: BSD-2-Clause
//! Copying a frame into the rings of its destinations.

use frames::{Frame, Meta, flags};
use shm::{Region, Rw};

use crate::checksum;
use crate::config::Kind;
use crate::ether::{Head, TAG};
use crate::event::What;
use crate::port::Port;

/// A frame that may pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passing<'a> {
    pub(crate) frame: &'a Frame,
    pub(crate) head: &'a Head,
    pub(crate) vlan: u16,
    /// Number of the port it came from.
    pub(crate) from: u8,
    pub(crate) kind: Kind,
}

impl Passing<'_> {
    /// Sends the frame to `port`; what became of it there.
    pub(crate) fn send(&self, port: &mut Port) -> What {
        let payload = self.frame.len().saturating_sub(self.head.payload_at());
        let longest = match port.peer.mtu {
            0 => port.config.mtu,
            mtu => mtu.min(port.config.mtu),
        };
        if payload > usize::from(longest) {
            return What::TooLong;
        }
        let free = port.settle();
        if !port.shares.allow(self.from, free) {
            return What::Full;
        }
        match self.stage(port) {
            Some(()) => What::Sent,
            None => What::Full,
        }
    }

    /// Copies the frame to the next slot of `port` and stages it.
    fn stage(&self, port: &mut Port) -> Option<()> {
        let vlan = if port.config.is_trunk() { self.vlan } else { 0 };
        let slot = port.link.tx.slot()?;
        let len = self.copy(&slot, vlan)?;
        let meta = self.meta(&slot, len, vlan, port)?;
        let staged = port.link.tx.commit(u32::try_from(len).ok()?, meta);
        staged.then(|| port.shares.take(self.from))
    }

    /// Copies the frame, its start from the copy that was judged; its length at this port.
    fn copy(&self, slot: &Region<Rw>, vlan: u16) -> Option<usize> {
        let parts = self.head.parts(vlan);
        let mut at = 0;
        let tag = parts.tag.as_ref().map_or(&[][..], |tag| &tag[..]);
        for part in [parts.macs, tag, parts.known] {
            slot.copy_out(at, part).ok()?;
            at = at.checked_add(part.len())?;
        }
        let rest = self.frame.len().checked_sub(parts.rest_at)?;
        let bytes = &self.frame.bytes;
        bytes.copy_to(parts.rest_at, slot, at, rest).ok()?;
        at.checked_add(rest)
    }

    /// What goes with the frame: the metadata of its sender where both sides may use it. A
    /// checksum that the receiver would have to complete and does not is completed here.
    fn meta(&self, slot: &Region<Rw>, len: usize, vlan: u16, port: &Port) -> Option<Meta> {
        let given = self.frame.meta;
        if !given.needs_csum() {
            let verified = self.kind == Kind::Uplink && port.peer.csum;
            let kept = if verified { flags::DATA_VALID } else { 0 };
            return Some(Meta {
                flags: given.flags & kept,
                ..Meta::default()
            });
        }
        let csum_start = self.moved(given.csum_start, vlan)?;
        if port.peer.csum {
            return Some(Meta {
                flags: flags::NEEDS_CSUM,
                csum_start,
                csum_offset: given.csum_offset,
                tag: 0,
            });
        }
        let (start, offset) = (csum_start.into(), given.csum_offset.into());
        checksum::complete(slot, len, start, offset).then(Meta::default)
    }

    /// Where byte `at` behind the header is at a port that shows `vlan`.
    fn moved(&self, at: u16, vlan: u16) -> Option<u16> {
        let tag = u16::try_from(TAG).ok()?;
        match (self.head.is_tagged(), vlan != 0) {
            (false, true) => at.checked_add(tag),
            (true, false) => at.checked_sub(tag),
            _ => Some(at),
        }
    }
}
