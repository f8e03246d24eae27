// SPDX-License-Identifier: BSD-2-Clause
//! Register layout of virtio over MMIO, version 2 (4.2.2, table 4.1).

/// "virt", little endian.
pub const MAGIC: u32 = 0x7472_6976;
/// Non-legacy devices.
pub const VERSION: u32 = 2;
/// First byte of the device's configuration space.
pub const CONFIG: u64 = 0x100;

/// Defines the registers and their offsets in one place.
macro_rules! registers {
    ($($(#[$doc:meta])* $name:ident = $offset:literal,)*) => {
        /// A 32-bit register.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Register {
            $($(#[$doc])* $name,)*
        }

        impl Register {
            /// All registers, by rising offset.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The register at a byte offset.
            #[must_use]
            pub const fn at(offset: u64) -> Option<Self> {
                match offset {
                    $($offset => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Its byte offset.
            #[must_use]
            pub const fn offset(self) -> u64 {
                match self {
                    $(Self::$name => $offset,)*
                }
            }
        }
    };
}

registers! {
    /// Magic value, R.
    MagicValue = 0x000,
    /// Device version number, R.
    Version = 0x004,
    /// Virtio subsystem device ID, R.
    DeviceId = 0x008,
    /// Virtio subsystem vendor ID, R.
    VendorId = 0x00c,
    /// 32 of the features that the device supports, R.
    DeviceFeatures = 0x010,
    /// Selects the device features, W.
    DeviceFeaturesSel = 0x014,
    /// 32 of the features that the driver understands and activates, W.
    DriverFeatures = 0x020,
    /// Selects the driver features, W.
    DriverFeaturesSel = 0x024,
    /// Selects the queue that the Queue registers are about, W.
    QueueSel = 0x030,
    /// Maximum queue size, R.
    QueueSizeMax = 0x034,
    /// Queue size, W.
    QueueSize = 0x038,
    /// Queue ready, RW.
    QueueReady = 0x044,
    /// Queue notifier, W.
    QueueNotify = 0x050,
    /// Interrupt status, R.
    InterruptStatus = 0x060,
    /// Interrupt acknowledge, W.
    InterruptAck = 0x064,
    /// Device status, RW.
    Status = 0x070,
    /// Descriptor area, low half, W.
    QueueDescLow = 0x080,
    /// Descriptor area, high half, W.
    QueueDescHigh = 0x084,
    /// Driver area, low half, W.
    QueueDriverLow = 0x090,
    /// Driver area, high half, W.
    QueueDriverHigh = 0x094,
    /// Device area, low half, W.
    QueueDeviceLow = 0x0a0,
    /// Device area, high half, W.
    QueueDeviceHigh = 0x0a4,
    /// Selects the shared memory region, W.
    ShmSel = 0x0ac,
    /// Length of the shared memory region, low half, R.
    ShmLenLow = 0x0b0,
    /// Length of the shared memory region, high half, R.
    ShmLenHigh = 0x0b4,
    /// Base of the shared memory region, low half, R.
    ShmBaseLow = 0x0b8,
    /// Base of the shared memory region, high half, R.
    ShmBaseHigh = 0x0bc,
    /// Queue reset, RW.
    QueueReset = 0x0c0,
    /// Configuration atomicity value, R.
    ConfigGeneration = 0x0fc,
}
