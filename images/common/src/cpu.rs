// SPDX-License-Identifier: BSD-2-Clause
//! Instructions that EL0 may execute on both kernels (sel4-abi §7): the physical counter and cache
//! maintenance by virtual address.

use core::arch::asm;
use core::ops::Range;

use runtime::syscalls::CacheOp;

/// The physical counter, CNTPCT_EL0, in ticks. (EL0 reads of the virtual one trap.)
#[must_use]
pub fn ticks() -> u64 {
    let value: u64;
    // SAFETY: reads a counter that both kernels export to EL0; no memory is touched. The ISB keeps
    // the read from being executed ahead of what precedes it.
    unsafe { asm!("isb", "mrs {}, cntpct_el0", out(reg) value, options(nostack)) };
    value
}

/// Ticks per second of [`ticks`], CNTFRQ_EL0.
#[must_use]
pub fn frequency() -> u64 {
    let value: u64;
    // SAFETY: reads a constant register that EL0 may read.
    unsafe { asm!("mrs {}, cntfrq_el0", out(reg) value, options(nomem, nostack)) };
    value
}

/// Lets the EL1 physical timer fire when [`ticks`] reaches `deadline`, or turns it off.
pub fn set_timer(deadline: Option<u64>) {
    const ENABLE: u64 = 1;
    let Some(deadline) = deadline else {
        // SAFETY: turns off a timer that the system description gives to this domain alone.
        unsafe { asm!("msr cntp_ctl_el0, xzr", "isb", options(nomem, nostack)) };
        return;
    };
    // SAFETY: programs a timer that the system description gives to this domain alone; all it can
    // do is raise that domain's interrupt.
    unsafe {
        asm!(
            "msr cntp_cval_el0, {0}",
            "msr cntp_ctl_el0, {1}",
            "isb",
            in(reg) deadline,
            in(reg) ENABLE,
            options(nomem, nostack),
        );
    }
}

/// Maintains caches over `range` of this domain's own virtual addresses. An address that is not
/// mapped faults, as any access would.
pub fn cache(op: CacheOp, range: Range<u64>) {
    let (data, instruction) = line_sizes();
    for_lines(&range, data, |line| match op {
        // SAFETY: cleaning writes back what this domain wrote and changes no value it can see.
        CacheOp::Clean => unsafe { asm!("dc cvac, {}", in(reg) line, options(nostack)) },
        // SAFETY: cleaning and invalidating loses nothing that was written.
        CacheOp::CleanInvalidate => unsafe { asm!("dc civac, {}", in(reg) line, options(nostack)) },
        // SAFETY: as for `Clean`, to the point of unification.
        CacheOp::Unify => unsafe { asm!("dc cvau, {}", in(reg) line, options(nostack)) },
    });
    // SAFETY: a barrier.
    unsafe { asm!("dsb ish", options(nostack)) };
    if op == CacheOp::Unify {
        for_lines(&range, instruction, |line| {
            // SAFETY: drops instruction lines, which are refetched.
            unsafe { asm!("ic ivau, {}", in(reg) line, options(nostack)) };
        });
        // SAFETY: barriers.
        unsafe { asm!("dsb ish", "isb", options(nostack)) };
    }
}

/// Data and instruction cache line sizes in bytes, from CTR_EL0 (UCT lets EL0 read it).
fn line_sizes() -> (u64, u64) {
    let ctr: u64;
    // SAFETY: reads a constant register that both kernels let EL0 read.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack)) };
    (4 << ((ctr >> 16) & 0xf), 4 << (ctr & 0xf))
}

fn for_lines(range: &Range<u64>, size: u64, mut each: impl FnMut(u64)) {
    let mut line = range.start & !(size - 1);
    while line < range.end {
        each(line);
        match line.checked_add(size) {
            Some(next) => line = next,
            None => break,
        }
    }
}
