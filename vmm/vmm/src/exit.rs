// SPDX-License-Identifier: BSD-2-Clause
//! From what a vCPU did to what becomes of it.
//!
//! Answers H-43.

use core::fmt;

use arm::esr::Exception;
use arm::exception::{Entry, Kind};
use arm::regs::{PC, SPSR, count_for};
use arm::sysreg::{self, SysregAccess};
use arm::timer::{Due, VTIMER_INTID, due};
use bus::{Device, Slot};
use pd::{Fault, FaultKind, KernelError, VcpuReg, VmFault};

use crate::machine::Model;
use crate::stats::Count;
use crate::vmm::{GuestKernel, Vmm};

/// Words that an exception entry changes: up to the saved program status.
const ENTRY_WORDS: usize = SPSR + 1;
/// Fetch aborts in a row after which a guest is not going to recover: its vectors are not there.
const FETCH_ABORT_LIMIT: u8 = 8;

/// What becomes of the vCPU after an exit.
#[derive(Debug)]
pub(crate) enum Step {
    /// It goes on where it is.
    Again,
    /// It goes on at `pc`.
    Advance {
        /// The new program counter.
        pc: u64,
    },
    /// It goes on with the registers in the VMM's frame.
    Write,
    /// It is held until an interrupt, or until the tick.
    Wait {
        /// When its timer is due.
        deadline: Option<u64>,
    },
    /// It is held until `device` is no longer busy, to go on at `pc`.
    Stall {
        /// The new program counter.
        pc: u64,
        /// What it waits for.
        device: Slot,
    },
    /// It stops.
    CpuOff,
    /// The guest is done.
    PowerOff,
    /// The guest starts again.
    Reset,
    /// The guest cannot go on.
    Crash(Crash),
}

/// Why the VMM stopped a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// It kept fetching from where there is no memory.
    FetchAborts {
        /// Program counter.
        pc: u64,
        /// Guest-physical address.
        gpa: u64,
    },
    /// An exception that no guest should be able to cause.
    Exception {
        /// `ESR_EL2`, or the fault's label where there is none.
        syndrome: u64,
    },
    /// The kernel refused what the VMM asked of it.
    Kernel(KernelError),
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FetchAborts { pc, gpa } => write!(
                f,
                "no memory to execute at pc {pc:#x} (guest-physical {gpa:#x})"
            ),
            Self::Exception { syndrome } => write!(f, "unexpected exception {syndrome:#x}"),
            Self::Kernel(error) => write!(f, "the kernel refused: {error}"),
        }
    }
}

impl<M: Device, L> Vmm<M, L> {
    /// Handles one exit of the running vCPU `index`.
    pub(crate) fn exit<K>(
        &mut self,
        kernel: &mut K,
        index: usize,
        fault: &Fault<'_>,
    ) -> Result<Step, KernelError>
    where
        K: GuestKernel,
        M: Model<K>,
    {
        let id = self.cpus.id(index);
        let kind = fault.decode();
        if !matches!(kind, FaultKind::Vm(VmFault { prefetch: true, .. })) {
            self.cpus.no_fetch_abort(index);
        }
        match kind {
            FaultKind::Vm(fault) if fault.prefetch => self.fetch_abort(kernel, index, fault),
            FaultKind::Vm(fault) => self.data_abort(kernel, index, fault),
            FaultKind::Vcpu { syndrome } => self.trapped(kernel, index, syndrome),
            FaultKind::VgicMaintenance { index: lr } => self.maintenance(kernel, index, lr),
            FaultKind::VppiEvent { .. } => {
                self.stats.count(Count::Timer);
                self.vgic.set_level(index, VTIMER_INTID, true);
                Ok(Step::Again)
            }
            FaultKind::UnknownSyscall(call) => self.hypercall(kernel, index, call),
            FaultKind::Cap(_) => self.stray_hypercall(kernel, id),
            FaultKind::UserException(exception) => Ok(Step::Crash(Crash::Exception {
                syndrome: exception.syndrome,
            })),
            FaultKind::DebugException(_)
            | FaultKind::Timeout { .. }
            | FaultKind::Unknown { .. } => Ok(Step::Crash(Crash::Exception {
                syndrome: fault.label(),
            })),
        }
    }

    /// A fetch from where there is no memory.
    fn fetch_abort<K: GuestKernel>(
        &mut self,
        kernel: &mut K,
        index: usize,
        fault: VmFault,
    ) -> Result<Step, KernelError> {
        self.stats.count(Count::Aborted);
        if self.cpus.fetch_abort(index) >= FETCH_ABORT_LIMIT {
            return Ok(Step::Crash(Crash::FetchAborts {
                pc: fault.ip,
                gpa: fault.address,
            }));
        }
        self.raise(kernel, index, Kind::ExternalFetchAbort)
    }

    /// A trapped instruction.
    fn trapped<K: GuestKernel>(
        &mut self,
        kernel: &mut K,
        index: usize,
        syndrome: u64,
    ) -> Result<Step, KernelError> {
        match Exception::decode(syndrome) {
            Exception::Wfi => self.wait_for_interrupt(kernel, index),
            Exception::Wfe => {
                self.stats.count(Count::Wfe);
                self.skip(kernel, index)
            }
            Exception::Smc { immediate } => self.call(kernel, index, immediate),
            Exception::Sysreg(access) => self.system_register(kernel, index, access),
            Exception::DataAbort(_) | Exception::InstructionAbort | Exception::Other { .. } => {
                Ok(Step::Crash(Crash::Exception { syndrome }))
            }
        }
    }

    /// `wfi`. The vCPU is held *at* the instruction, so that whatever wakes it makes the instruction
    /// fall through, and a wake-up for nothing only brings it back here: none is ever lost.
    fn wait_for_interrupt<K: GuestKernel>(
        &mut self,
        kernel: &mut K,
        index: usize,
    ) -> Result<Step, KernelError> {
        self.stats.count(Count::Wfi);
        // Trapped although a list register is in use: what is in it is active, or masked at the
        // CPU interface. Which, only the guest knows, and `wfi` may end at any time.
        if self.vgic.in_flight(index) || !self.wake.is_available() {
            return self.skip(kernel, index);
        }
        Ok(match self.timer_due(kernel, index)? {
            Due::Now => Step::Again,
            Due::Never => Step::Wait { deadline: None },
            Due::At(tick) => Step::Wait {
                deadline: Some(tick),
            },
        })
    }

    /// When the virtual timer of vCPU `index` interrupts it.
    pub(crate) fn timer_due<K: GuestKernel>(
        &mut self,
        kernel: &mut K,
        index: usize,
    ) -> Result<Due, KernelError> {
        let enabled = self.vgic.is_enabled(index, VTIMER_INTID);
        // A line that is up was reported already; its end of interrupt is still to come.
        if !enabled || self.vgic.level(index, VTIMER_INTID) {
            return Ok(Due::Never);
        }
        let id = self.cpus.id(index);
        let compare = kernel.vcpu_read_reg(id, VcpuReg::CntvCvalEl0)?;
        let now = kernel.now();
        // Whether it is on at all costs another kernel entry at every wait. Waking once for a timer
        // that is off costs less, and is allowed: what waits looks again.
        if compare > now {
            return Ok(Due::At(compare));
        }
        let control = kernel.vcpu_read_reg(id, VcpuReg::CntvCtlEl0)?;
        Ok(due(control, compare, now))
    }

    /// `msr` or `mrs` of a trapped register.
    fn system_register<K: GuestKernel>(
        &mut self,
        kernel: &mut K,
        index: usize,
        access: SysregAccess,
    ) -> Result<Step, KernelError> {
        self.stats.count(Count::Sysreg);
        match access.emulate() {
            sysreg::Outcome::Ignored => self.skip(kernel, index),
            sysreg::Outcome::Read(value) => {
                self.read_frame(kernel, index, count_for(access.rt).max(PC + 1))?;
                self.frame.set(PC, self.frame.get(PC).wrapping_add(4));
                self.frame.set_gpr(access.rt, value);
                Ok(Step::Write)
            }
            sysreg::Outcome::Undefined => {
                self.stats.count(Count::Undefined);
                self.raise(kernel, index, Kind::Undefined)
            }
        }
    }

    /// The guest has ended the interrupt in a list register.
    fn maintenance<K: GuestKernel>(
        &mut self,
        kernel: &mut K,
        index: usize,
        lr: Option<u8>,
    ) -> Result<Step, KernelError> {
        let ended = lr.and_then(|lr| self.vgic.end_of_interrupt(index, lr.into()));
        match ended {
            Some(VTIMER_INTID) => {
                self.stats.count(Count::Eoi);
                self.vgic.set_level(index, VTIMER_INTID, false);
                let id = self.cpus.id(index);
                kernel.vcpu_ack_vppi(id, VTIMER_INTID.into())?;
            }
            Some(_) => self.stats.count(Count::Eoi),
            None => self.stats.count(Count::StrayMaintenance),
        }
        Ok(Step::Again)
    }

    /// Goes on behind the trapped instruction.
    fn skip<K: GuestKernel>(&mut self, kernel: &mut K, index: usize) -> Result<Step, KernelError> {
        self.read_frame(kernel, index, PC + 1)?;
        Ok(Step::Advance {
            pc: self.frame.get(PC).wrapping_add(4),
        })
    }

    /// Makes the guest take an exception at EL1 instead of going on.
    pub(crate) fn raise<K: GuestKernel>(
        &mut self,
        kernel: &mut K,
        index: usize,
        kind: Kind,
    ) -> Result<Step, KernelError> {
        let id = self.cpus.id(index);
        self.read_frame(kernel, index, ENTRY_WORDS)?;
        let vectors = kernel.vcpu_read_reg(id, VcpuReg::VbarEl1)?;
        let entry = Entry::new(kind, self.frame.get(PC), self.frame.get(SPSR), vectors);
        kernel.vcpu_write_reg(id, VcpuReg::ElrEl1, entry.elr)?;
        kernel.vcpu_write_reg(id, VcpuReg::SpsrEl1, entry.spsr)?;
        kernel.vcpu_write_reg(id, VcpuReg::EsrEl1, entry.esr)?;
        self.frame.set(PC, entry.pc);
        self.frame.set(SPSR, entry.pstate);
        Ok(Step::Write)
    }

    /// Fetches the first `count` registers of vCPU `index`; none if that is zero.
    pub(crate) fn read_frame<K: GuestKernel>(
        &mut self,
        kernel: &mut K,
        index: usize,
        count: usize,
    ) -> Result<(), KernelError> {
        self.frame.resize(count);
        if count == 0 {
            return Ok(());
        }
        let id = self.cpus.id(index);
        kernel.vcpu_read_registers(id, self.frame.words_mut())
    }
}
