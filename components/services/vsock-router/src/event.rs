// SPDX-License-Identifier: BSD-2-Clause
//! What the router counts and traces.

/// Why a packet was not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Reason {
    /// Not a stream socket.
    Type = 1,
    /// No operation, or payload on one that has none.
    Op = 2,
    /// No port has the CID.
    UnknownCid = 3,
    /// Policy does not allow the connection.
    Policy = 4,
    /// Nobody is behind the receiver's port.
    Down = 5,
    /// The sender has as many connections as it may have.
    Limit = 6,
    /// The connection does not exist.
    NoConnection = 7,
    /// The operation has no place in the connection's present state.
    State = 8,
    /// An end claims to have taken bytes that nobody sent.
    ForgedCredit = 9,
    /// Payload beyond the receiver's window.
    NoCredit = 10,
    /// The receiver does not read.
    Stalled = 11,
    /// A port's connections are gone.
    PortReset = 12,
    /// Nobody answered the request for long, and its place was needed.
    Unanswered = 13,
}

trace::events! {
    /// Something that happened at the router.
    pub enum Event {
        /// A connection was opened.
        Opened {
            /// Port that asked for it.
            from: u32,
            /// Port that accepted it.
            to: u32,
        },
        /// A packet was answered with RST.
        Refused {
            /// Port that sent it.
            from: u32,
            /// See `Reason`.
            reason: u32,
        },
        /// A connection was ended by the router.
        Broken {
            /// Port that gave cause.
            from: u32,
            /// See `Reason`.
            reason: u32,
        },
        /// A packet that claims to come from another CID was dropped.
        Spoofed {
            /// Port that sent it.
            from: u32,
            /// The CID.
            cid: u64,
        },
        /// A port has no connections any more.
        PortReset {
            /// Which port.
            port: u32,
        },
        /// A port does not read: who sends to it is not made to wait until it has read everything.
        Stalled {
            /// Which port.
            port: u32,
        },
        /// A refusal found no room and was dropped.
        Unheard {
            /// Port that it was for.
            port: u32,
        },
        /// A notification on a channel that nobody should use.
        Stray {
            /// The channels.
            channels: u64,
        },
        /// A packet was forwarded.
        Forwarded,
    }
}
