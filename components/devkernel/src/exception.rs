// SPDX-License-Identifier: BSD-2-Clause
//! Exceptions and interrupts (sel4-abi §6.2, §6.3, §9.5).

use crate::fault::{DebugReason, Fault};
use crate::ids::Id as _;
use crate::kernel::Kernel;
use crate::machine::Machine;

/// PPI of the virtual interrupt interface.
const MAINTENANCE_IRQ: u16 = 25;
/// PPI of the kernel's own timer (CNTHP).
const TIMER_IRQ: u16 = 26;
const VTIMER_IRQ: u16 = crate::vcpu::VTIMER_IRQ;

/// ESR_EL2 of an unknown exception with a 32-bit instruction.
const ESR_UNKNOWN: u64 = 0x0200_0000;
const EC_SVC64: u64 = 0x15;
const EC_HVC64: u64 = 0x16;
const EC_INSTRUCTION_ABORT: u64 = 0x20;
const EC_DATA_ABORT: u64 = 0x24;
const EC_BREAKPOINT: u64 = 0x30;
const EC_SINGLE_STEP: u64 = 0x32;
const EC_WATCHPOINT: u64 = 0x34;
const EC_BRK: u64 = 0x3c;

/// Whether `esr` is a system call (`svc` of a PD, `hvc` of a guest), whose return address is the next instruction.
pub fn is_syscall(esr: u64) -> bool {
    matches!(esr >> 26 & 0x3f, EC_SVC64 | EC_HVC64)
}

impl<M: Machine> Kernel<'_, M> {
    /// Entry for a synchronous exception of the current thread, whose registers are saved with `elr` from the
    /// hardware. `esr` and `far` are ESR_EL2 and FAR_EL2.
    pub fn enter_sync(&mut self, esr: u64, far: u64) {
        let Some(id) = self.core.current else { return };
        let context = &mut self.tcbs[id].context;
        if is_syscall(esr) {
            context.fault_ip = context.elr.wrapping_sub(4);
            self.enter_syscall();
            return;
        }
        context.fault_ip = context.elr;
        self.update_time();
        if self.check_budget_restart() {
            let fault = self.classify(esr, far);
            self.handle_fault(id, fault);
        }
        self.leave();
    }

    fn classify(&self, esr: u64, far: u64) -> Fault {
        let ip = self
            .core
            .current
            .map_or(0, |id| self.tcbs[id].context.fault_ip);
        match esr >> 26 & 0x3f {
            EC_DATA_ABORT => Fault::Vm {
                address: self.report(far),
                prefetch: false,
                fsr: esr,
            },
            EC_INSTRUCTION_ABORT => Fault::Vm {
                address: self.report(ip),
                prefetch: true,
                fsr: esr,
            },
            EC_BREAKPOINT if self.debug() => Fault::Debug {
                reason: DebugReason::Instruction(ip),
            },
            EC_SINGLE_STEP if self.debug() => Fault::Debug {
                reason: DebugReason::SingleStep,
            },
            EC_WATCHPOINT if self.debug() => Fault::Debug {
                reason: DebugReason::Data(far),
            },
            EC_BRK if self.debug() => Fault::Debug {
                reason: DebugReason::SoftwareBreak,
            },
            _ if esr == ESR_UNKNOWN => Fault::UserException {
                number: esr,
                code: 0,
            },
            _ => Fault::Vcpu { hsr: esr },
        }
    }

    /// The address that a VMFault reports: intermediate physical for a guest.
    fn report(&self, address: u64) -> u64 {
        if self.core.vcpu_active {
            self.machine.guest_page(address) | (address & 0xfff)
        } else {
            address
        }
    }

    /// Entry for interrupt `irq`, taken from a thread or while idle. The caller completes it at the interrupt
    /// controller afterwards.
    pub fn enter_irq(&mut self, irq: u16) {
        if let Some(id) = self.core.current {
            let context = &mut self.tcbs[id].context;
            context.fault_ip = context.elr;
        }
        self.update_time();
        self.check_budget();
        match irq {
            TIMER_IRQ => {
                self.machine.set_deadline(u64::MAX);
                self.core.reprogram = true;
            }
            MAINTENANCE_IRQ => self.vgic_maintenance(),
            VTIMER_IRQ => self.virtual_timer(),
            _ => self.device_irq(irq),
        }
        self.leave();
    }

    /// Signals the handler and masks the line until it is acknowledged.
    fn device_irq(&mut self, irq: u16) {
        let handler = self.irq_handlers.get(usize::from(irq)).copied().flatten();
        match handler.map(|handler| (handler, self.irqs[handler].target)) {
            Some((_, Some((notification, badge)))) => self.signal(notification, badge),
            Some((handler, None)) => {
                self.print(format_args!(
                    "Undelivered IRQ: {irq} (handler {})\n",
                    handler.index()
                ));
            }
            None => self.print(format_args!("Received disabled IRQ: {irq}\n")),
        }
        self.machine.mask_irq(irq, true);
    }
}
