// SPDX-License-Identifier: BSD-2-Clause
//! QEMU TCG plugin that counts executed instructions, exactly and repeatably.
//!
//! Each instruction is attributed to a *range* of physical addresses, which separates kernel,
//! protection domains and guests without knowing exception level or address space. A *program* is
//! known by the content of its code pages instead, where its place is not known beforehand. A *probe*
//! counts executions of one physical address, such as an exception vector; beside them the system calls
//! of each program are counted. Guest programs run *marks*, instructions without effect; at each mark all counters are written as a line of JSON.
//!
//! Arguments: `out=FILE`, `boot=LO-HI` (where code runs identity-mapped at first), `ram=ADDR`,
//! `range=NAME:LO-HI`, `pages=NAME:FILE`, `probe=NAME:ADDR`, `stop=MARK` (ends QEMU there). Numbers
//! may be hexadecimal. The first range that fits counts, then programs; the rest is `other`.
//!
//! The plugin interface is declared in [`ffi`], so neither QEMU's headers nor its sources are
//! needed to build this.

mod args;
mod counters;
#[cfg(not(test))]
mod ffi;
mod mark;
mod pages;
#[cfg(not(test))]
mod plugin;
