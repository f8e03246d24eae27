// SPDX-License-Identifier: BSD-2-Clause
//! What the driver counts and traces.

trace::events! {
    /// Something that happened to the entropy driver.
    pub enum Event {
        /// The device runs.
        Started,
        /// The device said what cannot be, and is reset.
        Lie {
            /// Lies so far.
            lies: u64,
        },
        /// The device is given up.
        Failed,
        /// A grain was thrown away: one repeated byte, or like the last.
        Weak,
        /// A grain went to a client.
        Supplied {
            /// Which client, in the order of the record.
            client: u32,
        },
        /// A notification on a channel that nobody should use.
        Stray {
            /// The channels.
            channels: u64,
        },
    }
}
