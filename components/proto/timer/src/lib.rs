// SPDX-License-Identifier: BSD-2-Clause
//! The conversation between a timer driver (server) and a client that wants to be woken.
//!
//! A client asks by a protected procedure call; the driver is passive, so a call costs two kernel
//! entries and runs on the client's budget. When the deadline passes the driver notifies the
//! client, once. Times are absolute ticks of the counter that both sides read (`CNTPCT_EL0`), so
//! neither a late call nor a slow driver shifts a deadline.
//!
//! | label | words | reply label | reply words |
//! |---|---|---|---|
//! | [`SET_DEADLINE`] | absolute tick | [`OK`] | none |
//! | [`CANCEL`] | none | [`OK`] | none |
//! | anything else | | [`BAD_REQUEST`] | none |
//!
//! A client has one deadline; a new one replaces the old one. A notification that was already on
//! its way when the client cancelled still arrives: a client compares with the counter.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod alarm;

pub use alarm::Alarm;

/// Request: wake me at the absolute tick in word 0. A tick in the past wakes at once.
pub const SET_DEADLINE: u64 = 1;
/// Request: forget my deadline.
pub const CANCEL: u64 = 2;

/// Reply: done.
pub const OK: u64 = 0;
/// Reply: the label is unknown or a word is missing; nothing changed.
pub const BAD_REQUEST: u64 = 1;

/// A request, decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Wake the caller at this absolute tick.
    SetDeadline(u64),
    /// Forget the caller's deadline.
    Cancel,
}

impl Request {
    /// Decodes a message; `None` for what this version does not know.
    #[must_use]
    pub const fn decode(label: u64, words: &[u64]) -> Option<Self> {
        match (label, words) {
            (SET_DEADLINE, [deadline, ..]) => Some(Self::SetDeadline(*deadline)),
            (CANCEL, _) => Some(Self::Cancel),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_decode_and_anything_else_is_refused() {
        assert_eq!(
            Request::decode(SET_DEADLINE, &[7]),
            Some(Request::SetDeadline(7))
        );
        assert_eq!(Request::decode(CANCEL, &[]), Some(Request::Cancel));
        assert_eq!(Request::decode(SET_DEADLINE, &[]), None);
        assert_eq!(Request::decode(3, &[1, 2]), None);
    }

    #[test]
    fn an_alarm_asks_once_and_again_for_an_earlier_deadline() {
        use pd::Message;
        use pd::fake::{FakeKernel, KernelCall};
        use units::{ChannelId, ChannelSet};

        let channel = ChannelId::new(5).unwrap();
        let mut alarm = Alarm::new(Some(channel));
        let mut kernel = FakeKernel::new();
        kernel.answer_with(|_, _| Message::new(OK));
        for deadline in [100, 200, 50, 50] {
            assert!(alarm.set(&mut kernel, deadline));
        }
        let asked = |deadline| KernelCall::Call(channel, Message::with(SET_DEADLINE, [deadline]));
        assert_eq!(kernel.take_calls(), [asked(100), asked(50)]);
        let mut channels = ChannelSet::EMPTY;
        assert!(!alarm.take_fired(&mut channels));
        channels.insert(channel);
        assert!(alarm.take_fired(&mut channels) && channels.is_empty());
        assert!(alarm.set(&mut kernel, 300));
        assert_eq!(kernel.take_calls(), [asked(300)]);
        kernel.answer_with(|_, _| Message::new(BAD_REQUEST));
        assert!(!alarm.set(&mut kernel, 10), "refused");
        assert!(!alarm.is_available());
        assert!(alarm.set(&mut kernel, 10), "never asked again");
        assert_eq!(kernel.take_calls().len(), 1);
    }
}
