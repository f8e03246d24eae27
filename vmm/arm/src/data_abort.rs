// SPDX-License-Identifier: BSD-2-Clause
//! The instruction syndrome of a data abort (DDI 0487, "ISS encoding for an exception from a Data
//! Abort"), which says what to emulate without looking at the instruction.

use bus::Width;

/// `ISS.ISV`: bits 23:14 are valid.
const ISV: u64 = 1 << 24;
/// `ISS.SSE`: sign-extend what was loaded.
const SSE: u64 = 1 << 21;
/// `ISS.SF`: the register is 64 bits wide.
const SF: u64 = 1 << 15;
/// `ISS.CM`: cache maintenance or address translation, not a load or store.
const CM: u64 = 1 << 8;
/// `ISS.S1PTW`: the access was one of the translation table walk.
const S1PTW: u64 = 1 << 7;
/// `ISS.WnR`: a write.
const WNR: u64 = 1 << 6;

/// What one load or store of a single general-purpose register does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Size of the access.
    pub width: Width,
    /// Register number, 0 to 31; 31 is `xzr`.
    pub rt: u8,
    /// Extension of a loaded value.
    extension: Extension,
}

/// How a loaded value fills its register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    Zero,
    /// To 32 bits; the upper half becomes zero.
    SignTo32,
    SignTo64,
}

/// A data abort of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataAbort {
    /// A load of one register.
    Load(Transfer),
    /// A store of one register.
    Store(Transfer),
    /// Nothing that can be emulated from the syndrome alone: pairs, write-back, SIMD, exclusives,
    /// cache maintenance, translation table walks (hostile-guest.md H-02).
    Opaque {
        /// Whether it was a write.
        write: bool,
    },
}

impl DataAbort {
    /// Decodes the syndrome of a data abort.
    #[must_use]
    pub const fn decode(esr: u64) -> Self {
        let write = esr & WNR != 0;
        if esr & ISV == 0 || esr & (CM | S1PTW) != 0 {
            return Self::Opaque { write };
        }
        let extension = match (esr & SSE != 0, esr & SF != 0) {
            (false, _) => Extension::Zero,
            (true, false) => Extension::SignTo32,
            (true, true) => Extension::SignTo64,
        };
        let transfer = Transfer {
            width: Width::from_sas(esr >> 22 & 3),
            rt: (esr >> 16 & 0x1f) as u8,
            extension,
        };
        if write {
            Self::Store(transfer)
        } else {
            Self::Load(transfer)
        }
    }
}

impl Transfer {
    /// What register `rt` holds after `value` was loaded. Bits of `value` above the width do not
    /// matter.
    #[must_use]
    pub const fn extend(self, value: u64) -> u64 {
        let value = value & self.width.mask();
        let sign = self.width.mask() ^ self.width.mask() >> 1;
        let extended = match self.extension {
            Extension::Zero => return value,
            Extension::SignTo32 | Extension::SignTo64 => (value ^ sign).wrapping_sub(sign),
        };
        match self.extension {
            Extension::SignTo32 => extended & 0xffff_ffff,
            _ => extended,
        }
    }
}
