// SPDX-License-Identifier: BSD-2-Clause
//! What the backend counts and traces.

trace::events! {
    /// Something that happened to the entropy device.
    pub enum Event {
        /// New orders of the transport are in effect.
        Orders {
            /// Their generation.
            generation: u32,
        },
        /// The queue goes on where an earlier life of this backend left it.
        Resumed,
        /// The driver broke the queue; the device needs a reset.
        QueueFault {
            /// Code of the fault.
            code: u32,
        },
        /// A request was given back undone.
        BadRequest {
            /// 0: no bytes to write; else a `virtq::ChainError`, from 1.
            error: u32,
        },
        /// A notification on a channel that nobody should use.
        Stray {
            /// The channels.
            channels: u64,
        },
        /// A request was answered.
        Answered,
        /// The guest waits for entropy.
        Waiting,
        /// The driver was asked to look at its used ring.
        Interrupt,
    }
}
