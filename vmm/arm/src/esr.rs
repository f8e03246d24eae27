// SPDX-License-Identifier: BSD-2-Clause
//! The exception syndrome (`ESR_EL2`, DDI 0487 D24.2.40) of what a guest did.

use crate::data_abort::DataAbort;
use crate::sysreg::SysregAccess;

/// `ESR_ELx.IL`: the trapped instruction has 32 bits, as all of A64.
pub(crate) const IL: u64 = 1 << 25;

/// Why a guest left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// A load or store that stage 2 refused.
    DataAbort(DataAbort),
    /// An instruction fetch that stage 2 refused.
    InstructionAbort,
    /// `wfi`: the guest has nothing to do until an interrupt.
    Wfi,
    /// `wfe`: the guest waits for an event, such as a lock.
    Wfe,
    /// `smc #immediate` at EL1.
    Smc {
        /// The immediate; SMCCC allows only zero.
        immediate: u16,
    },
    /// `msr`, `mrs` or `sys` of a trapped register.
    Sysreg(SysregAccess),
    /// Anything else, by exception class.
    Other {
        /// `ESR_EL2.EC`.
        class: u8,
    },
}

impl Exception {
    /// Decodes `ESR_EL2`. Total: every value means something.
    #[must_use]
    pub const fn decode(esr: u64) -> Self {
        let class = (esr >> 26 & 0x3f) as u8;
        match class {
            0x01 if esr & 1 == 0 => Self::Wfi,
            0x01 if esr & 3 == 1 => Self::Wfe,
            0x17 => Self::Smc {
                immediate: (esr & 0xffff) as u16,
            },
            0x18 => Self::Sysreg(SysregAccess::decode(esr)),
            0x20 => Self::InstructionAbort,
            0x24 => Self::DataAbort(DataAbort::decode(esr)),
            class => Self::Other { class },
        }
    }
}
