// SPDX-License-Identifier: BSD-2-Clause
//! When the driver is interrupted because of transmitted frames.
//!
//! Drivers such as Linux' ask for an interrupt with nearly every frame, only to free its memory and
//! to let go of a sender whose socket is full; an answer from the peer brings them to the queue
//! anyway. So that interrupt waits: for one that is sent in any case, for [`FRAMES`] frames, or for
//! [`PER_SECOND`]. Without a timer it is sent at once.

use pd::{Call, Clock};
use timer::Alarm;
use units::{ChannelId, ChannelSet};

/// Frames after which the interrupt does not wait any longer.
pub(crate) const FRAMES: u32 = 32;
/// The interrupt waits for at most this part of a second: 500 µs.
const PER_SECOND: u64 = 2000;

/// The interrupt that is owed for transmitted frames.
#[derive(Debug)]
pub(crate) struct Coalesce {
    alarm: Alarm,
    /// Deadline of the interrupt, if one is owed.
    owed: Option<u64>,
    frames: u32,
}

impl Coalesce {
    pub(crate) const fn new(timer: Option<ChannelId>) -> Self {
        Self {
            alarm: Alarm::new(timer),
            owed: None,
            frames: 0,
        }
    }

    /// Takes the timer's notification out of `channels`.
    pub(crate) fn take_fired(&mut self, channels: &mut ChannelSet) {
        self.alarm.take_fired(channels);
    }

    /// Nothing is owed, because of an interrupt or a reset.
    pub(crate) const fn clear(&mut self) {
        (self.owed, self.frames) = (None, 0);
    }

    /// Whether to interrupt now: `frames` more are transmitted, and the driver wants an interrupt
    /// (`wanted`) for one of them.
    pub(crate) fn is_due<K: Call + Clock>(
        &mut self,
        kernel: &mut K,
        frames: u32,
        wanted: bool,
    ) -> bool {
        self.frames = self.frames.saturating_add(frames);
        let deadline = match self.owed {
            None if !wanted => {
                self.frames = 0;
                return false;
            }
            None => kernel.now().saturating_add(kernel.frequency() / PER_SECOND),
            Some(deadline) => deadline,
        };
        self.owed = Some(deadline);
        // A deadline that has passed needs no alarm.
        self.frames >= FRAMES
            || kernel.now() >= deadline
            || !(self.alarm.is_available() && self.alarm.set(kernel, deadline))
    }
}
