// SPDX-License-Identifier: BSD-2-Clause
//! The driver's end.

use pd::Notify;
use shm::{Region, Ro, Rw};
use spsc::{Armed, HEADER_SIZE, LayoutError, Link, SlotProducer, Wake};
use units::ChannelId;

use crate::{GRAIN, Grain, slots};

/// Grains on their way to one client.
#[derive(Debug)]
pub struct Supply {
    ring: SlotProducer,
    bytes: Region<Rw>,
    channel: ChannelId,
    /// So many of the free slots, from the next one on, hold zeros.
    clean: u32,
    faults: u64,
}

impl Supply {
    /// The driver's end over the region that it writes and the one that the client writes. Free
    /// slots are cleared, whatever an earlier life left there.
    ///
    /// # Errors
    /// [`LayoutError`] where a region is too small or misaligned.
    pub fn new(
        out: Region<Rw>,
        input: Region<Ro>,
        channel: ChannelId,
    ) -> Result<Self, LayoutError> {
        let slots = slots(out.len());
        let link = Link::attach(out, input)?;
        let ring = link.slot_producer(slots)?;
        let mut supply = Self {
            ring,
            bytes: out.sub(HEADER_SIZE, slots as usize * GRAIN)?,
            channel,
            clean: 0,
            faults: 0,
        };
        supply.clean();
        Ok(supply)
    }

    /// The channel to the client.
    #[must_use]
    pub const fn channel(&self) -> ChannelId {
        self.channel
    }

    /// Impossible read indices of the client so far.
    #[must_use]
    pub const fn faults(&self) -> u64 {
        self.faults
    }

    /// Clears the slots that came back; how many are free now.
    pub fn clean(&mut self) -> u32 {
        // All that are free: only then is the client's index looked at.
        let Ok(free) = self.ring.free(self.ring.capacity()) else {
            self.faults = self.faults.saturating_add(1);
            return 0;
        };
        for ahead in self.clean..free {
            let _ = self.bytes.fill(self.at(ahead), GRAIN, 0);
        }
        self.clean = free;
        free
    }

    /// Stages a grain; `false` where no slot is free. The client sees it after [`Supply::flush`].
    pub fn put(&mut self, grain: &Grain) -> bool {
        let at = self.at(0);
        if self.clean == 0 || self.bytes.copy_out(at, grain).is_err() {
            return false;
        }
        let staged = self.ring.stage();
        self.clean = self.clean.saturating_sub(u32::from(staged));
        staged
    }

    /// Shows the client what was staged, and wakes it where it waits.
    pub fn flush(&mut self, kernel: &mut impl Notify) {
        if self.ring.publish() == Wake::Needed {
            kernel.notify(self.channel);
        }
    }

    /// Asks to be woken when a slot comes back; `true` if one is free already.
    #[must_use]
    pub fn wait(&mut self) -> bool {
        match self.ring.arm(1) {
            Ok(armed) => armed == Armed::Ready,
            Err(_) => {
                self.faults = self.faults.saturating_add(1);
                false
            }
        }
    }

    /// Offset of the slot `ahead` places after the next one.
    const fn at(&self, ahead: u32) -> usize {
        self.ring.slot(ahead) as usize * GRAIN
    }
}
