// SPDX-License-Identifier: BSD-2-Clause
//! A thread's registers, as the vectors save them and as the ABI orders them.

/// PSTATE of a native thread in the debug configuration: EL0t with FIQ masked (sel4-abi §2.5).
const PSTATE_USER_DEBUG: u64 = 0x40;
/// The release configuration masks SError too.
const PSTATE_USER_RELEASE: u64 = 0x140;
/// Condition flags, the only part of SPSR that a native thread chooses.
const PSTATE_FLAGS: u64 = 0xf000_0000;
/// Number of words of a full user context (sel4-abi §5.4).
pub const CONTEXT_WORDS: usize = 36;

/// Saved registers of a thread that is not running. The vectors depend on this layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Context {
    /// x0 to x30.
    pub x: [u64; 31],
    /// SP_EL0.
    pub sp: u64,
    /// Address at which the thread continues (NextIP).
    pub elr: u64,
    /// Saved program status.
    pub spsr: u64,
    /// TPIDR_EL0.
    pub tpidr: u64,
    /// TPIDRRO_EL0.
    pub tpidrro: u64,
    /// Address of the instruction that entered the kernel (FaultIP); a restart continues there.
    pub fault_ip: u64,
}

/// General registers of the user context between `spsr` and `tpidr_el0`, in ABI order.
const GENERAL_ORDER: [u8; 31] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 18, 29, 30, 9, 10, 11, 12, 13, 14, 15, 19, 20, 21, 22, 23,
    24, 25, 26, 27, 28,
];

impl Context {
    /// All registers zero.
    pub const ZERO: Self = Self {
        x: [0; 31],
        sp: 0,
        elr: 0,
        spsr: 0,
        tpidr: 0,
        tpidrro: 0,
        fault_ip: 0,
    };

    /// Word `index` of the 36-word user context; 0 beyond it.
    pub fn word(&self, index: usize) -> u64 {
        match index {
            0 => self.fault_ip,
            1 => self.sp,
            2 => self.spsr,
            34 => self.tpidr,
            35 => self.tpidrro,
            _ => general(index)
                .and_then(|r| self.x.get(r))
                .copied()
                .unwrap_or(0),
        }
    }

    /// Writes word `index` of the user context. `spsr` is stored as given; see [`sanitise_spsr`].
    pub fn set_word(&mut self, index: usize, value: u64) {
        match index {
            0 => self.fault_ip = value,
            1 => self.sp = value,
            2 => self.spsr = value,
            34 => self.tpidr = value,
            35 => self.tpidrro = value,
            _ => {
                if let Some(register) = general(index).and_then(|r| self.x.get_mut(r)) {
                    *register = value;
                }
            }
        }
    }
}

fn general(index: usize) -> Option<usize> {
    GENERAL_ORDER
        .get(index.checked_sub(3)?)
        .map(|register| usize::from(*register))
}

/// The SPSR that a thread gets when `value` is asked for. A thread with a virtual CPU may choose EL0t, EL1t or
/// EL1h; anything else becomes EL0 with only the condition flags kept.
pub fn sanitise_spsr(value: u64, has_vcpu: bool, debug: bool) -> u64 {
    if has_vcpu && matches!(value & 0x1f, 0 | 4 | 5) {
        return value;
    }
    (value & PSTATE_FLAGS)
        | if debug {
            PSTATE_USER_DEBUG
        } else {
            PSTATE_USER_RELEASE
        }
}
