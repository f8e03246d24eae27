// SPDX-License-Identifier: BSD-2-Clause
//! The client's end.

use pd::{Notify, Setup, SetupError};
use shm::{Region, Ro, Rw};
use spsc::{Armed, HEADER_SIZE, LayoutError, Link, SlotConsumer, Wake};
use units::ChannelId;

use crate::{GRAIN, Grain, slots};

/// Grains from the driver.
#[derive(Debug)]
pub struct Client {
    ring: SlotConsumer,
    bytes: Region<Ro>,
    channel: ChannelId,
    wake: Wake,
    faults: u64,
}

impl Client {
    /// Opens the link `rng` of the record: the regions `rng.out` and `rng.in` and the channel.
    ///
    /// # Errors
    /// [`SetupError`] where one of them is missing, cannot be mapped so, or is too small.
    pub fn open(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let (out, input) = (setup.region_rw("rng.out")?, setup.region_ro("rng.in")?);
        Self::new(out, input, setup.channel("rng")?)
            .map_err(|_| SetupError::invalid("rng", "its regions are too small for a slot"))
    }

    /// The client's end over the region that it writes and the one that the driver writes.
    ///
    /// # Errors
    /// [`LayoutError`] where a region is too small or misaligned.
    pub fn new(
        out: Region<Rw>,
        input: Region<Ro>,
        channel: ChannelId,
    ) -> Result<Self, LayoutError> {
        let slots = slots(input.len());
        let link = Link::attach(out, input)?;
        Ok(Self {
            ring: link.slot_consumer(slots)?,
            bytes: input.sub(HEADER_SIZE, slots as usize * GRAIN)?,
            channel,
            // The driver may wait for slots that an earlier life took.
            wake: Wake::Needed,
            faults: 0,
        })
    }

    /// The channel to the driver.
    #[must_use]
    pub const fn channel(&self) -> ChannelId {
        self.channel
    }

    /// Impossible write indices of the driver so far.
    #[must_use]
    pub const fn faults(&self) -> u64 {
        self.faults
    }

    /// Takes a grain, whose slot is given back before this returns.
    pub fn take(&mut self) -> Option<Grain> {
        let Ok(available) = self.ring.available(1) else {
            self.resync();
            return None;
        };
        let at = self.ring.slot(0) as usize * GRAIN;
        let mut grain = [0; GRAIN];
        if available == 0 || self.bytes.copy_in(at, &mut grain).is_err() || !self.ring.take() {
            return None;
        }
        self.wake = self.wake.or(self.ring.release(1));
        Some(grain)
    }

    /// Wakes the driver where it waits for slots.
    pub fn flush(&mut self, kernel: &mut impl Notify) {
        if core::mem::replace(&mut self.wake, Wake::NotNeeded) == Wake::Needed {
            kernel.notify(self.channel);
        }
    }

    /// Asks to be woken by the next grain; `true` if there is one already.
    #[must_use]
    pub fn wait(&mut self) -> bool {
        match self.ring.arm() {
            Ok(armed) => armed == Armed::Ready,
            Err(_) => {
                self.resync();
                false
            }
        }
    }

    fn resync(&mut self) {
        self.faults = self.faults.saturating_add(1);
        self.wake = self.wake.or(self.ring.resync());
    }
}
