// SPDX-License-Identifier: BSD-2-Clause
//! Independent checker of an image.
#![forbid(unsafe_code)]

pub mod authority;
pub mod channels;
pub mod checks;
pub mod controls;
pub mod digest;
pub mod elf;
pub mod flow;
pub mod image;
pub mod integrity;
pub mod memory;
pub mod platform;
mod report;
mod sample;
pub mod schedule;
pub mod spec;
pub mod subjects;
pub mod system;
#[cfg(test)]
mod tests;

pub use checks::{Finding, Verdict};
pub use report::{AuditError, Facts, Image, ImageFacts, Inputs, Report, Sel4Image, Setting, audit};
