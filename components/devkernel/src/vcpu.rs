// SPDX-License-Identifier: BSD-2-Clause
//! Virtual CPUs: registers, list registers, switching (sel4-abi §5.6, §6.10, §6.11).

use crate::abi::{Error, Label};
use crate::cap::Cap;
use crate::fault::Fault;
use crate::ids::{TcbId, VcpuId};
use crate::invoke::{Decoded, EMPTY, Invocation, Outcome};
use crate::kernel::Kernel;
use crate::machine::Machine;

/// Number of VCPU registers.
pub const REGISTERS: usize = 24;
/// Most list registers that are kept.
pub const MAX_LIST_REGISTERS: usize = 16;
/// Virtual timer interrupt.
pub const VTIMER_IRQ: u16 = 27;

/// Field numbers of registers that the kernel treats specially.
pub mod field {
    /// SCTLR_EL1.
    pub const SCTLR: usize = 0;
    /// CPACR_EL1.
    pub const CPACR: usize = 1;
    /// First register that stays loaded while native threads run.
    pub const LOADED_FIRST: usize = 2;
    /// Last such register.
    pub const LOADED_LAST: usize = 19;
    /// CNTV_CTL_EL0.
    pub const CNTV_CTL: usize = 20;
    /// CNTV_CVAL_EL0.
    pub const CNTV_CVAL: usize = 21;
    /// CNTVOFF_EL2.
    pub const CNTVOFF: usize = 22;
    /// CNTKCTL_EL1.
    pub const CNTKCTL: usize = 23;
}

/// SCTLR_EL1 of a new virtual CPU: MMU and caches off.
const SCTLR_RESET: u64 = 0x34d5_8820;
/// GICH_HCR.En.
const HCR_ENABLE: u32 = 1;

const LR_GROUP_SHIFT: u32 = 30;
const LR_STATE_SHIFT: u32 = 28;
const LR_STATE_PENDING: u32 = 1;
const LR_STATE_ACTIVE: u32 = 2;
const LR_PRIORITY_SHIFT: u32 = 23;
const LR_EOI: u32 = 1 << 19;

/// Saved state of a virtual CPU.
#[derive(Clone, Copy, Debug)]
pub struct VcpuState {
    /// Registers by field number.
    pub registers: [u64; REGISTERS],
    /// GICH_HCR.
    pub hcr: u32,
    /// GICH_VMCR.
    pub vmcr: u32,
    /// GICH_APR.
    pub apr: u32,
    /// List registers.
    pub list: [u32; MAX_LIST_REGISTERS],
}

/// A virtual CPU.
#[derive(Clone, Copy, Debug)]
pub struct Vcpu {
    /// Saved state.
    pub state: VcpuState,
    /// Thread that runs on it.
    pub tcb: Option<TcbId>,
    /// The virtual timer interrupt was reported and not acknowledged.
    pub vppi_masked: bool,
}

impl Vcpu {
    /// A virtual CPU after reset.
    pub const RESET: Self = Self {
        state: VcpuState {
            registers: {
                let mut registers = [0; REGISTERS];
                registers[field::SCTLR] = SCTLR_RESET;
                registers
            },
            hcr: HCR_ENABLE,
            vmcr: 0,
            apr: 0,
            list: [0; MAX_LIST_REGISTERS],
        },
        tcb: None,
        vppi_masked: false,
    };
}

/// Registers that leave the hardware whenever a native thread runs.
fn saved_when_disabled(register: usize) -> bool {
    !(field::LOADED_FIRST..=field::LOADED_LAST).contains(&register)
}

impl<M: Machine> Kernel<'_, M> {
    /// Loads the virtual CPU of the next thread; for a native thread the current one stays loaded but disabled.
    pub(crate) fn vcpu_switch(&mut self, next: Option<VcpuId>) {
        if self.core.vcpu == next {
            if let (Some(next), false) = (next, self.core.vcpu_active) {
                self.vcpu_enable(next);
            }
        } else if let Some(next) = next {
            self.vcpu_save();
            self.vcpu_restore(next);
            self.vcpu_enable(next);
        } else {
            self.vcpu_disable();
        }
    }

    /// Saves the loaded virtual CPU completely and unloads it.
    pub(crate) fn vcpu_flush(&mut self) {
        self.vcpu_disable();
        self.vcpu_save();
        self.core.vcpu = None;
    }

    fn vcpu_enable(&mut self, vcpu: VcpuId) {
        let object = &self.vcpus[vcpu];
        self.machine.enter_guest_regime(&object.state);
        for register in (0..REGISTERS).filter(|register| saved_when_disabled(*register)) {
            self.machine
                .write_vcpu_register(register, object.state.registers[register]);
        }
        self.machine.mask_irq(VTIMER_IRQ, object.vppi_masked);
        self.core.vcpu = Some(vcpu);
        self.core.vcpu_active = true;
    }

    fn vcpu_disable(&mut self) {
        let Some(vcpu) = self.core.vcpu.filter(|_| self.core.vcpu_active) else {
            return;
        };
        let state = &mut self.vcpus[vcpu].state;
        for register in (0..REGISTERS).filter(|register| saved_when_disabled(*register)) {
            state.registers[register] = self.machine.read_vcpu_register(register);
        }
        state.hcr = self.machine.enter_native_regime();
        self.machine.mask_irq(VTIMER_IRQ, true);
        self.core.vcpu_active = false;
    }

    fn vcpu_save(&mut self) {
        self.vcpu_disable();
        let Some(vcpu) = self.core.vcpu else { return };
        let state = &mut self.vcpus[vcpu].state;
        (state.vmcr, state.apr) = self.machine.read_vgic();
        for index in 0..self.machine.list_registers().min(MAX_LIST_REGISTERS) {
            state.list[index] = self.machine.read_list_register(index);
        }
        for register in field::LOADED_FIRST..=field::LOADED_LAST {
            state.registers[register] = self.machine.read_vcpu_register(register);
        }
    }

    fn vcpu_restore(&mut self, vcpu: VcpuId) {
        let state = &self.vcpus[vcpu].state;
        self.machine.write_vgic(state.vmcr, state.apr);
        for index in 0..self.machine.list_registers().min(MAX_LIST_REGISTERS) {
            self.machine.write_list_register(index, state.list[index]);
        }
        for register in field::LOADED_FIRST..=field::LOADED_LAST {
            self.machine
                .write_vcpu_register(register, state.registers[register]);
        }
    }

    /// Whether the register's value is in the hardware rather than in memory.
    fn in_hardware(&self, vcpu: VcpuId, register: usize) -> bool {
        self.core.vcpu == Some(vcpu) && (self.core.vcpu_active || !saved_when_disabled(register))
    }

    pub(crate) fn decode_vcpu(&mut self, vcpu: VcpuId, invocation: Invocation) -> Decoded {
        match self.label(&invocation)? {
            Label::VcpuSetTcb => match invocation.extra.ok_or(Error::TruncatedMessage)? {
                Cap::Tcb(tcb) => {
                    self.associate(vcpu, tcb);
                    EMPTY
                }
                _ => Err(Error::IllegalOperation),
            },
            Label::VcpuInjectIrq => self.inject_irq(vcpu, &invocation),
            Label::VcpuReadReg => self.read_register(vcpu, &invocation),
            Label::VcpuWriteReg => self.write_register(vcpu, &invocation),
            Label::VcpuAckVppi => {
                let [irq] = self.arguments(&invocation)?;
                if irq > u64::from(devimage::MAX_IRQ) {
                    return Err(Error::RangeError(0, u64::from(devimage::MAX_IRQ)));
                }
                if irq != u64::from(VTIMER_IRQ) {
                    return Err(Error::InvalidArgument(0));
                }
                self.vcpus[vcpu].vppi_masked = false;
                EMPTY
            }
            _ => Err(Error::IllegalOperation),
        }
    }

    fn read_register(&mut self, vcpu: VcpuId, invocation: &Invocation) -> Decoded {
        let [register] = self.arguments(invocation)?;
        let register = register_field(register)?;
        let value = if self.in_hardware(vcpu, register) {
            self.machine.read_vcpu_register(register)
        } else {
            self.vcpus[vcpu].state.registers[register]
        };
        if invocation.mode.call {
            self.set_message_word(invocation.id, 0, value);
        }
        Ok(Outcome::Values(1))
    }

    fn write_register(&mut self, vcpu: VcpuId, invocation: &Invocation) -> Decoded {
        let [register, value] = self.arguments(invocation)?;
        let register = register_field(register)?;
        if self.in_hardware(vcpu, register) {
            self.machine.write_vcpu_register(register, value);
        } else {
            self.vcpus[vcpu].state.registers[register] = value;
        }
        EMPTY
    }

    fn associate(&mut self, vcpu: VcpuId, tcb: TcbId) {
        let old_vcpu = self.tcbs[tcb].vcpu.filter(|old| *old != vcpu);
        let old_tcb = self.vcpus[vcpu].tcb.filter(|old| *old != tcb);
        let pairs = [
            old_vcpu.map(|old| (old, tcb)),
            old_tcb.map(|old| (vcpu, old)),
        ];
        for (vcpu, tcb) in pairs.into_iter().flatten() {
            if self.core.vcpu == Some(vcpu) {
                self.vcpu_disable();
                self.core.vcpu = None;
            }
            self.tcbs[tcb].vcpu = None;
            self.vcpus[vcpu].tcb = None;
            let spsr = self.tcbs[tcb].context.spsr;
            let debug = self.debug();
            self.tcbs[tcb].context.spsr = crate::context::sanitise_spsr(spsr, false, debug);
        }
        self.tcbs[tcb].vcpu = Some(vcpu);
        self.vcpus[vcpu].tcb = Some(tcb);
        if self.core.current == Some(tcb) {
            self.vcpu_switch(Some(vcpu));
        }
    }

    fn inject_irq(&mut self, vcpu: VcpuId, invocation: &Invocation) -> Decoded {
        let [word] = self.arguments(invocation)?;
        let registers = self.machine.list_registers();
        let [id_low, id_high, priority, group, index, ..] = word.to_le_bytes();
        let irq = u16::from_le_bytes([id_low, id_high]);
        if irq > 1023 {
            return Err(Error::RangeError(0, 1023));
        }
        if priority > 31 {
            return Err(Error::RangeError(0, 31));
        }
        if group > 1 {
            return Err(Error::RangeError(0, 1));
        }
        let index = usize::from(index);
        if index >= registers.min(MAX_LIST_REGISTERS) {
            return Err(Error::RangeError(0, registers as u64 - 1));
        }
        // The saved copy is refreshed only when the virtual CPU is switched out, as in seL4 (sel4-abi §5.6).
        if (self.vcpus[vcpu].state.list[index] >> LR_STATE_SHIFT) & 3 == LR_STATE_ACTIVE {
            return Err(Error::DeleteFirst);
        }
        let value = u32::from(group) << LR_GROUP_SHIFT
            | LR_STATE_PENDING << LR_STATE_SHIFT
            | u32::from(priority) << LR_PRIORITY_SHIFT
            | LR_EOI
            | u32::from(irq);
        if self.core.vcpu == Some(vcpu) {
            self.machine.write_list_register(index, value);
        } else {
            self.vcpus[vcpu].state.list[index] = value;
        }
        EMPTY
    }

    /// Virtual CPU and thread to report an event to: none if the budget check of this entry took the processor away,
    /// in which case the level-triggered line fires again.
    fn guest_event_target(&self) -> Option<(VcpuId, TcbId)> {
        let current = self.core.current?;
        let able = self.schedulable(current) && !self.tcbs[current].queued;
        let vcpu = self.core.vcpu.filter(|_| self.core.vcpu_active)?;
        able.then_some((vcpu, current))
    }

    /// The virtual timer fired while a guest ran: reported once, then masked until AckVPPI.
    pub(crate) fn virtual_timer(&mut self) {
        if let Some((vcpu, current)) = self.guest_event_target() {
            self.machine.mask_irq(VTIMER_IRQ, true);
            self.vcpus[vcpu].vppi_masked = true;
            self.handle_fault(current, Fault::Vppi { irq: VTIMER_IRQ });
        }
    }

    /// A list register's interrupt was completed by the guest.
    pub(crate) fn vgic_maintenance(&mut self) {
        let Some((vcpu, current)) = self.guest_event_target() else {
            return;
        };
        let status = self.machine.maintenance();
        let index = usize::try_from(status.registers.trailing_zeros()).unwrap_or(usize::MAX);
        let limit = self.machine.list_registers().min(MAX_LIST_REGISTERS);
        let register = (status.eoi && index < limit).then_some(index);
        if let Some(index) = register {
            let value = self.machine.read_list_register(index) & !LR_EOI;
            self.machine.write_list_register(index, value);
            self.vcpus[vcpu].state.list[index] = value;
        }
        let register = register.and_then(|index| u8::try_from(index).ok());
        self.handle_fault(current, Fault::VgicMaintenance(register));
    }
}

fn register_field(register: u64) -> Result<usize, Error> {
    usize::try_from(register)
        .ok()
        .filter(|register| *register < REGISTERS)
        .ok_or(Error::InvalidArgument(1))
}
