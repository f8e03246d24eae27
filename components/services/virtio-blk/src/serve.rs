// SPDX-License-Identifier: BSD-2-Clause
//! Taking requests from the queue: what the disk is asked for, and what is answered here.

use blk::{Client, Info, SubmitError};
use pd::Clock;
use virtio::blk::{REQUESTQ, Status};
use virtio_device::Device;
use virtq::{Fault, Popped};

use crate::backend::{Blk, TURN, end};
use crate::event::Event;
use crate::request::{self, Parsed, Request, Rules, Segments};

/// What to do with the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Go on.
    Next,
    /// There is none, or no room for it: wait for whoever brings one.
    Wait,
}

impl Blk {
    /// Takes requests until there are none, or no room for them.
    ///
    /// # Errors
    /// The driver broke the queue.
    pub(crate) fn serve<K: Clock>(&mut self, kernel: &K) -> Result<(), Fault> {
        let Some(info) = self.disk.info().copied() else {
            return Ok(());
        };
        // With orders to follow, what is in flight ends first.
        if self.device.as_ref().is_none_or(Device::has_orders) {
            return Ok(());
        }
        for _ in 0..TURN {
            if self.step(kernel, &info)? == Step::Wait {
                break;
            }
        }
        Ok(())
    }

    /// The next request: one of an earlier session or life first.
    fn step<K: Clock>(&mut self, kernel: &K, info: &Info) -> Result<Step, Fault> {
        let Some(queue) = self.device.as_mut().and_then(|d| d.queue(REQUESTQ)) else {
            return Ok(Step::Wait);
        };
        let again = match self.redo {
            Some(last) => queue.unfinished(last, &mut self.chain)?,
            None => None,
        };
        let popped = match again {
            Some((_, popped)) => popped,
            None => {
                self.redo = None;
                queue.pop(&mut self.chain)?
            }
        };
        match popped {
            Popped::Empty if queue.arm() => return Ok(Step::Next),
            Popped::Empty => return Ok(Step::Wait),
            Popped::Bad(error) => self.bad(kernel.now(), error as u32 + 1),
            Popped::Chain => {
                let slots = self.start(kernel, info);
                if slots > 0 && !self.wait_for_room(slots, again.is_none()) {
                    return Ok(Step::Wait);
                }
                if slots > 0 {
                    return Ok(Step::Next);
                }
            }
        }
        if let Some((request, _)) = again {
            self.redo = Some(request.sequence);
            let head = request.head.into();
            self.trace.record(Event::Resubmitted { head }, kernel.now());
        }
        Ok(Step::Next)
    }

    /// The request in the chain did not fit the link: it goes back to where it came from. `true` if
    /// there is room now.
    fn wait_for_room(&mut self, slots: u32, popped: bool) -> bool {
        let head = self.chain.head();
        if popped && let Some(queue) = self.device.as_mut().and_then(|d| d.queue(REQUESTQ)) {
            queue.put_back(head);
        }
        self.disk.wait_for_room(slots)
    }

    /// Gives back a request whose buffers cannot be, with a status if there is a place for it.
    fn bad(&mut self, now: u64, error: u32) {
        self.trace.record(Event::BadRequest { error }, now);
        let status = self.chain.tail().and_then(|tail| {
            let last = tail.len().checked_sub(1)?;
            tail.cell::<u8>(last).ok()
        });
        if let Some(status) = status.filter(|_| error != ORDER) {
            status.store(Status::IoErr as u8);
        }
        if let Some(queue) = self.device.as_mut().and_then(|d| d.queue(REQUESTQ)) {
            queue.complete(self.chain.head(), 0);
        }
    }

    /// Answers the request in the chain or submits it. Not 0: it needs that many slots of the link,
    /// which are not free.
    fn start<K: Clock>(&mut self, kernel: &K, info: &Info) -> u32 {
        let negotiated = self.negotiated();
        let rules = Rules { info, negotiated };
        let Some(parsed) = request::parse(&self.chain, &rules) else {
            self.bad(kernel.now(), 0);
            return 0;
        };
        let Parsed { wire, entry, body } = parsed;
        let head = self.chain.head();
        let id = self.pending.id(head);
        let submitted = match body {
            Ok(Request::Identify { mut data, bytes }) => {
                data.write(self.serial.get(..bytes).unwrap_or_default());
                end(&mut self.device, head, &entry, Status::Ok);
                return 0;
            }
            Ok(request) => {
                let base = self.wiring.ram().address();
                submit(&mut self.disk, &mut self.segments, id, request, base, info)
            }
            Err(status) => Err(status),
        };
        match submitted {
            Ok(true) => {
                self.pending.insert(id, entry);
                self.trace.count(Event::Submitted);
                0
            }
            // A range takes one segment.
            Ok(false) => Client::slots(self.segments.len().max(1)),
            Err(status) => {
                end(&mut self.device, head, &entry, status);
                let (request, status) = (wire, u32::from(status as u8));
                self.trace
                    .record(Event::Refused { request, status }, kernel.now());
                0
            }
        }
    }
}

/// Stages a request; `false` for no room.
///
/// # Errors
/// IOERR for what cannot be submitted.
fn submit(
    disk: &mut Client,
    segments: &mut Segments,
    id: u32,
    request: Request<'_>,
    base: u64,
    info: &Info,
) -> Result<bool, Status> {
    match request {
        Request::Data {
            op,
            sector,
            data,
            bytes,
        } => {
            request::gather(data, bytes, base, info, segments)?;
            outcome(disk.submit_data(id, op, sector, segments.iter().copied()))
        }
        Request::Range {
            op,
            sector,
            sectors,
        } => {
            segments.clear();
            outcome(disk.submit_range(id, op, sector, sectors))
        }
        // Answered without the disk.
        Request::Identify { .. } => Err(Status::IoErr),
    }
}

/// A `virtq::ChainError::Order` as [`Event::BadRequest`] has it: nothing is written then (H-28).
const ORDER: u32 = virtq::ChainError::Order as u32 + 1;

/// Whether a request was submitted; `false` for no room.
///
/// # Errors
/// IOERR for what cannot be submitted.
fn outcome(submitted: Result<(), SubmitError>) -> Result<bool, Status> {
    match submitted {
        Ok(()) => Ok(true),
        Err(SubmitError::Full | SubmitError::Down) => Ok(false),
        Err(SubmitError::Segments) => Err(Status::IoErr),
    }
}
