// SPDX-License-Identifier: BSD-2-Clause
//! Capabilities and the lookup of a capability address (sel4-abi §3.1).

use crate::ids::{EndpointId, IrqId, NotificationId, ReplyId, ScId, TcbId, VSpaceId, VcpuId};

/// What may be done with an endpoint or notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Send or signal.
    pub write: bool,
    /// Receive or wait.
    pub read: bool,
    /// Send capabilities, or be called with a reply.
    pub grant: bool,
    /// Be called with a reply.
    pub grant_reply: bool,
}

impl Rights {
    /// Every right.
    pub const ALL: Self = Self {
        write: true,
        read: true,
        grant: true,
        grant_reply: true,
    };
}

/// A capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "one variant per object kind of sel4-abi §3.1")]
pub enum Cap {
    Null,
    Endpoint {
        id: EndpointId,
        badge: u64,
        rights: Rights,
    },
    Notification {
        id: NotificationId,
        badge: u64,
        rights: Rights,
    },
    Reply(ReplyId),
    Tcb(TcbId),
    SchedContext(ScId),
    Irq(IrqId),
    Vcpu(VcpuId),
    VSpace(VSpaceId),
    Smc,
}

impl Cap {
    /// seL4's type tag, as DebugCapIdentify returns it (sel4-abi §1.2).
    pub fn type_tag(self) -> u64 {
        match self {
            Self::Null => 0,
            Self::Endpoint { .. } => 4,
            Self::Notification { .. } => 6,
            Self::Reply(_) => 8,
            Self::Tcb(_) => 12,
            Self::SchedContext(_) => 22,
            Self::Irq(_) => 16,
            Self::Vcpu(_) => 15,
            Self::VSpace(_) => 9,
            Self::Smc => 25,
        }
    }
}

/// Why a capability address names no slot, with the words that a CapFault reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupFailure {
    /// The slot is empty or holds another kind of capability than needed.
    MissingCapability {
        /// Address bits that were not resolved.
        bits_left: u64,
    },
    /// Address bits differ from the guard (always zero here).
    GuardMismatch {
        /// Address bits that were not resolved.
        bits_left: u64,
        /// Size of the guard.
        guard_bits: u64,
    },
}

/// Where a capability space keeps its slots in the kernel's capability table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSpace {
    /// First slot of the 512-slot CNode.
    pub base: u32,
    /// Slots stored; higher slots are empty.
    pub len: u16,
    /// First slot of the root CNode's slots 1..; `None` for a flat space.
    pub root: Option<u32>,
}

impl CSpace {
    /// A flat space without capabilities.
    pub const EMPTY: Self = Self {
        base: 0,
        len: 0,
        root: None,
    };

    /// Resolves `cptr`. An empty slot is [`Cap::Null`], not a failure.
    pub fn lookup(&self, caps: &[Cap], cptr: u64) -> Result<Cap, LookupFailure> {
        let root_slot = cptr >> 58;
        let high = cptr >> 9;
        let position = match self.root {
            Some(root) if root_slot != 0 => u64::from(root) + root_slot - 1,
            Some(_) if high != 0 => {
                return Err(LookupFailure::GuardMismatch {
                    bits_left: 58,
                    guard_bits: 49,
                });
            }
            None if high != 0 => {
                return Err(LookupFailure::GuardMismatch {
                    bits_left: 64,
                    guard_bits: 55,
                });
            }
            _ if cptr >= u64::from(self.len) => return Ok(Cap::Null),
            _ => u64::from(self.base) + cptr,
        };
        let cap = usize::try_from(position)
            .ok()
            .and_then(|position| caps.get(position));
        Ok(cap.copied().unwrap_or(Cap::Null))
    }
}
