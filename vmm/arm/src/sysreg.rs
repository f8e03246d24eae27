// SPDX-License-Identifier: BSD-2-Clause
//! Trapped system registers.
//!
//! The kernel traps few, but release kernels leave debug registers and PMU to the guest, which
//! could then stop any PD on its core (sel4-abi.md §6.9). Our EL2 stub sets `MDCR_EL2`, so accesses
//! arrive here, and the guest finds a CPU without breakpoints in use and without counters.
//!
//! Answers H-41.

/// Name of a system register: the operands of `msr` and `mrs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sysreg {
    /// `op0`, 0 to 3.
    pub op0: u8,
    /// `op1`, 0 to 7.
    pub op1: u8,
    /// `CRn`, 0 to 15.
    pub crn: u8,
    /// `CRm`, 0 to 15.
    pub crm: u8,
    /// `op2`, 0 to 7.
    pub op2: u8,
}

/// One trapped access (DDI 0487, "ISS encoding for an exception from MSR, MRS, or System
/// instruction execution").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SysregAccess {
    /// Which register.
    pub register: Sysreg,
    /// General-purpose register, 0 to 31; 31 is `xzr`.
    pub rt: u8,
    /// `msr` rather than `mrs`.
    pub write: bool,
}

/// What becomes of a trapped access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A read yields this value.
    Read(u64),
    /// A write has no effect.
    Ignored,
    /// The guest has no such register: it gets an Undefined Instruction exception.
    Undefined,
}

/// `OSLSR_EL1` with an OS lock that is implemented (`OSLM` = 0b10) and open.
const OSLSR_VALUE: u64 = 0b1000;

impl Sysreg {
    /// A register by its operands.
    #[must_use]
    pub const fn new(op0: u8, op1: u8, crn: u8, crm: u8, op2: u8) -> Self {
        Self {
            op0,
            op1,
            crn,
            crm,
            op2,
        }
    }

    /// `OSLSR_EL1`.
    pub const OSLSR_EL1: Self = Self::new(2, 0, 1, 1, 4);

    /// A debug register of the guest: all that `MDCR_EL2.{TDRA,TDOSA,TDA}` trap have `op0` 2; op1
    /// 1 is the trace unit, which is absent.
    const fn is_debug(self) -> bool {
        self.op0 == 2 && matches!(self.op1, 0 | 3)
    }

    /// A register of the performance monitors (`MDCR_EL2.{TPM,TPMCR}`): `PM*_EL0`, `PM*_EL1`.
    const fn is_pmu(self) -> bool {
        self.op0 == 3
            && match (self.crn, self.crm) {
                (9, 12..=14) => matches!(self.op1, 0 | 3),
                (14, 8..=15) => self.op1 == 3,
                _ => false,
            }
    }
}

impl SysregAccess {
    /// Decodes the syndrome.
    #[must_use]
    pub const fn decode(esr: u64) -> Self {
        Self {
            register: Sysreg {
                op0: (esr >> 20 & 3) as u8,
                op2: (esr >> 17 & 7) as u8,
                op1: (esr >> 14 & 7) as u8,
                crn: (esr >> 10 & 15) as u8,
                crm: (esr >> 1 & 15) as u8,
            },
            rt: (esr >> 5 & 0x1f) as u8,
            write: esr & 1 == 0,
        }
    }

    /// Emulates the access: debug and PMU registers read as zero and ignore writes.
    ///
    /// `PMCR_EL0` = 0 says no event counters; `PMCEIDn_EL0` = 0 says no events.
    #[must_use]
    pub const fn emulate(self) -> Outcome {
        if !self.register.is_debug() && !self.register.is_pmu() {
            return Outcome::Undefined;
        }
        if self.write {
            return Outcome::Ignored;
        }
        Outcome::Read(match self.register {
            Sysreg {
                op0: 2,
                op1: 0,
                crn: 1,
                crm: 1,
                op2: 4,
            } => OSLSR_VALUE,
            _ => 0,
        })
    }
}
