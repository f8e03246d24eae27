// SPDX-License-Identifier: BSD-2-Clause
//! What the backend counts and traces.

trace::events! {
    /// Something that happened to the card.
    pub enum Event {
        /// New orders of the transport are in effect.
        Orders {
            /// Their generation.
            generation: u32,
            /// The device runs.
            running: bool,
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
        /// A frame went to the switch.
        Sent,
        /// A frame of the driver was dropped.
        SendDropped {
            /// 1: too short, 2: above the MTU, 3: to be segmented, 4: checksum outside the frame.
            reason: u32,
        },
        /// The driver's frames wait for room at the switch.
        SendBlocked,
        /// A frame went to the driver.
        Received,
        /// A frame was none of the driver's business.
        Filtered,
        /// A frame for the driver was dropped.
        ReceiveDropped {
            /// 1: too short, 2: above the MTU, 4: checksum outside the frame, 5: the driver's
            /// buffers are too small for it, 6: there was no driver.
            reason: u32,
        },
        /// Frames wait for the driver's buffers.
        ReceiveBlocked,
        /// A command of the driver is in effect.
        Command,
        /// A command of the driver was refused.
        CommandRefused {
            /// Its class.
            class: u8,
            /// Its number.
            command: u8,
        },
        /// The link to the switch went up or down.
        Link {
            /// Up.
            up: bool,
        },
        /// The switch started, perhaps again.
        SwitchStarted,
        /// The driver was interrupted.
        Interrupt,
        /// A notification on a channel that nobody should use.
        Stray {
            /// The channels.
            channels: u64,
        },
    }
}

impl Event {
    /// A request of `queue` that was given back undone, with the error of its chain if it has one.
    pub(crate) fn bad_request(queue: usize, error: Option<virtq::ChainError>) -> Self {
        Self::BadRequest {
            queue: crate::backend::number(queue),
            error: error.map_or(0, |error| error as u32 + 1),
        }
    }
}
