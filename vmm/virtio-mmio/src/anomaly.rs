// SPDX-License-Identifier: BSD-2-Clause
//! What drivers get wrong, by name.

/// A request of the driver that was ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Anomaly {
    /// A status bit out of order, cleared without reset, or unknown (2.1.1).
    Status,
    /// Features that were not offered, or no VERSION_1 (2.2.2, 6.1).
    Features,
    /// Features written after FEATURES_OK (3.1.1).
    LateFeatures,
    /// QueueSel beyond the device's queues.
    QueueSelect,
    /// A queue changed while it is ready, or before FEATURES_OK.
    QueueState,
    /// A queue size that is zero, no power of two, or above the maximum (2.7, 4.2.3.2).
    QueueSize,
    /// An area that is misaligned, overlaps another, or is not in RAM (2.7).
    QueueAddress,
    /// A notification while no queue is in use (2.1.2, 2.7.10).
    Notify,
    /// InterruptACK of bits that are not set.
    InterruptAck,
    /// A write to the configuration space (2.5).
    Config,
    /// An access while the device is being reset (2.4).
    Resetting,
}

impl Anomaly {
    /// All anomalies, in the order of [`Anomalies`].
    pub const ALL: [Self; 11] = [
        Self::Status,
        Self::Features,
        Self::LateFeatures,
        Self::QueueSelect,
        Self::QueueState,
        Self::QueueSize,
        Self::QueueAddress,
        Self::Notify,
        Self::InterruptAck,
        Self::Config,
        Self::Resetting,
    ];
}

/// How often each anomaly happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anomalies {
    counts: [u64; Anomaly::ALL.len()],
}

impl Anomalies {
    /// How often this one happened.
    #[must_use]
    pub fn of(&self, anomaly: Anomaly) -> u64 {
        self.counts.get(anomaly as usize).copied().unwrap_or(0)
    }

    /// How often any happened.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    pub(crate) fn count(&mut self, anomaly: Anomaly) {
        if let Some(count) = self.counts.get_mut(anomaly as usize) {
            *count = count.saturating_add(1);
        }
    }
}
