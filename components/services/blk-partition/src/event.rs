// SPDX-License-Identifier: BSD-2-Clause
//! What the service counts and traces.

trace::events! {
    /// Something that happened to the disk or to a client.
    pub enum Event {
        /// The driver began a session; the partition table is read.
        DiskUp {
            /// Size in sectors of 512 bytes.
            capacity: u64,
            /// Bytes of a logical block.
            block_size: u32,
        },
        /// The driver ended its session: all clients are down.
        DiskDown,
        /// A copy of the partition table is unusable.
        TableRefused {
            /// First sector of its header.
            sector: u64,
            /// A `GptError`, from 1; 0 if it could not be read.
            error: u32,
        },
        /// A client's disk is up.
        ClientUp {
            /// Its number in the record, from 0.
            client: u32,
            /// First sector of its partition.
            sector: u64,
        },
        /// A client's partition cannot be used: its disk is down.
        ClientDown {
            /// Its number in the record, from 0.
            client: u32,
            /// A `PartitionError`, from 1; 0 if no copy of the table is usable.
            error: u32,
        },
        /// A client named memory outside its DMA window.
        OutsideWindow {
            /// Its number in the record, from 0.
            client: u32,
            /// Offset that it named.
            offset: u64,
        },
        /// A client was started again and what it had left behind is done.
        ClientRestarted {
            /// Its number in the record, from 0.
            client: u32,
        },
        /// The driver completed what was not submitted.
        StrayCompletion {
            /// The id that it named.
            id: u32,
        },
        /// A notification on a channel that nobody should use.
        Stray {
            /// All channels of the event.
            channels: u64,
        },
    }
}
