// SPDX-License-Identifier: BSD-2-Clause
//! Frames to send: the device reads the slots of the ring from the switch.

use frames::{Frame, Receiver};
use units::PhysAddr;
use virtio::net::{HDR_F_NEEDS_CSUM, HEADER_SIZE, Header};
use virtqueue::{Area, Buffer, Popped, Queue};

use crate::TRANSMIT_MAX;

/// Most frames in flight: each takes two descriptors, since the driver cannot write its header into
/// the switch's slot.
pub(crate) const FRAMES_MAX: usize = TRANSMIT_MAX / 2;

/// Bytes of memory per header.
pub(crate) const HEADER_STRIDE: usize = 16;

/// A frame that is the device's.
#[derive(Clone, Copy, Debug, Default)]
struct Pending {
    ticket: u32,
    done: bool,
}

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// The device has it.
    Frame,
    /// It needs a checksum that the device does not compute.
    Bad,
}

/// The sending queue.
#[derive(Debug)]
pub(crate) struct Transmit {
    pub(crate) queue: Queue<u32, TRANSMIT_MAX>,
    /// Memory of the headers, one per frame in flight.
    headers: Area,
    /// Where the device finds the region of the ring from the switch.
    region: PhysAddr,
    /// VIRTIO_NET_F_CSUM was agreed on.
    csum: bool,
    /// Number of the next frame, and of the oldest whose slot was not given back.
    sent: u32,
    reclaimed: u32,
    pending: [Pending; FRAMES_MAX],
}

/// Place of frame number `number` in a table.
const fn place(number: u32) -> usize {
    number as usize % FRAMES_MAX
}

impl Transmit {
    /// A queue that reads slots of the region at `region`. `headers` has room for the header of
    /// every second descriptor.
    pub(crate) const fn new(
        queue: Queue<u32, TRANSMIT_MAX>,
        headers: Area,
        region: PhysAddr,
        csum: bool,
    ) -> Self {
        Self {
            queue,
            headers,
            region,
            csum,
            sent: 0,
            reclaimed: 0,
            pending: [Pending {
                ticket: 0,
                done: false,
            }; FRAMES_MAX],
        }
    }

    /// Frames in flight, counting those done behind one that is not.
    const fn held(&self) -> u32 {
        self.sent.wrapping_sub(self.reclaimed)
    }

    /// Most frames in flight.
    fn limit(&self) -> u32 {
        u32::from(self.queue.size() / 2)
    }

    /// Whether another frame can be sent.
    pub(crate) fn has_room(&self) -> bool {
        self.held() < self.limit() && self.queue.has_room(2)
    }

    /// Gives the device what the ring has; `true`: it wants to be notified. Bounded by the frames
    /// that may be in flight.
    pub(crate) fn send(&mut self, ring: &mut Receiver, mut each: impl FnMut(Sent)) -> bool {
        while self.has_room()
            && let Some(frame) = ring.peek()
        {
            let fits = !frame.meta.needs_csum() || self.csum && frame.meta.csum_fits(frame.len());
            let given = fits && self.give(&frame).is_some();
            if let Some(pending) = self.pending.get_mut(place(self.sent)) {
                *pending = Pending {
                    ticket: frame.ticket,
                    done: !given,
                };
            }
            self.sent = self.sent.wrapping_add(1);
            ring.advance();
            each(if given { Sent::Frame } else { Sent::Bad });
        }
        self.queue.publish()
    }

    /// Stages a header and the frame (5.1.6.2).
    fn give(&mut self, frame: &Frame) -> Option<()> {
        let at = place(self.sent).checked_mul(HEADER_STRIDE)?;
        self.headers.memory().write(at, &header(frame)).ok()?;
        let buffer = |paddr, len| Buffer {
            paddr,
            len,
            device_writes: false,
        };
        let buffers = [
            buffer(
                self.headers.paddr().checked_add(at as u64)?,
                u32::try_from(HEADER_SIZE).ok()?,
            ),
            buffer(
                self.region.checked_add(frame.offset as u64)?,
                u32::try_from(frame.len()).ok()?,
            ),
        ];
        self.queue.add(buffers, self.sent).ok()
    }

    /// Takes back what the device sent and gives the slots of the oldest frames back, as far as
    /// they are done. Elements that make no sense are told to `lie`.
    pub(crate) fn reclaim(&mut self, ring: &mut Receiver, mut lie: impl FnMut()) -> spsc::Wake {
        for _ in 0..=self.queue.size() {
            match self.queue.pop() {
                Popped::Nothing => break,
                Popped::Used(used) => {
                    if let Some(pending) = self.pending.get_mut(place(used.token)) {
                        pending.done = true;
                    }
                }
                Popped::Lie(_) => lie(),
            }
            if self.queue.is_broken() {
                break;
            }
        }
        let mut wake = spsc::Wake::NotNeeded;
        while self.held() > 0
            && let Some(oldest) = self.pending.get(place(self.reclaimed))
            && oldest.done
        {
            wake = ring.release_through(oldest.ticket).or(wake);
            self.reclaimed = self.reclaimed.wrapping_add(1);
        }
        wake
    }

    /// Asks for an interrupt when half of the frames in flight are sent, if these are half of what
    /// there can be; `true` if they are already. Fewer are taken back with the next frame: nobody
    /// waits for their slots.
    pub(crate) fn arm(&mut self) -> bool {
        if self.held() < (self.limit() / 2).max(1) {
            self.queue.disarm();
            return false;
        }
        self.queue.arm_after((self.queue.in_flight() / 2).max(1))
    }
}

/// The header of a frame. No segmentation was agreed on, and `hdr_len` is a hint (5.1.6.2).
fn header(frame: &Frame) -> Header {
    let mut header = Header::default();
    if frame.meta.needs_csum() {
        header.flags = HDR_F_NEEDS_CSUM;
        header.csum_start = frame.meta.csum_start.into();
        header.csum_offset = frame.meta.csum_offset.into();
    }
    header
}
