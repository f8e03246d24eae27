// SPDX-License-Identifier: BSD-2-Clause
//! The kernel's state and its entry points.

use crate::abi::LabelSet;
use crate::cap::{CSpace, Cap, LookupFailure};
use crate::context::Context;
use crate::fault::UserMode;
use crate::ids::{
    CSpaceId, EndpointId, IrqId, NotificationId, ReplyId, ScId, Table, TcbId, VSpaceId, VcpuId,
};
use crate::machine::Machine;
use crate::monitor::Monitor;
use crate::object::{Endpoint, Irq, Notification, Queue, Reply, SchedContext, State, Tcb};
use crate::queue::ReadyQueues;
use crate::sched::Action;
use crate::vcpu::Vcpu;

/// Number of scheduling domains.
pub const DOMAINS: usize = devimage::DOMAINS as usize;
/// Interrupt numbers that the kernel knows.
pub const IRQS: usize = devimage::MAX_IRQ as usize + 1;

/// State of one processor.
#[derive(Clone, Copy, Debug)]
pub struct Core {
    /// Running thread; `None` when idle.
    pub current: Option<TcbId>,
    /// Scheduling context that is charged.
    pub current_sc: Option<ScId>,
    /// Time of this kernel entry, in timer ticks.
    pub now: u64,
    /// Ticks since `current_sc` was last charged.
    pub used: u64,
    /// The timer must be programmed before leaving.
    pub reprogram: bool,
    /// Pending scheduling decision.
    pub action: Action,
    /// Threads that wait for budget, by time.
    pub release: Queue,
    /// Running domain.
    pub domain: u8,
    /// Position in the domain schedule.
    pub domain_index: usize,
    /// Ticks left for the domain.
    pub domain_left: u64,
    /// Address space that is loaded.
    pub vspace: Option<VSpaceId>,
    /// Thread whose FP registers are loaded.
    pub fpu_owner: Option<TcbId>,
    /// Virtual CPU whose EL1 registers are loaded.
    pub vcpu: Option<VcpuId>,
    /// The guest regime is active.
    pub vcpu_active: bool,
}

impl Core {
    /// A processor that boots at time `now`.
    pub(crate) fn at(now: u64) -> Self {
        Self { now, ..Self::BOOT }
    }

    /// A processor at boot.
    pub const BOOT: Self = Self {
        current: None,
        current_sc: None,
        now: 0,
        used: 0,
        reprogram: true,
        action: Action::Choose,
        release: Queue::EMPTY,
        domain: 0,
        domain_index: 0,
        domain_left: 0,
        vspace: None,
        fpu_owner: None,
        vcpu: None,
        vcpu_active: false,
    };
}

/// Memory for the kernel's objects; each slice must be as long as the image needs.
#[derive(Debug)]
#[expect(missing_docs, reason = "one slice per object kind")]
pub struct Storage<'a> {
    pub tcbs: &'a mut [Tcb],
    pub scs: &'a mut [SchedContext],
    pub endpoints: &'a mut [Endpoint],
    pub notifications: &'a mut [Notification],
    pub replies: &'a mut [Reply],
    pub vcpus: &'a mut [Vcpu],
    pub irqs: &'a mut [Irq],
    pub cspaces: &'a mut [CSpace],
    pub caps: &'a mut [Cap],
    pub ready: &'a mut [ReadyQueues; DOMAINS],
    pub domains: &'a mut [(u8, u64)],
}

/// The kernel. Objects are created at boot only.
#[derive(Debug)]
pub struct Kernel<'a, M> {
    /// Hardware.
    pub machine: M,
    /// The processor.
    pub core: Core,
    pub(crate) labels: LabelSet,
    pub(crate) frequency: u64,
    pub(crate) min_budget: u64,
    pub(crate) tcbs: Table<'a, TcbId, Tcb>,
    pub(crate) scs: Table<'a, ScId, SchedContext>,
    pub(crate) endpoints: Table<'a, EndpointId, Endpoint>,
    pub(crate) notifications: Table<'a, NotificationId, Notification>,
    pub(crate) replies: Table<'a, ReplyId, Reply>,
    pub(crate) vcpus: Table<'a, VcpuId, Vcpu>,
    pub(crate) irqs: Table<'a, IrqId, Irq>,
    pub(crate) cspaces: Table<'a, CSpaceId, CSpace>,
    pub(crate) caps: &'a [Cap],
    pub(crate) irq_handlers: [Option<IrqId>; IRQS],
    pub(crate) ready: &'a mut [ReadyQueues; DOMAINS],
    pub(crate) domains: &'a [(u8, u64)],
    pub(crate) domain_start: usize,
    pub(crate) monitor: Monitor<'a>,
}

impl<M: Machine> Kernel<'_, M> {
    /// Registers of the running thread, for the vectors to save into and restore from.
    pub fn current_context(&mut self) -> Option<&mut Context> {
        let current = self.core.current?;
        Some(&mut self.tcbs[current].context)
    }

    /// Whether the running thread has a virtual CPU.
    pub(crate) fn user_mode(&self, id: TcbId) -> UserMode {
        UserMode {
            has_vcpu: self.tcbs[id].vcpu.is_some(),
            debug: self.labels == LabelSet::Debug,
        }
    }

    pub(crate) fn debug(&self) -> bool {
        self.labels == LabelSet::Debug
    }

    /// Microseconds to ticks.
    pub(crate) fn ticks(&self, us: u64) -> u64 {
        us_to_ticks(us, self.frequency)
    }

    /// Ticks to microseconds.
    pub(crate) fn microseconds(&self, ticks: u64) -> u64 {
        ticks
            .saturating_mul(1_000_000)
            .checked_div(self.frequency)
            .unwrap_or(0)
    }

    /// Resolves a capability address in the space of `id`.
    pub(crate) fn lookup(&self, id: TcbId, cptr: u64) -> Result<Cap, LookupFailure> {
        match self.tcbs[id].cspace {
            Some(cspace) => self.cspaces[cspace].lookup(self.caps, cptr),
            None => Ok(Cap::Null),
        }
    }

    /// Ends every kernel entry: picks a thread and makes it ready to return to.
    pub(crate) fn leave(&mut self) {
        self.run_monitor();
        self.schedule();
        let Some(current) = self.core.current else {
            return;
        };
        if self.tcbs[current].yield_to.is_some() {
            self.complete_yield_to(current);
        }
        if self.tcbs[current].state == State::Restart {
            let tcb = &mut self.tcbs[current];
            tcb.context.elr = tcb.context.fault_ip;
            tcb.state = State::Running;
        }
    }
}

/// Converts microseconds to ticks of a `frequency` Hz timer.
pub fn us_to_ticks(us: u64, frequency: u64) -> u64 {
    us.saturating_mul(frequency) / 1_000_000
}
