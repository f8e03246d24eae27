// SPDX-License-Identifier: BSD-2-Clause
//! Capabilities and the slots that hold them.

use super::ObjectId;
use serde::Serialize;

/// A filled slot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slot {
    /// Number of the slot.
    pub slot: u32,
    /// What is in it.
    pub cap: Cap,
}

/// Rights of a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rights {
    /// Receive, or read.
    pub read: bool,
    /// Send, or write.
    pub write: bool,
    /// Send capabilities.
    pub grant: bool,
    /// Send a reply capability only.
    pub grant_reply: bool,
}

/// A capability.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(
    missing_docs,
    reason = "kinds and fields are those of seL4 and documented there"
)]
pub enum Cap {
    Endpoint {
        object: ObjectId,
        badge: u64,
        rights: Rights,
    },
    Notification {
        object: ObjectId,
        badge: u64,
        rights: Rights,
    },
    CNode {
        object: ObjectId,
        guard: u64,
        guard_size: u8,
    },
    Frame {
        object: ObjectId,
        rights: Rights,
        cached: bool,
        executable: bool,
    },
    PageTable {
        object: ObjectId,
    },
    Tcb {
        object: ObjectId,
    },
    Reply {
        object: ObjectId,
    },
    VCpu {
        object: ObjectId,
    },
    SchedContext {
        object: ObjectId,
    },
    ArmIrqHandler {
        object: ObjectId,
    },
    ArmSmc {
        object: ObjectId,
    },
}

impl Cap {
    /// The object it designates.
    #[must_use]
    pub const fn object(&self) -> ObjectId {
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

    /// The object it designates, to be changed.
    pub(crate) const fn object_mut(&mut self) -> &mut ObjectId {
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
            | Self::ArmSmc { object } => object,
        }
    }
}
