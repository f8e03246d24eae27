// SPDX-License-Identifier: BSD-2-Clause
//! Lists of threads, and the ready queues with their bitmaps.

use crate::ids::{Table, TcbId};
use crate::object::{Link, Queue, Tcb};

type Tcbs<'a> = Table<'a, TcbId, Tcb>;

impl Queue {
    /// The empty queue.
    pub const EMPTY: Self = Self {
        head: None,
        tail: None,
    };

    /// Inserts `id` behind `prev`, or first.
    pub fn insert_after(&mut self, tcbs: &mut Tcbs<'_>, prev: Option<TcbId>, id: TcbId) {
        let next = match prev {
            Some(prev) => tcbs[prev].link.next.replace(id),
            None => self.head.replace(id),
        };
        tcbs[id].link = Link { next, prev };
        match next {
            Some(next) => tcbs[next].link.prev = Some(id),
            None => self.tail = Some(id),
        }
    }

    /// Removes `id`, which is in this queue.
    pub fn remove(&mut self, tcbs: &mut Tcbs<'_>, id: TcbId) {
        let Link { next, prev } = core::mem::take(&mut tcbs[id].link);
        match prev {
            Some(prev) => tcbs[prev].link.next = next,
            None => self.head = next,
        }
        match next {
            Some(next) => tcbs[next].link.prev = prev,
            None => self.tail = prev,
        }
    }

    /// Inserts `id` behind all threads of at least its priority.
    pub fn insert_by_priority(&mut self, tcbs: &mut Tcbs<'_>, id: TcbId) {
        let priority = tcbs[id].priority;
        let mut prev = self.tail;
        while let Some(other) = prev {
            if tcbs[other].priority >= priority {
                break;
            }
            prev = tcbs[other].link.prev;
        }
        self.insert_after(tcbs, prev, id);
    }
}

/// Priorities.
const PRIORITIES: usize = 256;
/// Bitmap words per domain.
const WORDS: usize = PRIORITIES / 64;

/// Ready queues of one domain; finding the highest priority takes constant time.
#[derive(Clone, Copy, Debug)]
pub struct ReadyQueues {
    queues: [Queue; PRIORITIES],
    bitmap: [u64; WORDS],
}

impl ReadyQueues {
    /// No thread is ready.
    pub const EMPTY: Self = Self {
        queues: [Queue::EMPTY; PRIORITIES],
        bitmap: [0; WORDS],
    };

    /// Highest priority with a ready thread.
    pub fn highest(&self) -> Option<u8> {
        let word = self.bitmap.iter().rposition(|word| *word != 0)?;
        let bit = 63 - self.bitmap[word].leading_zeros();
        u8::try_from(word * 64 + usize::try_from(bit).ok()?).ok()
    }

    /// First thread of the highest priority.
    pub fn first(&self) -> Option<TcbId> {
        self.queues[usize::from(self.highest()?)].head
    }

    /// Puts `id` first in its queue.
    pub fn enqueue(&mut self, tcbs: &mut Tcbs<'_>, id: TcbId) {
        self.queue(tcbs, id).insert_after(tcbs, None, id);
        tcbs[id].queued = true;
    }

    /// Puts `id` last in its queue.
    pub fn append(&mut self, tcbs: &mut Tcbs<'_>, id: TcbId) {
        let queue = self.queue(tcbs, id);
        queue.insert_after(tcbs, queue.tail, id);
        tcbs[id].queued = true;
    }

    /// Removes `id`, which is in a queue of this domain.
    pub fn remove(&mut self, tcbs: &mut Tcbs<'_>, id: TcbId) {
        let priority = tcbs[id].priority;
        let queue = &mut self.queues[usize::from(priority)];
        queue.remove(tcbs, id);
        tcbs[id].queued = false;
        if queue.head.is_none() {
            self.bitmap[usize::from(priority / 64)] &= !(1 << (priority % 64));
        }
    }

    fn queue(&mut self, tcbs: &Tcbs<'_>, id: TcbId) -> &mut Queue {
        let priority = tcbs[id].priority;
        self.bitmap[usize::from(priority / 64)] |= 1 << (priority % 64);
        &mut self.queues[usize::from(priority)]
    }
}
