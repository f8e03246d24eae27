// SPDX-License-Identifier: BSD-2-Clause
//! The alarm that wakes vCPUs out of `wfi` when their own timer cannot (benchmarks.md §2.5 design A).
//!
//! While a vCPU is held, the kernel saves and masks its timer, and the hardware timer that could
//! stand in for it (`CNTP`, PPI 30) exists once per core. So it belongs to one timer driver, and
//! every VMM asks that for its earliest deadline by a protected call: two kernel entries, since the
//! driver is passive. A deadline is never withdrawn; a notification that is early costs one look
//! at the counter.
//!
//! Answers BH-19.

use pd::{Call, Message};
use units::ChannelId;

/// The alarm of one VMM.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wake {
    channel: Option<ChannelId>,
    /// Tick that the driver was last asked for, until it has notified.
    armed: Option<u64>,
}

impl Wake {
    /// An alarm by the timer driver at the other end of `channel`. Without one, `wfi` does not
    /// block: the guest spins through its budget.
    #[must_use]
    pub const fn new(channel: Option<ChannelId>) -> Self {
        Self {
            channel,
            armed: None,
        }
    }

    /// Whether there is a driver to be woken by.
    #[must_use]
    pub const fn is_available(&self) -> bool {
        self.channel.is_some()
    }

    /// Whether `channel` is that of the driver.
    pub(crate) fn is(&self, channel: ChannelId) -> bool {
        self.channel == Some(channel)
    }

    /// The driver has notified: whatever it was asked for is past.
    pub(crate) const fn fired(&mut self) {
        self.armed = None;
    }

    /// Asks for a notification at `deadline`, unless an earlier one is on its way. Whether a call
    /// was made; if the driver refuses, the alarm is taken for unavailable from now on.
    pub(crate) fn arm<K: Call>(&mut self, kernel: &mut K, deadline: u64) -> bool {
        let Some(channel) = self.channel else {
            return false;
        };
        if self.armed.is_some_and(|armed| armed <= deadline) {
            return false;
        }
        let request = Message::with(timer::SET_DEADLINE, [deadline]);
        if kernel.call(channel, &request).label() == timer::OK {
            self.armed = Some(deadline);
        } else {
            self.channel = None;
        }
        true
    }
}
