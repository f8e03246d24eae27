// SPDX-License-Identifier: BSD-2-Clause
//! Network device (5.1), with one pair of queues.

use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// receiveq1: device to driver (5.1.2).
pub const RECEIVEQ: usize = 0;
/// transmitq1: driver to device (5.1.2).
pub const TRANSMITQ: usize = 1;
/// controlq, with F_CTRL_VQ and without F_MQ (5.1.2).
pub const CONTROLQ: usize = 2;
/// Number of queues with F_CTRL_VQ and without F_MQ.
pub const QUEUES: usize = 3;

/// VIRTIO_NET_F_CSUM: the device takes frames with partial checksum (5.1.3).
pub const F_CSUM: u64 = 1 << 0;
/// VIRTIO_NET_F_GUEST_CSUM: the driver takes frames with partial checksum.
pub const F_GUEST_CSUM: u64 = 1 << 1;
/// VIRTIO_NET_F_MTU: mtu is valid.
pub const F_MTU: u64 = 1 << 3;
/// VIRTIO_NET_F_MAC: mac is valid.
pub const F_MAC: u64 = 1 << 5;
/// VIRTIO_NET_F_MRG_RXBUF: the driver can merge receive buffers.
pub const F_MRG_RXBUF: u64 = 1 << 15;
/// VIRTIO_NET_F_STATUS: status is valid.
pub const F_STATUS: u64 = 1 << 16;
/// VIRTIO_NET_F_CTRL_VQ: there is a control queue.
pub const F_CTRL_VQ: u64 = 1 << 17;
/// VIRTIO_NET_F_CTRL_RX: the control queue takes receive modes.
pub const F_CTRL_RX: u64 = 1 << 18;
/// VIRTIO_NET_F_CTRL_VLAN: the control queue takes a VLAN filter.
pub const F_CTRL_VLAN: u64 = 1 << 19;
/// VIRTIO_NET_F_CTRL_MAC_ADDR: the control queue takes a MAC address.
pub const F_CTRL_MAC_ADDR: u64 = 1 << 23;

/// Smallest mtu that a device may give (5.1.4.1).
pub const MTU_MIN: u16 = 68;

/// VIRTIO_NET_S_LINK_UP, in [`Config::status`].
pub const S_LINK_UP: u16 = 1;

/// Device configuration layout (5.1.4), up to what exists without F_SPEED_DUPLEX and F_RSS.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Config {
    /// MAC address, with F_MAC.
    pub mac: [u8; 6],
    /// Bits S_*, with F_STATUS.
    pub status: U16,
    /// Most queue pairs, with F_MQ or F_RSS.
    pub max_virtqueue_pairs: U16,
    /// Largest MTU, with F_MTU.
    pub mtu: U16,
}

const _: () = assert!(size_of::<Config>() == 12);

/// struct virtio_net_hdr (5.1.6), which precedes each frame in either direction.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Header {
    /// Bits HDR_F_*.
    pub flags: u8,
    /// One of GSO_*.
    pub gso_type: u8,
    /// Bytes of all protocol headers: a hint only (5.1.6.2).
    pub hdr_len: U16,
    /// Bytes of a segment.
    pub gso_size: U16,
    /// First byte of the frame that the checksum covers, with [`HDR_F_NEEDS_CSUM`].
    pub csum_start: U16,
    /// Bytes from there to the checksum.
    pub csum_offset: U16,
    /// Buffers of a received frame, with F_MRG_RXBUF; else 1.
    pub num_buffers: U16,
}

/// Bytes of a [`Header`].
pub const HEADER_SIZE: usize = 12;

const _: () = assert!(size_of::<Header>() == HEADER_SIZE);

/// VIRTIO_NET_HDR_F_NEEDS_CSUM: the checksum is partial.
pub const HDR_F_NEEDS_CSUM: u8 = 1;
/// VIRTIO_NET_HDR_F_DATA_VALID: the checksum was verified.
pub const HDR_F_DATA_VALID: u8 = 2;
/// VIRTIO_NET_HDR_GSO_NONE: the frame is one packet.
pub const HDR_GSO_NONE: u8 = 0;

/// Commands of the control queue (5.1.6.5): class, then command.
pub mod ctrl {
    /// Class VIRTIO_NET_CTRL_RX: receive modes (5.1.6.5.1).
    pub const RX: u8 = 0;
    /// All unicast frames, u8.
    pub const RX_PROMISC: u8 = 0;
    /// All multicast frames, u8.
    pub const RX_ALLMULTI: u8 = 1;

    /// Class VIRTIO_NET_CTRL_MAC (5.1.6.5.2).
    pub const MAC: u8 = 1;
    /// Tables of unicast and of multicast addresses, each a u32 and so many addresses.
    pub const MAC_TABLE_SET: u8 = 0;
    /// The device's address, 6 bytes.
    pub const MAC_ADDR_SET: u8 = 1;

    /// Class VIRTIO_NET_CTRL_VLAN (5.1.6.5.3).
    pub const VLAN: u8 = 2;
    /// Lets a VLAN pass, u16.
    pub const VLAN_ADD: u8 = 0;
    /// Filters a VLAN, u16.
    pub const VLAN_DEL: u8 = 1;

    /// VIRTIO_NET_OK: the command is in effect.
    pub const OK: u8 = 0;
    /// VIRTIO_NET_ERR: nothing changed.
    pub const ERR: u8 = 1;
}
