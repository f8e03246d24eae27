// SPDX-License-Identifier: BSD-2-Clause
//! Faults: how they look as messages, and what a reply to one does (sel4-abi §6.1).

use crate::cap::LookupFailure;
use crate::context::{Context, sanitise_spsr};

/// Why a thread stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "names and words of sel4-abi §6.1")]
pub enum Fault {
    Cap {
        cptr: u64,
        receive: bool,
        lookup: LookupFailure,
    },
    UnknownSyscall(u64),
    UserException {
        number: u64,
        code: u64,
    },
    Debug {
        reason: DebugReason,
    },
    Vm {
        address: u64,
        prefetch: bool,
        fsr: u64,
    },
    VgicMaintenance(Option<u8>),
    Vcpu {
        hsr: u64,
    },
    Vppi {
        irq: u16,
    },
}

/// What raised a debug exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebugReason {
    /// Watchpoint, with the address that was accessed.
    Data(u64),
    /// Breakpoint register, with the address of the instruction.
    Instruction(u64),
    /// Single step.
    SingleStep,
    /// `brk`.
    SoftwareBreak,
}

/// Most words that a fault message has.
pub const MAX_WORDS: usize = 13;

/// A fault as a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultMessage {
    /// Message label.
    pub label: u64,
    /// Message words.
    pub words: [u64; MAX_WORDS],
    /// Words in use.
    pub length: usize,
}

impl FaultMessage {
    fn new(label: u64, words: &[u64]) -> Self {
        let mut message = Self {
            label,
            words: [0; MAX_WORDS],
            length: words.len().min(MAX_WORDS),
        };
        for (to, from) in message.words.iter_mut().zip(words) {
            *to = *from;
        }
        message
    }
}

impl Fault {
    /// Message label.
    pub fn label(&self) -> u64 {
        match self {
            Self::Cap { .. } => 1,
            Self::UnknownSyscall(_) => 2,
            Self::UserException { .. } => 3,
            Self::Debug { .. } => 4,
            Self::Vm { .. } => 6,
            Self::VgicMaintenance(_) => 7,
            Self::Vcpu { .. } => 8,
            Self::Vppi { .. } => 9,
        }
    }

    /// The message that the fault handler receives.
    pub fn encode(&self, context: &Context) -> FaultMessage {
        let label = self.label();
        let ip = context.fault_ip;
        match *self {
            Self::Cap {
                cptr,
                receive,
                lookup,
            } => encode_cap(ip, cptr, receive, lookup),
            Self::UnknownSyscall(number) => {
                let [x0, x1, x2, x3, x4, x5, x6, x7, ..] = context.x;
                let (sp, elr, spsr) = (context.sp, context.elr, context.spsr);
                let words = [x0, x1, x2, x3, x4, x5, x6, x7, ip, sp, elr, spsr, number];
                FaultMessage::new(label, &words)
            }
            Self::UserException { number, code } => {
                FaultMessage::new(label, &[ip, context.sp, context.spsr, number, code])
            }
            Self::Debug { reason } => encode_debug(ip, reason),
            Self::Vm {
                address,
                prefetch,
                fsr,
            } => FaultMessage::new(label, &[ip, address, u64::from(prefetch), fsr]),
            Self::VgicMaintenance(register) => {
                FaultMessage::new(label, &[register.map_or(u64::MAX, u64::from)])
            }
            Self::Vcpu { hsr } => FaultMessage::new(label, &[hsr]),
            Self::Vppi { irq } => FaultMessage::new(label, &[u64::from(irq)]),
        }
    }

    /// Number of words of a reply that may change the faulter's registers.
    pub fn reply_words(&self) -> usize {
        match self {
            Self::UnknownSyscall(_) => 12,
            Self::UserException { .. } => 3,
            _ => 0,
        }
    }

    /// Stores word `index` of a reply, `index < reply_words()`, into the faulter's registers.
    pub fn apply_reply(&self, context: &mut Context, index: usize, value: u64, user: UserMode) {
        let field = match self {
            Self::UnknownSyscall(_) => index,
            _ => index + 8,
        };
        match (self, field) {
            (Self::UserException { .. }, 10) | (_, 11) => {
                context.spsr = sanitise_spsr(value, user.has_vcpu, user.debug);
            }
            (_, 8) => context.fault_ip = value,
            (_, 9) => context.sp = value,
            (_, 10) => context.elr = value,
            _ => {
                if let Some(register) = context.x.get_mut(field) {
                    *register = value;
                }
            }
        }
    }

    /// Whether a reply with `label` makes the thread run again.
    pub fn reply_restarts(&self, label: u64) -> bool {
        match self {
            Self::UnknownSyscall(_) | Self::UserException { .. } | Self::Debug { .. } => label == 0,
            _ => true,
        }
    }
}

fn encode_cap(ip: u64, cptr: u64, receive: bool, lookup: LookupFailure) -> FaultMessage {
    let receive = u64::from(receive);
    match lookup {
        LookupFailure::MissingCapability { bits_left } => {
            FaultMessage::new(1, &[ip, cptr, receive, 2, bits_left])
        }
        LookupFailure::GuardMismatch {
            bits_left,
            guard_bits,
        } => FaultMessage::new(1, &[ip, cptr, receive, 4, bits_left, 0, guard_bits]),
    }
}

fn encode_debug(ip: u64, reason: DebugReason) -> FaultMessage {
    match reason {
        DebugReason::Data(address) => FaultMessage::new(4, &[ip, 0, address, 0]),
        DebugReason::Instruction(address) => FaultMessage::new(4, &[ip, 1, address, 0]),
        DebugReason::SingleStep => FaultMessage::new(4, &[ip, 2]),
        DebugReason::SoftwareBreak => FaultMessage::new(4, &[ip, 3]),
    }
}

/// What decides which SPSR values a thread may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserMode {
    /// The thread has a virtual CPU.
    pub has_vcpu: bool,
    /// Debug configuration.
    pub debug: bool,
}
