// SPDX-License-Identifier: BSD-2-Clause
//! The status register (2.1), feature negotiation (2.2, 3.1.1) and reset (2.4).
//!
//! Answers H-08.

use virtio::{Features, Status};

use crate::anomaly::Anomaly;
use crate::queue::QueueState;
use crate::{Settling, Transport};

/// The driver's bits in the order in which they may be set (3.1.1).
const ORDER: [Status; 4] = [
    Status::ACKNOWLEDGE,
    Status::DRIVER,
    Status::FEATURES_OK,
    Status::DRIVER_OK,
];

impl Transport {
    /// Status as the driver reads it. During a reset it stays what it was: it reads 0 only when the
    /// backend has let go (2.4.1; hostile-guest.md H-11).
    pub(crate) fn read_status(&self) -> u32 {
        self.status.bits()
    }

    pub(crate) fn write_status(&mut self, value: u32) -> Result<(), Anomaly> {
        if value == 0 {
            self.begin_reset();
            return Ok(());
        }
        if self.settling == Settling::Reset {
            return Err(Anomaly::Resetting);
        }
        let wanted = Status::from_bits(value).ok_or(Anomaly::Status)?;
        let wanted = wanted.difference(Status::DEVICE_NEEDS_RESET);
        let had = self.status.difference(Status::DEVICE_NEEDS_RESET);
        // 2.1.1: the driver MUST NOT clear a bit.
        if !wanted.contains(had) {
            return Err(Anomaly::Status);
        }
        if wanted.contains(Status::FAILED) {
            self.status |= Status::FAILED;
        }
        for bit in ORDER {
            if !wanted.contains(bit) {
                // Whatever comes later in the order must not be there either.
                let later = wanted.intersects(after(bit));
                return if later { Err(Anomaly::Status) } else { Ok(()) };
            }
            if !self.status.contains(bit) {
                self.set(bit)?;
            }
        }
        Ok(())
    }

    fn set(&mut self, bit: Status) -> Result<(), Anomaly> {
        if bit == Status::FEATURES_OK {
            // 2.2.2: a device MUST NOT keep FEATURES_OK if it does not support what was written.
            let accepted = Features::from_bits_retain(self.driver_features);
            if !self.features().contains(accepted) || !accepted.contains(Features::VERSION_1) {
                return Err(Anomaly::Features);
            }
        }
        self.status |= bit;
        if bit == Status::DRIVER_OK {
            self.order();
        }
        Ok(())
    }

    pub(crate) fn begin_reset(&mut self) {
        let in_use = self.is_running() || self.settling != Settling::No;
        self.interrupt = virtio::Interrupt::empty();
        self.shown = None;
        self.queues = [QueueState::default(); vio::MAX_QUEUES];
        (
            self.queue_sel,
            self.device_features_sel,
            self.driver_features_sel,
        ) = (0, 0, 0);
        self.driver_features = 0;
        let written = self.link.set_config_write(None);
        if !in_use {
            // The backend was never told of any queue.
            self.status = Status::empty();
            if written {
                self.order();
            }
            self.refresh_offer();
            return;
        }
        if self.settling != Settling::Reset {
            self.settling = Settling::Reset;
            let status = core::mem::take(&mut self.status);
            self.order();
            self.status = status.difference(Status::DEVICE_NEEDS_RESET);
        }
        // Ordering again would only move the goal.
    }

    /// Ends whatever waits for the backend, if it has followed its orders.
    pub(crate) fn settle(&mut self) {
        if self.settling == Settling::No || !self.link.settled() {
            return;
        }
        if self.settling == Settling::Reset {
            self.status = Status::empty();
        }
        for queue in &mut self.queues {
            queue.stopped();
        }
        self.shown = None;
        self.settling = Settling::No;
    }
}

/// The bits that come after `bit` in [`ORDER`].
fn after(bit: Status) -> Status {
    let later = ORDER.iter().skip_while(|other| **other != bit).skip(1);
    later.fold(Status::empty(), |all, other| all | *other)
}
