// SPDX-License-Identifier: BSD-2-Clause
//! One end of a link that carries packets.

use frames::{Meta, Port, Status};
use pd::{Notify, Setup, SetupError};
use shm::{Region, Ro, Rw};
use units::ChannelId;
use virtio::vsock::{HEADER_SIZE, Header};

use crate::{MAX_PAYLOAD, SHAPE};

/// Flag of a frame in the conversation's byte: all connections of the sending port are gone.
const RESET: u16 = 1 << 8;

/// What came over a link. The header is an owned copy, and its `len` is the payload's length; the
/// payload may change while it is read.
#[derive(Clone, Copy, Debug)]
pub enum Packet {
    /// A packet.
    Data {
        /// Its header.
        header: Header,
        /// Its payload, possibly empty.
        payload: Region<Ro>,
    },
    /// All connections of the port are gone.
    Reset,
}

/// One end of a link.
#[derive(Debug)]
pub struct Link {
    port: Port,
    malformed: u32,
    /// The peer was seen before, so that another generation means a restart.
    known: bool,
}

impl Link {
    /// Opens the link `role` of the record: the regions `<role>.out` and `<role>.in`, and the
    /// channel `<role>`. This end is down until [`Link::set_status`].
    ///
    /// # Errors
    /// [`SetupError`] where one of them is missing, cannot be mapped so, or is too small.
    pub fn open(setup: &mut Setup<'_>, role: &str) -> Result<Self, SetupError> {
        Port::open(setup, role, SHAPE).map(Self::new)
    }

    /// A link over an open port of [`SHAPE`].
    #[must_use]
    pub const fn new(port: Port) -> Self {
        Self {
            port,
            malformed: 0,
            known: false,
        }
    }

    /// The channel to the peer.
    #[must_use]
    pub const fn channel(&self) -> ChannelId {
        self.port.channel()
    }

    /// Frames that were no packets, and impossible indices and lengths, so far.
    #[must_use]
    pub const fn faults(&self) -> u32 {
        let counters = self.port.counters();
        self.malformed
            .saturating_add(counters.received)
            .saturating_add(counters.sent)
    }

    /// Says whether this end takes part and whether somebody is behind it.
    pub fn set_status(&mut self, link: bool) {
        self.port.set_status(Status {
            up: true,
            link,
            ..Status::DOWN
        });
    }

    /// Whether packets for the peer arrive anywhere.
    #[must_use]
    pub fn carries(&self) -> bool {
        self.port.peer_status().carries()
    }

    /// Whether the peer started again since it was first seen, or since the last call.
    pub fn peer_restarted(&mut self) -> bool {
        let news = self.port.peer_restarted();
        news && core::mem::replace(&mut self.known, true)
    }

    /// Most frames that can be on their way to the peer.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.port.tx.capacity()
    }

    /// Packets that can be sent now.
    pub fn room(&mut self) -> u32 {
        self.port.tx.room()
    }

    /// Stages a packet whose payload, as long as the header says, `fill` puts in place. `false`
    /// where there is no room, the payload is too long, or `fill` says so; nothing is staged then.
    #[must_use]
    pub fn send_with(&mut self, header: &Header, fill: impl FnOnce(&Region<Rw>) -> bool) -> bool {
        let len = header.len.get() as usize;
        let Some(slot) = self.port.tx.slot().filter(|_| len <= MAX_PAYLOAD) else {
            return false;
        };
        let Ok(payload) = slot.sub(HEADER_SIZE, len) else {
            return false;
        };
        let whole = HEADER_SIZE.saturating_add(len);
        slot.write(0, header).is_ok()
            && fill(&payload)
            && u32::try_from(whole).is_ok_and(|whole| self.port.tx.commit(whole, Meta::default()))
    }

    /// Stages a packet without payload. `false` where there is no room.
    #[must_use]
    pub fn send(&mut self, header: &Header) -> bool {
        header.len.get() == 0 && self.send_with(header, |_| true)
    }

    /// Says that all connections of this end are gone. `false` where there is no room.
    #[must_use]
    pub fn send_reset(&mut self) -> bool {
        let meta = Meta {
            flags: RESET,
            ..Meta::default()
        };
        self.port.tx.send(&[0; HEADER_SIZE], meta)
    }

    /// The next packet, which stays the next one until [`Link::advance`].
    pub fn receive(&mut self) -> Option<Packet> {
        for _ in 0..self.port.rx.capacity() {
            let frame = self.port.rx.peek()?;
            if frame.meta.flags & RESET != 0 {
                return Some(Packet::Reset);
            }
            if let Some(packet) = packet(&frame.bytes) {
                return Some(packet);
            }
            self.malformed = self.malformed.saturating_add(1);
            self.port.rx.advance();
        }
        None
    }

    /// Takes the packet that [`Link::receive`] showed. Its bytes stay until [`Link::flush`].
    pub fn advance(&mut self) {
        self.port.rx.advance();
    }

    /// Drops everything that is waiting: what it belonged to is gone.
    pub fn drain(&mut self) {
        for _ in 0..self.port.rx.waiting() {
            self.port.rx.advance();
        }
    }

    /// Shows the peer what was staged, gives back what was taken, and wakes the peer where it
    /// waits.
    pub fn flush(&mut self, kernel: &mut impl Notify) {
        self.port.flush(kernel);
    }

    /// Asks to be woken by the next packet; `true` if one is there already.
    #[must_use]
    pub fn wait_for_packets(&mut self) -> bool {
        self.port.rx.arm()
    }

    /// Asks to be woken when `packets` can be sent; `true` if they can already.
    #[must_use]
    pub fn wait_for_room(&mut self, packets: u32) -> bool {
        self.port.tx.arm(packets)
    }
}

/// The packet in a frame, if its lengths agree.
fn packet(frame: &Region<Ro>) -> Option<Packet> {
    let header = frame.read::<Header>(0).ok()?;
    let len = frame.len().checked_sub(HEADER_SIZE)?;
    if header.len.get() as usize != len {
        return None;
    }
    let payload = frame.sub(HEADER_SIZE, len).ok()?;
    Some(Packet::Data { header, payload })
}
