// SPDX-License-Identifier: BSD-2-Clause
//! Received frames: the device fills the free slots of the ring to the switch.
//!
//! Slots are given to the device in the order of the ring and numbered as they are. The device may
//! use them in any order; they are committed in theirs.

use frames::{Meta, Sender, Shape, flags};
use units::PhysAddr;
use virtio::net::{HDR_F_DATA_VALID, HDR_F_NEEDS_CSUM, HDR_GSO_NONE, HEADER_SIZE, Header};
use virtqueue::{Buffer, Popped, Queue};

use crate::RECEIVE_MAX;

/// Bytes of an Ethernet header, the least that is a frame.
const FRAME_MIN: u32 = 14;

/// Bytes of the header, for which a slot has headroom.
const HEADER: u32 = Shape::NET.headroom();

/// What became of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    /// It holds a frame.
    Frame,
    /// The device wrote so many bytes, which are none.
    Bad(u32),
    /// An element of the ring made no sense.
    Lie,
}

/// The receiving queue.
#[derive(Debug)]
pub(crate) struct Receive {
    pub(crate) queue: Queue<u32, RECEIVE_MAX>,
    /// Where the device finds the region of the ring to the switch.
    region: PhysAddr,
    /// Number of the next slot to give to the device.
    posted: u32,
    /// Number of the next slot to commit; slots from here to `posted` are the device's, or done.
    committed: u32,
    /// Bytes that the device wrote into a slot that is done, by number.
    done: [Option<u32>; RECEIVE_MAX],
}

/// Place of slot number `number` in a table.
const fn place(number: u32) -> usize {
    number as usize % RECEIVE_MAX
}

impl Receive {
    /// A queue that fills slots of the region at `region`. The device has none yet.
    pub(crate) const fn new(queue: Queue<u32, RECEIVE_MAX>, region: PhysAddr) -> Self {
        Self {
            queue,
            region,
            posted: 0,
            committed: 0,
            done: [None; RECEIVE_MAX],
        }
    }

    /// Slots that are the device's, or done and not committed.
    const fn held(&self) -> u32 {
        self.posted.wrapping_sub(self.committed)
    }

    /// Gives the device all free slots; `true`: it wants to be notified.
    pub(crate) fn post(&mut self, ring: &mut Sender) -> bool {
        for _ in 0..self.queue.size() {
            let Some(slot) = self.buffer(ring) else { break };
            if self.queue.add([slot], self.posted).is_err() {
                break;
            }
            self.posted = self.posted.wrapping_add(1);
        }
        self.queue.publish()
    }

    /// The next slot to give to the device: with its headroom, for the header (5.1.6.3.1).
    fn buffer(&self, ring: &mut Sender) -> Option<Buffer> {
        if self.held() >= u32::from(self.queue.size()) {
            return None;
        }
        let offset = ring.offset_ahead(self.held())?.checked_sub(HEADER_SIZE)?;
        Some(Buffer {
            paddr: self.region.checked_add(offset as u64)?,
            len: ring.max_frame().checked_add(HEADER)?,
            device_writes: true,
        })
    }

    /// Slots that the device could get as soon as so many more are free in the ring: the number to
    /// wait for. `None` while it has enough.
    pub(crate) fn wanted(&self) -> Option<u32> {
        let size = u32::from(self.queue.size());
        let batch = (size / 4).max(1);
        (self.held().saturating_add(batch) <= size).then(|| self.held().saturating_add(batch))
    }

    /// Takes back the slots that the device used and commits those that are next, each told to
    /// `each`. Bounded by the slots that the device has.
    pub(crate) fn collect(&mut self, ring: &mut Sender, mut each: impl FnMut(Received)) {
        for _ in 0..=self.queue.size() {
            match self.queue.pop() {
                Popped::Nothing => break,
                Popped::Used(used) => {
                    if let Some(done) = self.done.get_mut(place(used.token)) {
                        *done = Some(used.written);
                    }
                }
                Popped::Lie(_) => each(Received::Lie),
            }
            if self.queue.is_broken() {
                break;
            }
        }
        while let Some(written) = self.next_done() {
            each(Self::commit(ring, written));
            self.committed = self.committed.wrapping_add(1);
        }
    }

    fn next_done(&mut self) -> Option<u32> {
        if self.held() == 0 {
            return None;
        }
        self.done.get_mut(place(self.committed))?.take()
    }

    /// Commits the next slot, into which the device wrote `written` bytes. Slots are in order, so
    /// none can be left out: one without a frame becomes a frame of one byte, which no switch takes.
    fn commit(ring: &mut Sender, written: u32) -> Received {
        let len = written.saturating_sub(HEADER);
        let header = ring.headroom().and_then(|head| head.read::<Header>(0).ok());
        let meta = header.as_ref().and_then(|header| meta(header, len));
        let (len, meta, received) = match meta {
            Some(meta) if len >= FRAME_MIN => (len, meta, Received::Frame),
            _ => (1, Meta::default(), Received::Bad(written)),
        };
        // The slot is free by construction, and as long as what the device was given.
        let _ = ring.commit(len, meta);
        received
    }
}

/// What the device says about a frame of `len` bytes. `None` where it says what was not agreed on.
fn meta(header: &Header, len: u32) -> Option<Meta> {
    let mut meta = Meta::default();
    if header.gso_type != HDR_GSO_NONE {
        return None;
    }
    if header.flags & HDR_F_DATA_VALID != 0 {
        meta.flags |= flags::DATA_VALID;
    }
    if header.flags & HDR_F_NEEDS_CSUM != 0 {
        meta.flags |= flags::NEEDS_CSUM;
        meta.csum_start = header.csum_start.get();
        meta.csum_offset = header.csum_offset.get();
        return meta.csum_fits(len as usize).then_some(meta);
    }
    Some(meta)
}
