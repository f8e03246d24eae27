// SPDX-License-Identifier: BSD-2-Clause
//! Split virtqueues (2.7), driver side.

use core::sync::atomic::{Ordering, fence};

use shm::{Cell, OutOfBounds, Region, Ro, Rw};
use units::PhysAddr;
use virtio::Features;
use virtio::queue::{Descriptor, DescriptorFlags, USED_NO_NOTIFY, need_event};
use zerocopy::IntoBytes;

use crate::area::{AVAIL_ENTRY, Area, DESCRIPTOR, FLAGS_AT, IDX_AT, Layout, RING_AT};

/// Memory that the device reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Where the device finds it.
    pub paddr: PhysAddr,
    /// Its bytes.
    pub len: u32,
    /// The device writes it; otherwise it reads it.
    pub device_writes: bool,
}

/// No room for a request, or a request that no queue takes; the token comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full<T>(pub T);

/// Features that concern queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Negotiated {
    /// VIRTIO_F_INDIRECT_DESC.
    pub indirect: bool,
    /// VIRTIO_F_EVENT_IDX.
    pub event_idx: bool,
}

impl Negotiated {
    /// Picks them out of all negotiated features.
    #[must_use]
    pub fn of(features: u64) -> Self {
        let features = Features::from_bits_retain(features);
        Self {
            indirect: features.contains(Features::INDIRECT_DESC),
            event_idx: features.contains(Features::EVENT_IDX),
        }
    }
}

/// The private side of a request.
#[derive(Debug)]
pub(crate) struct InFlight<T> {
    pub(crate) token: T,
    /// Descriptors of the ring that it holds, chained by `Queue::next`.
    pub(crate) descriptors: u16,
    /// Bytes that the device may write.
    pub(crate) writable: u32,
}

/// A virtqueue of up to `N` entries whose requests carry a token `T`.
#[derive(Debug)]
pub struct Queue<T, const N: usize> {
    descriptors: Area,
    pub(crate) driver: Area,
    device: Area,
    tables: Area,
    pub(crate) layout: Layout,
    pub(crate) negotiated: Negotiated,
    avail_idx: Cell<u16, Rw>,
    pub(crate) used_event: Cell<u16, Rw>,
    pub(crate) used_idx: Cell<u16, Ro>,
    avail_event: Cell<u16, Ro>,
    pub(crate) used_ring: Region<Ro>,
    /// Next available index to stage, and the last one published.
    avail: u16,
    published: u16,
    /// Next used element to look at, and the device's index as last checked.
    pub(crate) used: u16,
    pub(crate) seen: u16,
    pub(crate) in_flight: [Option<InFlight<T>>; N],
    /// Free descriptors, and those of a request, as lists.
    pub(crate) next: [u16; N],
    pub(crate) free_head: u16,
    pub(crate) free: u16,
    pub(crate) requests: u16,
    pub(crate) broken: bool,
    pub(crate) lies: u64,
}

impl<T, const N: usize> Queue<T, N> {
    /// Lays an empty queue out at the front of `area`, which the device must not use yet. `None`
    /// where the size is no power of two up to `N`, or the area too short.
    #[must_use]
    pub fn new(area: &mut Area, layout: Layout, negotiated: Negotiated) -> Option<Self> {
        if !layout.is_valid() || usize::from(layout.size) > N {
            return None;
        }
        let parts = layout.place(area)?;
        for part in &parts {
            part.memory().fill(0, part.len(), 0).ok()?;
        }
        Self::over(parts, layout, negotiated).ok()
    }

    fn over(
        [descriptors, driver, device, tables]: [Area; 4],
        layout: Layout,
        negotiated: Negotiated,
    ) -> Result<Self, OutOfBounds> {
        let size = usize::from(layout.size);
        let used_ring = device.memory().read_only();
        let mut next = [0; N];
        for (index, (next, follower)) in next.iter_mut().zip(1_u16..).enumerate() {
            *next = if index + 1 < size { follower } else { 0 };
        }
        Ok(Self {
            avail_idx: driver.memory().cell(IDX_AT)?,
            used_event: driver.memory().cell(layout.used_event_at())?,
            used_idx: used_ring.cell(IDX_AT)?,
            avail_event: used_ring.cell(layout.avail_event_at())?,
            used_ring,
            descriptors,
            driver,
            device,
            tables,
            layout,
            negotiated,
            avail: 0,
            published: 0,
            used: 0,
            seen: 0,
            in_flight: [const { None }; N],
            next,
            free_head: 0,
            free: layout.size,
            requests: 0,
            broken: false,
            lies: 0,
        })
    }

    /// Physical addresses of descriptor, driver and device area, for [`Transport::set_queue`].
    ///
    /// [`Transport::set_queue`]: crate::Transport::set_queue
    #[must_use]
    pub const fn areas(&self) -> [PhysAddr; 3] {
        [
            self.descriptors.paddr(),
            self.driver.paddr(),
            self.device.paddr(),
        ]
    }

    /// Entries.
    #[must_use]
    pub const fn size(&self) -> u16 {
        self.layout.size
    }

    /// Requests in flight, staged ones included.
    #[must_use]
    pub const fn in_flight(&self) -> u16 {
        self.requests
    }

    /// How often the device was caught lying.
    #[must_use]
    pub const fn lies(&self) -> u64 {
        self.lies
    }

    /// Whether [`Lie::Index`] made the queue unusable: the device needs a reset, and the queue to be
    /// made anew.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether a request of `buffers` buffers fits right now.
    #[must_use]
    pub fn has_room(&self, buffers: usize) -> bool {
        buffers > 0
            && self
                .needs(buffers)
                .is_some_and(|needed| needed <= self.free)
    }

    /// Descriptors of the ring that a request of `buffers` buffers takes; `None` if none has so many.
    fn needs(&self, buffers: usize) -> Option<u16> {
        let count = u16::try_from(buffers).ok()?;
        if count > 1 && self.negotiated.indirect && count <= self.layout.indirect {
            return Some(1);
        }
        // 2.7.5.3.1: no chain is longer than the queue.
        (count <= self.layout.size).then_some(count)
    }

    /// Stages a request: readable buffers first, then writable ones (2.7.4.2). The device sees it
    /// after [`Queue::publish`].
    ///
    /// # Errors
    ///
    /// [`Full`] where there is no room, no buffer, or too many of them; nothing is staged then.
    pub fn add<I>(&mut self, buffers: I, token: T) -> Result<(), Full<T>>
    where
        I: IntoIterator<Item = Buffer, IntoIter: ExactSizeIterator>,
    {
        let buffers = buffers.into_iter();
        let count = buffers.len();
        if self.broken || !self.has_room(count) {
            return Err(Full(token));
        }
        let head = self.free_head;
        let needed = self.needs(count).unwrap_or(0);
        let written = if usize::from(needed) == count {
            self.chain(buffers)
        } else {
            self.table(head, buffers)
        };
        let (Ok(writable), Some(slot)) = (written, self.in_flight.get_mut(usize::from(head)))
        else {
            return Err(Full(token));
        };
        *slot = Some(InFlight {
            token,
            descriptors: needed,
            writable,
        });
        self.free = self.free.saturating_sub(needed);
        self.requests = self.requests.saturating_add(1);
        self.offer(head);
        Ok(())
    }

    /// Writes a chain into free descriptors and takes them off the list; answers the bytes that the
    /// device may write.
    fn chain(
        &mut self,
        buffers: impl ExactSizeIterator<Item = Buffer>,
    ) -> Result<u32, OutOfBounds> {
        let mut writable = 0_u32;
        let mut left = buffers.len();
        let mut index = self.free_head;
        for buffer in buffers {
            left = left.saturating_sub(1);
            let follower = self.next.get(usize::from(index)).copied().unwrap_or(0);
            let next = (left > 0).then_some(follower);
            write(
                &self.descriptors,
                usize::from(index),
                &descriptor(&buffer, next),
            )?;
            writable = writable.saturating_add(if buffer.device_writes { buffer.len } else { 0 });
            index = follower;
        }
        self.free_head = index;
        Ok(writable)
    }

    /// Writes the indirect table of `head` and the one descriptor that names it.
    fn table(
        &mut self,
        head: u16,
        buffers: impl ExactSizeIterator<Item = Buffer>,
    ) -> Result<u32, OutOfBounds> {
        let mut writable = 0_u32;
        let count = buffers.len();
        let first = usize::from(head) * usize::from(self.layout.indirect);
        for (at, buffer) in (1_u16..).zip(buffers) {
            let next = (usize::from(at) < count).then_some(at);
            let slot = first + usize::from(at) - 1;
            write(&self.tables, slot, &descriptor(&buffer, next))?;
            writable = writable.saturating_add(if buffer.device_writes { buffer.len } else { 0 });
        }
        let at = (first * DESCRIPTOR) as u64;
        let table = Descriptor {
            addr: self.tables.paddr().get().wrapping_add(at).into(),
            // At most `indirect` descriptors of 16 bytes.
            len: u32::try_from(count * DESCRIPTOR).unwrap_or(0).into(),
            flags: DescriptorFlags::INDIRECT.bits().into(),
            next: 0.into(),
        };
        write(&self.descriptors, usize::from(head), &table)?;
        self.free_head = self.next.get(usize::from(head)).copied().unwrap_or(0);
        Ok(writable)
    }

    /// Puts a head into the available ring.
    fn offer(&mut self, head: u16) {
        let slot = usize::from(self.avail & (self.layout.size - 1));
        let at = RING_AT + AVAIL_ENTRY * slot;
        // In bounds by construction.
        let _ = self.driver.memory().store(at, head.to_le());
        self.avail = self.avail.wrapping_add(1);
    }

    /// Shows the device what was staged; `true`: it wants to be notified (2.7.13). Once per batch.
    #[must_use]
    pub fn publish(&mut self) -> bool {
        let (old, new) = (self.published, self.avail);
        if old == new {
            return false;
        }
        self.published = new;
        self.avail_idx.store_release(new.to_le());
        // 2.7.13.4.1: the index is visible before the device's wish is read.
        fence(Ordering::SeqCst);
        if self.negotiated.event_idx {
            return need_event(u16::from_le(self.avail_event.load()), new, old);
        }
        let flags = self.used_ring.load::<u16>(FLAGS_AT).map(u16::from_le);
        flags.unwrap_or(0) & USED_NO_NOTIFY == 0
    }
}

fn descriptor(buffer: &Buffer, next: Option<u16>) -> Descriptor {
    let mut flags = DescriptorFlags::empty();
    flags.set(DescriptorFlags::WRITE, buffer.device_writes);
    flags.set(DescriptorFlags::NEXT, next.is_some());
    Descriptor {
        addr: buffer.paddr.get().into(),
        len: buffer.len.into(),
        flags: flags.bits().into(),
        next: next.unwrap_or(0).into(),
    }
}

fn write(area: &Area, index: usize, descriptor: &Descriptor) -> Result<(), OutOfBounds> {
    let at = index.saturating_mul(size_of::<Descriptor>());
    area.memory().copy_out(at, descriptor.as_bytes())
}
