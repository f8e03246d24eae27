// SPDX-License-Identifier: BSD-2-Clause
//! What the device gives back.

use core::sync::atomic::{Ordering, fence};

use thiserror::Error;
use virtio::queue::AVAIL_NO_INTERRUPT;

use crate::area::{FLAGS_AT, RING_AT, USED_ENTRY};
use crate::queue::{InFlight, Queue};

/// A request that the device used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used<T> {
    /// What the driver gave with it.
    pub token: T,
    /// Bytes that the device says it wrote: at most those of the request's writable buffers. How much
    /// it did write is for it to know; nothing beyond those buffers was offered to it.
    pub written: u32,
}

/// What no device may do (2.7.8, 2.7.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Lie {
    /// The used index says more than was in flight. The queue is unusable until it is made anew.
    #[error("the used index jumped")]
    Index,
    /// A used element that names nothing in flight; it is skipped.
    #[error("a used element names nothing in flight")]
    Id,
    /// More bytes written than there was room for; cut to what there was.
    #[error("more bytes were written than there was room for")]
    Length,
}

/// What [`Queue::pop`] found.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Popped<T> {
    /// Nothing new.
    Nothing,
    /// A request is done.
    Used(Used<T>),
    /// An element that made no sense was skipped, or the queue is unusable.
    Lie(Lie),
}

impl<T, const N: usize> Queue<T, N> {
    /// Takes the next request that the device used. As many calls as there were requests in flight
    /// end in [`Popped::Nothing`] or in [`Lie::Index`], unless new ones are added meanwhile.
    pub fn pop(&mut self) -> Popped<T> {
        if self.broken {
            return Popped::Lie(Lie::Index);
        }
        if self.used == self.seen && !self.refresh() {
            return if self.broken {
                self.lie(Lie::Index)
            } else {
                Popped::Nothing
            };
        }
        let slot = usize::from(self.used & (self.layout.size - 1));
        let at = RING_AT + USED_ENTRY * slot;
        // In bounds by construction; should it ever not be, an id that nothing has is the answer.
        let id = self.used_ring.load::<u32>(at).unwrap_or(u32::MAX);
        let len = self.used_ring.load::<u32>(at + 4).unwrap_or(0);
        self.used = self.used.wrapping_add(1);
        let Some(done) = self.finish(u32::from_le(id)) else {
            return self.lie(Lie::Id);
        };
        let (said, room) = (u32::from_le(len), done.writable);
        if said > room {
            let _ = self.lie(Lie::Length);
        }
        Popped::Used(Used {
            token: done.token,
            written: said.min(room),
        })
    }

    /// Loads and checks the device's index; whether there is something new.
    fn refresh(&mut self) -> bool {
        let found = u16::from_le(self.used_idx.load_acquire());
        let pending = found.wrapping_sub(self.used);
        if pending > self.requests {
            self.broken = true;
            return false;
        }
        self.seen = found;
        pending > 0
    }

    /// Takes a request out of flight and its descriptors back.
    fn finish(&mut self, id: u32) -> Option<InFlight<T>> {
        let head = u16::try_from(id).ok()?;
        let done = self.in_flight.get_mut(usize::from(head))?.take()?;
        let mut last = head;
        for _ in 1..done.descriptors {
            last = self.next.get(usize::from(last)).copied()?;
        }
        if let Some(next) = self.next.get_mut(usize::from(last)) {
            *next = self.free_head;
        }
        self.free_head = head;
        self.free = self.free.saturating_add(done.descriptors);
        self.requests = self.requests.saturating_sub(1);
        Some(done)
    }

    fn lie(&mut self, lie: Lie) -> Popped<T> {
        self.lies = self.lies.saturating_add(1);
        Popped::Lie(lie)
    }

    /// Asks for an interrupt when the device uses the next buffer, then looks again: `true` if it
    /// did already.
    #[must_use]
    pub fn arm(&mut self) -> bool {
        self.arm_after(1)
    }

    /// As [`Queue::arm`] for the `count`th buffer from here on, with EVENT_IDX; without, for the next.
    /// The caller knows that so many are in flight.
    #[must_use]
    pub fn arm_after(&mut self, count: u16) -> bool {
        let count = if self.negotiated.event_idx {
            count.max(1)
        } else {
            1
        };
        if self.negotiated.event_idx {
            let event = self.used.wrapping_add(count).wrapping_sub(1);
            self.used_event.store(event.to_le());
        } else {
            let _ = self.driver.memory().store(FLAGS_AT, 0_u16);
        }
        fence(Ordering::SeqCst);
        let found = u16::from_le(self.used_idx.load_acquire());
        found.wrapping_sub(self.used) >= count
    }

    /// Asks for no interrupts until [`Queue::arm`]. With EVENT_IDX there is nothing to do: an
    /// interrupt follows an arming at most once per turn of the index.
    pub fn disarm(&mut self) {
        if !self.negotiated.event_idx {
            let _ = self
                .driver
                .memory()
                .store(FLAGS_AT, AVAIL_NO_INTERRUPT.to_le());
        }
    }
}
