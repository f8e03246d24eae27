// SPDX-License-Identifier: BSD-2-Clause
//! Offsets of both regions. All fields are little endian and naturally aligned.

/// Version of this layout; both ends must have the same.
pub const VERSION: u32 = 2;
/// "VIOT": orders are valid.
pub(crate) const ORDERS_MAGIC: u32 = u32::from_le_bytes(*b"VIOT");
/// "VIOB": the offer is valid.
pub(crate) const ANSWERS_MAGIC: u32 = u32::from_le_bytes(*b"VIOB");

/// Most queues of a device.
pub const MAX_QUEUES: usize = 16;
/// Bytes set aside for the configuration space.
pub const CONFIG_SIZE: usize = 256;

/// Magic of either region.
pub(crate) const MAGIC: usize = 0x00;
/// Version of either region.
pub(crate) const LAYOUT_VERSION: usize = 0x04;

/// Orders: generation; odd while they change.
pub(crate) const GENERATION: usize = 0x08;
/// Orders: see [`Phase`].
pub(crate) const PHASE: usize = 0x0c;
/// Orders: negotiated features, u64.
pub(crate) const FEATURES: usize = 0x10;
/// Orders: what the driver wrote to the byte of the configuration space that it may write, plus
/// 0x100; or 0 if it wrote nothing since the last reset.
pub(crate) const CONFIG_WRITE: usize = 0x18;
/// In [`CONFIG_WRITE`]: the driver wrote.
pub(crate) const CONFIG_WRITTEN: u32 = 0x100;
/// Orders: first [`QueueConfig`].
pub(crate) const QUEUES: usize = 0x20;
/// Bytes of a queue's orders: size u32, ready u32, three addresses u64.
pub(crate) const QUEUE_STRIDE: usize = 0x20;
/// Bytes of the orders region that are used.
pub const ORDERS_SIZE: usize = QUEUES + MAX_QUEUES * QUEUE_STRIDE;

/// Answers: device type.
pub(crate) const DEVICE: usize = 0x08;
/// Answers: number of queues.
pub(crate) const QUEUE_COUNT: usize = 0x0c;
/// Answers: offered features, u64.
pub(crate) const OFFERED: usize = 0x10;
/// Answers: length of the configuration space.
pub(crate) const CONFIG_LEN: usize = 0x18;
/// Answers: changes with the configuration space.
pub(crate) const CONFIG_GENERATION: usize = 0x1c;
/// Answers: generation of the orders in effect.
pub(crate) const ACKNOWLEDGED: usize = 0x20;
/// Answers: not zero if the device needs a reset.
pub(crate) const FAULT: usize = 0x24;
/// Answers: counts notifications of used buffers.
pub(crate) const USED_EVENTS: usize = 0x28;
/// Answers: largest queue size.
pub(crate) const QUEUE_MAX: usize = 0x2c;
/// Answers: the configuration space.
pub(crate) const CONFIG: usize = 0x100;
/// Answers: the first in-flight table.
pub(crate) const INFLIGHT: usize = CONFIG + CONFIG_SIZE;

/// In-flight table: index of the next used entry u16, size of the batch being published u16.
pub(crate) const TABLE_STATE: usize = 0;
/// In-flight table: first entry.
pub(crate) const TABLE_ENTRIES: usize = 8;
/// Bytes of an entry: state (sequence × 4 + done × 2 + in flight) u64, cookie u64.
pub(crate) const ENTRY_STRIDE: usize = 16;

/// Bytes of the in-flight table of a queue of at most `queue_max` entries.
#[must_use]
pub(crate) const fn table_size(queue_max: u16) -> usize {
    TABLE_ENTRIES + queue_max as usize * ENTRY_STRIDE
}

/// Bytes of the answers region of a device with `queues` queues of at most `queue_max` entries.
#[must_use]
pub const fn answers_size(queues: usize, queue_max: u16) -> usize {
    INFLIGHT + queues.saturating_mul(table_size(queue_max))
}

/// Whether the device runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// All queues are to be let go: after reset, and until DRIVER_OK.
    #[default]
    LetGo,
    /// DRIVER_OK is set: queues that are ready are to be served.
    Running,
}

impl Phase {
    pub(crate) const fn to_wire(self) -> u32 {
        match self {
            Self::LetGo => 0,
            Self::Running => 1,
        }
    }

    /// Anything but "running" is the safe value.
    pub(crate) const fn from_wire(wire: u32) -> Self {
        match wire {
            1 => Self::Running,
            _ => Self::LetGo,
        }
    }
}

/// One queue as the driver set it up. Addresses are guest-physical and unchecked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueConfig {
    /// Number of entries.
    pub size: u16,
    /// Whether the queue is in use.
    pub ready: bool,
    /// Descriptor area.
    pub desc: u64,
    /// Driver area.
    pub driver: u64,
    /// Device area.
    pub device: u64,
}
