// SPDX-License-Identifier: BSD-2-Clause
//! What the backend counts and traces.

trace::events! {
    /// Something that happened to the disk.
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
        /// A session with the partition service begins.
        SessionUp {
            /// Size of the disk in sectors of 512 bytes.
            capacity: u64,
        },
        /// The disk is gone; what is in flight waits.
        SessionDown,
        /// A request is submitted again in a new session.
        Resubmitted {
            /// Its head.
            head: u32,
        },
        /// The answers region does not hold the offer.
        NoRoom,
        /// Buffers that no request can have.
        BadRequest {
            /// 0: no byte for the status; else a `virtq::ChainError`, from 1.
            error: u32,
        },
        /// A request that was answered with an error here.
        Refused {
            /// Its type as the driver wrote it.
            request: u32,
            /// VIRTIO_BLK_S_* of the answer.
            status: u32,
        },
        /// A request that the service answered with an error.
        Failed {
            /// Its head.
            head: u32,
            /// VIRTIO_BLK_S_* of the answer.
            status: u32,
        },
        /// A completion for nothing that is in flight.
        StrayCompletion {
            /// Its id.
            id: u32,
        },
        /// A notification on a channel that nobody should use.
        Stray {
            /// The channels.
            channels: u64,
        },
        /// A request went to the service.
        Submitted,
        /// The driver was asked to look at its used ring.
        Interrupt,
    }
}
