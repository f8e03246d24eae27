// SPDX-License-Identifier: BSD-2-Clause
//! Console device (5.3).

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// receiveq of port 0: device to driver (5.3.2).
pub const RECEIVEQ: usize = 0;
/// transmitq of port 0: driver to device (5.3.2).
pub const TRANSMITQ: usize = 1;
/// Number of queues without VIRTIO_CONSOLE_F_MULTIPORT.
pub const QUEUES: usize = 2;

/// VIRTIO_CONSOLE_F_SIZE: cols and rows are valid (5.3.3).
pub const F_SIZE: u64 = 1 << 0;
/// VIRTIO_CONSOLE_F_MULTIPORT: several ports and control queues.
pub const F_MULTIPORT: u64 = 1 << 1;
/// VIRTIO_CONSOLE_F_EMERG_WRITE: emerg_wr is supported.
pub const F_EMERG_WRITE: u64 = 1 << 2;

/// Device configuration layout (5.3.4).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Config {
    /// Width in characters, with F_SIZE.
    pub cols: U16,
    /// Height in characters, with F_SIZE.
    pub rows: U16,
    /// Number of ports, with F_MULTIPORT.
    pub max_nr_ports: U32,
    /// Writes a character without a queue, with F_EMERG_WRITE.
    pub emerg_wr: U32,
}

const _: () = assert!(size_of::<Config>() == 12);
