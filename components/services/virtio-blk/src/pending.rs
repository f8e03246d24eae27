// SPDX-License-Identifier: BSD-2-Clause
//! Requests that the partition service has, by head.

use blk::Status as Outcome;
use shm::{Cell, Rw};
use virtio::blk::Status;

use crate::disk::QUEUE_MAX;

/// What is kept of a request while the service has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Where the status goes.
    pub(crate) status: Cell<u8, Rw>,
    /// Bytes written from the start of the writable buffers if it succeeds.
    pub(crate) written: u32,
    /// The same if it fails.
    pub(crate) written_failed: u32,
    /// It is stable only after a flush, where the cache is off.
    pub(crate) writes: bool,
}

impl Entry {
    /// Writes the status into the guest's memory; how many bytes were written in all.
    pub(crate) fn end(&self, status: Status) -> u32 {
        self.status.store(status as u8);
        match status {
            Status::Ok => self.written,
            _ => self.written_failed,
        }
    }
}

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The service has it.
    Submitted,
    /// Done, and waits for the next flush.
    Unstable,
    /// Done, and covered by the flush that is under way.
    Flushing,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    id: u32,
    stage: Stage,
    entry: Entry,
}

/// What a completion is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Completed {
    /// The request with this head. It is not pending any more.
    Request(u16, Entry),
    /// The flush of [`Pending::flush`]: [`Pending::take_flushed`] has the requests.
    Flush,
    /// Nothing that was submitted.
    Stray,
}

/// The requests, and the flush that several of them wait for.
#[derive(Debug)]
pub(crate) struct Pending {
    slots: [Option<Slot>; QUEUE_MAX as usize],
    count: u16,
    unstable: u16,
    flush: Option<u32>,
    serial: u16,
}

/// In an id, instead of a head: the flush.
const FLUSH_HEAD: u16 = u16::MAX;

impl Pending {
    pub(crate) const fn new() -> Self {
        Self {
            slots: [None; QUEUE_MAX as usize],
            count: 0,
            unstable: 0,
            flush: None,
            serial: 0,
        }
    }

    /// Whether nothing of ours can be under way at the service.
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0 && self.flush.is_none()
    }

    /// Forgets everything: a new session has begun.
    pub(crate) fn clear(&mut self) {
        // Ids go on: those of the earlier session mean nothing in this one.
        *self = Self {
            serial: self.serial,
            ..Self::new()
        };
    }

    /// A fresh id for a request with this head.
    pub(crate) fn id(&mut self, head: u16) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        u32::from(self.serial) << 16 | u32::from(head)
    }

    /// The request with this id is submitted.
    pub(crate) fn insert(&mut self, id: u32, entry: Entry) {
        let stage = Stage::Submitted;
        // Heads are below the queue's size, and in flight once.
        if let Some(slot) = self.slots.get_mut(index(head(id)))
            && slot.replace(Slot { id, stage, entry }).is_none()
        {
            self.count += 1;
        }
    }

    /// Judges a completion: any id, and each request once.
    pub(crate) fn complete(&mut self, id: u32) -> Completed {
        if self.flush == Some(id) {
            self.flush = None;
            return Completed::Flush;
        }
        let head = head(id);
        let slot = self.slots.get_mut(index(head));
        match slot.and_then(|slot| slot.take_if(|slot| slot.is_submitted(id))) {
            Some(slot) => {
                self.count -= 1;
                Completed::Request(head, slot.entry)
            }
            None => Completed::Stray,
        }
    }

    /// A write that is done, but not stable: it waits for a flush.
    pub(crate) fn hold(&mut self, head: u16, entry: Entry) {
        let held = Slot {
            id: 0,
            stage: Stage::Unstable,
            entry,
        };
        if let Some(slot) = self.slots.get_mut(index(head)) {
            *slot = Some(held);
            self.count += 1;
            self.unstable += 1;
        }
    }

    /// Whether a flush is to be submitted.
    pub(crate) const fn wants_flush(&self) -> bool {
        self.unstable > 0 && self.flush.is_none()
    }

    /// An id for a flush.
    pub(crate) fn flush_id(&mut self) -> u32 {
        self.id(FLUSH_HEAD)
    }

    /// The flush with this id is submitted: it covers all writes that wait.
    pub(crate) fn flush(&mut self, id: u32) {
        self.flush = Some(id);
        self.unstable = 0;
        for slot in self.slots.iter_mut().flatten() {
            if slot.stage == Stage::Unstable {
                slot.stage = Stage::Flushing;
            }
        }
    }

    /// Takes the writes that the flush covered, one by one.
    pub(crate) fn take_flushed(&mut self) -> impl Iterator<Item = (u16, Entry)> + '_ {
        let count = &mut self.count;
        (0_u16..)
            .zip(&mut self.slots)
            .filter_map(move |(head, slot)| {
                let slot = slot.take_if(|slot| slot.stage == Stage::Flushing)?;
                *count -= 1;
                Some((head, slot.entry))
            })
    }
}

impl Slot {
    fn is_submitted(&self, id: u32) -> bool {
        self.stage == Stage::Submitted && self.id == id
    }
}

/// What the guest is told of an outcome.
pub(crate) const fn status(outcome: Outcome) -> Status {
    match outcome {
        Outcome::Ok => Status::Ok,
        Outcome::IoError => Status::IoErr,
        Outcome::Unsupported => Status::Unsupp,
    }
}

fn head(id: u32) -> u16 {
    let [low, high, ..] = id.to_le_bytes();
    u16::from_le_bytes([low, high])
}

const fn index(head: u16) -> usize {
    head as usize
}
