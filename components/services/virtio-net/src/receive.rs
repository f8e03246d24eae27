// SPDX-License-Identifier: BSD-2-Clause
//! receiveq: from the switch to the guest (5.1.6.4).

use frames::{Frame, Port, flags};
use heapless::Vec;
use trace::Trace;
use virtio::net::{F_MRG_RXBUF, HEADER_SIZE, RECEIVEQ};
use virtq::{Chain, Fault, Popped, Queue};
use zerocopy::IntoBytes;

use crate::backend::{Card, TURN};
use crate::checksum;
use crate::event::Event;
use crate::filter::{ETHERNET, Ethernet, Filter, VLAN_TAG};
use crate::header::{self, BadFrame};

/// Most requests that one frame is spread over.
const MAX_MERGED: usize = 32;
/// Most requests that are looked at for one frame, bad ones included.
const MAX_TRIES: usize = 2 * MAX_MERGED;

/// Why a frame does not reach the driver although it is sound.
const TOO_SMALL: u32 = 5;
/// Why frames that came before the driver do not reach it.
const NO_DRIVER: u32 = 6;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The driver has it.
    Received,
    /// It is lost, for this reason.
    Dropped(u32),
    /// It waits for buffers.
    NoBuffers,
}

/// Buffers of the frame that is being received.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// The request that the header goes to.
    first: Chain,
    /// The one that is being filled, if it is another.
    next: Chain,
    /// Those that are filled: heads, and bytes.
    taken: Vec<(u16, u32), MAX_MERGED>,
}

/// Moves frames to the driver until there are no more or it has no buffers. A frame without buffers
/// stays where it is; behind it the switch's slots fill up, and then the switch drops (H-36).
///
/// # Errors
/// The driver broke the queue.
pub(crate) fn receive(
    queue: &mut Queue,
    buffers: &mut Buffers,
    port: &mut Port,
    (card, filter): (&Card, &Filter),
    trace: &mut Trace<Event>,
) -> Result<(), Fault> {
    for _ in 0..TURN {
        let Some(frame) = port.rx.peek() else {
            if port.rx.arm() {
                continue;
            }
            break;
        };
        let event = match inspect(&frame, card, filter) {
            Ok(Some(patch)) => match buffers.deliver(queue, (&frame, &patch), card, trace)? {
                Outcome::Received => Event::Received,
                Outcome::Dropped(reason) => Event::ReceiveDropped { reason },
                // Some may be there, but not enough for this frame.
                Outcome::NoBuffers if queue.arm_for_more() => continue,
                Outcome::NoBuffers => {
                    trace.count(Event::ReceiveBlocked);
                    break;
                }
            },
            Ok(None) => Event::Filtered,
            Err(bad) => Event::ReceiveDropped { reason: bad.code() },
        };
        port.rx.advance();
        trace.count(event);
    }
    Ok(())
}

/// Frames that came before there was a driver are not for it.
pub(crate) fn discard(port: &mut Port, trace: &mut Trace<Event>) {
    for _ in 0..port.rx.waiting() {
        if port.rx.peek().is_none() {
            return;
        }
        port.rx.advance();
        trace.count(Event::ReceiveDropped { reason: NO_DRIVER });
    }
}

/// What to do with the frame's checksum if the driver wants the frame; an error where the switch
/// should not have sent it.
fn inspect(frame: &Frame, card: &Card, filter: &Filter) -> Result<Option<Patch>, BadFrame> {
    let mut start = [0; ETHERNET + VLAN_TAG];
    let len = frame.len().min(start.len());
    let start = start.get_mut(..len).unwrap_or_default();
    frame.bytes.copy_in(0, start).map_err(|_| BadFrame::Short)?;
    let ethernet = Ethernet::parse(start).ok_or(BadFrame::Short)?;
    // 5.1.4.2: no frame above the MTU that the driver was told.
    if frame.len() > usize::from(card.mtu) + ethernet.header() {
        return Err(BadFrame::Long);
    }
    if filter.passes(&ethernet) {
        Patch::of(frame, card).map(Some)
    } else {
        Ok(None)
    }
}

/// A request for a part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// One that can be filled from byte `start` to byte `room`.
    Request { start: usize, room: usize },
    /// One that cannot, because of its chain or for want of room.
    Bad,
    /// There is none.
    Nothing,
}

impl Buffers {
    /// Copies a frame into as few requests as hold it.
    fn deliver(
        &mut self,
        queue: &mut Queue,
        (frame, patch): (&Frame, &Patch),
        card: &Card,
        trace: &mut Trace<Event>,
    ) -> Result<Outcome, Fault> {
        self.taken.clear();
        let mut at = 0;
        for _ in 0..MAX_TRIES {
            let (start, room) = match self.take(queue, trace)? {
                Taken::Request { start, room } => (start, room),
                Taken::Nothing => break,
                // What was filled went the same way.
                Taken::Bad => {
                    at = 0;
                    continue;
                }
            };
            let chain = self.filling();
            let len = (room - start).min(frame.len() - at);
            copy(frame, at, chain, start, len);
            patch.apply(at, chain, start, len);
            at += len;
            let head = chain.head();
            let written = u32::try_from(start + len).unwrap_or(u32::MAX);
            if self.taken.push((head, written)).is_err() {
                queue.put_back(head);
            } else if at == frame.len() {
                self.finish(queue, frame, card);
                return Ok(Outcome::Received);
            } else if card.features & F_MRG_RXBUF != 0 {
                continue;
            }
            self.put_back(queue);
            return Ok(Outcome::Dropped(TOO_SMALL));
        }
        self.put_back(queue);
        Ok(Outcome::NoBuffers)
    }

    /// Where the next part of the frame goes.
    fn filling(&self) -> &Chain {
        if self.taken.is_empty() {
            &self.first
        } else {
            &self.next
        }
    }

    /// Takes the next request. With a bad one, what was taken before it can no longer be put back,
    /// and goes the same way.
    fn take(&mut self, queue: &mut Queue, trace: &mut Trace<Event>) -> Result<Taken, Fault> {
        let (chain, start) = if self.taken.is_empty() {
            (&mut self.first, HEADER_SIZE)
        } else {
            (&mut self.next, 0)
        };
        let error = match queue.pop(chain)? {
            Popped::Chain => None,
            Popped::Bad(error) => Some(error),
            Popped::Empty => return Ok(Taken::Nothing),
        };
        let room = chain.writer().remaining();
        if error.is_none() && room >= start.max(1) {
            return Ok(Taken::Request { start, room });
        }
        let head = chain.head();
        self.give_up(queue, head);
        trace.count(Event::bad_request(RECEIVEQ, error));
        Ok(Taken::Bad)
    }

    /// Writes the header and gives the requests back, in the order in which they were taken.
    fn finish(&mut self, queue: &mut Queue, frame: &Frame, card: &Card) {
        // At most MAX_MERGED.
        let count = u16::try_from(self.taken.len()).unwrap_or(1);
        let header = header::received(frame.meta, card.features, count);
        self.first.writer().write(header.as_bytes());
        for (head, written) in self.taken.drain(..) {
            queue.complete(head, written);
        }
    }

    /// The driver's buffers stay what they were.
    fn put_back(&mut self, queue: &mut Queue) {
        while let Some((head, _)) = self.taken.pop() {
            queue.put_back(head);
        }
    }

    /// Gives the request at `head` and those taken before it back empty.
    fn give_up(&mut self, queue: &mut Queue, head: u16) {
        for (taken, _) in self.taken.drain(..) {
            queue.complete(taken, 0);
        }
        // Ignored where the queue has given it back already.
        queue.complete(head, 0);
    }
}

/// Copies `len` bytes of the frame, from `at` on, to byte `start` of the request.
fn copy(frame: &Frame, mut at: usize, chain: &Chain, start: usize, mut len: usize) {
    let mut cursor = chain.writer();
    cursor.skip(start);
    while let Some(piece) = cursor.next(len) {
        // Both were bounded by their lengths.
        let _ = frame.bytes.copy_to(at, &piece, 0, piece.len());
        at += piece.len();
        len -= piece.len();
    }
}

/// A checksum that has to be complete, and is not in the frame.
#[derive(Clone, Copy, Debug)]
struct Patch {
    field: usize,
    bytes: Option<[u8; 2]>,
}

impl Patch {
    fn of(frame: &Frame, card: &Card) -> Result<Self, BadFrame> {
        let meta = frame.meta;
        if meta.flags & flags::NEEDS_CSUM == 0 {
            let bytes = None;
            return Ok(Self { field: 0, bytes });
        }
        if usize::from(meta.csum_start) < ETHERNET || !meta.csum_fits(frame.len()) {
            return Err(BadFrame::Checksum);
        }
        let bytes = if card.completes_checksums() {
            None
        } else {
            checksum::complete(&frame.bytes, meta)
        };
        let field = usize::from(meta.csum_start) + usize::from(meta.csum_offset);
        Ok(Self { field, bytes })
    }

    /// Overwrites what [`copy`] with the same arguments copied of the checksum.
    fn apply(&self, at: usize, chain: &Chain, start: usize, len: usize) {
        for (place, byte) in (self.field..).zip(self.bytes.iter().flatten()) {
            if let Some(offset) = place.checked_sub(at).filter(|offset| *offset < len) {
                let mut cursor = chain.writer();
                cursor.skip(start + offset);
                cursor.write(&[*byte]);
            }
        }
    }
}
