// SPDX-License-Identifier: BSD-2-Clause
//! The sending end.

use shm::{Region, Rw};
use spsc::{Armed, SlotProducer, Wake};

use crate::layout::Slots;
use crate::meta::Meta;

/// The sending end of a link: fills free slots and shows them to the peer in order.
#[derive(Debug)]
pub struct Sender {
    ring: SlotProducer,
    slots: Slots<Rw>,
}

impl Sender {
    pub(crate) const fn new(ring: SlotProducer, slots: Slots<Rw>) -> Self {
        Self { ring, slots }
    }

    /// Slots of the ring.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.slots.count
    }

    /// Longest frame in bytes.
    #[must_use]
    pub const fn max_frame(&self) -> u32 {
        self.slots.shape.max_frame()
    }

    /// Free slots; none where the peer's read index is impossible.
    pub fn room(&mut self) -> u32 {
        self.ring.free(self.capacity()).unwrap_or(0)
    }

    /// The next free slot's place for a frame, [`Sender::max_frame`] bytes; `None` where all slots
    /// are taken, or the peer's read index is impossible.
    pub fn slot(&mut self) -> Option<Region<Rw>> {
        self.slot_ahead(0)
    }

    /// As [`Sender::slot`] for the free slot `ahead` places further. It stays free, and the same
    /// slot moves one place nearer with each [`Sender::commit`]: a driver hands free slots to its
    /// device and commits them in order as they are filled.
    pub fn slot_ahead(&mut self, ahead: u32) -> Option<Region<Rw>> {
        let index = self.index(ahead)?;
        self.slots.frame(index, self.max_frame()).ok()
    }

    /// Where [`Sender::slot_ahead`] is in this end's region, in bytes from its first one. For
    /// devices that are told addresses. The shape's headroom lies before it.
    pub fn offset_ahead(&mut self, ahead: u32) -> Option<usize> {
        let index = self.index(ahead)?;
        Some(self.slots.offset(index))
    }

    /// The headroom before the next free slot's place for a frame: what a device wrote there.
    pub fn headroom(&mut self) -> Option<Region<Rw>> {
        let index = self.index(0)?;
        self.slots.headroom(index).ok()
    }

    /// Stages the frame of `len` bytes (1 to [`Sender::max_frame`]) in the next slot; the peer sees
    /// it after [`Sender::publish`]. `false` where there is no free slot or the length is
    /// impossible.
    #[must_use]
    pub fn commit(&mut self, len: u32, meta: Meta) -> bool {
        if len == 0 || len > self.max_frame() {
            return false;
        }
        let Some(index) = self.index(0) else {
            return false;
        };
        self.slots.describe(index, &meta.describe(len)).is_ok() && self.ring.stage()
    }

    /// Copies `bytes` into the next slot and stages it. `false` where there is no free slot or the
    /// length is impossible.
    #[must_use]
    pub fn send(&mut self, bytes: &[u8], meta: Meta) -> bool {
        let Ok(len) = u32::try_from(bytes.len()) else {
            return false;
        };
        let copied = |slot: Region<Rw>| slot.copy_out(0, bytes).is_ok();
        self.slot().is_some_and(copied) && self.commit(len, meta)
    }

    /// Makes everything staged visible and says whether to notify the peer.
    pub fn publish(&mut self) -> Wake {
        self.ring.publish()
    }

    /// Asks for a notification when `slots` slots are free; `true` if they are already.
    #[must_use]
    pub fn arm(&mut self, slots: u32) -> bool {
        self.ring.arm(slots) == Ok(Armed::Ready)
    }

    /// Impossible read indices of the peer so far.
    #[must_use]
    pub const fn faults(&self) -> u32 {
        self.ring.faults().count()
    }

    fn index(&mut self, ahead: u32) -> Option<u32> {
        let free = self.ring.free(ahead.checked_add(1)?).ok()?;
        (ahead < free).then(|| self.ring.slot(ahead))
    }
}
