// SPDX-License-Identifier: BSD-2-Clause
//! Numbers of Microkit 2.3.0's capability spaces and badges.

/// Bits of a protection domain's inner CNode, the monitor's and a virtual machine's.
pub const CNODE_BITS: u8 = 9;
/// Bits of a protection domain's root CNode.
pub const ROOT_BITS: u8 = 6;
/// Bits of a capability address.
pub const CPTR_BITS: u8 = 64;

/// Own endpoint or notification.
pub const INPUT: u32 = 1;
/// Own fault endpoint.
pub const FAULT: u32 = 2;
/// Own address space.
pub const VSPACE: u32 = 3;
/// Reply object.
pub const REPLY: u32 = 4;
/// Monitor's endpoint, for passive protection domains.
pub const MONITOR: u32 = 5;
/// Own thread, in the benchmark configuration.
pub const TCB: u32 = 6;
/// Secure monitor calls.
pub const SMC: u32 = 7;
/// First of 64 notifications, by channel id.
pub const NOTIFICATIONS: u32 = 10;
/// First of 64 endpoints, by channel id.
pub const ENDPOINTS: u32 = 74;
/// First of 64 interrupt handlers, by id.
pub const IRQS: u32 = 138;
/// First of 64 child threads, by child id.
pub const CHILD_TCBS: u32 = 202;
/// First of 64 guest threads, by vCPU id.
pub const VM_TCBS: u32 = 266;
/// First of 64 vCPUs, by id.
pub const VCPUS: u32 = 330;

/// Monitor: endpoint it receives faults on.
pub const MONITOR_FAULT: u32 = 1;
/// Monitor: reply object.
pub const MONITOR_REPLY: u32 = 2;
/// Monitor: first thread, by `pd_index`.
pub const MONITOR_TCBS: u32 = 10;
/// Monitor: first guest thread, in order of creation.
pub const MONITOR_VM_TCBS: u32 = 74;
/// Monitor: first scheduling context of a passive protection domain, by `pd_index`.
pub const MONITOR_SCHED_CONTEXTS: u32 = 138;
/// Monitor: first notification of a passive protection domain, by `pd_index`.
pub const MONITOR_NOTIFICATIONS: u32 = 202;

/// Badge bit of a fault; the low bits are the child's or vCPU's id.
pub const FAULT_BADGE: u64 = 1 << 62;
/// Badge bit of a protected call; the low bits are the receiver's channel id.
pub const CALL_BADGE: u64 = 1 << 63;
/// Badge of the first scheduling context.
pub const SCHED_CONTEXT_BADGE: u64 = 0x100;

/// Slots of a thread control block.
pub mod tcb {
    /// Root of the capability space.
    pub const CSPACE: u32 = 0;
    /// Root of the address space.
    pub const VSPACE: u32 = 1;
    /// Frame of the IPC buffer.
    pub const IPC_BUFFER: u32 = 4;
    /// Fault endpoint.
    pub const FAULT: u32 = 5;
    /// Scheduling context.
    pub const SCHED_CONTEXT: u32 = 6;
    /// Bound notification.
    pub const NOTIFICATION: u32 = 8;
    /// Virtual CPU.
    pub const VCPU: u32 = 9;
}
