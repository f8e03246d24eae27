// SPDX-License-Identifier: BSD-2-Clause
//! Which seL4 this is, by the headers of the SDK.

use runtime::syscalls::Labels;
use sel4::sys::invocation_label as label;
use sel4_config::sel4_cfg_bool;

/// The kernel that the SDK's headers describe. Labels differ between its configurations, so they are
/// taken from there and an image belongs to one configuration.
#[derive(Debug)]
pub struct Sdk(());

impl common::svc::Flavour for Sdk {
    const LABELS: Labels = Labels {
        tcb_read_registers: label::TCBReadRegisters as u64,
        tcb_write_registers: label::TCBWriteRegisters as u64,
        tcb_suspend: label::TCBSuspend as u64,
        tcb_resume: label::TCBResume as u64,
        irq_ack: label::IRQAckIRQ as u64,
        vcpu_inject_irq: label::ARMVCPUInjectIRQ as u64,
        vcpu_read_reg: label::ARMVCPUReadReg as u64,
        vcpu_write_reg: label::ARMVCPUWriteReg as u64,
        vcpu_ack_vppi: label::ARMVCPUAckVPPI as u64,
        vspace_invalidate_data: label::ARMVSpaceInvalidate_Data as u64,
    };
    const CONSOLE: bool = sel4_cfg_bool!(PRINTING);
}

/// seL4's system calls. Bare, since rust-sel4's wrappers move MR0..3 through the IPC buffer and build
/// the message word bit by bit, which is most of what a short exit costs.
pub type Sel4 = common::svc::Svc<Sdk>;
