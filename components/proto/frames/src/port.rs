// SPDX-License-Identifier: BSD-2-Clause
//! One end of a link.

use core::fmt::Write;

use pd::{Notify, Setup, SetupError};
use shm::{Cell, OutOfBounds, Region, Ro, Rw};
use spsc::Link;
use units::ChannelId;

use crate::layout::{COUNT_AT, HEADROOM_AT, SLOT_AT, STATUS_AT, Shape, Slots};
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::status::Status;

/// Longest role of a link in the record: the longest role less ".out".
const ROLE_BYTES: usize = 28;

/// What is wrong with regions that hold no slot.
const TOO_SMALL: &str = "its regions are too small for a slot";

/// What a peer was caught at so far. Nothing here stops the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Impossible write indices and lengths of frames.
    pub received: u32,
    /// Impossible read indices.
    pub sent: u32,
}

/// One end of a link: frames to the peer, frames from it, and a status word each way.
#[derive(Debug)]
pub struct Port {
    /// Frames to the peer.
    pub tx: Sender,
    /// Frames from the peer.
    pub rx: Receiver,
    channel: ChannelId,
    status: Cell<u32, Rw>,
    peer: Peer,
    /// The peer has to look even if it waits for no frame.
    announce: bool,
}

/// The peer's own words.
#[derive(Debug)]
struct Peer {
    link: Link,
    status: Cell<u32, Ro>,
    /// Slot size, headroom and count.
    shape: [Cell<u32, Ro>; 3],
    expected: [u32; 3],
    generation: u32,
}

impl Port {
    /// Opens the link `role` of the record: the region `<role>.out` that this domain writes, the
    /// region `<role>.in` that the peer writes, and the channel `<role>`. This end is down until
    /// [`Port::set_status`].
    ///
    /// # Errors
    ///
    /// [`SetupError`] where one of them is missing, cannot be mapped so, or is too small.
    pub fn open(setup: &mut Setup<'_>, role: &str, shape: Shape) -> Result<Self, SetupError> {
        let out = setup.region_rw(&side(role, ".out")?)?;
        let input = setup.region_ro(&side(role, ".in")?)?;
        let channel = setup.channel(role)?;
        Self::new(out, input, channel, shape).ok_or_else(|| SetupError::invalid(role, TOO_SMALL))
    }

    /// A port over regions that were mapped by other means. `None` where a region holds no slot or
    /// is misaligned, or the shape is not usable.
    #[must_use]
    pub fn new(
        out: Region<Rw>,
        input: Region<Ro>,
        channel: ChannelId,
        shape: Shape,
    ) -> Option<Self> {
        let (own, theirs) = (Slots::of(&out, shape)?, Slots::of(&input, shape)?);
        let status = out.cell(STATUS_AT).ok()?;
        // Down before the new generation shows that this end started again.
        status.store_release(Status::DOWN.word());
        publish_shape(&out, &own).ok()?;
        let link = Link::attach(out, input).ok()?;
        Some(Self {
            tx: Sender::new(link.slot_producer(own.count).ok()?, own),
            rx: Receiver::new(link.slot_consumer(theirs.count).ok()?, theirs),
            channel,
            status,
            peer: Peer::new(link, &input, &theirs).ok()?,
            announce: true,
        })
    }

    /// The channel to the peer.
    #[must_use]
    pub const fn channel(&self) -> ChannelId {
        self.channel
    }

    /// What the peer was caught at so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        Counters {
            received: self.rx.faults(),
            sent: self.tx.faults(),
        }
    }

    /// What this end says about itself.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::from_word(self.status.load())
    }

    /// Says something else about this end; the next [`Port::flush`] makes the peer look. Whether it
    /// is news.
    pub fn set_status(&mut self, status: Status) -> bool {
        let changed = self.status() != status;
        if changed {
            self.status.store_release(status.word());
            self.announce = true;
        }
        changed
    }

    /// What the peer says about itself; down where it was built for slots of another shape.
    #[must_use]
    pub fn peer_status(&self) -> Status {
        self.peer.status()
    }

    /// Whether the peer started (again) since the last call.
    pub fn peer_restarted(&mut self) -> bool {
        let now = self.peer.link.peer_generation();
        let restarted = now != self.peer.generation;
        self.peer.generation = now;
        restarted
    }

    /// Shows the peer what was staged and gives back the slots of what was taken; notifies it where
    /// it waits for either, or has to see a new status.
    pub fn flush(&mut self, kernel: &mut impl Notify) {
        if self.turn_over(true) {
            kernel.notify(self.channel);
        }
    }

    /// As [`Port::flush`], with the notification deferred to the next receive.
    pub fn flush_deferred(&mut self, kernel: &mut impl Notify) {
        if self.turn_over(true) {
            kernel.notify_deferred(self.channel);
        }
    }

    /// As [`Port::flush`] for ports whose taken slots are released one by one: releases nothing.
    /// `release` says whether the releases since the last call want a notification.
    pub fn flush_sent(&mut self, kernel: &mut impl Notify, release: spsc::Wake) {
        if self.turn_over(false) || release.is_needed() {
            kernel.notify(self.channel);
        }
    }

    fn turn_over(&mut self, release: bool) -> bool {
        let mut wake = self.tx.publish();
        if release {
            wake = self.rx.release().or(wake);
        }
        core::mem::take(&mut self.announce) || wake.is_needed()
    }
}

impl Peer {
    fn new(link: Link, region: &Region<Ro>, slots: &Slots<Ro>) -> Result<Self, OutOfBounds> {
        Ok(Self {
            link,
            status: region.cell(STATUS_AT)?,
            shape: [
                region.cell(SLOT_AT)?,
                region.cell(HEADROOM_AT)?,
                region.cell(COUNT_AT)?,
            ],
            expected: words(slots),
            generation: 0,
        })
    }

    fn status(&self) -> Status {
        let status = Status::from_word(self.status.load_acquire());
        if status.up && self.shape.each_ref().map(Cell::load) != self.expected {
            return Status::DOWN;
        }
        status
    }
}

/// What an end publishes about its slots.
fn words<A: shm::Access>(slots: &Slots<A>) -> [u32; 3] {
    [slots.shape.slot(), slots.shape.headroom(), slots.count]
}

fn publish_shape(out: &Region<Rw>, slots: &Slots<Rw>) -> Result<(), OutOfBounds> {
    for (at, word) in [SLOT_AT, HEADROOM_AT, COUNT_AT]
        .into_iter()
        .zip(words(slots))
    {
        out.store(at, word)?;
    }
    Ok(())
}

fn side(role: &str, suffix: &str) -> Result<heapless::String<32>, SetupError> {
    let mut name = heapless::String::new();
    if role.len() > ROLE_BYTES || write!(name, "{role}{suffix}").is_err() {
        return Err(SetupError::invalid(role, "the link's role is too long"));
    }
    Ok(name)
}
