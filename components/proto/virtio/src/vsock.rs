// SPDX-License-Identifier: BSD-2-Clause
//! Socket device (5.10): packets of stream sockets between context identifiers (CIDs).

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// rx: device to driver (5.10.2).
pub const RX: usize = 0;
/// tx: driver to device (5.10.2).
pub const TX: usize = 1;
/// event: device to driver (5.10.2).
pub const EVENT: usize = 2;
/// Number of queues.
pub const QUEUES: usize = 3;

/// VIRTIO_VSOCK_F_STREAM: stream sockets (5.10.3).
pub const F_STREAM: u64 = 1 << 0;
/// VIRTIO_VSOCK_F_SEQPACKET: sockets with message boundaries.
pub const F_SEQPACKET: u64 = 1 << 1;
/// VIRTIO_VSOCK_F_NO_IMPLIED_STREAM: no stream sockets unless F_STREAM is negotiated.
pub const F_NO_IMPLIED_STREAM: u64 = 1 << 2;

/// The CID of the host, as guests see it (5.10.4).
pub const CID_HOST: u64 = 2;

/// Type of a stream socket (5.10.6).
pub const TYPE_STREAM: u16 = 1;

/// SHUTDOWN: the sender will not receive any more (5.10.6.6).
pub const SHUTDOWN_RECEIVE: u32 = 1;
/// SHUTDOWN: the sender will not send any more.
pub const SHUTDOWN_SEND: u32 = 2;

/// Bytes of a packet's header.
pub const HEADER_SIZE: usize = size_of::<Header>();

/// VIRTIO_VSOCK_EVENT_TRANSPORT_RESET: all connections are gone (5.10.6.7).
pub const EVENT_TRANSPORT_RESET: u32 = 0;
/// Bytes of an event: its id.
pub const EVENT_SIZE: usize = 4;

/// Device configuration layout (5.10.4).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Config {
    /// The guest's CID; the upper half is zero.
    pub guest_cid: U64,
}

/// Header of a packet, struct virtio_vsock_hdr (5.10.6).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Header {
    /// CID of the sender.
    pub src_cid: U64,
    /// CID of the receiver.
    pub dst_cid: U64,
    /// Port of the sender.
    pub src_port: U32,
    /// Port of the receiver.
    pub dst_port: U32,
    /// Bytes of payload after the header.
    pub len: U32,
    /// [`TYPE_STREAM`].
    pub socket_type: U16,
    /// See [`Op`].
    pub op: U16,
    /// Of SHUTDOWN: [`SHUTDOWN_RECEIVE`], [`SHUTDOWN_SEND`].
    pub flags: U32,
    /// Bytes of the sender's receive buffer.
    pub buf_alloc: U32,
    /// Bytes that the sender has taken out of it so far, modulo 2^32.
    pub fwd_cnt: U32,
}

const _: () = assert!(HEADER_SIZE == 44);

/// Operations (5.10.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Op {
    /// Wants a connection.
    Request = 1,
    /// Accepts one.
    Response = 2,
    /// Refuses or ends one at once.
    Reset = 3,
    /// Announces the end of one or both directions.
    Shutdown = 4,
    /// Carries payload.
    ReadWrite = 5,
    /// Tells the sender's credit.
    CreditUpdate = 6,
    /// Asks for the receiver's credit.
    CreditRequest = 7,
}

impl Op {
    /// All operations.
    pub const ALL: [Self; 7] = [
        Self::Request,
        Self::Response,
        Self::Reset,
        Self::Shutdown,
        Self::ReadWrite,
        Self::CreditUpdate,
        Self::CreditRequest,
    ];

    /// The operation with this number.
    #[must_use]
    pub fn from_wire(wire: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|op| *op as u16 == wire)
    }
}

impl Header {
    /// The operation, if it is one.
    #[must_use]
    pub fn operation(&self) -> Option<Op> {
        Op::from_wire(self.op.get())
    }

    /// The refusal of this packet: RST, from its receiver to its sender, of the same type
    /// (5.10.6.4).
    #[must_use]
    pub const fn reset(&self) -> Self {
        Self {
            src_cid: self.dst_cid,
            dst_cid: self.src_cid,
            src_port: self.dst_port,
            dst_port: self.src_port,
            len: U32::ZERO,
            socket_type: self.socket_type,
            op: U16::new(Op::Reset as u16),
            flags: U32::ZERO,
            buf_alloc: U32::ZERO,
            fwd_cnt: U32::ZERO,
        }
    }
}

/// Whether a guest or service may have this CID: 0, 1 and 2^32 - 1 and above are reserved (5.10.4).
#[must_use]
pub const fn is_usable(cid: u64) -> bool {
    CID_HOST <= cid && cid < 0xffff_ffff
}
