// SPDX-License-Identifier: BSD-2-Clause
//! What the backend counts and traces.

trace::events! {
    /// Something that happened to the console.
    pub enum Event {
        /// New orders of the transport are in effect.
        Orders {
            /// Their generation.
            generation: u32,
            /// Number of queues in use.
            queues: u32,
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
            /// 0: no bytes in the queue's direction; else a `virtq::ChainError`, from 1.
            error: u32,
        },
        /// A notification on a channel that nobody should use.
        Stray {
            /// The channels.
            channels: u64,
        },
        /// The driver was asked to look at its used rings.
        Interrupt,
    }
}
