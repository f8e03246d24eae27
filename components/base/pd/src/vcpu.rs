// SPDX-License-Identifier: BSD-2-Clause
//! vCPU registers and virtual interrupts.

use core::fmt;

/// Registers of a vCPU that the kernel keeps outside the thread context, with seL4's numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u64)]
#[expect(missing_docs, reason = "each variant is named after its register")]
pub enum VcpuReg {
    SctlrEl1 = 0,
    CpacrEl1 = 1,
    Ttbr0El1 = 2,
    Ttbr1El1 = 3,
    TcrEl1 = 4,
    MairEl1 = 5,
    AmairEl1 = 6,
    ContextidrEl1 = 7,
    ActlrEl1 = 8,
    Afsr0El1 = 9,
    Afsr1El1 = 10,
    EsrEl1 = 11,
    FarEl1 = 12,
    ParEl1 = 13,
    VbarEl1 = 14,
    TpidrEl1 = 15,
    VmpidrEl2 = 16,
    SpEl1 = 17,
    ElrEl1 = 18,
    SpsrEl1 = 19,
    CntvCtlEl0 = 20,
    CntvCvalEl0 = 21,
    CntvoffEl2 = 22,
    CntkctlEl1 = 23,
}

impl VcpuReg {
    /// Number of registers.
    pub const COUNT: usize = 24;

    /// seL4's number of the register.
    #[must_use]
    pub const fn number(self) -> u64 {
        self as u64
    }
}

/// A virtual interrupt for one list register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VirtualIrq {
    virq: u16,
    priority: u8,
    group: u8,
    index: u8,
}

/// Which part of a virtual interrupt the kernel would refuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VirtualIrqError {
    /// An interrupt number above 1023.
    Number(u16),
    /// A priority above 31.
    Priority(u8),
    /// A group above 1.
    Group(u8),
    /// A list register above 63.
    Index(u8),
}

impl fmt::Display for VirtualIrqError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "virtual interrupt {number} is above 1023"),
            Self::Priority(priority) => write!(f, "priority {priority} is above 31"),
            Self::Group(group) => write!(f, "group {group} is above 1"),
            Self::Index(index) => write!(f, "list register {index} is above 63"),
        }
    }
}

impl core::error::Error for VirtualIrqError {}

impl VirtualIrq {
    /// Checks a virtual interrupt: number 0 to 1023, priority 0 (highest) to 31, group 0 or 1, list
    /// register 0 to 63 (the kernel refuses those that the machine lacks).
    ///
    /// # Errors
    ///
    /// [`VirtualIrqError`] names the part that is out of range.
    pub const fn new(
        virq: u16,
        priority: u8,
        group: u8,
        index: u8,
    ) -> Result<Self, VirtualIrqError> {
        if virq > 1023 {
            return Err(VirtualIrqError::Number(virq));
        }
        if priority > 31 {
            return Err(VirtualIrqError::Priority(priority));
        }
        if group > 1 {
            return Err(VirtualIrqError::Group(group));
        }
        if index > 63 {
            return Err(VirtualIrqError::Index(index));
        }
        Ok(Self {
            virq,
            priority,
            group,
            index,
        })
    }

    /// Interrupt number the guest sees.
    #[must_use]
    pub const fn virq(self) -> u16 {
        self.virq
    }

    /// Index of the list register.
    #[must_use]
    pub const fn index(self) -> u8 {
        self.index
    }

    /// The argument word of `ARMVCPUInjectIRQ`: number 15:0, priority 23:16, group 31:24, list
    /// register 39:32.
    #[must_use]
    pub const fn encode(self) -> u64 {
        self.virq as u64
            | (self.priority as u64) << 16
            | (self.group as u64) << 24
            | (self.index as u64) << 32
    }
}
