// SPDX-License-Identifier: BSD-2-Clause
//! System registers, barriers and cache instructions.

/// Reads a system register.
macro_rules! read_register {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: reading this register has no effect besides its value.
        unsafe { core::arch::asm!(concat!("mrs {}, ", $name), out(reg) value, options(nomem, nostack)) };
        value
    }};
}

/// Writes a system register; a context synchronisation event makes it effective.
macro_rules! write_register {
    ($name:literal, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: the kernel owns this register; it runs at EL2 with its own identity mapping, which the value
        // written here leaves intact.
        unsafe { core::arch::asm!(concat!("msr ", $name, ", {}"), in(reg) value, options(nostack)) };
    }};
}

pub(crate) use {read_register, write_register};

/// Completes earlier register writes before later instructions.
pub(crate) fn isb() {
    // SAFETY: a barrier.
    unsafe { core::arch::asm!("isb", options(nostack)) };
}

/// Completes earlier memory accesses.
pub(crate) fn dsb() {
    // SAFETY: a barrier.
    unsafe { core::arch::asm!("dsb sy", options(nostack)) };
}

/// Sleeps until an interrupt is pending, masked or not.
pub(crate) fn wait_for_interrupt() {
    // SAFETY: only waits.
    unsafe { core::arch::asm!("dsb sy", "wfi", options(nostack)) };
}

/// Forgets all translations and fetched instructions.
pub(crate) fn invalidate_all() {
    // SAFETY: only drops cached state.
    unsafe {
        core::arch::asm!(
            "dsb sy",
            "tlbi alle1",
            "tlbi alle2",
            "ic iallu",
            "dsb sy",
            "isb",
            options(nostack)
        );
    }
}

/// `smc #0` with x0..x7, as in the SMC calling convention; firmware keeps the other registers.
pub(crate) fn smc(registers: [u64; 8]) -> [u64; 8] {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = registers;
    // SAFETY: x0..x17 are declared as changed; what the firmware does is the caller's responsibility.
    unsafe {
        core::arch::asm!(
            "smc #0",
            inout("x0") a, inout("x1") b, inout("x2") c, inout("x3") d,
            inout("x4") e, inout("x5") f, inout("x6") g, inout("x7") h,
            out("x8") _, out("x9") _, out("x10") _, out("x11") _, out("x12") _,
            out("x13") _, out("x14") _, out("x15") _, out("x16") _, out("x17") _,
            options(nostack),
        );
    }
    [a, b, c, d, e, f, g, h]
}

/// PAR_EL1 after translating `vaddr` with the guest's stage 1; the guest's own PAR_EL1 is kept.
pub(crate) fn translate_stage1(vaddr: u64) -> u64 {
    let kept = read_register!("par_el1");
    let result: u64;
    // SAFETY: translation only reads the guest's tables and sets PAR_EL1.
    unsafe {
        core::arch::asm!("at s1e1r, {0}", "isb", "mrs {1}, par_el1", in(reg) vaddr, out(reg) result, options(nostack));
    }
    write_register!("par_el1", kept);
    result
}

/// Applies `$op` to every cache line of a physical range, which is identity-mapped.
macro_rules! by_line {
    ($op:literal, $start:expr, $end:expr) => {{
        let mut line = $start & !(CACHE_LINE - 1);
        while line < $end {
            // SAFETY: cache maintenance on RAM that is mapped; the caller decided that it is wanted.
            unsafe { core::arch::asm!(concat!($op, ", {}"), in(reg) line, options(nostack)) };
            line += CACHE_LINE;
        }
        dsb();
    }};
}

/// Smallest line size of the supported processors.
const CACHE_LINE: u64 = 64;

/// Maintains the caches over `[start, end)`.
pub(crate) fn maintain(op: devkernel::CacheOp, start: u64, end: u64) {
    use devkernel::CacheOp;
    dsb();
    match op {
        CacheOp::Clean => by_line!("dc cvac", start, end),
        CacheOp::Invalidate => by_line!("dc ivac", start, end),
        CacheOp::CleanInvalidate => by_line!("dc civac", start, end),
        CacheOp::Unify => {
            by_line!("dc cvau", start, end);
            by_line!("ic ivau", start, end);
            isb();
        }
    }
}
