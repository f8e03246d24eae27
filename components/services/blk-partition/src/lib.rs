// SPDX-License-Identifier: BSD-2-Clause
//! Partition service: to each client its partition of one disk, and nothing else.
//!
//! The service reads the disk's GPT (UEFI 2.10, 5.3) through a buffer of its own, finds each client's
//! partition by its label, and passes requests on: positions moved into the partition, memory checked
//! against the client's DMA window and turned into physical addresses. It maps no client's memory, and
//! the driver behind it obeys it without question: this crate is where one guest's disk is kept apart
//! from another's.
//!
//! Roles of its record, rules and threats are in `README.md`.
//!
//! Answers AV-11, BH-26.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod client;
mod event;
mod fair;
mod flight;
mod gpt;
mod load;
mod service;
#[cfg(test)]
mod tests;

pub use event::Event;
pub use gpt::{GptError, PartitionError};
pub use service::Partitions;

/// Most clients of a disk.
pub const MAX_CLIENTS: usize = 16;
