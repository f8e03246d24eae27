// SPDX-License-Identifier: BSD-2-Clause
//! Variables that the system's builder patches: where the config record is, and which IRQs there
//! are.
//!
//! They live in `.data` (its saved copy holds the patched values) and are atomics, so that the
//! compiler cannot assume the link-time zero.

use core::sync::atomic::{AtomicU64, Ordering};

/// Virtual address of this domain's config record; 0 if it has none.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.bulkhead_patched")]
#[used]
static bulkhead_record: AtomicU64 = AtomicU64::new(0);

/// Size of the mapped record in bytes.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.bulkhead_patched")]
#[used]
static bulkhead_record_size: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" {
    /// Bit per IRQ channel; the port, or rust-sel4 below it, defines it with eight bytes in
    /// `.data`, aligned to eight.
    static microkit_irqs: AtomicU64;
}

/// The record's address and size as patched.
#[must_use]
pub fn record() -> (u64, u64) {
    (
        bulkhead_record.load(Ordering::Relaxed),
        bulkhead_record_size.load(Ordering::Relaxed),
    )
}

/// The domain's IRQs, a bit per channel id.
#[must_use]
pub fn irqs() -> u64 {
    // SAFETY: the definition is an eight-byte variable of `.data` that nothing writes at run time.
    unsafe { &microkit_irqs }.load(Ordering::Relaxed)
}
