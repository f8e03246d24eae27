// SPDX-License-Identifier: BSD-2-Clause
//! What the switch counts and records: every kind of event once per port, and some of the switch.

use crate::MAX_PORTS;
use crate::mac::Mac;

/// What happened at a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// It sent a frame that was let in.
    Received,
    /// A frame was put into its ring.
    Sent,
    /// Dropped: the source is not its own, or is another port's.
    Spoofed {
        /// The source it claimed.
        source: Mac,
    },
    /// Dropped: too short, longer than its MTU, checksum outside the frame, for bridges only.
    Malformed,
    /// Dropped: a tag that it may not use or that is not understood.
    BadVlan,
    /// Dropped: above its rate.
    OverRate,
    /// Left in its ring until its rate allows it.
    Delayed,
    /// Dropped: above its limit for broadcast and multicast.
    Storm,
    /// Dropped: its destination is nowhere, not allowed, or behind the port it came from.
    NoWay,
    /// A frame for it was dropped: its ring has no slot left for the sender.
    Full,
    /// A frame for it was dropped: longer than its MTU or its peer's.
    TooLong,
    /// Its peer wrote impossible indices or lengths.
    PeerFault {
        /// How often so far.
        count: u32,
    },
    /// What the switch tells its peer of the link.
    Link {
        /// Whether it is up.
        up: bool,
    },
    /// Its peer started, or started again.
    Restarted,
}

impl What {
    /// Names by kind.
    const KINDS: usize = 14;

    const fn kind(self) -> usize {
        match self {
            Self::Received => 0,
            Self::Sent => 1,
            Self::Spoofed { .. } => 2,
            Self::Malformed => 3,
            Self::BadVlan => 4,
            Self::OverRate => 5,
            Self::Delayed => 6,
            Self::Storm => 7,
            Self::NoWay => 8,
            Self::Full => 9,
            Self::TooLong => 10,
            Self::PeerFault { .. } => 11,
            Self::Link { .. } => 12,
            Self::Restarted => 13,
        }
    }

    fn operand(self) -> u64 {
        match self {
            Self::Spoofed { source } => source.to_u64(),
            Self::PeerFault { count } => count.into(),
            Self::Link { up } => up.into(),
            _ => 0,
        }
    }
}

/// An event of the switch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Something happened at a port.
    Port {
        /// Which one, in the order of the record.
        port: u8,
        /// What.
        what: What,
    },
    /// A notification on channels that the switch does not know, or a call.
    Stray {
        /// The channels as bits; 0 for anything but a notification.
        channels: u64,
    },
    /// The timer driver refused a deadline: rates are policed from now on.
    TimerRefused,
    /// An activation ended with frames left, to go on in the next.
    Yielded,
}

/// Names of one port's events.
macro_rules! names {
    ($port:literal) => {
        [
            concat!("port", $port, ".Received"),
            concat!("port", $port, ".Sent"),
            concat!("port", $port, ".Spoofed"),
            concat!("port", $port, ".Malformed"),
            concat!("port", $port, ".BadVlan"),
            concat!("port", $port, ".OverRate"),
            concat!("port", $port, ".Delayed"),
            concat!("port", $port, ".Storm"),
            concat!("port", $port, ".NoWay"),
            concat!("port", $port, ".Full"),
            concat!("port", $port, ".TooLong"),
            concat!("port", $port, ".PeerFault"),
            concat!("port", $port, ".Link"),
            concat!("port", $port, ".Restarted"),
        ]
    };
}

/// Names of the events of all ports.
const PORTS: [[&str; What::KINDS]; MAX_PORTS] = [
    names!(0),
    names!(1),
    names!(2),
    names!(3),
    names!(4),
    names!(5),
    names!(6),
    names!(7),
];

/// Names of the switch's own events, which follow those of the ports.
const OWN: [&str; 3] = ["Stray", "TimerRefused", "Yielded"];

/// Index of the first of the switch's own events.
const OWN_AT: usize = What::KINDS * MAX_PORTS;

const NAMES: [&str; OWN_AT + OWN.len()] = {
    let mut names = [""; OWN_AT + OWN.len()];
    let (ports, own) = names.split_at_mut(OWN_AT);
    ports.copy_from_slice(PORTS.as_flattened());
    own.copy_from_slice(&OWN);
    names
};

impl trace::Event for Event {
    const NAMES: &'static [&'static str] = &NAMES;

    fn kind(&self) -> u32 {
        let index = match self {
            Self::Port { port, what } => usize::from(*port) % MAX_PORTS * What::KINDS + what.kind(),
            Self::Stray { .. } => OWN_AT,
            Self::TimerRefused => OWN_AT + 1,
            Self::Yielded => OWN_AT + 2,
        };
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    fn operands(&self) -> [u64; 2] {
        match self {
            Self::Port { port, what } => [u64::from(*port), what.operand()],
            Self::Stray { channels } => [*channels, 0],
            Self::TimerRefused | Self::Yielded => [0, 0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_its_own_name() {
        let name = |event: Event| NAMES[trace::Event::kind(&event) as usize];
        let at = |port, what| name(Event::Port { port, what });
        assert_eq!(at(0, What::Received), "port0.Received");
        assert_eq!(at(3, What::Full), "port3.Full");
        assert_eq!(at(7, What::Restarted), "port7.Restarted");
        let source = Mac::new([2, 0, 0, 0, 0, 1]);
        assert_eq!(at(1, What::Spoofed { source }), "port1.Spoofed");
        assert_eq!(name(Event::Stray { channels: 1 }), "Stray");
        assert_eq!(name(Event::Yielded), "Yielded");
        let mut names = NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NAMES.len());
        assert!(trace::region_size(&NAMES, 16) <= 0x1000, "fits a page");
    }
}
