// SPDX-License-Identifier: BSD-2-Clause
//! Kernel objects.

use crate::context::Context;
use crate::fault::Fault;
use crate::ids::{CSpaceId, EndpointId, NotificationId, ReplyId, ScId, TcbId, VSpaceId, VcpuId};
use crate::refill::Refills;

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not started, suspended, or stopped by an unanswered fault.
    Inactive,
    /// Runs, or waits for the processor or for budget.
    Running,
    /// As `Running`, but continues at `fault_ip`.
    Restart,
    /// Waits for a message.
    BlockedOnReceive {
        /// Where.
        endpoint: EndpointId,
        /// Reply object that a caller will wait on.
        reply: Option<ReplyId>,
    },
    /// Waits for a receiver.
    BlockedOnSend {
        /// Where.
        endpoint: EndpointId,
        /// Badge to deliver.
        badge: u64,
        /// Whether the capability allows a reply.
        can_reply: bool,
        /// Whether the sender waits for a reply.
        call: bool,
        /// Whether the capability allows sending capabilities.
        grant: bool,
    },
    /// Waits for a reply.
    BlockedOnReply(ReplyId),
    /// Waits for a signal.
    BlockedOnNotification(NotificationId),
}

/// A position in at most one list: a ready queue, the release queue, or the queue of an endpoint or notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Next thread.
    pub next: Option<TcbId>,
    /// Previous thread.
    pub prev: Option<TcbId>,
}

/// A list of threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// First thread.
    pub head: Option<TcbId>,
    /// Last thread.
    pub tail: Option<TcbId>,
}

/// Where a thread's faults go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultHandler {
    /// Endpoint.
    pub endpoint: EndpointId,
    /// Badge of the fault messages.
    pub badge: u64,
}

/// A thread.
#[derive(Clone, Copy, Debug)]
pub struct Tcb {
    /// Registers.
    pub context: Context,
    /// What it is doing.
    pub state: State,
    /// Fault that it waits to have handled.
    pub fault: Option<Fault>,
    /// List position.
    pub link: Link,
    /// In a ready queue.
    pub queued: bool,
    /// In the release queue.
    pub in_release: bool,
    /// Priority.
    pub priority: u8,
    /// Maximum controlled priority.
    pub mcp: u8,
    /// Domain.
    pub domain: u8,
    /// FP and SIMD trap.
    pub fpu_disabled: bool,
    /// Scheduling context that it runs on.
    pub sc: Option<ScId>,
    /// Scheduling context that it yielded to.
    pub yield_to: Option<ScId>,
    /// Bound notification.
    pub notification: Option<NotificationId>,
    /// Virtual CPU.
    pub vcpu: Option<VcpuId>,
    /// Fault endpoint.
    pub fault_handler: Option<FaultHandler>,
    /// Address space; `None` only for unused table entries.
    pub vspace: Option<VSpaceId>,
    /// Capability space; `None` only for unused table entries.
    pub cspace: Option<CSpaceId>,
    /// Physical address of the IPC buffer.
    pub buffer: Option<u64>,
}

impl Tcb {
    /// An unused thread.
    pub const EMPTY: Self = Self {
        context: Context::ZERO,
        state: State::Inactive,
        fault: None,
        link: Link {
            next: None,
            prev: None,
        },
        queued: false,
        in_release: false,
        priority: 0,
        mcp: 0,
        domain: 0,
        fpu_disabled: false,
        sc: None,
        yield_to: None,
        notification: None,
        vcpu: None,
        fault_handler: None,
        vspace: None,
        cspace: None,
        buffer: None,
    };

    /// Running or restarting.
    pub fn runnable(&self) -> bool {
        matches!(self.state, State::Running | State::Restart)
    }

    /// Waiting for another thread or a signal.
    pub fn blocked(&self) -> bool {
        !self.runnable() && self.state != State::Inactive
    }
}

/// A scheduling context.
#[derive(Clone, Copy, Debug)]
pub struct SchedContext {
    /// Budget.
    pub refills: Refills,
    /// Ticks used since the last report.
    pub consumed: u64,
    /// Thread that runs on it.
    pub tcb: Option<TcbId>,
    /// Notification that lends it out.
    pub notification: Option<NotificationId>,
    /// Top of the stack of callers that lent it.
    pub reply: Option<ReplyId>,
    /// Thread that yielded to it.
    pub yield_from: Option<TcbId>,
}

impl SchedContext {
    /// An unused scheduling context.
    pub const EMPTY: Self = Self {
        refills: Refills {
            head: crate::refill::Refill { time: 0, amount: 0 },
            tail: None,
            period: 0,
        },
        consumed: 0,
        tcb: None,
        notification: None,
        reply: None,
        yield_from: None,
    };
}

/// An endpoint: a queue of senders or of receivers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Endpoint {
    /// Waiting threads, by falling priority.
    pub queue: Queue,
    /// The waiting threads are receivers.
    pub receivers: bool,
}

/// A notification.
#[derive(Clone, Copy, Debug, Default)]
pub struct Notification {
    /// Threads that wait on it, by falling priority.
    pub queue: Queue,
    /// Pending badge; `Some(0)` is possible and differs from nothing pending.
    pub pending: Option<u64>,
    /// Thread that receives its signals at an endpoint.
    pub bound: Option<TcbId>,
    /// Scheduling context lent to a woken thread that has none.
    pub sc: Option<ScId>,
}

/// What lies above a reply object in a stack of callers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Above {
    /// Not in a stack.
    #[default]
    Nothing,
    /// The call made by this caller's callee.
    Reply(ReplyId),
    /// Top of the stack of this scheduling context.
    Sc(ScId),
}

/// A reply object.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reply {
    /// The caller, or the receiver that will accept one.
    pub tcb: Option<TcbId>,
    /// Call that lent the scheduling context to this caller.
    pub prev: Option<ReplyId>,
    /// Later call, or the scheduling context if this is the latest.
    pub next: Above,
}

/// An IRQ handler.
#[derive(Clone, Copy, Debug, Default)]
pub struct Irq {
    /// GIC INTID.
    pub number: u16,
    /// Notification to signal and its badge.
    pub target: Option<(NotificationId, u64)>,
}
