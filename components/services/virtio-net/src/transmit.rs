// SPDX-License-Identifier: BSD-2-Clause
//! transmitq: from the guest to the switch (5.1.6.2).

use frames::{Port, Sender};
use shm::{Region, Rw};
use trace::Trace;
use virtio::net::{HEADER_SIZE, Header, TRANSMITQ};
use virtq::{Chain, Fault, Popped, Queue};
use zerocopy::IntoBytes;

use crate::backend::{Card, TURN};
use crate::checksum;
use crate::event::Event;
use crate::filter::{ETHERNET, Ethernet};
use crate::header::{self, BadFrame};

/// Moves frames to the switch until the driver has no more or the switch has no room; how many
/// requests were given back. A frame is not taken before there is a slot for it, so nothing is lost
/// when the switch is slow, and only the queue knows where the device stands.
///
/// # Errors
/// The driver broke the queue.
pub(crate) fn transmit(
    queue: &mut Queue,
    chain: &mut Chain,
    port: &mut Port,
    card: &Card,
    trace: &mut Trace<Event>,
) -> Result<u32, Fault> {
    let takes_partial = port.peer_status().csum;
    let mut done = 0;
    while done < TURN {
        let Some(slot) = port.tx.slot() else {
            trace.count(Event::SendBlocked);
            // Not for every slot: half a ring is worth a turn, and the rest keeps the switch busy.
            if port.tx.arm(port.tx.capacity() / 2) {
                continue;
            }
            break;
        };
        match queue.pop(chain)? {
            Popped::Chain => {}
            Popped::Empty if queue.arm() => continue,
            Popped::Empty => break,
            Popped::Bad(error) => {
                done += 1;
                trace.count(Event::bad_request(TRANSMITQ, Some(error)));
                continue;
            }
        }
        done += 1;
        trace.count(
            match send(chain, &slot, &mut port.tx, card, takes_partial) {
                Ok(()) => Event::Sent,
                Err(bad) => Event::SendDropped { reason: bad.code() },
            },
        );
        queue.complete(chain.head(), 0);
    }
    Ok(done)
}

/// After a restart: frames in flight may have been sent, and are not sent twice.
///
/// # Errors
/// The driver broke the queue.
pub(crate) fn resume(queue: &mut Queue, chain: &mut Chain) -> Result<(), Fault> {
    let mut last = 0;
    while let Some((request, _)) = queue.unfinished(last, chain)? {
        last = request.sequence;
        // Ignored where the chain is bad by now and was given back already.
        queue.complete(request.head, 0);
    }
    Ok(())
}

/// Copies one frame into `slot` and stages it.
fn send(
    chain: &Chain,
    slot: &Region<Rw>,
    tx: &mut Sender,
    card: &Card,
    takes_partial: bool,
) -> Result<(), BadFrame> {
    let mut cursor = chain.reader();
    let len = cursor.remaining().saturating_sub(HEADER_SIZE);
    let mut header = Header::default();
    if cursor.read(header.as_mut_bytes()) < HEADER_SIZE {
        return Err(BadFrame::Short);
    }
    let mut meta = header::transmitted(&header, card.features, len)?;
    if len > card.longest() {
        return Err(BadFrame::Long);
    }
    let mut at = 0;
    while let Some(piece) = cursor.next(len - at) {
        // There is room for the longest frame.
        let _ = piece.copy_to(0, slot, at, piece.len());
        at += piece.len();
    }
    if len > card.longest_untagged() && !is_tagged(slot) {
        return Err(BadFrame::Long);
    }
    if meta.needs_csum() && !takes_partial {
        complete(slot, len, &mut meta)?;
    }
    let len = u32::try_from(len).map_err(|_| BadFrame::Long)?;
    if tx.commit(len, meta) {
        Ok(())
    } else {
        Err(BadFrame::Long)
    }
}

/// Does for the driver what the switch does not.
fn complete(slot: &Region<Rw>, len: usize, meta: &mut frames::Meta) -> Result<(), BadFrame> {
    let frame = slot.sub(0, len).map_err(|_| BadFrame::Checksum)?;
    let field = usize::from(meta.csum_start) + usize::from(meta.csum_offset);
    let sum = checksum::complete(&frame, *meta).ok_or(BadFrame::Checksum)?;
    frame
        .copy_out(field, &sum)
        .map_err(|_| BadFrame::Checksum)?;
    *meta = frames::Meta::default();
    Ok(())
}

/// Whether the frame in our own slot has a VLAN tag.
fn is_tagged(slot: &Region<Rw>) -> bool {
    let mut start = [0; ETHERNET + 2];
    slot.copy_in(0, &mut start).is_ok()
        && Ethernet::parse(&start).is_some_and(|header| header.vlan.is_some())
}
