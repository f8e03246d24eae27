// SPDX-License-Identifier: BSD-2-Clause
//! From a checked system description and its programs to a bootable image.
//!
//! [`Prepared`] is what both kernels need: the system in plain SDF, its programs, its records.
//! [`sel4`] hands that to the SDK's `microkit` tool; [`dev`] writes the development kernel's image.
//!
//! Answers BH-15.
#![forbid(unsafe_code)]

pub mod dev;
#[cfg(test)]
mod made;
mod overlay;
mod patch_file;
mod prepare;
pub mod sel4;

pub use overlay::Overlay;
pub use prepare::Prepared;

use host::Failure;
use sdf::Diagnostics;

/// Why there is no image.
#[derive(Debug)]
pub enum PackError {
    /// The system or its files break rules.
    Refused(Diagnostics),
    /// Anything else.
    Failed(Failure),
}

impl From<Diagnostics> for PackError {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Refused(diagnostics)
    }
}

impl From<Failure> for PackError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Names of the files in an output folder.
pub mod names {
    /// The image.
    pub const IMAGE: &str = "system.img";
    /// The plain system description.
    pub const PLAIN: &str = "plain.system";
    /// The capability distribution.
    pub const CAPDL: &str = "capdl.json";
    /// The SDK tool's report.
    pub const REPORT: &str = "report.txt";

    /// The program of a protection domain.
    pub fn program(pd: &str) -> String {
        format!("{}.elf", component(pd))
    }

    /// The unstripped program of a protection domain.
    pub fn symbols(pd: &str) -> String {
        format!("{}.symbols.elf", component(pd))
    }

    /// The prefill of a memory region.
    pub fn prefill(region: &str) -> String {
        format!("{}.bin", component(region))
    }

    /// A name that is one path component whatever the user called the thing.
    fn component(name: &str) -> String {
        name.replace(['/', '\\'], "_")
    }
}
