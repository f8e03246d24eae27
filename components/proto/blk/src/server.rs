// SPDX-License-Identifier: BSD-2-Clause
//! The end that serves.

use core::sync::atomic::{Ordering, fence};

use pd::{Notify, Setup, SetupError};
use shm::{Cell, Region, Ro, Rw};
use spsc::{Armed, Consumer, LayoutError, Link, Producer};
use units::ChannelId;
use zerocopy::transmute;

use crate::info::{Features, Info};
use crate::link::{Parts, count, tail};
use crate::request::{Op, Request, Segment, Status};
use crate::wire::{
    CLIENT_LIFE, Head, INFO, MAGIC, RawCompletion, RawInfo, RawSegment, SEQUENCE, Slot,
    ring_capacity,
};
use crate::{Counters, MAX_SEGMENTS};

/// What [`Server::take`] did.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// No request is waiting.
    Nothing,
    /// A request may be waiting, but the client has no room for one more completion.
    Blocked,
    /// A request was dealt with: refused, of an earlier session, or a flush of a disk without cache.
    Answered,
    /// The request is in the caller's buffer, to be ended by [`Server::complete`].
    Request,
}

/// A server's end of a link.
#[derive(Debug)]
pub struct Server {
    requests: Consumer<Slot>,
    completions: Producer<RawCompletion>,
    tail: Region<Rw>,
    sequence: Cell<u32, Rw>,
    client_life: Cell<u32, Ro>,
    channel: ChannelId,
    /// The disk, while there is a session.
    info: Option<Info>,
    session: u16,
    /// Start of the client that the session is with.
    life: u32,
    /// Requests taken in this session and not completed.
    in_flight: u32,
    greet: bool,
    counters: Counters,
}

impl Server {
    /// Opens the link `role` of the record: the region `<role>.out` that this domain writes, the
    /// region `<role>.in` that the client writes, and the channel `<role>`. There is no session.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where one of them is missing, cannot be mapped so, or is too small.
    pub fn open(setup: &mut Setup<'_>, role: &str) -> Result<Self, SetupError> {
        let parts = Parts::find(setup, role)?;
        Self::new(parts.out, parts.input, parts.channel)
            .map_err(|_| SetupError::invalid(role, "its regions are too small for block requests"))
    }

    /// A server over regions that were mapped by other means.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] where a region is too small or misaligned.
    pub fn new(
        out: Region<Rw>,
        input: Region<Ro>,
        channel: ChannelId,
    ) -> Result<Self, LayoutError> {
        let slots = ring_capacity(input.len(), size_of::<Slot>()).unwrap_or(0);
        if (slots as usize) <= MAX_SEGMENTS {
            return Err(LayoutError::Capacity(slots));
        }
        let answers = ring_capacity(out.len(), size_of::<RawCompletion>()).unwrap_or(0);
        let link = Link::attach(out, input)?;
        let tail_rw = tail(&out)?;
        // Numbering goes on where an earlier life of this domain left it.
        let earlier = tail_rw.read::<RawInfo>(INFO)?;
        let mut server = Self {
            requests: link.consumer(slots)?,
            completions: link.producer(answers)?,
            tail: tail_rw,
            sequence: tail_rw.cell(SEQUENCE)?,
            client_life: tail(&input)?.cell(CLIENT_LIFE)?,
            channel,
            info: None,
            session: earlier.session.get(),
            life: 0,
            in_flight: 0,
            greet: true,
            counters: Counters::default(),
        };
        tail_rw.store(0, MAGIC)?;
        server.stop();
        Ok(server)
    }

    /// The channel to the client.
    #[must_use]
    pub const fn channel(&self) -> ChannelId {
        self.channel
    }

    /// The disk, while there is a session.
    #[must_use]
    pub const fn info(&self) -> Option<&Info> {
        self.info.as_ref()
    }

    /// Number of the latest session: what was taken under another one is not to be completed.
    #[must_use]
    pub const fn session(&self) -> u16 {
        self.session
    }

    /// Requests taken in this session and not completed.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// What went wrong so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Begins a session. Nothing that was taken before may reach the device any more; it is not to
    /// be completed either. A description that [`Info::is_valid`] refuses ends the session.
    pub fn start(&mut self, info: Info) {
        self.session = self.session.wrapping_add(1).max(1);
        self.life = self.client_life.load_acquire();
        self.in_flight = 0;
        self.info = info.is_valid().then_some(info);
        self.publish();
    }

    /// Ends the session: the disk is not there. What was taken is not to be completed.
    pub fn stop(&mut self) {
        self.info = None;
        self.in_flight = 0;
        self.publish();
    }

    /// Begins a session with a client that restarted, once all that its earlier life submitted is
    /// completed: first thing in every activation. `true` if it did.
    pub fn poll(&mut self) -> bool {
        match self.info {
            Some(info) if self.restarted() && self.in_flight == 0 => {
                self.start(info);
                true
            }
            _ => false,
        }
    }

    /// Whether the client restarted since the session began.
    fn restarted(&self) -> bool {
        self.client_life.load_acquire() != self.life
    }

    fn publish(&mut self) {
        let mut raw = self
            .info
            .as_ref()
            .map_or_else(RawInfo::default, Info::encode);
        raw.session = self.session.into();
        raw.up = u16::from(self.info.is_some()).into();
        raw.client_life = self.life.into();
        // Odd while the rest changes, also after a life that ended in between.
        let odd = self.sequence.load() | 1;
        self.sequence.store(odd);
        fence(Ordering::Release);
        // In bounds by construction.
        let _ = self.tail.write(INFO, &raw);
        self.sequence.store_release(odd.wrapping_add(1));
        self.greet = true;
    }

    /// Takes the next request into the caller's buffer. Each call deals with at most one request.
    pub fn take(&mut self, into: &mut Request) -> Taken {
        let Some(info) = self.info.filter(|_| !self.restarted()) else {
            return Taken::Nothing;
        };
        if self.room() <= self.in_flight {
            return Taken::Blocked;
        }
        let Some((head, range)) = self.fetch(into) else {
            return Taken::Nothing;
        };
        if head.session.get() != self.session {
            count(&mut self.counters.stale);
            return Taken::Answered;
        }
        let known = Op::from_raw(head.op).ok_or(Status::Unsupported);
        let checked = known.and_then(|op| into.check(op, &info, range));
        let status = match checked {
            Ok(()) if into.op == Op::Flush && !info.features.contains(Features::FLUSH) => {
                Status::Ok
            }
            Ok(()) => {
                self.in_flight = self.in_flight.saturating_add(1);
                return Taken::Request;
            }
            Err(status) => {
                count(&mut self.counters.refused);
                status
            }
        };
        self.answer(into.id, status);
        Taken::Answered
    }

    /// Copies the next request out of the ring: its head, and the length of its last segment, which
    /// is the number of sectors of operations without data. `None` where there is no request, or the
    /// client broke the ring.
    fn fetch(&mut self, into: &mut Request) -> Option<(Head, u64)> {
        let slot = self.pop()?;
        let head: Head = transmute!(slot);
        let segments = u32::from(head.segments);
        // A request is published as a whole, so what is missing now will never come.
        let whole = self
            .requests
            .available()
            .is_ok_and(|there| there >= segments);
        if segments as usize > MAX_SEGMENTS || !whole {
            return self.broken();
        }
        into.restart(head.id.get(), head.sector.get());
        let mut range = 0;
        for _ in 0..segments {
            let slot = self.pop()?;
            let raw: RawSegment = transmute!(slot);
            range = raw.len.get().into();
            // There is room for every number of segments that was just accepted.
            let _ = into.segments.push(Segment {
                offset: raw.offset.get(),
                len: raw.len.get(),
            });
        }
        Some((head, range))
    }

    fn pop(&mut self) -> Option<Slot> {
        match self.requests.pop() {
            Ok(slot) => Some(slot?.unchecked()),
            Err(_) => self.broken(),
        }
    }

    /// The ring makes no sense: drop everything in it.
    fn broken<T>(&mut self) -> Option<T> {
        count(&mut self.counters.peer_faults);
        let _ = self.requests.resync();
        None
    }

    /// Free entries of the completion ring; none where the client's index is impossible.
    fn room(&mut self) -> u32 {
        self.completions.free().unwrap_or_else(|_| {
            count(&mut self.counters.peer_faults);
            0
        })
    }

    /// Ends a request that [`Server::take`] gave out in this session. The client sees it after
    /// [`Server::flush`].
    pub fn complete(&mut self, id: u32, status: Status) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.answer(id, status);
    }

    fn answer(&mut self, id: u32, status: Status) {
        let completion = RawCompletion {
            id: id.into(),
            session: self.session.into(),
            status: (status as u16).into(),
        };
        // `take` kept room for it; a client that moves its index back loses its own completion.
        if self.completions.push(&completion).is_err() {
            count(&mut self.counters.peer_faults);
        }
    }

    /// Shows the client what was completed and gives back the room of requests that were taken;
    /// notifies it where it waits for either, or a session began or ended. Once per batch.
    pub fn flush(&mut self, kernel: &mut impl Notify) {
        if self.turn_over() {
            kernel.notify(self.channel);
        }
    }

    /// As [`Server::flush`], with the notification deferred to the next receive.
    pub fn flush_deferred(&mut self, kernel: &mut impl Notify) {
        if self.turn_over() {
            kernel.notify_deferred(self.channel);
        }
    }

    fn turn_over(&mut self) -> bool {
        let released = self.requests.release();
        let wake = self.completions.publish().or(released);
        core::mem::take(&mut self.greet) || wake.is_needed()
    }

    /// Asks for a notification when a request arrives; `true` if one is there already. While there
    /// is no session, none is.
    #[must_use]
    pub fn wait_for_requests(&mut self) -> bool {
        match self.requests.arm() {
            Ok(armed) => armed == Armed::Ready && self.info.is_some() && !self.restarted(),
            Err(_) => {
                let _: Option<()> = self.broken();
                false
            }
        }
    }

    /// After [`Taken::Blocked`], asks for a notification when the client made room; `true` if there
    /// is some already.
    #[must_use]
    pub fn wait_for_room(&mut self) -> bool {
        match self.completions.arm(self.in_flight.saturating_add(1)) {
            Ok(armed) => armed == Armed::Ready,
            Err(_) => {
                count(&mut self.counters.peer_faults);
                false
            }
        }
    }
}
