// SPDX-License-Identifier: BSD-2-Clause
//! What the agent counts and traces.

trace::events! {
    /// Something that happened at the agent.
    pub enum Event {
        /// A connection was accepted.
        Accepted {
            /// CID of the other end.
            cid: u64,
            /// Port of the agent.
            port: u32,
        },
        /// A connection, or a packet without one, was refused.
        Refused {
            /// CID of the other end.
            cid: u64,
            /// Port of the agent.
            port: u32,
        },
        /// The other end broke the rules of its connection.
        Broken {
            /// CID of the other end.
            cid: u64,
            /// Port of the agent.
            port: u32,
        },
        /// A silent connection was ended.
        TimedOut {
            /// CID of the other end.
            cid: u64,
            /// Port of the agent.
            port: u32,
        },
        /// The router started again: all connections are gone.
        RouterRestarted,
        /// A notification on a channel that nobody should use.
        Stray {
            /// The channels.
            channels: u64,
        },
    }
}
