// SPDX-License-Identifier: BSD-2-Clause
//! Disk images for a system's guests: a GPT (UEFI specification, chapter 5) with a partition per client,
//! each with an empty ext4 file system. See `README.md`.
#![forbid(unsafe_code)]

mod create;
mod plan;
mod table;
#[cfg(test)]
mod tests;
mod writelog;

pub use create::{NEEDS, create};
pub use plan::{ALIGNMENT, DEFAULT_SIZE, Partition, Plan, PlanError, SectorSize};
pub use table::{Entry, Table, read};
pub use writelog::{Logged, WriteLog};
