// SPDX-License-Identifier: BSD-2-Clause
//! Calls to firmware: PSCI and SMCCC by `smc`, and by `hvc` as far as seL4 passes them on.

use arm::psci::Outcome;
use arm::regs::{PC, SP, SPSR, X0};
use arm::smccc::{self, NOT_SUPPORTED};
use arm::timer::Due;
use bus::Device;
use pd::{KernelError, UnknownSyscall};
use units::VcpuId;

use crate::exit::Step;
use crate::stats::Count;
use crate::vmm::{GuestKernel, Vmm};

/// Words of the context that a call by `smc` reads: up to `x3`.
const CALL_WORDS: usize = X0 + 4;
/// Words that it writes back: up to `x0`.
const RESULT_WORDS: usize = X0 + 1;

impl<M: Device, L> Vmm<M, L> {
    /// A call to firmware by `smc`.
    pub(crate) fn call<K: GuestKernel>(
        &mut self,
        kernel: &mut K,
        index: usize,
        immediate: u16,
    ) -> Result<Step, KernelError> {
        self.stats.count(Count::Smc);
        self.read_frame(kernel, index, CALL_WORDS)?;
        let args = [0, 1, 2, 3].map(|register| self.frame.gpr(register));
        let outcome = if immediate == 0 {
            smccc::call(&mut self.psci, index, &args)
        } else {
            // SMCCC 2.9: other immediates are reserved.
            Outcome::Return(NOT_SUPPORTED)
        };
        self.frame.truncate(RESULT_WORDS);
        self.frame.set(PC, self.frame.get(PC).wrapping_add(4));
        self.frame.set(X0, 0);
        Ok(match outcome {
            Outcome::Return(value) => {
                self.frame.set(X0, value);
                Step::Write
            }
            Outcome::Standby => self.standby(kernel, index)?,
            Outcome::CpuOff => Step::CpuOff,
            Outcome::CpuOn {
                cpu,
                entry,
                context,
            } => {
                self.cpu_on(kernel, cpu, entry, context)?;
                Step::Write
            }
            Outcome::SystemOff => Step::PowerOff,
            Outcome::SystemReset => Step::Reset,
        })
    }

    /// `CPU_SUSPEND`: as `wfi`, but the call is over before the wait, so waking only resumes.
    fn standby<K: GuestKernel>(
        &mut self,
        kernel: &mut K,
        index: usize,
    ) -> Result<Step, KernelError> {
        if self.vgic.in_flight(index) || !self.wake.is_available() {
            return Ok(Step::Write);
        }
        let deadline = match self.timer_due(kernel, index)? {
            Due::Now => return Ok(Step::Write),
            Due::Never => None,
            Due::At(tick) => Some(tick),
        };
        let id = self.cpus.id(index);
        kernel.vcpu_write_registers(id, self.frame.words(), false)?;
        Ok(Step::Wait { deadline })
    }

    /// `CPU_ON` of vCPU `index`, which PSCI has found to be off.
    fn cpu_on<K: GuestKernel>(
        &mut self,
        kernel: &mut K,
        index: usize,
        entry: u64,
        context: u64,
    ) -> Result<(), KernelError> {
        self.vgic.cpu_on(index);
        self.inject(kernel, index);
        self.cpus.start(kernel, index, (entry, context))
    }

    /// `hvc` with a number that is no system call of seL4: the same calls as by `smc`. Guests are
    /// told to use `smc`, since numbers that are system calls never arrive here.
    pub(crate) fn hypercall<K: GuestKernel>(
        &mut self,
        kernel: &mut K,
        index: usize,
        call: UnknownSyscall,
    ) -> Result<Step, KernelError> {
        self.stats.count(Count::Hvc);
        let [a, b, c, d, ..] = call.registers;
        // The fault has brought all that is to be written back.
        self.frame.resize(RESULT_WORDS);
        let result = [(PC, call.next_pc), (SP, call.sp), (SPSR, call.spsr)];
        for (position, word) in result.into_iter().chain([(X0, smccc::SUCCESS)]) {
            self.frame.set(position, word);
        }
        Ok(match smccc::call(&mut self.psci, index, &[a, b, c, d]) {
            Outcome::Return(value) => {
                self.frame.set(X0, value);
                Step::Write
            }
            // Allowed to end at once.
            Outcome::Standby => Step::Write,
            Outcome::CpuOff => Step::CpuOff,
            Outcome::CpuOn {
                cpu,
                entry,
                context,
            } => {
                self.cpu_on(kernel, cpu, entry, context)?;
                Step::Write
            }
            Outcome::SystemOff => Step::PowerOff,
            Outcome::SystemReset => Step::Reset,
        })
    }

    /// `hvc` with the number of a system call that failed in the vCPU's empty capability space.
    pub(crate) fn stray_hypercall<K: GuestKernel>(
        &mut self,
        kernel: &mut K,
        id: VcpuId,
    ) -> Result<Step, KernelError> {
        self.stats.count(Count::Hvc);
        self.frame.resize(RESULT_WORDS);
        kernel.vcpu_read_registers(id, self.frame.words_mut())?;
        self.frame.set(PC, self.frame.get(PC).wrapping_add(4));
        self.frame.set(X0, NOT_SUPPORTED);
        Ok(Step::Write)
    }
}
