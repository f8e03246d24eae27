// SPDX-License-Identifier: BSD-2-Clause
//! Capability addresses, badges and the message word of a Microkit protection domain
//! (sel4-abi §2.1, §3.1, §3.2).

/// The endpoint or notification a domain waits on.
pub const INPUT: u64 = 1;
/// The domain's own VSpace, for cache maintenance.
pub const VSPACE: u64 = 3;
/// The reply object of the main loop.
pub const REPLY: u64 = 4;
/// The monitor's endpoint, present in passive domains only.
pub const MONITOR: u64 = 5;
/// First notification of a peer; add the channel id.
pub const NOTIFICATION_BASE: u64 = 10;
/// First endpoint of a peer; add the channel id.
pub const ENDPOINT_BASE: u64 = 74;
/// First IRQ handler; add the IRQ's channel id.
pub const IRQ_BASE: u64 = 138;
/// First TCB of a child domain; add the child id.
pub const CHILD_TCB_BASE: u64 = 202;
/// First TCB of a vCPU; add the vCPU id.
pub const VCPU_TCB_BASE: u64 = 266;
/// First VCPU object; add the vCPU id.
pub const VCPU_BASE: u64 = 330;

/// Ids of channels, IRQs, children and vCPUs are below this (sel4-abi §4.4).
pub const MAX_ID: u64 = 62;
/// Words of a message that travel in registers.
pub const FAST_WORDS: usize = 4;

const BADGE_PROTECTED: u64 = 1 << 63;
const BADGE_FAULT: u64 = 1 << 62;

/// Who woke the domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A child or vCPU faulted; its id.
    Fault(u8),
    /// A peer called a protected procedure; the channel id.
    Protected(u8),
    /// One bit per channel or IRQ that was signalled.
    Notified(u64),
}

impl Sender {
    /// Reads a badge, fault bit first, with libmicrokit's masks.
    #[must_use]
    pub const fn from_badge(badge: u64) -> Self {
        if badge & BADGE_FAULT != 0 {
            Self::Fault((badge & 0xff).to_le_bytes()[0])
        } else if badge & BADGE_PROTECTED != 0 {
            Self::Protected((badge & 0x3f).to_le_bytes()[0])
        } else {
            Self::Notified(badge)
        }
    }
}

/// seL4's message word: length 6:0, extra caps 8:7, unwrapped caps 11:9, label 63:12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageInfo(u64);

impl MessageInfo {
    /// Longest message in words.
    pub const MAX_LENGTH: u64 = 120;

    /// A message of `length` words with `label` (52 bits are kept).
    #[must_use]
    pub const fn new(label: u64, length: u64) -> Self {
        let length = if length > Self::MAX_LENGTH {
            Self::MAX_LENGTH
        } else {
            length
        };
        Self((label << 12) | length)
    }

    /// The same message with `caps` (at most 3) extra capabilities.
    #[must_use]
    pub const fn with_caps(self, caps: u64) -> Self {
        Self(self.0 & !(3 << 7) | ((caps & 3) << 7))
    }

    /// As the kernel delivered it.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// As the kernel takes it.
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The label.
    #[must_use]
    pub const fn label(self) -> u64 {
        self.0 >> 12
    }

    /// Words of the message, at most [`Self::MAX_LENGTH`].
    #[must_use]
    pub const fn length(self) -> usize {
        let length = self.0 & 0x7f;
        if length > Self::MAX_LENGTH {
            120
        } else {
            length.to_le_bytes()[0] as usize
        }
    }
}
