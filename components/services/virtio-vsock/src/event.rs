// SPDX-License-Identifier: BSD-2-Clause
//! What the backend counts and traces.

trace::events! {
    /// Something that happened to the socket device.
    pub enum Event {
        /// New orders of the transport are in effect.
        Orders {
            /// Their generation.
            generation: u32,
        },
        /// A queue goes on where an earlier life of this backend left it.
        Resumed {
            /// Which queue.
            queue: u32,
        },
        /// The driver broke a queue; the device needs a reset.
        QueueFault {
            /// Which queue.
            queue: u32,
            /// Code of the fault.
            code: u32,
        },
        /// A request was given back undone.
        BadRequest {
            /// Which queue.
            queue: u32,
            /// 0: too few bytes in the queue's direction; else a `virtq::ChainError`, from 1.
            error: u32,
        },
        /// A packet of the guest whose lengths do not agree was dropped.
        BadPacket {
            /// Its operation.
            op: u32,
            /// Its length.
            len: u32,
        },
        /// A packet that claims to come from another CID was dropped.
        Spoofed {
            /// That CID.
            cid: u64,
        },
        /// A packet from the router that is not for this guest was dropped.
        Misrouted {
            /// Its CID.
            cid: u64,
        },
        /// The guest was told that its connections are gone.
        TransportReset,
        /// The router started again.
        RouterRestarted,
        /// A notification on a channel that nobody should use.
        Stray {
            /// The channels.
            channels: u64,
        },
        /// A packet of the guest, or a piece of one, went to the router.
        Sent,
        /// A packet, or a piece of one, went to the guest.
        Received,
        /// The driver was asked to look at its used rings.
        Interrupt,
    }
}
