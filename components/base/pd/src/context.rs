// SPDX-License-Identifier: BSD-2-Clause
//! Order of registers in a thread's context, as `ReadRegisters` and `WriteRegisters` transfer it.
//!
//! Prefixes may be transferred: the first three words are enough to start a thread, one is enough
//! to move its program counter.

/// Words of a whole context.
pub const COUNT: usize = 36;
/// Program counter.
pub const PC: usize = 0;
/// Stack pointer of EL0.
pub const SP: usize = 1;
/// Saved program status.
pub const SPSR: usize = 2;
/// Thread id register that the thread may write.
pub const TPIDR_EL0: usize = 34;
/// Thread id register that the thread may only read.
pub const TPIDRRO_EL0: usize = 35;

/// Position of each general-purpose register x0 to x30.
const GENERAL: [u8; 31] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, // x0..x8
    17, 18, 19, 20, 21, 22, 23, // x9..x15
    12, 13, 14, // x16..x18
    24, 25, 26, 27, 28, 29, 30, 31, 32, 33, // x19..x28
    15, 16, // x29, x30
];

/// Position of general-purpose register `number` (0 to 30) in the context; `None` above 30, which
/// encodes the zero register or the stack pointer.
#[must_use]
pub fn general(number: usize) -> Option<usize> {
    GENERAL.get(number).map(|position| usize::from(*position))
}
