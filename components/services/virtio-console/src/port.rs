// SPDX-License-Identifier: BSD-2-Clause
//! The two queues of port 0 (5.3.2) and the stream.

use serial::Stream;
use virtq::{Chain, ChainError, Cursor, Fault, Popped, Queue};

/// Bytes that go between guest memory and the stream at a time.
const CHUNK: usize = 256;

/// A queue, and the request of it that is under way.
#[derive(Debug)]
pub(crate) struct Lane {
    queue: Queue,
    chain: Chain,
    /// Bytes of the chain that are done, while there is one.
    done: Option<usize>,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing is left to do until one side notifies.
    Idle,
    /// A request was given back undone, for this reason.
    Bad(Trouble),
}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Its buffers.
    Chain(ChainError),
    /// It has no bytes in the direction of its queue.
    Nothing,
}

impl Trouble {
    /// A number for the trace.
    pub(crate) const fn code(self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Chain(error) => error as u32 + 1,
        }
    }
}

impl Lane {
    /// A queue at its start.
    pub(crate) const fn new(queue: Queue) -> Self {
        Self {
            queue,
            chain: Chain::new(),
            done: None,
        }
    }

    /// A resumed queue, whose request in flight goes on where it was.
    ///
    /// # Errors
    /// The driver broke the queue meanwhile.
    pub(crate) fn resume(queue: Queue) -> Result<Self, Fault> {
        let mut lane = Self::new(queue);
        if let Some((request, Popped::Chain)) = lane.queue.unfinished(0, &mut lane.chain)? {
            lane.done = Some(usize::try_from(request.cookie).unwrap_or(usize::MAX));
        }
        Ok(lane)
    }

    /// Whether the driver wants to be interrupted; asking clears it.
    pub(crate) fn take_notification(&mut self) -> bool {
        self.queue.take_notification()
    }

    /// Makes the next request the present one. `Ok(false)`: there is none.
    fn fetch(&mut self) -> Result<Result<bool, ChainError>, Fault> {
        if self.done.is_some() {
            return Ok(Ok(true));
        }
        match self.queue.pop(&mut self.chain)? {
            Popped::Empty => return Ok(Ok(false)),
            Popped::Bad(error) => return Ok(Err(error)),
            Popped::Chain => self.done = Some(0),
        }
        Ok(Ok(true))
    }

    /// Gives the present request back.
    fn finish(&mut self, written: usize) {
        self.done = None;
        // The chain's total fits 32 bits.
        self.queue
            .complete(self.chain.head(), u32::try_from(written).unwrap_or(0));
    }

    /// transmitq: from the guest to the stream.
    ///
    /// # Errors
    /// The driver broke the queue.
    pub(crate) fn transmit(&mut self, stream: &mut Stream) -> Result<Outcome, Fault> {
        loop {
            match self.fetch()? {
                Ok(true) => {}
                Ok(false) if self.queue.arm() => continue,
                Ok(false) => return Ok(Outcome::Idle),
                Err(error) => return Ok(Outcome::Bad(Trouble::Chain(error))),
            }
            if self.chain.readable().is_empty() {
                self.finish(0);
                return Ok(Outcome::Bad(Trouble::Nothing));
            }
            let done = self.done.unwrap_or(0);
            let mut cursor = self.chain.reader();
            cursor.skip(done);
            let sent = send(&mut cursor, stream);
            if cursor.remaining() == 0 {
                self.finish(0);
                continue;
            }
            // For a backend that comes after a crash.
            let done = done.saturating_add(sent);
            self.done = Some(done);
            self.queue.note(self.chain.head(), done as u64);
            // Not for every byte: half a ring is worth a turn.
            let wanted = cursor.remaining().min(stream.capacity() / 2);
            if !stream.wait_for_room(wanted) {
                return Ok(Outcome::Idle);
            }
        }
    }

    /// receiveq: from the stream to the guest.
    ///
    /// # Errors
    /// The driver broke the queue.
    pub(crate) fn receive(&mut self, stream: &mut Stream) -> Result<Outcome, Fault> {
        while stream.wait_for_bytes() {
            match self.fetch()? {
                Ok(true) => {}
                Ok(false) if self.queue.arm() => continue,
                Ok(false) => return Ok(Outcome::Idle),
                Err(error) => return Ok(Outcome::Bad(Trouble::Chain(error))),
            }
            if self.chain.writable().is_empty() {
                self.finish(0);
                return Ok(Outcome::Bad(Trouble::Nothing));
            }
            let written = fill(&mut self.chain.writer(), stream);
            // A buffer that got nothing waits for bytes.
            if written > 0 {
                self.finish(written);
            }
        }
        Ok(Outcome::Idle)
    }
}

/// Moves bytes to the stream until there is no room; how many.
fn send(cursor: &mut Cursor<'_>, stream: &mut Stream) -> usize {
    let mut sent: usize = 0;
    let mut bytes = [0; CHUNK];
    loop {
        let chunk = bytes
            .get_mut(..stream.room().min(CHUNK))
            .unwrap_or_default();
        let count = cursor.read(chunk);
        // There is room for all of it, and only this side fills it.
        stream.write(chunk.get(..count).unwrap_or_default());
        sent = sent.saturating_add(count);
        if count == 0 {
            return sent;
        }
    }
}

/// Moves bytes from the stream until the buffers are full or it is empty; how many.
fn fill(cursor: &mut Cursor<'_>, stream: &mut Stream) -> usize {
    let mut filled: usize = 0;
    let mut bytes = [0; CHUNK];
    loop {
        let chunk = bytes
            .get_mut(..cursor.remaining().min(CHUNK))
            .unwrap_or_default();
        // An empty chunk reads nothing.
        let count = stream.read(chunk);
        filled = filled.saturating_add(cursor.write(chunk.get(..count).unwrap_or_default()));
        if count == 0 {
            return filled;
        }
    }
}
