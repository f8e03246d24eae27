// SPDX-License-Identifier: BSD-2-Clause
//! Invocation labels of the two label sets the development kernel can be built for
//! (sel4-abi §5.1). On seL4 itself the port takes them from the SDK's headers.

use runtime::syscalls::Labels;

/// Labels of seL4's debug configuration.
pub const DEBUG: Labels = Labels {
    tcb_read_registers: 2,
    tcb_write_registers: 3,
    tcb_suspend: 12,
    tcb_resume: 13,
    irq_ack: 31,
    vspace_invalidate_data: 44,
    vcpu_inject_irq: 60,
    vcpu_read_reg: 61,
    vcpu_write_reg: 62,
    vcpu_ack_vppi: 63,
};

/// Labels of seL4's release and benchmark configurations: four lower from `TCBSetTLSBase` on.
pub const RELEASE: Labels = Labels {
    tcb_read_registers: 2,
    tcb_write_registers: 3,
    tcb_suspend: 12,
    tcb_resume: 13,
    irq_ack: 27,
    vspace_invalidate_data: 40,
    vcpu_inject_irq: 56,
    vcpu_read_reg: 57,
    vcpu_write_reg: 58,
    vcpu_ack_vppi: 59,
};

/// The set this image is built for.
pub const CHOSEN: Labels = if cfg!(feature = "labels-release") {
    RELEASE
} else {
    DEBUG
};

// Pins: the breakpoint calls 16..19 exist in the debug configuration only, so every label after
// them is shifted by exactly four, and no label before them is.
const _: () = {
    assert!(DEBUG.irq_ack == 31 && DEBUG.irq_ack - RELEASE.irq_ack == 4);
    assert!(DEBUG.vspace_invalidate_data - RELEASE.vspace_invalidate_data == 4);
    assert!(DEBUG.vcpu_inject_irq == 60 && DEBUG.vcpu_inject_irq - RELEASE.vcpu_inject_irq == 4);
    assert!(DEBUG.vcpu_read_reg - RELEASE.vcpu_read_reg == 4);
    assert!(DEBUG.vcpu_write_reg - RELEASE.vcpu_write_reg == 4);
    assert!(DEBUG.vcpu_ack_vppi == 63 && DEBUG.vcpu_ack_vppi - RELEASE.vcpu_ack_vppi == 4);
};
