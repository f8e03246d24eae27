// SPDX-License-Identifier: BSD-2-Clause
//! Roles of the record entries that a guest adds, which its VMM looks up.
//!
//! For each part ([`IMAGE`], [`DTB`], [`INITRD`] if the guest has one): a region with the part's
//! name that holds the pristine copy, and the entries of [`LEN`], [`BASE`], [`SIZE`] and [`SHA256`]
//! with the part's name in front.

/// The kernel or firmware.
pub const IMAGE: &str = "image";
/// The device tree.
pub const DTB: &str = "dtb";
/// The initial RAM disk.
pub const INITRD: &str = "initrd";
/// Value: bytes of the part.
pub const LEN: &str = ".len";
/// Value: guest-physical address of the part.
pub const BASE: &str = ".base";
/// Value: bytes that the part takes in the guest's memory.
pub const SIZE: &str = ".size";
/// Text: SHA-256 of the part's bytes, 64 hexadecimal digits.
pub const SHA256: &str = ".sha256";
/// Value: guest-physical address of the first instruction.
pub const ENTRY: &str = "entry";
