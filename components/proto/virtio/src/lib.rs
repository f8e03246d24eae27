// SPDX-License-Identifier: BSD-2-Clause
//! Numbers and layouts of the VIRTIO specification, version 1.3: the protocol whose other side is
//! the guest.
//!
//! Names are the specification's. The tests compare them with Linux' own headers (crate
//! `virtio-bindings`).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod blk;
pub mod console;
pub mod mmio;
pub mod net;
pub mod queue;
#[cfg(test)]
mod tests;
pub mod vsock;

use bitflags::bitflags;

/// Device types (section 5).
pub mod device {
    /// No device: the driver must ignore the slot (4.2.3.1.1).
    pub const NONE: u32 = 0;
    /// Network device (5.1).
    pub const NET: u32 = 1;
    /// Block device (5.2).
    pub const BLOCK: u32 = 2;
    /// Console device (5.3).
    pub const CONSOLE: u32 = 3;
    /// Entropy device (5.4).
    pub const ENTROPY: u32 = 4;
    /// Socket device (5.10).
    pub const VSOCK: u32 = 19;
}

bitflags! {
    /// Device status (2.1).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Status: u32 {
        /// The driver has noticed the device.
        const ACKNOWLEDGE = 1;
        /// The driver knows how to drive the device.
        const DRIVER = 2;
        /// The driver is ready; the device may run.
        const DRIVER_OK = 4;
        /// Feature negotiation is complete.
        const FEATURES_OK = 8;
        /// The device has met an error that only a reset ends.
        const DEVICE_NEEDS_RESET = 64;
        /// The driver has given up.
        const FAILED = 128;
    }

    /// Features that belong to no device type (section 6).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Features: u64 {
        /// Indirect descriptors (2.7.5.3).
        const INDIRECT_DESC = 1 << 28;
        /// used_event and avail_event (2.7.7, 2.7.8).
        const EVENT_IDX = 1 << 29;
        /// This specification, not the legacy interface.
        const VERSION_1 = 1 << 32;
        /// Device access goes through an IOMMU or a bounce buffer.
        const ACCESS_PLATFORM = 1 << 33;
        /// Packed virtqueues.
        const RING_PACKED = 1 << 34;
        /// Buffers are used in the order in which they became available.
        const IN_ORDER = 1 << 35;
        /// Memory is ordered as for a real device.
        const ORDER_PLATFORM = 1 << 36;
        /// Single-root I/O virtualisation.
        const SR_IOV = 1 << 37;
        /// Notifications carry the available index.
        const NOTIFICATION_DATA = 1 << 38;
        /// Notifications carry a value from the device's configuration.
        const NOTIF_CONFIG_DATA = 1 << 39;
        /// Single queues can be reset (2.6.1).
        const RING_RESET = 1 << 40;
        /// The bits of device types (2.2) and those that a later specification may define.
        const _ = !0;
    }

    /// InterruptStatus of virtio-mmio (4.2.2).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Interrupt: u32 {
        /// The device has used a buffer.
        const USED_BUFFER = 1;
        /// The device's configuration has changed.
        const CONFIG_CHANGE = 2;
    }
}

/// The byte of the configuration space that a driver may write (4.2.2.2: drivers write no other
/// field of the devices here), for a device of type `device` with these negotiated features.
#[must_use]
pub const fn writable_config(device: u32, features: u64) -> Option<usize> {
    if device == device::BLOCK && features & blk::Features::CONFIG_WCE.bits() != 0 {
        Some(blk::WRITEBACK)
    } else {
        None
    }
}
