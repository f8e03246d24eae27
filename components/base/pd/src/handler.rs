// SPDX-License-Identifier: BSD-2-Clause
//! What a PD implements.

use units::{ChannelId, ChannelSet, ChildId};

use crate::fault::{Fault, FaultReply};
use crate::message::Message;
use crate::setup::{Setup, SetupError};

/// An event that a handler did not expect, by the system description or by its own account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unexpected {
    /// Notifications, but the handler takes none.
    Notified(ChannelSet),
    /// A protected procedure call, but the handler takes none.
    Protected(ChannelId),
    /// A fault of a child or vCPU, but the handler takes none.
    Fault(ChildId),
    /// A badge that names no channel, child or vCPU.
    Badge(u64),
}

impl Unexpected {
    /// The channels that it came over, if it was a notification; else none.
    #[must_use]
    pub const fn channels(self) -> ChannelSet {
        match self {
            Self::Notified(channels) => channels,
            Self::Protected(_) | Self::Fault(_) | Self::Badge(_) => ChannelSet::EMPTY,
        }
    }
}

/// Reactions of a PD to events. `K` is the kernel, bounded by the facets the handler uses.
///
/// Every method runs to completion; none may wait for a peer or do work without bound. Every method
/// has a default that answers safely and reports to [`Handler::unexpected`].
pub trait Handler<K> {
    /// Runs once before the first event, after [`Component::create`].
    fn init(&mut self, kernel: &mut K) {
        let _ = kernel;
    }

    /// Peers notified, or interrupts fired, on all of `channels`. Spurious notifications happen.
    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        let _ = kernel;
        self.unexpected(Unexpected::Notified(channels));
    }

    /// The peer at the other end of `channel` calls. Its message is unchecked.
    fn protected(&mut self, kernel: &mut K, channel: ChannelId, message: Message) -> Message {
        let (_, _) = (kernel, message);
        self.unexpected(Unexpected::Protected(channel));
        Message::unexpected()
    }

    /// A child PD, or the vCPU with the same number, faulted.
    ///
    /// A child can send its parent a message that looks like any fault, so label and words of a
    /// child's fault are unchecked input. A guest cannot.
    fn fault(&mut self, kernel: &mut K, child: ChildId, fault: &Fault<'_>) -> FaultReply {
        let (_, _) = (kernel, fault);
        self.unexpected(Unexpected::Fault(child));
        FaultReply::Hold
    }

    /// Something arrived that the handler does not handle. Handlers with a trace count it.
    fn unexpected(&mut self, event: Unexpected) {
        let _ = event;
    }
}

/// A PD that is created from its configuration record.
pub trait Component: Sized {
    /// Looks up everything the PD needs and maps it.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where the record lacks something or a peer's region is unusable. The port
    /// reports it and stops the PD.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError>;
}
