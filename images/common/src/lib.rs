// SPDX-License-Identifier: BSD-2-Clause
//! What a protection domain's image needs on either kernel: start code, link script, patched
//! symbols, system calls, the CPU's own instructions and shared memory from the record.
#![no_std]
#![expect(
    unsafe_code,
    reason = "UNSAFETY: start code, system calls, register access and mapped memory"
)]

#[cfg(feature = "accidents")]
mod accident;
pub mod cpu;
mod memory;
#[cfg(feature = "sha256")]
pub mod sha256;
pub mod svc;
pub mod symbols;

#[cfg(feature = "accidents")]
pub use accident::Accidents;
pub use memory::{Memory, record_bytes};

#[cfg(target_os = "none")]
core::arch::global_asm!(include_str!("start.s"));
