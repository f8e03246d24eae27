// SPDX-License-Identifier: BSD-2-Clause
//! The queue: taking requests, giving them back, and asking for and sending notifications.

use core::sync::atomic::{Ordering, fence};

use guest_mem::GuestMem;
use shm::{OutOfBounds, Region, Rw};
use units::Gpa;
use vio::{Inflight, QueueConfig, Request};
use virtio::queue::{
    ALIGNMENTS, AVAIL_ENTRY_SIZE, AVAIL_NO_INTERRUPT, FLAGS, IDX, RING, USED_ENTRY_SIZE,
    USED_NO_NOTIFY, area_sizes, need_event,
};

use crate::chain::{Chain, ChainError};
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
    /// A request that cannot: it was given back with a length of 0.
    Bad(ChainError),
}

/// A split virtqueue, from the device's side.
#[derive(Debug)]
pub struct Queue {
    rules: Rules,
    avail: Region<Rw>,
    used: Region<Rw>,
    size: u16,
    event_idx: bool,
    inflight: Inflight,
    /// Bit per head.
    busy: u64,
    /// Next available entry to take. Private: never read back from memory.
    next_avail: u16,
    /// Next used entry to publish. Private as well.
    next_used: u16,
    /// `next_used` when the driver was last considered for a notification.
    notified: u16,
    /// A notification is due whatever the driver's event says.
    owed: bool,
}

const _: () = assert!(MAX_SIZE as u32 <= u64::BITS);

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
        let found = queue
            .used
            .load::<u16>(offset(IDX, 0, 0))
            .map_err(|_| Fault::Setup)?;
        let recovered = queue.inflight.recover(found).map_err(|_| Fault::Resume)?;
        queue.next_used = recovered.used;
        queue.next_avail = recovered.avail;
        queue.notified = recovered.used;
        // Whether the driver was told of the last ones is unknown: tell it once more.
        queue.owed = true;
        Ok(queue)
    }

    fn build(setup: Setup<'_>) -> Result<Self, Fault> {
        let QueueConfig {
            size,
            ready,
            desc,
            driver,
            device,
        } = setup.config;
        if !ready || !size.is_power_of_two() || size > MAX_SIZE {
            return Err(Fault::Setup);
        }
        let [desc_len, driver_len, device_len] = area_sizes(size);
        let [desc_align, driver_align, device_align] = ALIGNMENTS;
        let mem = setup.mem;
        let table = Table {
            region: area(mem, desc, desc_len, desc_align)?,
            entries: size,
        };
        Ok(Self {
            rules: Rules {
                mem: *mem,
                table,
                indirect: setup.indirect,
            },
            avail: area(mem, driver, driver_len, driver_align)?,
            used: area(mem, device, device_len, device_align)?,
            size,
            event_idx: setup.event_idx,
            inflight: setup.inflight,
            busy: 0,
            next_avail: 0,
            next_used: 0,
            notified: 0,
            owed: false,
        })
    }

    /// Takes the next request that the driver made available, if any, into `chain`.
    ///
    /// # Errors
    /// [`Fault`]; the queue must not be used any more.
    pub fn pop(&mut self, chain: &mut Chain) -> Result<Popped, Fault> {
        // Acquire: the ring entry and the descriptors were written before the index (2.7.13.2).
        let idx = self
            .avail
            .load_acquire::<u16>(offset(IDX, 0, 0))
            .map_err(|_| Fault::Setup)?;
        let ahead = idx.wrapping_sub(self.next_avail);
        if ahead == 0 {
            return Ok(Popped::Empty);
        }
        if ahead > self.size {
            return Err(Fault::AvailIndex);
        }
        let slot = offset(RING, self.next_avail % self.size, AVAIL_ENTRY_SIZE);
        let head = self.avail.load::<u16>(slot).map_err(|_| Fault::Setup)?;
        if head >= self.size {
            return Err(Fault::Index);
        }
        if self.busy & bit(head) != 0 {
            return Err(Fault::InFlight);
        }
        let walked = self.rules.walk(head, chain)?;
        self.inflight.begin(head);
        self.next_avail = self.next_avail.wrapping_add(1);
        Ok(self.accept(head, walked))
    }

    /// After [`Queue::resume`]: the unfinished request with the lowest sequence above `sequence`
    /// (start with 0), with what was noted about it; its buffers go into `chain`.
    ///
    /// # Errors
    /// [`Fault`]; the queue must not be used any more.
    pub fn unfinished(
        &mut self,
        sequence: u64,
        chain: &mut Chain,
    ) -> Result<Option<(Request, Popped)>, Fault> {
        let Some(request) = self.inflight.after(sequence) else {
            return Ok(None);
        };
        let walked = self.rules.walk(request.head, chain)?;
        Ok(Some((request, self.accept(request.head, walked))))
    }

    /// The chain at `head` is ours now; a bad one goes back at once.
    fn accept(&mut self, head: u16, walked: Result<(), ChainError>) -> Popped {
        self.busy |= bit(head);
        match walked {
            Ok(()) => Popped::Chain,
            Err(error) => {
                self.complete(head, 0);
                Popped::Bad(error)
            }
        }
    }

    /// Notes how far the request with this head has got, for a backend that comes after a crash.
    pub fn note(&mut self, head: u16, cookie: u64) {
        self.inflight.note(head, cookie);
    }

    /// Gives a request back, `written` bytes of whose writable buffers were filled from their
    /// start (2.7.8.2). Heads that are not in flight are ignored.
    pub fn complete(&mut self, head: u16, written: u32) {
        if head >= self.size || self.busy & bit(head) == 0 {
            return;
        }
        self.busy &= !bit(head);
        self.inflight.publishing(head);
        // The areas were checked when the queue was made.
        let _ = self.publish(head, written);
        self.inflight.published(head, self.next_used);
    }

    fn publish(&mut self, head: u16, written: u32) -> Result<(), OutOfBounds> {
        let slot = offset(RING, self.next_used % self.size, USED_ENTRY_SIZE);
        self.used.store(slot, u32::from(head))?;
        self.used.store(slot + 4, written)?;
        self.next_used = self.next_used.wrapping_add(1);
        // Release: the entry and the buffers are visible before the index (2.7.8.2).
        self.used.store_release(offset(IDX, 0, 0), self.next_used)
    }

    /// Whether the driver wants to be told of what was given back since this was last asked
    /// (2.7.7.2). Spurious notifications are allowed; lost ones are not.
    pub fn take_notification(&mut self) -> bool {
        if core::mem::take(&mut self.owed) {
            self.notified = self.next_used;
            return true;
        }
        if self.next_used == self.notified {
            return false;
        }
        let old = core::mem::replace(&mut self.notified, self.next_used);
        // The index must be out before used_event or flags are read, or both sides sleep.
        fence(Ordering::SeqCst);
        if self.event_idx {
            let at = offset(RING, self.size, AVAIL_ENTRY_SIZE);
            let event = self.avail.load::<u16>(at).unwrap_or(old);
            need_event(event, self.next_used, old)
        } else {
            let flags = self.avail.load::<u16>(offset(FLAGS, 0, 0)).unwrap_or(0);
            flags & AVAIL_NO_INTERRUPT == 0
        }
    }

    /// Asks the driver for a notification of the next available request, then looks once more:
    /// `true` means that there are requests already, and the caller goes on instead of sleeping
    /// (2.7.10, arm and check again).
    pub fn arm(&mut self) -> bool {
        if self.event_idx {
            let _ = self
                .used
                .store(offset(RING, self.size, USED_ENTRY_SIZE), self.next_avail);
        } else {
            let _ = self.used.store(offset(FLAGS, 0, 0), 0_u16);
        }
        fence(Ordering::SeqCst);
        self.avail.load_acquire::<u16>(offset(IDX, 0, 0)) != Ok(self.next_avail)
    }

    /// Tells the driver that no notifications are needed until [`Queue::arm`]. With event indices
    /// there is nothing to do: the event stays behind.
    pub fn disarm(&mut self) {
        if !self.event_idx {
            let _ = self.used.store(offset(FLAGS, 0, 0), USED_NO_NOTIFY);
        }
    }

    /// Number of requests in flight.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.busy.count_ones()
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

/// The bit of a head in the set of those in flight. Heads are below [`MAX_SIZE`].
const fn bit(head: u16) -> u64 {
    1_u64.wrapping_shl(head as u32)
}

/// Offset of entry `index` with `stride` bytes in an area, from `base` on.
const fn offset(base: u64, index: u16, stride: u64) -> usize {
    // At most 4 + 8 × 64.
    #[expect(clippy::cast_possible_truncation, reason = "far below 2^16")]
    let offset = (base + index as u64 * stride) as usize;
    offset
}
