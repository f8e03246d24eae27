// SPDX-License-Identifier: BSD-2-Clause
//! Starts a guest: checks the digests of its images and puts them in place.
//!
//! The build leaves each part of a guest (image, device tree, initrd) in a region of its own that
//! the VMM maps read-only: the pristine copy, from which every reset starts again. A boot is
//! [`Guest::boot`]: the placement is checked ([`guest::placement`]), each part's SHA-256 is
//! compared with what the build recorded, the parts are copied into guest memory, and the
//! registers of vCPU 0 come out. A part that differs by one bit is refused by name, with both
//! digests, before the guest has executed an instruction (hostile-guest.md H-44, R14).
//!
//! Answers BH-18.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod digest;
mod load;
#[cfg(test)]
mod tests;

pub use digest::{Digest, DigestError, Hasher, Software};
pub use load::{Guest, Refusal, Source};
