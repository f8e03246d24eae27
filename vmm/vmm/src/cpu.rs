// SPDX-License-Identifier: BSD-2-Clause
//! The vCPUs of a guest: which kernel object each is, what it is doing, how it starts.

use arm::psci::mpidr;
use arm::regs::{CONTEXT_WORDS, Frame, PC, SPSR, X0};
use bus::Slot;
use pd::{KernelError, Vcpu, VcpuReg};
use units::{ChildId, VcpuId};

use arm::MAX_CPUS;

/// `PSTATE` at start: EL1h, all of DAIF masked (booting.rst; PSCI 6.4.3).
const ENTRY_STATE: u64 = 0x3c5;

/// `SCTLR_EL1` at start: caches and MMU off, what is RES1 on an A53, and `wfi`/`wfe`, `CTR_EL0` and
/// cache maintenance by EL0 not trapped. It is what seL4 gives a new vCPU.
const SCTLR_AT_START: u64 = 0x34d5_8820;

/// Registers that are zero at start, besides [`SCTLR_AT_START`] and `VMPIDR_EL2`.
const ZERO_AT_START: [VcpuReg; 22] = [
    VcpuReg::CpacrEl1,
    VcpuReg::Ttbr0El1,
    VcpuReg::Ttbr1El1,
    VcpuReg::TcrEl1,
    VcpuReg::MairEl1,
    VcpuReg::AmairEl1,
    VcpuReg::ContextidrEl1,
    VcpuReg::ActlrEl1,
    VcpuReg::Afsr0El1,
    VcpuReg::Afsr1El1,
    VcpuReg::EsrEl1,
    VcpuReg::FarEl1,
    VcpuReg::ParEl1,
    VcpuReg::VbarEl1,
    VcpuReg::TpidrEl1,
    VcpuReg::SpEl1,
    VcpuReg::ElrEl1,
    VcpuReg::SpsrEl1,
    VcpuReg::CntvCtlEl0,
    VcpuReg::CntvCvalEl0,
    VcpuReg::CntvoffEl2,
    VcpuReg::CntkctlEl1,
];

/// What a vCPU is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// Stopped, until PSCI or a reset starts it.
    Off,
    /// In the guest, or at an exit.
    Running,
    /// Held at a `wfi` until an interrupt, or until its timer is due at the tick.
    Waiting(Option<u64>),
    /// Held behind a store until the device is no longer busy.
    Stalled(Slot),
}

/// One vCPU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    pub(crate) id: VcpuId,
    pub(crate) run: Run,
    /// Fetch aborts in a row without any other exit between them.
    pub(crate) fetch_aborts: u8,
}

/// The vCPUs of a guest, at least one.
#[derive(Clone, Debug)]
pub struct CpuSet {
    cpus: [Option<Cpu>; MAX_CPUS],
    len: usize,
}

impl CpuSet {
    /// The vCPUs `first` and, in order, as many of `others` as fit into [`MAX_CPUS`].
    #[must_use]
    pub fn new(first: VcpuId, others: &[VcpuId]) -> Self {
        let mut set = Self {
            cpus: [None; MAX_CPUS],
            len: 0,
        };
        let all = core::iter::once(&first).chain(others);
        for (cpu, id) in set.cpus.iter_mut().zip(all) {
            *cpu = Some(Cpu {
                id: *id,
                run: Run::Off,
                fetch_aborts: 0,
            });
            set.len += 1;
        }
        set
    }

    /// Number of vCPUs, at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a guest has at least one vCPU")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Index of the vCPU that a fault names.
    pub(crate) fn index_of(&self, child: ChildId) -> Option<usize> {
        let id = child.as_vcpu();
        let is_it = |cpu: &Option<Cpu>| cpu.is_some_and(|cpu| cpu.id == id);
        self.cpus.iter().position(is_it)
    }

    /// What vCPU `index` is doing; a vCPU that does not exist is off.
    pub(crate) fn run(&self, index: usize) -> Run {
        let cpu = self.cpus.get(index).and_then(Option::as_ref);
        cpu.map_or(Run::Off, |cpu| cpu.run)
    }

    /// vCPU `index`.
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Cpu> {
        self.cpus.get_mut(index)?.as_mut()
    }

    /// The earliest tick that a waiting vCPU wants to be woken at.
    pub(crate) fn earliest(&self) -> Option<u64> {
        let due = |cpu: &Cpu| match cpu.run {
            Run::Waiting(deadline) => deadline,
            Run::Off | Run::Running | Run::Stalled(_) => None,
        };
        self.cpus.iter().flatten().filter_map(due).min()
    }
}

impl Cpu {
    /// Starts the vCPU in its architectural reset state at `pc` with `x0`.
    pub(crate) fn start<K: Vcpu>(
        &mut self,
        kernel: &mut K,
        index: usize,
        pc: u64,
        x0: u64,
    ) -> Result<(), KernelError> {
        kernel.vcpu_write_reg(self.id, VcpuReg::SctlrEl1, SCTLR_AT_START)?;
        kernel.vcpu_write_reg(self.id, VcpuReg::VmpidrEl2, mpidr(index))?;
        for register in ZERO_AT_START {
            kernel.vcpu_write_reg(self.id, register, 0)?;
        }
        let mut frame = Frame::new(CONTEXT_WORDS);
        frame.set(PC, pc);
        frame.set(SPSR, ENTRY_STATE);
        frame.set(X0, x0);
        kernel.vcpu_write_registers(self.id, frame.words(), true)?;
        self.run = Run::Running;
        self.fetch_aborts = 0;
        Ok(())
    }

    /// Stops the vCPU, whatever it is doing.
    pub(crate) fn stop<K: Vcpu>(&mut self, kernel: &mut K) -> Result<(), KernelError> {
        self.run = Run::Off;
        kernel.vcpu_stop(self.id)
    }
}
