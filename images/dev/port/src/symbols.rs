// SPDX-License-Identifier: BSD-2-Clause
//! The six variables that Microkit's tool patches into every protection domain (sel4-abi §2.7).
//!
//! They live in `.data`, so that the copy for restarts holds the patched values, and are atomics,
//! so that the compiler cannot assume the link-time zero.

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Bytes of a domain's name.
const NAME_BYTES: usize = 64;

#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.bulkhead_patched")]
#[used]
static microkit_name: [AtomicU8; NAME_BYTES] = [const { AtomicU8::new(0) }; NAME_BYTES];

#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.bulkhead_patched")]
#[used]
static microkit_irqs: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.bulkhead_patched")]
#[used]
static microkit_notifications: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.bulkhead_patched")]
#[used]
static microkit_pps: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.bulkhead_patched")]
#[used]
static microkit_ioports: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.bulkhead_patched")]
#[used]
static microkit_passive: AtomicU8 = AtomicU8::new(0);

/// Whether this is a passive server.
pub(crate) fn passive() -> bool {
    microkit_passive.load(Ordering::Relaxed) != 0
}

/// The domain's name: its bytes up to the first NUL, at most 64.
pub(crate) fn name() -> impl Iterator<Item = u8> {
    microkit_name
        .iter()
        .map(|byte| byte.load(Ordering::Relaxed))
        .take_while(|byte| *byte != 0)
}
