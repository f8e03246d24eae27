// SPDX-License-Identifier: BSD-2-Clause
//! What the driver counts and traces.

trace::events! {
    /// Something that happened to the disk.
    pub enum Event {
        /// The device was reset and a session began.
        Started {
            /// Size in sectors.
            capacity: u64,
            /// Features agreed on.
            features: u64,
        },
        /// The device cannot be used; the disk is down.
        Failed {
            /// A `virtqueue::TransportError`, from 1, or 0 if it lied at every start.
            error: u32,
        },
        /// The device wrote what it must not into its used ring.
        Lie {
            /// Lies of this start so far.
            lies: u64,
        },
        /// The device asked for a reset (2.1.2), or changed its configuration.
        Changed {
            /// Its status.
            status: u32,
        },
        /// A request ended with an error of the device.
        DeviceError {
            /// First sector.
            sector: u64,
            /// Status byte.
            status: u32,
        },
        /// A notification on a channel that nobody should use.
        Stray {
            /// The channels.
            channels: u64,
        },
    }
}
