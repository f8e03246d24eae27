// SPDX-License-Identifier: BSD-2-Clause
//! Exceptions that the VMM makes a guest take at EL1 (DDI 0487 D1.3, "Exception entry").

use crate::esr::IL;

/// `PSTATE` on entry to EL1: EL1h, all of DAIF masked. `PAN` follows `SCTLR_EL1.SPAN`, which an
/// A53 does not have.
const ENTRY_STATE: u64 = 0x3c5;
/// `SPSR.M[3:0]` of EL1 using `SP_EL0`.
const EL1T: u64 = 4;
/// `SPSR.M[3:0]` of EL1 using `SP_EL1`.
const EL1H: u64 = 5;

/// `ESR_ELx.EC` 0: unknown reason, which is how undefined instructions report.
const EC_UNKNOWN: u64 = 0x00 << 26;
/// `ESR_ELx.EC` of a data abort from a lower exception level; one more from the same.
const EC_DATA_ABORT: u64 = 0x24 << 26;
/// As [`EC_DATA_ABORT`] for instruction aborts.
const EC_INSTRUCTION_ABORT: u64 = 0x20 << 26;
/// `ISS.FnV`: `FAR_ELx` is not valid; the VMM knows the guest-physical address only.
const FNV: u64 = 1 << 10;
/// `ISS.WnR`.
const WNR: u64 = 1 << 6;
/// `DFSC`/`IFSC`: synchronous external abort, not on a table walk.
const EXTERNAL_ABORT: u64 = 0x10;

/// What the guest is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The instruction does not exist here.
    Undefined,
    /// Nothing answered the load or store.
    ExternalAbort {
        /// Whether it was a store.
        write: bool,
    },
    /// Nothing answered the instruction fetch.
    ExternalFetchAbort,
}

/// The registers of an exception entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// New program counter.
    pub pc: u64,
    /// New `PSTATE`.
    pub pstate: u64,
    /// `ELR_EL1`.
    pub elr: u64,
    /// `SPSR_EL1`.
    pub spsr: u64,
    /// `ESR_EL1`.
    pub esr: u64,
}

impl Entry {
    /// The entry for `kind` at `pc` with `pstate`, through the vectors at `vbar` (`VBAR_EL1`).
    #[must_use]
    pub const fn new(kind: Kind, pc: u64, pstate: u64, vbar: u64) -> Self {
        let (offset, same_level) = match pstate & 0xf {
            EL1T => (0x000, true),
            EL1H => (0x200, true),
            // From EL0: AArch64, or AArch32 (M[4]).
            _ if pstate & 0x10 == 0 => (0x400, false),
            _ => (0x600, false),
        };
        // The class for "without a change in exception level" is the next one.
        let same = if same_level { 1 << 26 } else { 0 };
        let esr = match kind {
            Kind::Undefined => EC_UNKNOWN,
            Kind::ExternalAbort { write } => {
                let wnr = if write { WNR } else { 0 };
                (EC_DATA_ABORT + same) | FNV | wnr | EXTERNAL_ABORT
            }
            Kind::ExternalFetchAbort => (EC_INSTRUCTION_ABORT + same) | FNV | EXTERNAL_ABORT,
        };
        Self {
            // VBAR_EL1[10:0] are RES0.
            pc: (vbar & !0x7ff).wrapping_add(offset),
            pstate: ENTRY_STATE,
            elr: pc,
            spsr: pstate,
            esr: esr | IL,
        }
    }
}
