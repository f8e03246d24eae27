// SPDX-License-Identifier: BSD-2-Clause
//! The receiving end.

use shm::{Region, Ro, Rw};
use spsc::{Armed, SlotConsumer, Wake};

use crate::layout::Slots;
use crate::meta::Meta;

/// A frame in the peer's region. Its length was checked; its bytes may change while they are read.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// The bytes, at least one.
    pub bytes: Region<Ro>,
    /// What the peer says about it.
    pub meta: Meta,
    /// Where the bytes are in the peer's region, from its first one. For devices.
    pub offset: usize,
    /// For [`Receiver::release_through`].
    pub ticket: u32,
}

impl Frame {
    /// Bytes of the frame.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a frame has at least one byte")]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Copies the frame to the start of `slot`. `false` where it does not fit.
    #[must_use]
    pub fn copy_to(&self, slot: &Region<Rw>) -> bool {
        self.bytes.copy_to(0, slot, 0, self.bytes.len()).is_ok()
    }
}

/// The receiving end of a link: frames in order, each in its slot until it is released.
#[derive(Debug)]
pub struct Receiver {
    ring: SlotConsumer,
    slots: Slots<Ro>,
    bad: u32,
}

impl Receiver {
    pub(crate) const fn new(ring: SlotConsumer, slots: Slots<Ro>) -> Self {
        Self {
            ring,
            slots,
            bad: 0,
        }
    }

    /// Slots of the ring.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.slots.count
    }

    /// Frames waiting. Bound a loop by this or by less: a fast peer can keep a ring non-empty for
    /// ever.
    pub fn waiting(&mut self) -> u32 {
        self.available(self.slots.count)
    }

    /// The next frame, which stays the next one until [`Receiver::advance`]. Frames of an
    /// impossible length are skipped and counted.
    pub fn peek(&mut self) -> Option<Frame> {
        for _ in 0..self.slots.count {
            if self.available(1) == 0 {
                return None;
            }
            if let Some(frame) = self.fetch() {
                return Some(frame);
            }
            self.bad = self.bad.saturating_add(1);
            self.advance();
        }
        None
    }

    /// Takes the frame that [`Receiver::peek`] showed. Its slot stays this end's until it is
    /// released.
    pub fn advance(&mut self) {
        // Without a frame there is nothing to take.
        let _ = self.ring.take();
    }

    /// Frames taken and not yet released, skipped ones included.
    #[must_use]
    pub const fn held(&self) -> u32 {
        self.ring.held()
    }

    /// Gives the slots of all frames taken back and says whether to notify the peer.
    pub fn release(&mut self) -> Wake {
        self.ring.release(u32::MAX)
    }

    /// Gives the slots back of the frame with `ticket` and of all before it, and says whether to
    /// notify the peer. For devices that finish later; nothing where it is not held.
    pub fn release_through(&mut self, ticket: u32) -> Wake {
        let held = self.ring.held();
        let oldest = self.ring.position().wrapping_sub(held);
        let before = ticket.wrapping_sub(oldest);
        if before < held {
            self.ring.release(before.saturating_add(1))
        } else {
            Wake::NotNeeded
        }
    }

    /// Asks for a notification when the next frame arrives; `true` if one is there already.
    #[must_use]
    pub fn arm(&mut self) -> bool {
        match self.ring.arm() {
            Ok(armed) => armed == Armed::Ready,
            Err(_) => {
                self.resync();
                false
            }
        }
    }

    /// Impossible write indices and lengths of the peer so far.
    #[must_use]
    pub const fn faults(&self) -> u32 {
        self.ring.faults().count().saturating_add(self.bad)
    }

    /// The frame in the next slot; `None` where the peer gave it an impossible length.
    fn fetch(&self) -> Option<Frame> {
        let index = self.ring.slot(0);
        let descriptor = self.slots.descriptor(index).ok()?;
        let len = descriptor.len;
        if len == 0 || len > self.slots.shape.max_frame() {
            return None;
        }
        Some(Frame {
            bytes: self.slots.frame(index, len).ok()?,
            meta: descriptor.into(),
            offset: self.slots.offset(index),
            ticket: self.ring.position(),
        })
    }

    fn available(&mut self, wanted: u32) -> u32 {
        match self.ring.available(wanted) {
            Ok(available) => available,
            Err(_) => {
                self.resync();
                0
            }
        }
    }

    /// After an impossible index: drops what is pending and goes on at the peer's index. Not while
    /// slots are held, which a device may be reading: until they are released there is nothing to
    /// receive.
    fn resync(&mut self) {
        if self.ring.held() == 0 {
            // The peer lied about its own ring, so it is not worth a notification.
            let _ = self.ring.resync();
        }
    }
}
