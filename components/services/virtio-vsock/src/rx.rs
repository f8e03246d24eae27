// SPDX-License-Identifier: BSD-2-Clause
//! From the router to the guest: packets, and events.

use shm::{Region, Ro};
use virtio::vsock::{EVENT_SIZE, EVENT_TRANSPORT_RESET, HEADER_SIZE, Header};
use virtq::{Chain, Fault, Queue};
use vsock::{Link, Packet};
use zerocopy::IntoBytes;

use crate::event::Event;
use crate::lane::{Fetched, Lane, STEPS, report_bad};

/// The rx queue.
#[derive(Debug)]
pub(crate) struct Rx {
    lane: Lane,
    /// Payload bytes of the link's next packet that the guest has.
    done: usize,
}

impl Rx {
    pub(crate) const fn new() -> Self {
        Self {
            lane: Lane::new(),
            done: 0,
        }
    }

    /// The queue starts, perhaps with requests in flight, or stops.
    pub(crate) fn start(&mut self, resumed: bool) {
        self.lane.start(resumed);
    }

    /// What was on its way to the guest is dropped.
    pub(crate) fn forget(&mut self, link: &mut Link) {
        link.drain();
        self.done = 0;
    }

    /// Delivers what there is and fits the guest's buffers.
    ///
    /// # Errors
    /// The driver broke the queue.
    pub(crate) fn serve(
        &mut self,
        queue: &mut Queue,
        link: &mut Link,
        cid: u64,
        report: &mut impl FnMut(Event),
    ) -> Result<(), Fault> {
        for _ in 0..STEPS {
            let Some(packet) = link.receive() else {
                if link.wait_for_packets() {
                    continue;
                }
                return Ok(());
            };
            let Some((header, payload)) = for_guest(&packet, cid, report) else {
                link.advance();
                continue;
            };
            match self.lane.fetch(queue)? {
                Fetched::Nothing => return Ok(()),
                Fetched::Again(error) => {
                    report_bad(0, error, report);
                    continue;
                }
                Fetched::Request(_) => {}
            }
            if self.hand_over(queue, header, &payload, report) {
                link.advance();
            }
        }
        Ok(())
    }

    /// Puts the packet, or what is left of it, into the present request. `true`: that was all.
    fn hand_over(
        &mut self,
        queue: &mut Queue,
        header: Header,
        payload: &Region<Ro>,
        report: &mut impl FnMut(Event),
    ) -> bool {
        let head = self.lane.chain.head();
        let Some(count) = deliver(&self.lane.chain, header, payload, self.done) else {
            queue.complete(head, 0);
            report(Event::BadRequest { queue: 0, error: 0 });
            return false;
        };
        let written = HEADER_SIZE.saturating_add(count);
        queue.complete(head, u32::try_from(written).unwrap_or(0));
        report(Event::Received);
        self.done = self.done.saturating_add(count);
        let whole = self.done >= payload.len();
        if whole {
            self.done = 0;
        }
        whole
    }
}

/// A packet's parts, if it is one for this guest.
fn for_guest(
    packet: &Packet,
    cid: u64,
    report: &mut impl FnMut(Event),
) -> Option<(Header, Region<Ro>)> {
    let (cid_found, parts) = match packet {
        Packet::Data { header, payload } => (header.dst_cid.get(), Some((*header, *payload))),
        Packet::Reset => (0, None),
    };
    if cid_found != cid {
        report(Event::Misrouted { cid: cid_found });
        return None;
    }
    parts
}

/// Writes a packet, whose payload from `done` on is still to come, to the guest's buffers; how much
/// of the payload fits. `None` where the buffers are too small to be of use.
fn deliver(chain: &Chain, mut header: Header, payload: &Region<Ro>, done: usize) -> Option<usize> {
    let mut cursor = chain.writer();
    let left = payload.len().saturating_sub(done);
    let room = cursor.remaining().checked_sub(HEADER_SIZE)?;
    let count = left.min(room);
    if count == 0 && left > 0 {
        return None;
    }
    header.len = u32::try_from(count).unwrap_or(0).into();
    cursor.write(header.as_bytes());
    let mut at = done;
    let end = done.saturating_add(count);
    while let Some(piece) = cursor.next(end.saturating_sub(at)) {
        payload.copy_to(at, &piece, 0, piece.len()).ok()?;
        at = at.saturating_add(piece.len());
    }
    Some(count)
}

/// The event queue.
#[derive(Debug)]
pub(crate) struct Events {
    lane: Lane,
    /// The guest is to be told that its connections are gone.
    pub(crate) owed: bool,
}

impl Events {
    pub(crate) const fn new() -> Self {
        Self {
            lane: Lane::new(),
            owed: false,
        }
    }

    /// The queue starts, perhaps with requests in flight, or stops.
    pub(crate) fn start(&mut self, resumed: bool) {
        self.lane.start(resumed);
    }

    /// Tells the guest what it is owed, once it has a buffer for it (5.10.6.7).
    ///
    /// # Errors
    /// The driver broke the queue.
    pub(crate) fn serve(
        &mut self,
        queue: &mut Queue,
        report: &mut impl FnMut(Event),
    ) -> Result<(), Fault> {
        for _ in 0..STEPS {
            if !self.owed {
                break;
            }
            match self.lane.fetch(queue)? {
                Fetched::Nothing => return Ok(()),
                Fetched::Again(error) => report_bad(2, error, report),
                Fetched::Request(_) => {
                    let id = EVENT_TRANSPORT_RESET.to_le_bytes();
                    let mut cursor = self.lane.chain.writer();
                    let fits = cursor.remaining() >= EVENT_SIZE;
                    let written = if fits { cursor.write(&id) } else { 0 };
                    let count = u32::try_from(written).unwrap_or(0);
                    queue.complete(self.lane.chain.head(), count);
                    self.owed = !fits;
                    report(if fits {
                        Event::TransportReset
                    } else {
                        Event::BadRequest { queue: 2, error: 0 }
                    });
                }
            }
        }
        Ok(())
    }
}
