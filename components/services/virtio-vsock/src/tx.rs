// SPDX-License-Identifier: BSD-2-Clause
//! From the guest to the router.

use shm::{Region, Rw};
use virtio::vsock::{HEADER_SIZE, Header, Op};
use virtq::{Chain, Cursor, Fault, Queue};
use vsock::{Link, MAX_PAYLOAD};
use zerocopy::{FromZeros, IntoBytes};

use crate::event::Event;
use crate::lane::{Fetched, Lane, STEPS, report_bad};

/// The tx queue.
#[derive(Debug)]
pub(crate) struct Tx {
    pub(crate) lane: Lane,
    /// The packet in the lane's chain, and how much of its payload is on the link.
    packet: Option<(Header, usize)>,
}

impl Tx {
    pub(crate) const fn new() -> Self {
        Self {
            lane: Lane::new(),
            packet: None,
        }
    }

    /// The queue starts, perhaps with requests in flight, or stops.
    pub(crate) fn start(&mut self, resumed: bool) {
        self.lane.start(resumed);
        self.packet = None;
    }

    /// Sends what there is and fits.
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
            if self.packet.is_none() {
                match self.lane.fetch(queue)? {
                    Fetched::Nothing => return Ok(()),
                    Fetched::Again(error) => {
                        report_bad(1, error, report);
                        continue;
                    }
                    Fetched::Request(again) => self.packet = self.read(cid, again, report),
                }
            }
            let Some((header, sent)) = self.packet else {
                queue.complete(self.lane.chain.head(), 0);
                continue;
            };
            if link.room() == 0 {
                if link.wait_for_room(1) {
                    continue;
                }
                return Ok(());
            }
            let sent = sent.saturating_add(piece(&self.lane.chain, header, sent, link));
            report(Event::Sent);
            self.packet = Some((header, sent));
            if sent >= header.len.get() as usize {
                self.packet = None;
                queue.complete(self.lane.chain.head(), 0);
            }
        }
        Ok(())
    }

    /// The packet in the chain, if it is one that may be sent. Fetched once (H-29).
    fn read(
        &self,
        cid: u64,
        again: bool,
        report: &mut impl FnMut(Event),
    ) -> Option<(Header, usize)> {
        let mut cursor = self.lane.chain.reader();
        let mut header = Header::new_zeroed();
        let complete = cursor.read(header.as_mut_bytes()) == HEADER_SIZE;
        let len = header.len.get() as usize;
        let payload = header.operation() == Some(Op::ReadWrite);
        if !complete || len > cursor.remaining() || (len > 0 && !payload) {
            let (op, len) = (u32::from(header.op.get()), header.len.get());
            report(Event::BadPacket { op, len });
            return None;
        }
        if header.src_cid.get() != cid {
            let cid = header.src_cid.get();
            report(Event::Spoofed { cid });
            return None;
        }
        // Payload that an earlier life may have sent must not be sent twice; what became of its
        // connection the guest hears in any case.
        (!again || !payload).then_some((header, 0))
    }
}

/// Puts the next piece on the link, which has room; how long it is.
fn piece(chain: &Chain, mut header: Header, sent: usize, link: &mut Link) -> usize {
    let left = (header.len.get() as usize).saturating_sub(sent);
    let len = left.min(MAX_PAYLOAD);
    header.len = u32::try_from(len).unwrap_or(0).into();
    let mut cursor = chain.reader();
    cursor.skip(HEADER_SIZE.saturating_add(sent));
    // There is room and the lengths are right: should it ever fail, the stream has a hole and its
    // receiver's count of bytes does not come out.
    let _ = link.send_with(&header, |to| copy(&mut cursor, to));
    len
}

/// Copies from guest memory until `to` is full.
fn copy(cursor: &mut Cursor<'_>, to: &Region<Rw>) -> bool {
    let mut at = 0;
    while let Some(piece) = cursor.next(to.len().saturating_sub(at)) {
        if piece.copy_to(0, to, at, piece.len()).is_err() {
            return false;
        }
        at = at.saturating_add(piece.len());
    }
    at == to.len()
}
