// SPDX-License-Identifier: BSD-2-Clause
//! The handler: starts the guest, hands its exits on, and decides who runs afterwards.

use core::fmt::Display;

use arm::psci::Psci;
use arm::regs::Frame;
use bus::Slot;
use guest::placement::Entry;
use pd::{
    Call, Clock, DebugOut, Fault, FaultReply, Handler, KernelError, Notify, Unexpected, Vcpu,
    VirtualIrq,
};
use units::{ChannelSet, ChildId};
use vgic::{LINES, Vgic};

use crate::cpu::{CpuSet, Run};
use crate::exit::{Crash, Step};
use crate::lifecycle::{Lifecycle, State};
use crate::machine::{Machine, Model};
use crate::stats::{Count, Stats};
use crate::wake::Wake;

/// What a VMM asks of the kernel.
pub trait GuestKernel: Vcpu + Clock + Call + Notify + DebugOut {}

impl<T: Vcpu + Clock + Call + Notify + DebugOut> GuestKernel for T {}

/// Puts a guest's pristine images into its memory.
pub trait Loader<K> {
    /// Why it would not.
    type Refusal: Display;

    /// Checks the images and puts them in place, as before the guest's first instruction. Yields
    /// the registers of vCPU 0.
    ///
    /// # Errors
    /// What is wrong with which image. The guest is then not started.
    fn load(&mut self, kernel: &mut K) -> Result<Entry, Self::Refusal>;
}

/// The VMM of one guest with devices `M` and images from `L`.
pub struct Vmm<M, L> {
    pub(crate) cpus: CpuSet,
    pub(crate) vgic: Vgic,
    pub(crate) psci: Psci,
    pub(crate) machine: Machine<M>,
    pub(crate) wake: Wake,
    pub(crate) stats: Stats,
    /// Registers in transit between kernel and emulation.
    pub(crate) frame: Frame,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) loader: L,
}

impl<M: bus::Device, L> Vmm<M, L> {
    /// A VMM for `cpus` and `machine`, of a guest with its RAM at `ram.0..ram.0 + ram.1`.
    #[must_use]
    #[inline]
    pub fn new(cpus: CpuSet, machine: Machine<M>, wake: Wake, ram: (u64, u64), loader: L) -> Self {
        Self {
            vgic: Vgic::new(cpus.len()),
            psci: Psci::new(cpus.len(), ram.0, ram.1),
            cpus,
            machine,
            wake,
            stats: Stats::default(),
            frame: Frame::new(0),
            lifecycle: Lifecycle::default(),
            loader,
        }
    }

    /// Where the guest is.
    #[must_use]
    pub const fn state(&self) -> State {
        self.lifecycle.state()
    }

    /// What happened so far.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The devices, for owners that give them input.
    pub const fn machine_mut(&mut self) -> &mut Machine<M> {
        &mut self.machine
    }

    /// Where the images come from.
    pub const fn loader(&self) -> &L {
        &self.loader
    }

    /// Fills the list registers of vCPU `index`. Whether the guest has anything new to take.
    pub(crate) fn inject<K: Vcpu>(&mut self, kernel: &mut K, index: usize) -> bool {
        let id = self.cpus.id(index);
        let mut taken = false;
        while let Some(injection) = self.vgic.next_injection(index) {
            let (virq, priority) = (injection.virq, injection.priority);
            let written = VirtualIrq::new(virq, priority, injection.group, injection.lr)
                .map_err(|_| KernelError::IllegalOperation)
                .and_then(|irq| kernel.vcpu_inject_irq(id, irq));
            if written.is_ok() {
                self.stats.count(Count::Injected);
                taken |= virq < LINES;
            } else {
                self.stats.count(Count::Refused);
                self.vgic.refused(index, injection.lr);
            }
        }
        taken
    }

    /// Does what is left to do at the end of an activation: interrupts go into list registers,
    /// vCPUs that got one leave their `wfi`, those whose device is done go on, and the alarm is set.
    /// `current` is the vCPU whose fault is being answered; whether its wait is over already is the
    /// result.
    fn settle<K>(&mut self, kernel: &mut K, current: Option<usize>) -> bool
    where
        K: GuestKernel,
        M: Model<K>,
    {
        // Most exits change nothing that anybody waits for.
        if self.vgic.attention() == 0 && !self.cpus.any_held() && self.machine.alarm().is_none() {
            return false;
        }
        self.settle_changes(kernel, current)
    }

    /// [`Self::settle`] when there may be something to do.
    #[inline(never)]
    fn settle_changes<K>(&mut self, kernel: &mut K, current: Option<usize>) -> bool
    where
        K: GuestKernel,
        M: Model<K>,
    {
        let mut goes_on = false;
        let mut attention = self.vgic.attention();
        while attention != 0 {
            let index = attention.trailing_zeros() as usize;
            attention &= attention - 1;
            if self.inject(kernel, index) && matches!(self.cpus.run(index), Run::Waiting(_)) {
                goes_on |= self.go_on(kernel, index, current);
            }
        }
        for index in 0..self.cpus.len() {
            if let Run::Stalled(device) = self.cpus.run(index)
                && !self.machine.is_busy(device)
            {
                goes_on |= self.go_on(kernel, index, current);
            }
        }
        let clock = self.machine.alarm();
        if let Some(deadline) = self.cpus.earliest().into_iter().chain(clock).min()
            && self.wake.arm(kernel, deadline)
        {
            self.stats.count(Count::Armed);
        }
        goes_on
    }

    /// Ends the wait of vCPU `index`. One that waits in `wfi` executes that again, and falls through
    /// because of what woke it. Whether it is `current`, to be answered by the caller.
    fn go_on<K: Vcpu>(&mut self, kernel: &mut K, index: usize, current: Option<usize>) -> bool {
        self.stats.count(Count::Woken);
        self.cpus.set_run(index, Run::Running);
        if current == Some(index) {
            return true;
        }
        // A vCPU that cannot be resumed has lost its thread; nothing of this guest can help that.
        let _ = kernel.vcpu_resume(self.cpus.id(index));
        false
    }

    /// The alarm has fired: vCPUs whose timer is due run, and take its interrupt by themselves.
    fn alarm<K>(&mut self, kernel: &mut K)
    where
        K: GuestKernel,
        M: Model<K>,
    {
        self.wake.fired();
        self.machine.tick(kernel, &mut self.vgic);
        let now = kernel.now();
        for index in 0..self.cpus.len() {
            let run = self.cpus.run(index);
            if matches!(run, Run::Waiting(Some(deadline)) if deadline <= now) {
                self.go_on(kernel, index, None);
            }
        }
    }

    /// Holds vCPU `index`, unless what it waits for is there by the end of this activation.
    fn hold<K>(&mut self, kernel: &mut K, index: usize, run: Run) -> FaultReply
    where
        K: GuestKernel,
        M: Model<K>,
    {
        self.cpus.set_run(index, run);
        if self.settle(kernel, Some(index)) {
            return FaultReply::Resume;
        }
        match kernel.vcpu_hold(self.cpus.id(index)) {
            Ok(()) => FaultReply::Hold,
            Err(error) => self.crash(kernel, index, Crash::Kernel(error)),
        }
    }

    /// Carries out what an exit of vCPU `index` came to, if the kernel has done what that took.
    #[inline(always)]
    fn conclude<K>(
        &mut self,
        kernel: &mut K,
        index: usize,
        step: Result<Step, KernelError>,
    ) -> FaultReply
    where
        K: GuestKernel,
        M: Model<K>,
        L: Loader<K>,
    {
        let step = step.unwrap_or_else(|error| Step::Crash(Crash::Kernel(error)));
        match step {
            Step::Again => {
                self.settle(kernel, Some(index));
                FaultReply::Resume
            }
            Step::Advance { pc } => {
                self.settle(kernel, Some(index));
                self.resume(kernel, index, Some(pc))
            }
            Step::Write => {
                self.settle(kernel, Some(index));
                self.resume(kernel, index, None)
            }
            Step::Wait { deadline } => self.hold(kernel, index, Run::Waiting(deadline)),
            Step::Stall { pc, device } => self.stall(kernel, index, pc, device),
            Step::CpuOff => {
                self.cpu_off(kernel, index);
                self.settle(kernel, None);
                FaultReply::Hold
            }
            Step::PowerOff => self.power_off(kernel),
            Step::Reset => {
                self.reset(kernel);
                FaultReply::Hold
            }
            Step::Crash(crash) => self.crash(kernel, index, crash),
        }
    }

    /// Holds vCPU `index` at `pc` until `device` is no longer busy.
    fn stall<K>(&mut self, kernel: &mut K, index: usize, pc: u64, device: Slot) -> FaultReply
    where
        K: GuestKernel,
        M: Model<K>,
    {
        match self.write_registers(kernel, index, Some(pc), false) {
            Ok(()) => self.hold(kernel, index, Run::Stalled(device)),
            Err(error) => self.crash(kernel, index, Crash::Kernel(error)),
        }
    }

    /// Writes the program counter, or the frame, and lets vCPU `index` go on; the reply that this
    /// saves leaves the coming receive free for a deferred notification.
    fn resume<K>(&mut self, kernel: &mut K, index: usize, pc: Option<u64>) -> FaultReply
    where
        K: GuestKernel,
        M: Model<K>,
    {
        match self.write_registers(kernel, index, pc, true) {
            Ok(()) => FaultReply::Hold,
            Err(error) => self.crash(kernel, index, Crash::Kernel(error)),
        }
    }

    fn write_registers<K: Vcpu>(
        &mut self,
        kernel: &mut K,
        index: usize,
        pc: Option<u64>,
        resume: bool,
    ) -> Result<(), KernelError> {
        let id = self.cpus.id(index);
        match pc {
            Some(pc) => kernel.vcpu_write_registers(id, &[pc], resume),
            None => kernel.vcpu_write_registers(id, self.frame.words(), resume),
        }
    }
}

impl<K, M, L> Handler<K> for Vmm<M, L>
where
    K: GuestKernel,
    M: Model<K>,
    L: Loader<K>,
{
    fn init(&mut self, kernel: &mut K) {
        self.start_if_ready(kernel);
    }

    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        let mut devices = channels;
        for channel in channels {
            if self.wake.is(channel) {
                devices.remove(channel);
                self.alarm(kernel);
            }
        }
        if !devices.is_empty() {
            let stray = self.machine.notified(kernel, &mut self.vgic, devices);
            if !stray.is_empty() {
                self.unexpected(Unexpected::Notified(stray));
            }
        }
        if self.lifecycle.is_running() {
            self.settle(kernel, None);
        } else {
            self.start_if_ready(kernel);
        }
    }

    fn fault(&mut self, kernel: &mut K, child: ChildId, fault: &Fault<'_>) -> FaultReply {
        let Some(index) = self.cpus.running(child) else {
            self.stats.count(Count::StrayFault);
            return FaultReply::Hold;
        };
        // Apart from the others, so that the commonest exit goes straight through.
        let step = match fault.data_abort() {
            Some(abort) => {
                self.cpus.no_fetch_abort(index);
                let step = self.data_abort(kernel, index, abort);
                return self.conclude(kernel, index, step);
            }
            None => self.exit(kernel, index, fault),
        };
        self.conclude(kernel, index, step)
    }

    fn unexpected(&mut self, event: Unexpected) {
        let _ = event;
        self.stats.count(Count::StrayEvent);
    }
}
