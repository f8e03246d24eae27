// SPDX-License-Identifier: BSD-2-Clause
//! One end of a link.

use core::fmt::Write;

use pd::{Notify, Setup, SetupError};
use shm::{Region, Ro, Rw};
use spsc::{Armed, ByteConsumer, ByteProducer, HEADER_SIZE, LayoutError, Link, Wake};
use units::ChannelId;

/// Longest role of a link in the record: the longest role less ".out".
const ROLE_BYTES: usize = 28;

/// What went wrong with a stream so far. Nothing here stops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Impossible read or write indices of the peer.
    pub peer_faults: u64,
    /// Bytes that were to be sent and had no room.
    pub dropped: u64,
}

/// Bytes of the stream that a region of `region` bytes carries: the largest power of two that fits
/// behind the ring's header. Both ends compute it from the same region, so they agree.
#[must_use]
pub fn ring_capacity(region: usize) -> Option<u32> {
    let payload = u32::try_from(region.checked_sub(HEADER_SIZE)?).ok()?;
    payload.checked_ilog2().map(|bits| 1 << bits)
}

/// One end of a link: a byte stream to the peer and one from it.
#[derive(Debug)]
pub struct Stream {
    tx: ByteProducer,
    rx: ByteConsumer,
    channel: ChannelId,
    counters: Counters,
}

impl Stream {
    /// Opens the link `role` of the record: the region `<role>.out` that this domain writes, the
    /// region `<role>.in` that the peer writes, and the channel `<role>`.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where one of them is missing, cannot be mapped so, or is too small.
    pub fn open(setup: &mut Setup<'_>, role: &str) -> Result<Self, SetupError> {
        let out = setup.region_rw(&side(role, ".out")?)?;
        let input = setup.region_ro(&side(role, ".in")?)?;
        let channel = setup.channel(role)?;
        Self::new(out, input, channel)
            .map_err(|_| SetupError::invalid(role, "its regions are too small for a ring"))
    }

    /// A stream over regions that were mapped by other means.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] where a region is too small or misaligned.
    pub fn new(
        out: Region<Rw>,
        input: Region<Ro>,
        channel: ChannelId,
    ) -> Result<Self, LayoutError> {
        let link = Link::attach(out, input)?;
        Ok(Self {
            // A region without room for a byte has no capacity; `spsc` refuses zero.
            tx: link.byte_producer(ring_capacity(out.len()).unwrap_or(0))?,
            rx: link.byte_consumer(ring_capacity(input.len()).unwrap_or(0))?,
            channel,
            counters: Counters::default(),
        })
    }

    /// The channel to the peer.
    #[must_use]
    pub const fn channel(&self) -> ChannelId {
        self.channel
    }

    /// What went wrong so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Most bytes that can be on their way to the peer.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.tx.capacity() as usize
    }

    /// Free bytes towards the peer; none where the peer's index is impossible.
    pub fn room(&mut self) -> usize {
        match self.tx.free() {
            Ok(free) => free as usize,
            Err(_) => self.fault(),
        }
    }

    /// Stages as much of `bytes` as there is room for and answers how much that is. The peer sees
    /// it after [`Stream::flush`].
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        match self.tx.write(bytes) {
            Ok(written) => written,
            Err(_) => self.fault(),
        }
    }

    /// Stages all of `bytes`, or drops and counts them all.
    pub fn write_all_or_drop(&mut self, bytes: &[u8]) {
        if self.room() < bytes.len() {
            self.count_dropped(bytes.len());
        } else {
            self.write(bytes);
        }
    }

    /// Counts `bytes` that the caller gave up.
    pub fn count_dropped(&mut self, bytes: usize) {
        self.counters.dropped = self.counters.dropped.saturating_add(bytes as u64);
    }

    /// Takes bytes from the peer: as many as there are, at most `into.len()`. After an impossible
    /// index of the peer, what was pending is dropped and the stream goes on at the peer's index.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        match self.rx.read(into) {
            Ok(read) => read,
            Err(_) => {
                let _ = self.rx.resync();
                self.fault()
            }
        }
    }

    /// Shows the peer what was staged and gives back the room of what was read; notifies it where
    /// it waits for either.
    pub fn flush(&mut self, kernel: &mut impl Notify) {
        if self.turn_over().is_needed() {
            kernel.notify(self.channel);
        }
    }

    /// As [`Stream::flush`], with the notification deferred to the next receive.
    pub fn flush_deferred(&mut self, kernel: &mut impl Notify) {
        if self.turn_over().is_needed() {
            kernel.notify_deferred(self.channel);
        }
    }

    fn turn_over(&mut self) -> Wake {
        let released = self.rx.release();
        self.tx.publish().or(released)
    }

    /// Asks for a notification when bytes arrive; `true` if some did meanwhile.
    #[must_use]
    pub fn wait_for_bytes(&mut self) -> bool {
        match self.rx.arm() {
            Ok(armed) => armed == Armed::Ready,
            Err(_) => {
                let _ = self.rx.resync();
                self.fault();
                false
            }
        }
    }

    /// Asks for a notification when `bytes` of room are free; `true` if they are already.
    #[must_use]
    pub fn wait_for_room(&mut self, bytes: usize) -> bool {
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX);
        match self.tx.arm(wanted) {
            Ok(armed) => armed == Armed::Ready,
            Err(_) => {
                self.fault();
                false
            }
        }
    }

    /// Counts a lie of the peer; as if there were nothing.
    fn fault(&mut self) -> usize {
        self.counters.peer_faults = self.counters.peer_faults.saturating_add(1);
        0
    }
}

fn side(role: &str, suffix: &str) -> Result<heapless::String<32>, SetupError> {
    let mut name = heapless::String::new();
    if role.len() > ROLE_BYTES || write!(name, "{role}{suffix}").is_err() {
        return Err(SetupError::invalid(role, "the link's role is too long"));
    }
    Ok(name)
}
