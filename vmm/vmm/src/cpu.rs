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

/// The vCPUs of a guest, at least one.
#[derive(Clone, Debug)]
pub struct CpuSet {
    /// The kernel's names, those of vCPUs that do not exist being that of the first.
    ids: [VcpuId; MAX_CPUS],
    runs: [Run; MAX_CPUS],
    /// Fetch aborts in a row without any other exit between them.
    fetch_aborts: [u8; MAX_CPUS],
    len: usize,
    /// Those in the guest, or at an exit, one bit each.
    running: u8,
    /// Those that are held, one bit each: an exit mostly finds none, and is done.
    held: u8,
}

impl CpuSet {
    /// The vCPUs `first` and, in order, as many of `others` as fit into [`MAX_CPUS`].
    #[must_use]
    pub fn new(first: VcpuId, others: &[VcpuId]) -> Self {
        let mut ids = [first; MAX_CPUS];
        let mut len = 1;
        for (to, id) in ids.iter_mut().skip(1).zip(others) {
            *to = *id;
            len += 1;
        }
        Self {
            ids,
            runs: [Run::Off; MAX_CPUS],
            fetch_aborts: [0; MAX_CPUS],
            len,
            running: 0,
            held: 0,
        }
    }

    /// Number of vCPUs, at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a guest has at least one vCPU")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The kernel's name of vCPU `index`; of one that does not exist, that of the first.
    pub(crate) fn id(&self, index: usize) -> VcpuId {
        let [first, ..] = self.ids;
        self.ids.get(index).copied().unwrap_or(first)
    }

    /// Index of the vCPU that a fault names, if that is running.
    pub(crate) fn running(&self, child: ChildId) -> Option<usize> {
        let id = child.as_vcpu();
        let index = self.ids.iter().position(|other| *other == id)?;
        (self.running & 1 << index != 0).then_some(index)
    }

    /// What vCPU `index` is doing; a vCPU that does not exist is off.
    pub(crate) fn run(&self, index: usize) -> Run {
        self.runs.get(index).copied().unwrap_or(Run::Off)
    }

    /// Says what vCPU `index` is doing from now on.
    pub(crate) fn set_run(&mut self, index: usize, run: Run) {
        if index >= self.len {
            return;
        }
        if let Some(old) = self.runs.get_mut(index) {
            *old = run;
        }
        let held = matches!(run, Run::Waiting(_) | Run::Stalled(_));
        self.held = self.held & !(1 << index) | u8::from(held) << index;
        self.running = self.running & !(1 << index) | u8::from(run == Run::Running) << index;
    }

    /// Whether any vCPU is held.
    pub(crate) const fn any_held(&self) -> bool {
        self.held != 0
    }

    /// The earliest tick that a waiting vCPU wants to be woken at.
    pub(crate) fn earliest(&self) -> Option<u64> {
        let due = |run: &Run| match run {
            Run::Waiting(deadline) => *deadline,
            Run::Off | Run::Running | Run::Stalled(_) => None,
        };
        self.runs.iter().filter_map(due).min()
    }

    /// Counts a fetch abort of vCPU `index`; how many there were in a row.
    pub(crate) fn fetch_abort(&mut self, index: usize) -> u8 {
        self.fetch_aborts.get_mut(index).map_or(0, |count| {
            *count = count.saturating_add(1);
            *count
        })
    }

    /// vCPU `index` does something else than aborting fetches.
    pub(crate) fn no_fetch_abort(&mut self, index: usize) {
        if let Some(count) = self.fetch_aborts.get_mut(index) {
            *count = 0;
        }
    }

    /// Starts vCPU `index` in its architectural reset state at `pc` with `x0`.
    pub(crate) fn start<K: Vcpu>(
        &mut self,
        kernel: &mut K,
        index: usize,
        (pc, x0): (u64, u64),
    ) -> Result<(), KernelError> {
        start(kernel, self.id(index), index, (pc, x0))?;
        self.set_run(index, Run::Running);
        self.no_fetch_abort(index);
        Ok(())
    }

    /// Stops vCPU `index`, whatever it is doing.
    pub(crate) fn stop<K: Vcpu>(
        &mut self,
        kernel: &mut K,
        index: usize,
    ) -> Result<(), KernelError> {
        self.set_run(index, Run::Off);
        kernel.vcpu_stop(self.id(index))
    }
}

/// Starts the vCPU `id`, number `index`, in its architectural reset state at `pc` with `x0`.
fn start<K: Vcpu>(
    kernel: &mut K,
    id: VcpuId,
    index: usize,
    (pc, x0): (u64, u64),
) -> Result<(), KernelError> {
    kernel.vcpu_write_reg(id, VcpuReg::SctlrEl1, SCTLR_AT_START)?;
    kernel.vcpu_write_reg(id, VcpuReg::VmpidrEl2, mpidr(index))?;
    for register in ZERO_AT_START {
        kernel.vcpu_write_reg(id, register, 0)?;
    }
    let mut frame = Frame::new(CONTEXT_WORDS);
    frame.set(PC, pc);
    frame.set(SPSR, ENTRY_STATE);
    frame.set(X0, x0);
    kernel.vcpu_write_registers(id, frame.words(), true)?;
    Ok(())
}
