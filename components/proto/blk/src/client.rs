// SPDX-License-Identifier: BSD-2-Clause
//! The end that submits.

use core::sync::atomic::{Ordering, fence};

use pd::{Notify, Setup, SetupError};
use shm::{Cell, Region, Ro, Rw};
use spsc::{Armed, Consumer, LayoutError, Link, Producer, PushError, Wake};
use units::ChannelId;
use zerocopy::transmute;

use crate::info::Info;
use crate::link::{Parts, count, tail};
use crate::request::{Op, Segment, Status};
use crate::wire::{
    CLIENT_LIFE, Head, INFO, MAGIC, RawCompletion, RawInfo, RawSegment, SEQUENCE, Slot,
    ring_capacity,
};
use crate::{Counters, MAX_SEGMENTS};

/// How often a description that changes under the reader is read again; the server's notification
/// follows every change.
const READ_TRIES: usize = 4;

/// What [`Client::poll`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing new.
    None,
    /// The disk is gone, or its server. What is in flight stays undecided; submit nothing.
    Down,
    /// A session begins. What was in flight and is not completed will not happen: submit it again,
    /// oldest first. [`Client::info`] may have changed.
    Up,
}

/// Why a request was not staged. Nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// No room for all of it: see [`Client::wait_for_room`].
    Full,
    /// There is no session.
    Down,
    /// More than [`MAX_SEGMENTS`] segments, or data without any.
    Segments,
}

/// The end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The cookie as the server echoes it: check it against what is in flight, and take it once.
    pub id: u32,
    /// How the request ended.
    pub status: Status,
}

/// A client's end of a link.
#[derive(Debug)]
pub struct Client {
    requests: Producer<Slot>,
    completions: Consumer<RawCompletion>,
    server: Region<Ro>,
    sequence: Cell<u32, Ro>,
    channel: ChannelId,
    life: u32,
    /// The counter under which the server's description was last read.
    seen: Option<u32>,
    session: Option<(u16, Info)>,
    greet: bool,
    counters: Counters,
}

impl Client {
    /// Opens the link `role` of the record: the region `<role>.out` that this domain writes, the
    /// region `<role>.in` that the server writes, and the channel `<role>`.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where one of them is missing, cannot be mapped so, or is too small.
    pub fn open(setup: &mut Setup<'_>, role: &str) -> Result<Self, SetupError> {
        let parts = Parts::find(setup, role)?;
        Self::new(parts.out, parts.input, parts.channel)
            .map_err(|_| SetupError::invalid(role, "its regions are too small for block requests"))
    }

    /// A client over regions that were mapped by other means. The request region holds at least the
    /// longest request, which one page does.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] where a region is too small or misaligned.
    pub fn new(
        out: Region<Rw>,
        input: Region<Ro>,
        channel: ChannelId,
    ) -> Result<Self, LayoutError> {
        let slots = ring_capacity(out.len(), size_of::<Slot>()).unwrap_or(0);
        if (slots as usize) <= MAX_SEGMENTS {
            return Err(LayoutError::Capacity(slots));
        }
        let answers = ring_capacity(input.len(), size_of::<RawCompletion>()).unwrap_or(0);
        let link = Link::attach(out, input)?;
        let server = tail(&input)?;
        let life = tail(&out)?.cell::<u32>(CLIENT_LIFE)?;
        // Zero means never started, so the count skips it when it wraps.
        let own = life.load().wrapping_add(1).max(1);
        let client = Self {
            requests: link.producer(slots)?,
            completions: link.consumer(answers)?,
            server,
            sequence: server.cell(SEQUENCE)?,
            channel,
            life: own,
            seen: None,
            session: None,
            greet: true,
            counters: Counters::default(),
        };
        life.store_release(own);
        Ok(client)
    }

    /// The channel to the server.
    #[must_use]
    pub const fn channel(&self) -> ChannelId {
        self.channel
    }

    /// The disk, while there is a session.
    #[must_use]
    pub fn info(&self) -> Option<&Info> {
        self.session.as_ref().map(|(_, info)| info)
    }

    /// What went wrong so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Looks whether the server began or ended a session: first thing in every activation, before
    /// completions are taken.
    pub fn poll(&mut self) -> Change {
        if self.seen == Some(self.sequence.load_acquire()) {
            return Change::None;
        }
        let Some((sequence, raw)) = self.read_info() else {
            return Change::None;
        };
        self.seen = Some(sequence);
        match self.judge(&raw) {
            Some(new) if self.session.is_some_and(|(old, _)| old == new.0) => Change::None,
            Some(new) => {
                self.session = Some(new);
                Change::Up
            }
            None if self.session.take().is_some() => Change::Down,
            None => Change::None,
        }
    }

    /// The description and the even counter that it stood under.
    fn read_info(&self) -> Option<(u32, RawInfo)> {
        for _ in 0..READ_TRIES {
            let before = self.sequence.load_acquire();
            let raw = self.server.read::<RawInfo>(INFO).ok()?;
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && before == self.sequence.load() {
                return Some((before, raw));
            }
        }
        None
    }

    /// The session that a description stands for: only one with this very start of the client.
    fn judge(&mut self, raw: &RawInfo) -> Option<(u16, Info)> {
        let magic = self.server.load::<u32>(0).ok()?;
        if magic != MAGIC || raw.up.get() != 1 || raw.client_life.get() != self.life {
            return None;
        }
        let info = Info::decode(raw);
        if info.is_none() {
            count(&mut self.counters.peer_faults);
        }
        Some((raw.session.get(), info?))
    }

    /// Entries of the ring that a request with `segments` segments takes.
    #[must_use]
    pub fn slots(segments: usize) -> u32 {
        // At most 126 for anything that can be submitted.
        u32::try_from(segments.min(MAX_SEGMENTS)).unwrap_or(u32::MAX - 1) + 1
    }

    /// Stages a read or write of the disk from `sector` on. The server sees it after
    /// [`Client::flush`]. `id` comes back with the completion.
    ///
    /// # Errors
    ///
    /// [`SubmitError`]; nothing was staged then.
    pub fn submit_data<I>(
        &mut self,
        id: u32,
        op: Op,
        sector: u64,
        segments: I,
    ) -> Result<(), SubmitError>
    where
        I: IntoIterator<Item = Segment, IntoIter: ExactSizeIterator>,
    {
        let segments = segments.into_iter();
        let total = segments.len();
        if total == 0 || total > MAX_SEGMENTS || !op.has_data() {
            return Err(SubmitError::Segments);
        }
        self.stage(id, op, sector, total)?;
        // An iterator that ends early leaves empty segments, which the server refuses.
        let padded = segments.chain(core::iter::repeat(Segment::default()));
        for segment in padded.take(total) {
            self.push_segment(segment.offset, segment.len)?;
        }
        Ok(())
    }

    /// Stages an operation without data on `sectors` sectors from `sector` on; a flush ignores both.
    ///
    /// # Errors
    ///
    /// [`SubmitError`]; nothing was staged then.
    pub fn submit_range(
        &mut self,
        id: u32,
        op: Op,
        sector: u64,
        sectors: u32,
    ) -> Result<(), SubmitError> {
        match op {
            Op::Read | Op::Write => Err(SubmitError::Segments),
            Op::Flush => self.stage(id, op, 0, 0),
            Op::Discard | Op::WriteZeroes { .. } => {
                self.stage(id, op, sector, 1)?;
                self.push_segment(0, sectors)
            }
        }
    }

    /// Stages the head, after making sure that all of the request fits.
    fn stage(&mut self, id: u32, op: Op, sector: u64, count: usize) -> Result<(), SubmitError> {
        let Some((session, _)) = self.session else {
            return Err(SubmitError::Down);
        };
        if self.room() < Self::slots(count) {
            return Err(SubmitError::Full);
        }
        let head = Head {
            id: id.into(),
            session: session.into(),
            op: op.raw(),
            // At most 126.
            segments: u8::try_from(count).unwrap_or(u8::MAX),
            sector: sector.into(),
        };
        self.push(transmute!(head))
    }

    fn push_segment(&mut self, offset: u64, len: u32) -> Result<(), SubmitError> {
        let segment = RawSegment {
            offset: offset.into(),
            len: len.into(),
            reserved: 0.into(),
        };
        self.push(transmute!(segment))
    }

    fn push(&mut self, slot: Slot) -> Result<(), SubmitError> {
        self.requests.push(&slot).map_err(|error| {
            if let PushError::Peer(_) = error {
                count(&mut self.counters.peer_faults);
            }
            SubmitError::Full
        })
    }

    /// Free entries of the ring; none where the server's index is impossible.
    pub fn room(&mut self) -> u32 {
        self.requests.free().unwrap_or_else(|_| {
            count(&mut self.counters.peer_faults);
            0
        })
    }

    /// Takes a completion of this session. A loop over this is bounded by what was submitted only if
    /// the caller stops at an `id` that is not in flight; otherwise bound it.
    pub fn completion(&mut self) -> Option<Completion> {
        let limit = self.completions.capacity();
        for _ in 0..limit {
            let raw = match self.completions.pop() {
                Ok(raw) => raw?.unchecked(),
                Err(_) => {
                    count(&mut self.counters.peer_faults);
                    let _ = self.completions.resync();
                    return None;
                }
            };
            if self
                .session
                .is_some_and(|(session, _)| session == raw.session.get())
            {
                return Some(Completion {
                    id: raw.id.get(),
                    status: Status::from_raw(raw.status.get()),
                });
            }
            count(&mut self.counters.stale);
        }
        None
    }

    /// Shows the server what was staged and gives back the room of completions that were taken;
    /// notifies it where it waits for either. Once per batch.
    pub fn flush(&mut self, kernel: &mut impl Notify) {
        if self.turn_over() {
            kernel.notify(self.channel);
        }
    }

    /// As [`Client::flush`], with the notification deferred to the next receive.
    pub fn flush_deferred(&mut self, kernel: &mut impl Notify) {
        if self.turn_over() {
            kernel.notify_deferred(self.channel);
        }
    }

    fn turn_over(&mut self) -> bool {
        let released = self.completions.release();
        let wake: Wake = self.requests.publish().or(released);
        core::mem::take(&mut self.greet) || wake.is_needed()
    }

    /// Asks for a notification when a completion arrives; `true` if one is there already.
    #[must_use]
    pub fn wait_for_completions(&mut self) -> bool {
        match self.completions.arm() {
            Ok(armed) => armed == Armed::Ready,
            Err(_) => {
                count(&mut self.counters.peer_faults);
                let _ = self.completions.resync();
                false
            }
        }
    }

    /// Asks for a notification when `slots` entries are free (see [`Client::slots`]); `true` if they
    /// are already.
    #[must_use]
    pub fn wait_for_room(&mut self, slots: u32) -> bool {
        match self.requests.arm(slots) {
            Ok(armed) => armed == Armed::Ready,
            Err(_) => {
                count(&mut self.counters.peer_faults);
                false
            }
        }
    }
}
