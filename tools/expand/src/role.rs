// SPDX-License-Identifier: BSD-2-Clause
//! Roles of the record entries of a guest that the VMM looks up.
//!
//! For each part ([`IMAGE`], [`DTB`], [`INITRD`] if the guest has one): a region with the part's
//! name that holds the pristine copy, and the entries of [`SIZE`] and [`SHA256`] with the part's
//! name in front. Places are not recorded: the VMM plans them again by the same rules
//! ([`guest::placement`]), which is one thing less to believe.

/// The kernel or firmware.
pub const IMAGE: &str = "image";
/// The device tree.
pub const DTB: &str = "dtb";
/// The initial RAM disk.
pub const INITRD: &str = "initrd";
/// Value: bytes of the part.
pub const SIZE: &str = ".size";
/// Text: SHA-256 of the part's bytes, 64 hexadecimal digits.
pub const SHA256: &str = ".sha256";

/// Channel to the console, given by the system file: the guest has a UART.
pub const CONSOLE: &str = "console";
/// Start of the roles of a virtio device, given by the system file: `virtio<slot>.…`.
pub const VIRTIO: &str = "virtio";
