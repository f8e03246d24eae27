// SPDX-License-Identifier: BSD-2-Clause
//! Capability addresses of a Microkit protection domain (sel4-abi §3.1).

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
