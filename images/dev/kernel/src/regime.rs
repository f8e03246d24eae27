// SPDX-License-Identifier: BSD-2-Clause
//! Registers that decide what traps: the native and the guest regime (sel4-abi §6.4).

use crate::gic;
use crate::registers::{isb, read_register, write_register};
use devkernel::vcpu::VcpuState;

/// RW, TGE, TVM, TTLB, TACR, TSC, DC, AMO, IMO, FMO, SWIO, VM.
const HCR_NATIVE: u64 = 0x8e28_103b;
/// RW, TSC, TWE, TWI, AMO, IMO, FMO, VM.
const HCR_GUEST: u64 = 0x8008_6039;
const SCTLR_NATIVE: u64 = 0x34d5_9824;
/// T0SZ 24, start level 1, 4 KiB, write-back, inner shareable, 40 bits.
const VTCR: u64 = 0x8002_3558;
/// EL0PCTEN, EL0PTEN.
const CNTKCTL_NATIVE: u64 = 0x201;
/// EL1PCTEN, EL1PCEN.
const CNTHCTL: u64 = 0x3;
/// TDRA, TDOSA, TDA, TPM, TPMCR: guests cannot reach the debug registers and the PMU (sel4-abi §6.9).
const MDCR_TRAPS: u64 = 1 << 11 | 1 << 10 | 1 << 9 | 1 << 6 | 1 << 5;
const CPACR_FPEN: u64 = 3 << 20;
/// CPTR_EL2 without traps (its one-bits).
const CPTR: u64 = 0x33ff;
const CPTR_TRAP_FP: u64 = 1 << 10;

/// Sets up everything that does not change with the running thread, and the native regime.
pub(crate) fn init() {
    write_register!("vtcr_el2", VTCR);
    write_register!("cnthctl_el2", CNTHCTL);
    write_register!("cntvoff_el2", 0);
    write_register!("cnthp_ctl_el2", 0);
    write_register!("cntp_ctl_el0", 0);
    write_register!("cntv_ctl_el0", 0);
    write_register!("hstr_el2", 0);
    write_register!("mdcr_el2", read_register!("mdcr_el2") | MDCR_TRAPS);
    trap_fpu(false);
    enter_native();
}

/// Makes FP and SIMD instructions trap, or not.
pub(crate) fn trap_fpu(trap: bool) {
    write_register!(
        "cptr_el2",
        if trap {
            CPTR | CPTR_TRAP_FP
        } else {
            CPTR & !CPTR_TRAP_FP
        }
    );
    isb();
}

/// Regime of threads without a virtual CPU. Returns GICH_HCR as it was.
pub(crate) fn enter_native() -> u32 {
    let hcr = gic::read_virtual(gic::GICH_HCR);
    gic::write_virtual(gic::GICH_HCR, 0);
    write_register!("cntv_ctl_el0", 0);
    write_register!("sctlr_el1", SCTLR_NATIVE);
    write_register!("cpacr_el1", CPACR_FPEN);
    write_register!("cntkctl_el1", CNTKCTL_NATIVE);
    write_register!("hcr_el2", HCR_NATIVE);
    isb();
    hcr
}

/// Regime of a guest; its registers are written by the caller.
pub(crate) fn enter_guest(state: &VcpuState) {
    write_register!("hcr_el2", HCR_GUEST);
    isb();
    gic::write_virtual(gic::GICH_HCR, state.hcr);
}

/// Calls `$do!(name)` with the system register of VCPU register `$field` (sel4-abi §5.6).
macro_rules! with_register {
    ($field:expr, $do:ident $(, $value:expr)?) => {
        match $field {
            0 => $do!("sctlr_el1" $(, $value)?),
            1 => $do!("cpacr_el1" $(, $value)?),
            2 => $do!("ttbr0_el1" $(, $value)?),
            3 => $do!("ttbr1_el1" $(, $value)?),
            4 => $do!("tcr_el1" $(, $value)?),
            5 => $do!("mair_el1" $(, $value)?),
            6 => $do!("amair_el1" $(, $value)?),
            7 => $do!("contextidr_el1" $(, $value)?),
            8 => $do!("actlr_el1" $(, $value)?),
            9 => $do!("afsr0_el1" $(, $value)?),
            10 => $do!("afsr1_el1" $(, $value)?),
            11 => $do!("esr_el1" $(, $value)?),
            12 => $do!("far_el1" $(, $value)?),
            13 => $do!("par_el1" $(, $value)?),
            14 => $do!("vbar_el1" $(, $value)?),
            15 => $do!("tpidr_el1" $(, $value)?),
            16 => $do!("vmpidr_el2" $(, $value)?),
            17 => $do!("sp_el1" $(, $value)?),
            18 => $do!("elr_el1" $(, $value)?),
            19 => $do!("spsr_el1" $(, $value)?),
            20 => $do!("cntv_ctl_el0" $(, $value)?),
            21 => $do!("cntv_cval_el0" $(, $value)?),
            22 => $do!("cntvoff_el2" $(, $value)?),
            23 => $do!("cntkctl_el1" $(, $value)?),
            _ => Default::default(),
        }
    };
}

/// Reads VCPU register `field`.
pub(crate) fn read(field: usize) -> u64 {
    with_register!(field, read_register)
}

/// Writes VCPU register `field`.
pub(crate) fn write(field: usize, value: u64) {
    with_register!(field, write_register, value);
}
