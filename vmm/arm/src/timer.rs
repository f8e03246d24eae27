// SPDX-License-Identifier: BSD-2-Clause
//! The EL1 virtual timer as far as the VMM has a part in it.
//!
//! The guest programs `CNTV_*` itself and its expiry is a VPPI event, while its vCPU runs. A vCPU
//! that is held in `wfi` has its timer saved and masked, so the VMM must know when it is due
//! (benchmarks.md §2.5, design A).

/// Interrupt of the virtual timer: PPI 27 (DEN0094 BSA, "PPI assignments").
pub const VTIMER_INTID: u16 = 27;

/// `CNTV_CTL_EL0.ENABLE`.
const ENABLE: u64 = 1 << 0;
/// `CNTV_CTL_EL0.IMASK`.
const IMASK: u64 = 1 << 1;

/// When the timer asks for its interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It is off or masked.
    Never,
    /// Its condition holds already.
    Now,
    /// When the physical counter reaches this value.
    At(u64),
}

/// When a timer with these registers is due, seen at counter value `now`. `CNTVOFF_EL2` is zero for
/// our guests, so virtual and physical count are the same (sel4-abi.md §6.10).
///
/// The condition is that of DDI 0487 D11.2.4: `now - CVAL >= 0` as a comparison of unsigned values.
#[must_use]
pub const fn due(ctl: u64, cval: u64, now: u64) -> Due {
    if ctl & (ENABLE | IMASK) != ENABLE {
        Due::Never
    } else if cval <= now {
        Due::Now
    } else {
        Due::At(cval)
    }
}
