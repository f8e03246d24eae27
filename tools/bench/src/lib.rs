// SPDX-License-Identifier: BSD-2-Clause
//! Instruction counts of the guest benchmark programs, on Bulkhead and beside it.
//!
//! [`prepare`] builds what all targets share: the Debian kernel, an initrd with the guest programs,
//! the counting plugin. [`run`] measures QEMU's own machine and any further [`Target`]s, and reports
//! instructions per operation with ratios and with the published figures of others.
#![forbid(unsafe_code)]

mod baseline;
mod console;
mod counts;
mod elf;
mod medium;
mod native;
mod peers;
mod prepare;
mod report;
mod run;
mod suite;
mod target;
pub mod text;

pub use baseline::{Baseline, Regression};
pub use console::Line;
pub use medium::{DISK_MOST, disk_without};
pub use peers::{Figure, Peer};
pub use prepare::{NEEDS, Options, Prepared, SEED, prepare};
pub use report::Report;
pub use run::{Measured, run};
pub use suite::{Cost, OPERATIONS, Operation};
pub use target::{Owner, Probe, Program, Range, Target};
