// SPDX-License-Identifier: BSD-2-Clause
//! A queue's requests, those of an earlier life first.

use virtq::{Chain, ChainError, Fault, Popped, Queue};

use crate::event::Event;

/// Most steps of a turn of one queue. An honest driver needs fewer: requests that were given back
/// come again in the next turn at the earliest, and the link has room for so many packets only.
pub(crate) const STEPS: usize = 512;

/// The request of a queue that is under way.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) chain: Chain,
    /// Requests in flight of an earlier life come first: the sequence of the last one done again.
    redo: Option<u64>,
}

/// What there is to do in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// Nothing, until the driver notifies.
    Nothing,
    /// Look again: a request came, or one was given back for this error.
    Again(Option<ChainError>),
    /// The lane's chain is a request; `true` if an earlier life had begun it.
    Request(bool),
}

impl Lane {
    pub(crate) const fn new() -> Self {
        Self {
            chain: Chain::new(),
            redo: None,
        }
    }

    /// The queue starts: with `resumed`, requests are in flight.
    pub(crate) fn start(&mut self, resumed: bool) {
        self.redo = resumed.then_some(0);
    }

    /// The queue's next request.
    ///
    /// # Errors
    /// The driver broke the queue.
    pub(crate) fn fetch(&mut self, queue: &mut Queue) -> Result<Fetched, Fault> {
        if let Some(last) = self.redo {
            let found = queue.unfinished(last, &mut self.chain)?;
            self.redo = found.map(|(request, _)| request.sequence);
            if let Some((_, popped)) = found {
                return Ok(Self::fetched(popped, true));
            }
        }
        match queue.pop(&mut self.chain)? {
            Popped::Empty if queue.arm() => Ok(Fetched::Again(None)),
            popped => Ok(Self::fetched(popped, false)),
        }
    }

    const fn fetched(popped: Popped, again: bool) -> Fetched {
        match popped {
            Popped::Empty => Fetched::Nothing,
            Popped::Bad(error) => Fetched::Again(Some(error)),
            Popped::Chain => Fetched::Request(again),
        }
    }
}

/// Reports a request of `queue` that was given back for an error.
pub(crate) fn report_bad(queue: u32, error: Option<ChainError>, report: &mut impl FnMut(Event)) {
    if let Some(error) = error {
        let error = error as u32 + 1;
        report(Event::BadRequest { queue, error });
    }
}
