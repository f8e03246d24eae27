// SPDX-License-Identifier: BSD-2-Clause
//! Faults of child PDs and vCPUs, with the message layouts of seL4 on AArch64.

use crate::message::MessageInfo;

/// Fault labels.
pub mod label {
    /// A capability lookup failed in a system call.
    pub const CAP_FAULT: u64 = 1;
    /// A system call number that the kernel does not have.
    pub const UNKNOWN_SYSCALL: u64 = 2;
    /// An exception that is none of the others, such as an undefined instruction.
    pub const USER_EXCEPTION: u64 = 3;
    /// Breakpoint, watchpoint or single step; debug kernels only.
    pub const DEBUG_EXCEPTION: u64 = 4;
    /// Budget exhausted; needs a timeout endpoint, which Microkit never sets.
    pub const TIMEOUT: u64 = 5;
    /// Access to unmapped memory or without the right.
    pub const VM_FAULT: u64 = 6;
    /// A guest ended a virtual interrupt.
    pub const VGIC_MAINTENANCE: u64 = 7;
    /// A trapped instruction, of a guest or of a PD.
    pub const VCPU_FAULT: u64 = 8;
    /// A physical interrupt that belongs to the running vCPU: its timer.
    pub const VPPI_EVENT: u64 = 9;
}

/// A fault message where it arrived. For a child PD its contents are unchecked input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault<'a> {
    label: u64,
    words: &'a [u64],
}

/// Why a capability lookup failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LookupFailure {
    /// The root of the capability space is no table.
    InvalidRoot,
    /// The slot is empty.
    MissingCapability {
        /// Address bits left to resolve.
        bits_left: u64,
    },
    /// The address has too few bits.
    DepthMismatch {
        /// Address bits left to resolve.
        bits_left: u64,
        /// Bits the table resolves.
        bits_found: u64,
    },
    /// The guard does not match.
    GuardMismatch {
        /// Address bits left to resolve.
        bits_left: u64,
        /// Guard value found.
        guard: u64,
        /// Bits of that guard.
        guard_bits: u64,
    },
    /// A type that seL4 does not define.
    Unknown(u64),
}

/// A capability lookup failed in a system call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CapFault {
    /// Address of the system call instruction.
    pub ip: u64,
    /// Capability address.
    pub cptr: u64,
    /// Whether it was to be received from.
    pub receiving: bool,
    /// Why the lookup failed.
    pub failure: LookupFailure,
}

/// A system call number that the kernel does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownSyscall {
    /// x0 to x7.
    pub registers: [u64; 8],
    /// Address of the system call instruction.
    pub ip: u64,
    /// Stack pointer of EL0.
    pub sp: u64,
    /// Address of the next instruction.
    pub next_pc: u64,
    /// Saved program status.
    pub spsr: u64,
    /// The number.
    pub number: u64,
}

/// An exception that is none of the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserException {
    /// Address of the instruction.
    pub ip: u64,
    /// Stack pointer of EL0.
    pub sp: u64,
    /// Saved program status.
    pub spsr: u64,
    /// Exception syndrome (`ESR_EL2`).
    pub syndrome: u64,
    /// Zero on AArch64.
    pub code: u64,
}

/// Breakpoint, watchpoint or single step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DebugException {
    /// Address of the instruction.
    pub ip: u64,
    /// 0 watchpoint, 1 breakpoint, 2 single step, 3 `brk` instruction.
    pub reason: u64,
    /// Data address and number of the break- or watchpoint, for reasons 0 and 1.
    pub trigger: Option<(u64, u64)>,
}

/// Access to unmapped memory or without the right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VmFault {
    /// Address of the instruction; guest-virtual for a guest.
    pub ip: u64,
    /// Address accessed: virtual for a PD, guest-physical for a guest.
    pub address: u64,
    /// Whether it was an instruction fetch.
    pub prefetch: bool,
    /// Exception syndrome (`ESR_EL2`), whose low bits describe the access.
    pub syndrome: u64,
}

/// A decoded fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// Label 1.
    Cap(CapFault),
    /// Label 2.
    UnknownSyscall(UnknownSyscall),
    /// Label 3.
    UserException(UserException),
    /// Label 4.
    DebugException(DebugException),
    /// Label 5.
    Timeout {
        /// Badge of the scheduling context.
        data: u64,
        /// Microseconds consumed.
        consumed_us: u64,
    },
    /// Label 6.
    Vm(VmFault),
    /// Label 7.
    VgicMaintenance {
        /// The list register, where the kernel knows it.
        index: Option<u8>,
    },
    /// Label 8.
    Vcpu {
        /// Exception syndrome (`ESR_EL2`).
        syndrome: u64,
    },
    /// Label 9.
    VppiEvent {
        /// Interrupt number, 27.
        irq: u64,
    },
    /// Another label, or fewer words than the label needs: no fault of seL4.
    Unknown {
        /// The label.
        label: u64,
    },
}

impl<'a> Fault<'a> {
    /// The words that `info` announces, at most what is there.
    #[must_use]
    #[inline]
    pub fn new(info: MessageInfo, words: &'a [u64]) -> Self {
        Self {
            label: info.label(),
            words: words.get(..info.len()).unwrap_or(words),
        }
    }

    /// The fault type; see [`label`].
    #[must_use]
    pub const fn label(&self) -> u64 {
        self.label
    }

    /// The words that arrived.
    #[must_use]
    pub const fn words(&self) -> &'a [u64] {
        self.words
    }

    /// What it says if it is a load or store that failed, as most faults of a guest are.
    #[must_use]
    #[inline]
    pub fn data_abort(&self) -> Option<VmFault> {
        match (self.label, self.words) {
            (label::VM_FAULT, [ip, address, 0, syndrome, ..]) => Some(VmFault {
                ip: *ip,
                address: *address,
                prefetch: false,
                syndrome: *syndrome,
            }),
            _ => None,
        }
    }

    /// Decodes by label and length.
    #[must_use]
    #[inline]
    pub fn decode(&self) -> FaultKind {
        let words = self.words;
        let decoded = match self.label {
            label::CAP_FAULT => decode_cap(words),
            label::UNKNOWN_SYSCALL => decode_syscall(words),
            label::USER_EXCEPTION => decode_exception(words),
            label::DEBUG_EXCEPTION => decode_debug(words),
            label::TIMEOUT => words
                .first_chunk()
                .map(|[data, consumed_us]| FaultKind::Timeout {
                    data: *data,
                    consumed_us: *consumed_us,
                }),
            label::VM_FAULT => decode_vm(words),
            label::VGIC_MAINTENANCE => words.first().map(|index| FaultKind::VgicMaintenance {
                index: u8::try_from(*index).ok(),
            }),
            label::VCPU_FAULT => words.first().map(|syndrome| FaultKind::Vcpu {
                syndrome: *syndrome,
            }),
            label::VPPI_EVENT => words.first().map(|irq| FaultKind::VppiEvent { irq: *irq }),
            _ => None,
        };
        decoded.unwrap_or(FaultKind::Unknown { label: self.label })
    }
}

fn decode_cap(words: &[u64]) -> Option<FaultKind> {
    let ([ip, cptr, receiving, kind], rest) = words.split_first_chunk()?;
    let word = |index: usize| rest.get(index).copied().unwrap_or(0);
    let failure = match kind {
        1 => LookupFailure::InvalidRoot,
        2 => LookupFailure::MissingCapability { bits_left: word(0) },
        3 => LookupFailure::DepthMismatch {
            bits_left: word(0),
            bits_found: word(1),
        },
        4 => LookupFailure::GuardMismatch {
            bits_left: word(0),
            guard: word(1),
            guard_bits: word(2),
        },
        other => LookupFailure::Unknown(*other),
    };
    Some(FaultKind::Cap(CapFault {
        ip: *ip,
        cptr: *cptr,
        receiving: *receiving != 0,
        failure,
    }))
}

fn decode_syscall(words: &[u64]) -> Option<FaultKind> {
    let (registers, rest) = words.split_first_chunk::<8>()?;
    let [ip, sp, next_pc, spsr, number] = *rest.first_chunk()?;
    Some(FaultKind::UnknownSyscall(UnknownSyscall {
        registers: *registers,
        ip,
        sp,
        next_pc,
        spsr,
        number,
    }))
}

fn decode_exception(words: &[u64]) -> Option<FaultKind> {
    let [ip, sp, spsr, syndrome, code] = *words.first_chunk()?;
    Some(FaultKind::UserException(UserException {
        ip,
        sp,
        spsr,
        syndrome,
        code,
    }))
}

fn decode_debug(words: &[u64]) -> Option<FaultKind> {
    let ([ip, reason], rest) = words.split_first_chunk()?;
    let trigger = rest
        .first_chunk()
        .map(|[address, number]| (*address, *number));
    Some(FaultKind::DebugException(DebugException {
        ip: *ip,
        reason: *reason,
        trigger,
    }))
}

fn decode_vm(words: &[u64]) -> Option<FaultKind> {
    let [ip, address, prefetch, syndrome] = *words.first_chunk()?;
    Some(FaultKind::Vm(VmFault {
        ip,
        address,
        prefetch: prefetch != 0,
        syndrome,
    }))
}

/// What becomes of a faulted child or vCPU.
///
/// Two kinds of fault could be answered with registers. That is left out: the dozen words would be
/// copied at every exit, and writing the few that change does the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultReply {
    /// Continue at its program counter: the faulting instruction, unless registers were written.
    Resume,
    /// Leave it stopped. Its fault is dropped; only a restart or written registers with resume
    /// start it again.
    Hold,
}
