// SPDX-License-Identifier: BSD-2-Clause
//! The queue: taking requests, giving them back, and asking for and sending notifications.
//!
//! Answers H-32.

use core::sync::atomic::{Ordering, fence};

use guest_mem::GuestMem;
use shm::{Cell, Region, Rw};
use units::Gpa;
use vio::{Inflight, QueueConfig, Request};
use virtio::queue::{
    ALIGNMENTS, AVAIL_ENTRY_SIZE, AVAIL_NO_INTERRUPT, FLAGS, IDX, RING, USED_ENTRY_SIZE,
    USED_NO_NOTIFY, area_sizes, need_event,
};

use crate::chain::{Chain, ChainError};
use crate::heads::Heads;
use crate::walk::{Rules, Table};
use crate::{Fault, MAX_SIZE};

/// What a queue is made from.
#[derive(Debug)]
pub struct Setup<'a> {
    /// The guest's memory.
    pub mem: &'a GuestMem,
    /// As the driver set it up, unchecked.
    pub config: QueueConfig,
    /// VIRTIO_F_EVENT_IDX was negotiated.
    pub event_idx: bool,
    /// VIRTIO_F_INDIRECT_DESC was negotiated.
    pub indirect: bool,
    /// Where requests in flight are noted.
    pub inflight: Inflight,
}

/// What the driver made available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Popped {
    /// Nothing.
    Empty,
    /// A request that can be done; its buffers are in the chain.
    Chain,
    /// A request that cannot: it was given back with a length of 0, unless [`Queue::keep_bad`].
    Bad(ChainError),
}

/// A split virtqueue, from the device's side.
///
/// Its work per turn of the device: [`Queue::pop`] and [`Queue::complete`] for each request,
/// [`Queue::take_notification`] and [`Queue::arm`] once.
#[derive(Debug)]
pub struct Queue {
    rules: Rules,
    areas: Areas,
    size: u16,
    event_idx: bool,
    keep_bad: bool,
    inflight: Inflight,
    /// Taken, and not yet published as used.
    busy: Heads,
    /// Given back, but the used index has not moved yet.
    staged: Heads,
    /// Next available entry to take. Private: never read back from memory.
    next_avail: u16,
    /// The available index as last fetched and checked.
    seen_avail: u16,
    /// Next used entry to write. Private as well.
    next_used: u16,
    /// The used index in memory.
    published: u16,
    /// `published` when the driver was last considered for a notification.
    notified: u16,
    /// A notification is due whatever the driver's event says.
    owed: bool,
}

/// The driver's and the device's area, their fields checked once.
#[derive(Clone, Copy, Debug)]
struct Areas {
    avail: Region<Rw>,
    avail_flags: Cell<u16, Rw>,
    avail_idx: Cell<u16, Rw>,
    used_event: Cell<u16, Rw>,
    used: Region<Rw>,
    used_flags: Cell<u16, Rw>,
    used_idx: Cell<u16, Rw>,
    avail_event: Cell<u16, Rw>,
}

impl Areas {
    fn new(mem: &GuestMem, config: &QueueConfig) -> Result<Self, Fault> {
        let size = config.size;
        let [_, driver_len, device_len] = area_sizes(size);
        let [_, driver_align, device_align] = ALIGNMENTS;
        let avail = area(mem, config.driver, driver_len, driver_align)?;
        let used = area(mem, config.device, device_len, device_align)?;
        let cell = |area: &Region<Rw>, at| area.cell(at).map_err(|_| Fault::Setup);
        Ok(Self {
            avail,
            avail_flags: cell(&avail, offset(FLAGS, 0, 0))?,
            avail_idx: cell(&avail, offset(IDX, 0, 0))?,
            used_event: cell(&avail, offset(RING, size, AVAIL_ENTRY_SIZE))?,
            used,
            used_flags: cell(&used, offset(FLAGS, 0, 0))?,
            used_idx: cell(&used, offset(IDX, 0, 0))?,
            avail_event: cell(&used, offset(RING, size, USED_ENTRY_SIZE))?,
        })
    }
}

impl Queue {
    /// A queue at its start.
    ///
    /// # Errors
    /// [`Fault::Setup`].
    pub fn new(setup: Setup<'_>) -> Result<Self, Fault> {
        let mut queue = Self::build(setup)?;
        queue.inflight.clear();
        Ok(queue)
    }

    /// A queue that an earlier life of this backend served. Its requests in flight are to be done
    /// again: [`Queue::unfinished`].
    ///
    /// # Errors
    /// [`Fault::Setup`], or [`Fault::Resume`] if the driver changed the used index.
    pub fn resume(setup: Setup<'_>) -> Result<Self, Fault> {
        let mut queue = Self::build(setup)?;
        let found = queue.areas.used_idx.load();
        let recovered = queue.inflight.recover(found).map_err(|_| Fault::Resume)?;
        (queue.next_used, queue.published) = (recovered.used, recovered.used);
        (queue.next_avail, queue.seen_avail) = (recovered.avail, recovered.avail);
        queue.notified = recovered.used;
        // Whether the driver was told of the last ones is unknown: tell it once more.
        queue.owed = true;
        Ok(queue)
    }

    fn build(setup: Setup<'_>) -> Result<Self, Fault> {
        let config = setup.config;
        let size = config.size;
        if !config.ready || !size.is_power_of_two() || size > MAX_SIZE {
            return Err(Fault::Setup);
        }
        let [desc_len, ..] = area_sizes(size);
        let [desc_align, ..] = ALIGNMENTS;
        let table = Table {
            region: area(setup.mem, config.desc, desc_len, desc_align)?,
            entries: size,
        };
        Ok(Self {
            rules: Rules {
                mem: *setup.mem,
                table,
                indirect: setup.indirect,
            },
            areas: Areas::new(setup.mem, &config)?,
            size,
            event_idx: setup.event_idx,
            keep_bad: false,
            inflight: setup.inflight,
            busy: Heads::default(),
            staged: Heads::default(),
            next_avail: 0,
            seen_avail: 0,
            next_used: 0,
            published: 0,
            notified: 0,
            owed: false,
        })
    }

    /// Bad requests stay in flight until the device gives them back, for devices that write a
    /// status into them first ([`Chain::tail`]). Without this they are given back with length 0.
    pub const fn keep_bad(&mut self) {
        self.keep_bad = true;
    }

    /// Takes the next request that the driver made available, if any, into `chain`.
    ///
    /// # Errors
    /// [`Fault`]; the queue must not be used any more.
    pub fn pop<const N: usize>(&mut self, chain: &mut Chain<N>) -> Result<Popped, Fault> {
        if self.next_avail == self.seen_avail && !self.look()? {
            return Ok(Popped::Empty);
        }
        let slot = offset(RING, self.entry(self.next_avail), AVAIL_ENTRY_SIZE);
        let avail = &self.areas.avail;
        let head = avail.load::<u16>(slot).map_err(|_| Fault::Setup)?;
        if head >= self.size {
            return Err(Fault::Index);
        }
        if self.busy.contains(head) {
            return Err(Fault::InFlight);
        }
        let walked = self.rules.walk(head, chain)?;
        self.inflight.begin(head);
        self.next_avail = self.next_avail.wrapping_add(1);
        Ok(self.accept(head, walked))
    }

    /// Fetches the available index; whether there is anything to take.
    fn look(&mut self) -> Result<bool, Fault> {
        // Acquire: the ring entries and descriptors were written before the index (2.7.13.2).
        let idx = self.areas.avail_idx.load_acquire();
        let ahead = idx.wrapping_sub(self.next_avail);
        if ahead > self.size {
            return Err(Fault::AvailIndex);
        }
        self.seen_avail = idx;
        Ok(ahead != 0)
    }

    /// After [`Queue::resume`]: the unfinished request with the lowest sequence above `sequence`
    /// (start with 0), with what was noted about it; its buffers go into `chain`. Also for
    /// requests of this life, to do them again.
    ///
    /// # Errors
    /// [`Fault`]; the queue must not be used any more.
    pub fn unfinished<const N: usize>(
        &mut self,
        sequence: u64,
        chain: &mut Chain<N>,
    ) -> Result<Option<(Request, Popped)>, Fault> {
        let Some(request) = self.inflight.after(sequence) else {
            return Ok(None);
        };
        let walked = self.rules.walk(request.head, chain)?;
        Ok(Some((request, self.accept(request.head, walked))))
    }

    /// The chain at `head` is ours now; a bad one goes back at once, unless they are kept.
    fn accept(&mut self, head: u16, walked: Result<(), ChainError>) -> Popped {
        self.busy.insert(head);
        match walked {
            Ok(()) => Popped::Chain,
            Err(error) => {
                if !self.keep_bad {
                    self.complete(head, 0);
                }
                Popped::Bad(error)
            }
        }
    }

    /// Notes how far the request with this head has got, for a backend that comes after a crash.
    pub fn note(&mut self, head: u16, cookie: u64) {
        self.inflight.note(head, cookie);
    }

    /// Gives a request back, `written` bytes of whose writable buffers were filled from their
    /// start (2.7.8.2). The driver sees it with the next [`Queue::publish`] or
    /// [`Queue::take_notification`]. Heads that are not in flight are ignored.
    pub fn complete(&mut self, head: u16, written: u32) {
        if !self.busy.contains(head) || self.staged.contains(head) {
            return;
        }
        let slot = offset(RING, self.entry(self.next_used), USED_ENTRY_SIZE);
        // The area was checked when the queue was made.
        let used = &self.areas.used;
        let _ = used.store(slot, u32::from(head));
        let _ = used.store(slot + 4, written);
        self.next_used = self.next_used.wrapping_add(1);
        self.staged.insert(head);
        self.inflight.done(head);
    }

    /// Puts the request that was taken last back, as if it had not been taken: the next
    /// [`Queue::pop`] finds it again. Several go back in the reverse of the order in which they
    /// were taken. Heads that are not in flight are ignored.
    pub fn put_back(&mut self, head: u16) {
        if !self.busy.contains(head) || self.staged.contains(head) {
            return;
        }
        self.busy.remove(head);
        self.inflight.forget(head);
        self.next_avail = self.next_avail.wrapping_sub(1);
    }

    /// After [`Queue::resume`], instead of [`Queue::unfinished`]: puts all requests in flight back.
    /// For devices that give requests back in the order in which they took them.
    pub fn rewind(&mut self) {
        while let Some(request) = self.inflight.after(0) {
            self.inflight.forget(request.head);
        }
        self.busy = Heads::default();
        (self.next_avail, self.seen_avail) = (self.published, self.published);
    }

    /// Lets the driver see everything that was given back.
    pub fn publish(&mut self) {
        let count = self.next_used.wrapping_sub(self.published);
        if count == 0 {
            return;
        }
        self.inflight.publishing(self.published, count);
        // Release: the entries and the buffers are visible before the index (2.7.8.2).
        self.areas.used_idx.store_release(self.next_used);
        self.published = self.next_used;
        let staged = core::mem::take(&mut self.staged);
        self.busy.remove_all(&staged);
        self.inflight.published(staged.iter(), self.published);
    }

    /// Publishes, and says whether the driver wants to be told of what was published since this
    /// was last asked (2.7.7.2). Spurious notifications are allowed; lost ones are not.
    pub fn take_notification(&mut self) -> bool {
        self.publish();
        let old = core::mem::replace(&mut self.notified, self.published);
        if core::mem::take(&mut self.owed) {
            return true;
        }
        if self.published == old {
            return false;
        }
        // The index must be out before used_event or flags are read, or both sides sleep.
        fence(Ordering::SeqCst);
        if self.event_idx {
            need_event(self.areas.used_event.load(), self.published, old)
        } else {
            self.areas.avail_flags.load() & AVAIL_NO_INTERRUPT == 0
        }
    }

    /// Asks the driver for a notification of the next available request, then looks once more:
    /// `true` means that there are requests already, and the caller goes on instead of sleeping
    /// (2.7.10, arm and check again).
    pub fn arm(&mut self) -> bool {
        self.next_avail != self.seen_avail || self.arm_for_more()
    }

    /// As [`Queue::arm`] for a device that needs more requests than it has seen, such as those it
    /// has put back: the next notification is for the one after them, and `true` means that there
    /// is one.
    pub fn arm_for_more(&mut self) -> bool {
        if self.event_idx {
            self.areas.avail_event.store(self.seen_avail);
        } else {
            self.areas.used_flags.store(0);
        }
        fence(Ordering::SeqCst);
        self.areas.avail_idx.load_acquire() != self.seen_avail
    }

    /// Tells the driver that no notifications are needed until [`Queue::arm`]. With event indices
    /// there is nothing to do: the event stays behind.
    pub fn disarm(&mut self) {
        if !self.event_idx {
            self.areas.used_flags.store(USED_NO_NOTIFY);
        }
    }

    /// The entry of a ring that an index means: sizes are powers of two, and no device divides by
    /// a number that a driver chose.
    const fn entry(&self, index: u16) -> u16 {
        index & self.size.wrapping_sub(1)
    }

    /// Number of requests in flight, those included that are given back but not published.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.busy.len()
    }
}

/// One of the three areas: in guest memory, and aligned there.
fn area(mem: &GuestMem, base: u64, len: u64, alignment: u64) -> Result<Region<Rw>, Fault> {
    let base = Gpa::new(base);
    let region = mem.slice(base, len).map_err(|_| Fault::Setup)?;
    if base.is_aligned(alignment) {
        Ok(region)
    } else {
        Err(Fault::Setup)
    }
}

/// Offset of entry `index` with `stride` bytes in an area, from `base` on.
const fn offset(base: u64, index: u16, stride: u64) -> usize {
    // At most 4 + 8 × 256.
    #[expect(clippy::cast_possible_truncation, reason = "far below 2^16")]
    let offset = (base + index as u64 * stride) as usize;
    offset
}
