// SPDX-License-Identifier: BSD-2-Clause
//! Starting, resetting and stopping the guest and its vCPUs.
//!
//! Answers BH-17.

use arm::timer::VTIMER_INTID;
use pd::FaultReply;

use crate::exit::Crash;
use crate::lifecycle::State;
use crate::machine::Model;
use crate::report;
use crate::stats::Count;
use crate::vmm::{GuestKernel, Loader, Vmm};

impl<M: bus::Device, L> Vmm<M, L> {
    /// Starts the guest from its pristine images, whatever it was doing: at once, or when the last
    /// backend has let go of its memory. Has no effect after a refusal.
    pub fn reset<K>(&mut self, kernel: &mut K)
    where
        K: GuestKernel,
        M: Model<K>,
        L: Loader<K>,
    {
        if !self.lifecycle.advance(State::Resetting) {
            return;
        }
        self.stop_cpus(kernel);
        self.machine.reset();
        self.vgic.reset();
        self.psci.reset();
        self.start_if_ready(kernel);
    }

    /// Starts the guest unless some device still has its memory, or it has been started.
    pub(crate) fn start_if_ready<K>(&mut self, kernel: &mut K)
    where
        K: GuestKernel,
        M: Model<K>,
        L: Loader<K>,
    {
        let waits = matches!(self.state(), State::Created | State::Resetting);
        if waits && self.machine.settle(kernel) {
            self.start(kernel);
        }
    }

    /// Verifies, loads, and starts vCPU 0.
    fn start<K>(&mut self, kernel: &mut K)
    where
        K: GuestKernel,
        M: Model<K>,
        L: Loader<K>,
    {
        let entry = match self.loader.load(kernel) {
            Ok(entry) => entry,
            Err(refusal) => {
                report::line(
                    kernel,
                    &mut self.machine,
                    format_args!("guest refused: {refusal}"),
                );
                self.lifecycle.advance(State::Refused);
                return;
            }
        };
        self.lifecycle.advance(State::Verified);
        // Fillers for what the guest before this one left in list registers, if any.
        self.inject(kernel, 0);
        match self.cpus.start(kernel, 0, (entry.pc, entry.x0)) {
            Ok(()) => {
                self.stats.count(Count::Start);
                self.lifecycle.advance(State::Running);
            }
            Err(error) => {
                report::line(
                    kernel,
                    &mut self.machine,
                    format_args!("guest not started: {error}"),
                );
                self.lifecycle.advance(State::Refused);
            }
        }
    }

    /// Stops every vCPU, and lets go of the timer interrupts they had pending.
    fn stop_cpus<K: GuestKernel>(&mut self, kernel: &mut K) {
        for index in 0..self.cpus.len() {
            self.stop_cpu(kernel, index);
        }
    }

    /// Stops vCPU `index`, and lets go of the timer interrupt it had pending.
    fn stop_cpu<K: GuestKernel>(&mut self, kernel: &mut K, index: usize) {
        let id = self.cpus.id(index);
        // A vCPU that the kernel would not stop is one that it does not have.
        let _ = self.cpus.stop(kernel, index);
        if self.vgic.level(index, VTIMER_INTID) {
            let _ = kernel.vcpu_ack_vppi(id, VTIMER_INTID.into());
            self.vgic.set_level(index, VTIMER_INTID, false);
        }
    }

    /// vCPU `index` has switched itself off.
    pub(crate) fn cpu_off<K>(&mut self, kernel: &mut K, index: usize)
    where
        K: GuestKernel,
        M: Model<K>,
    {
        self.stop_cpu(kernel, index);
        self.vgic.cpu_off(index);
        if !(0..self.cpus.len()).any(|cpu| self.psci.is_on(cpu)) {
            self.lifecycle.advance(State::Off);
            report::line(
                kernel,
                &mut self.machine,
                format_args!("guest is off: no vCPU is on"),
            );
        }
    }

    /// The guest has powered itself off.
    pub(crate) fn power_off<K>(&mut self, kernel: &mut K) -> FaultReply
    where
        K: GuestKernel,
        M: Model<K>,
    {
        self.stop_cpus(kernel);
        self.lifecycle.advance(State::Off);
        report::line(kernel, &mut self.machine, format_args!("guest is off"));
        FaultReply::Hold
    }

    /// Stops the guest until its owner resets it.
    pub(crate) fn crash<K>(&mut self, kernel: &mut K, index: usize, crash: Crash) -> FaultReply
    where
        K: GuestKernel,
        M: Model<K>,
    {
        self.stop_cpus(kernel);
        self.lifecycle.advance(State::Crashed);
        report::line(
            kernel,
            &mut self.machine,
            format_args!("guest stopped: vCPU {index}: {crash}"),
        );
        FaultReply::Hold
    }
}
