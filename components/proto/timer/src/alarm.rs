// SPDX-License-Identifier: BSD-2-Clause
//! The client's side: one deadline.

use pd::{Call, Message, Setup, SetupError};
use units::{ChannelId, ChannelSet};

use crate::{OK, SET_DEADLINE};

/// A client's deadline at the timer driver. Without a driver it never fires.
#[derive(Clone, Copy, Debug)]
pub struct Alarm {
    channel: Option<ChannelId>,
    /// Tick that the driver was last asked for, until it has notified.
    armed: Option<u64>,
}

impl Alarm {
    /// An alarm by the driver at the other end of `channel`, if there is one.
    #[must_use]
    pub const fn new(channel: Option<ChannelId>) -> Self {
        Self {
            channel,
            armed: None,
        }
    }

    /// An alarm by the driver at the channel `timer` of the record, if it has one.
    ///
    /// # Errors
    /// [`SetupError`] where the role is something else, or the channel allows no calls.
    pub fn open(setup: &Setup<'_>) -> Result<Self, SetupError> {
        if setup.record().with_role("timer").next().is_none() {
            return Ok(Self::new(None));
        }
        let entry = setup.channel_entry("timer")?;
        if !entry.rights.call {
            return Err(SetupError::invalid("timer", "allows no calls"));
        }
        Ok(Self::new(Some(entry.id)))
    }

    /// Whether there is a driver to be woken by.
    #[must_use]
    pub const fn is_available(&self) -> bool {
        self.channel.is_some()
    }

    /// Takes the driver's notification out of `channels`, if it is among them: what was asked for
    /// is past.
    pub fn take_fired(&mut self, channels: &mut ChannelSet) -> bool {
        let fired = self.channel.is_some_and(|own| channels.contains(own));
        if let Some(own) = self.channel.filter(|_| fired) {
            channels.remove(own);
            self.armed = None;
        }
        fired
    }

    /// Asks for a notification at the absolute tick `deadline`, unless an earlier one is on its
    /// way: that one only makes the client look and ask again. `false` if the driver refuses; the
    /// alarm is unavailable from then on.
    pub fn set(&mut self, kernel: &mut impl Call, deadline: u64) -> bool {
        let Some(channel) = self.channel else {
            return true;
        };
        if self.armed.is_some_and(|armed| armed <= deadline) {
            return true;
        }
        let request = Message::with(SET_DEADLINE, [deadline]);
        let granted = kernel.call(channel, &request).label() == OK;
        if granted {
            self.armed = Some(deadline);
        } else {
            self.channel = None;
        }
        granted
    }
}
