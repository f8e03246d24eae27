// SPDX-License-Identifier: BSD-2-Clause
//! What the driver counts and records.

trace::events! {
    /// An event of the driver.
    pub enum Event {
        /// The device received a frame.
        Received,
        /// A frame was given to the device.
        Sent,
        /// A received frame that is none: too short, or with a header that was not agreed on.
        BadReceived {
            /// Bytes that the device wrote.
            written: u32,
        },
        /// A frame of the switch that the device cannot send: it computes no checksums.
        BadSent,
        /// The device wrote nonsense into its ring.
        DeviceLied,
        /// The device started, after a reset.
        Started {
            /// Features agreed on.
            features: u64,
        },
        /// The device failed once too often and is not used any more.
        GivenUp,
        /// The link of the device.
        Link {
            /// Whether it is up.
            up: bool,
        },
        /// A notification on channels that the driver does not know, or a call.
        Stray {
            /// The channels as bits; 0 for anything but a notification.
            channels: u64,
        },
    }
}
