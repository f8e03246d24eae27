// SPDX-License-Identifier: BSD-2-Clause
//! The main loop that all ports share: what arrived, who handles it, what is answered.

use units::{ChannelId, ChannelSet, ChildId};

use crate::fault::{Fault, FaultReply};
use crate::handler::{Handler, Unexpected};
use crate::message::{MAX_WORDS, Message, MessageInfo};

/// Bit of a badge that marks a protected procedure call.
const BADGE_CALL: u64 = 1 << 63;
/// Bit of a badge that marks a fault.
const BADGE_FAULT: u64 = 1 << 62;
/// Bits of a call's badge that hold the channel.
const CALL_ID: u64 = 0x3f;
/// Bits of a fault's badge that hold the child or vCPU.
const FAULT_ID: u64 = 0xff;

/// What a badge says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadgeKind {
    /// Notifications or interrupts; the set may be empty.
    Notified(ChannelSet),
    /// A protected procedure call.
    Protected(ChannelId),
    /// A fault of a child PD or vCPU.
    Fault(ChildId),
    /// A call or fault with an id above 61.
    Invalid,
}

impl BadgeKind {
    /// Decodes a badge.
    #[must_use]
    pub const fn of(badge: u64) -> Self {
        if badge & BADGE_FAULT != 0 {
            match ChildId::new(badge & FAULT_ID) {
                Some(child) => Self::Fault(child),
                None => Self::Invalid,
            }
        } else if badge & BADGE_CALL != 0 {
            match ChannelId::new(badge & CALL_ID) {
                Some(channel) => Self::Protected(channel),
                None => Self::Invalid,
            }
        } else {
            Self::Notified(ChannelSet::from_badge(badge))
        }
    }
}

/// What a receive delivered. A port keeps one and overwrites it with each receive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Event {
    /// Badge of the capability through which it came.
    pub badge: u64,
    /// Message word; meaningless for notifications.
    pub info: MessageInfo,
    /// Message registers: the first four always, the others as far as `info` announces them and the
    /// badge marks a fault. The rest may be stale.
    pub words: [u64; 13],
}

impl Event {
    /// Whether the port must fetch message registers beyond the fourth: faults only.
    #[must_use]
    pub const fn needs_more_words(&self) -> bool {
        self.badge & BADGE_FAULT != 0 && self.info.len() > MAX_WORDS
    }
}

/// What the port answers with its next receive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reply {
    /// Nothing to answer: receive only. A faulter or caller that still waits is dropped.
    #[default]
    None,
    /// The answer to a protected procedure call.
    Message(Message),
    /// Restart the faulter.
    Resume,
}

impl Reply {
    /// Message word and words to send, or `None` for a receive without reply.
    #[must_use]
    pub fn parts(&self) -> Option<(MessageInfo, &[u64])> {
        match self {
            Self::None => None,
            Self::Message(message) => Some((message.info(), message.words())),
            Self::Resume => Some((MessageInfo::new(0, 0), &[])),
        }
    }
}

impl From<FaultReply> for Reply {
    fn from(reply: FaultReply) -> Self {
        match reply {
            FaultReply::Resume => Self::Resume,
            FaultReply::Hold => Self::None,
        }
    }
}

/// Hands one event to its handler and answers what to reply.
pub fn dispatch<H: Handler<K>, K>(handler: &mut H, kernel: &mut K, event: &Event) -> Reply {
    match BadgeKind::of(event.badge) {
        BadgeKind::Notified(channels) => {
            if !channels.is_empty() {
                handler.notified(kernel, channels);
            }
            Reply::None
        }
        BadgeKind::Protected(channel) => {
            let words = event.words.get(..event.info.len().min(MAX_WORDS));
            let message = Message::from_words(event.info.label(), words.unwrap_or_default());
            Reply::Message(handler.protected(kernel, channel, message))
        }
        BadgeKind::Fault(child) => {
            let fault = Fault::new(event.info, &event.words);
            handler.fault(kernel, child, &fault).into()
        }
        BadgeKind::Invalid => {
            handler.unexpected(Unexpected::Badge(event.badge));
            if event.badge & BADGE_FAULT == 0 {
                Reply::Message(Message::unexpected())
            } else {
                Reply::None
            }
        }
    }
}

/// The mechanism under the main loop. A port implements this beside the kernel facets.
pub trait Port {
    /// Runs once between [`Handler::init`] and the first receive: acknowledges every interrupt of
    /// this PD once, since one may have fired before its notification was bound (seL4 issue 1536).
    fn start(&mut self);

    /// Sends `reply`, or else executes the deferred action, and waits for the next event.
    ///
    /// With both a reply and a deferred action, the action is executed before the reply.
    fn receive(&mut self, reply: &Reply, event: &mut Event);
}

/// Sends `reply`, waits for one event, dispatches it and answers the next reply.
pub fn step<H: Handler<P>, P: Port>(
    handler: &mut H,
    port: &mut P,
    event: &mut Event,
    reply: &Reply,
) -> Reply {
    port.receive(reply, event);
    dispatch(handler, port, event)
}

/// Runs a PD for ever.
pub fn run<H: Handler<P>, P: Port>(handler: &mut H, port: &mut P) -> ! {
    handler.init(port);
    port.start();
    let mut event = Event::default();
    port.receive(&Reply::None, &mut event);
    loop {
        // Apart, so that the usual answers are never stored, but lead to their system call.
        match dispatch(handler, port, &event) {
            Reply::None => port.receive(&Reply::None, &mut event),
            Reply::Resume => port.receive(&Reply::Resume, &mut event),
            reply @ Reply::Message(_) => port.receive(&reply, &mut event),
        }
    }
}
