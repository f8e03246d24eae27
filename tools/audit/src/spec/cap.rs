// SPDX-License-Identifier: BSD-2-Clause
//! Capabilities and the slots that hold them.

use serde::{Deserialize, Serialize};

/// A filled slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Number of the slot.
    pub slot: u32,
    /// What is in it.
    pub cap: Cap,
}

/// Rights of a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Rights {
    /// Read, receive.
    pub read: bool,
    /// Write, send, signal.
    pub write: bool,
    /// Send any capability along.
    pub grant: bool,
    /// Send the capability to reply along.
    pub grant_reply: bool,
}

/// A capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "kinds and fields are those of seL4 and documented there"
)]
pub enum Cap {
    Endpoint {
        object: usize,
        badge: u64,
        rights: Rights,
    },
    Notification {
        object: usize,
        badge: u64,
        rights: Rights,
    },
    CNode {
        object: usize,
        guard: u64,
        guard_size: u8,
    },
    Frame {
        object: usize,
        rights: Rights,
        cached: bool,
        executable: bool,
    },
    PageTable {
        object: usize,
    },
    Tcb {
        object: usize,
    },
    Reply {
        object: usize,
    },
    VCpu {
        object: usize,
    },
    SchedContext {
        object: usize,
    },
    ArmIrqHandler {
        object: usize,
    },
    ArmSmc {
        object: usize,
    },
}

impl Cap {
    /// Index of the object it designates.
    #[must_use]
    pub const fn object(&self) -> usize {
        match self {
            Self::Endpoint { object, .. }
            | Self::Notification { object, .. }
            | Self::CNode { object, .. }
            | Self::Frame { object, .. }
            | Self::PageTable { object }
            | Self::Tcb { object }
            | Self::Reply { object }
            | Self::VCpu { object }
            | Self::SchedContext { object }
            | Self::ArmIrqHandler { object }
            | Self::ArmSmc { object } => *object,
        }
    }

    /// The kind of object it can only designate.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Endpoint { .. } => Kind::Endpoint,
            Self::Notification { .. } => Kind::Notification,
            Self::CNode { .. } => Kind::CNode,
            Self::Frame { .. } => Kind::Frame,
            Self::PageTable { .. } => Kind::PageTable,
            Self::Tcb { .. } => Kind::Tcb,
            Self::Reply { .. } => Kind::Reply,
            Self::VCpu { .. } => Kind::VCpu,
            Self::SchedContext { .. } => Kind::SchedContext,
            Self::ArmIrqHandler { .. } => Kind::Irq,
            Self::ArmSmc { .. } => Kind::Smc,
        }
    }
}

/// Kind of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "kinds are those of seL4 and documented there")]
pub enum Kind {
    Endpoint,
    Notification,
    Reply,
    VCpu,
    Smc,
    Frame,
    PageTable,
    CNode,
    Tcb,
    SchedContext,
    Irq,
}
