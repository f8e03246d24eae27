// SPDX-License-Identifier: BSD-2-Clause
//! What a protection domain's image needs on either kernel: start code, link script, patched
//! symbols, the CPU's own instructions and shared memory from the record.
#![no_std]
#![expect(
    unsafe_code,
    reason = "UNSAFETY: start code, register access and mapped memory"
)]

#[cfg(feature = "accidents")]
mod accident;
pub mod cpu;
mod memory;
pub mod symbols;

#[cfg(feature = "accidents")]
pub use accident::Accidents;
pub use memory::{Memory, record_bytes};

#[cfg(target_os = "none")]
core::arch::global_asm!(include_str!("start.s"));
