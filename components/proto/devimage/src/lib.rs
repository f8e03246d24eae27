// SPDX-License-Identifier: BSD-2-Clause
//! Layout of the development kernel's image payload.
//!
//! The image is one flat file that QEMU loads at [`KERNEL_PADDR`]: the kernel binary, padding, and at
//! [`PAYLOAD_OFFSET`] the payload that this crate describes. The payload begins with a [`Header`]; tables of
//! plain little-endian records follow, then the bytes that [`Load`] records copy into user memory.
//! `tools/pack` writes it, the kernel reads it through [`Image::parse`], which accepts nothing that the kernel
//! would have to check again.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod crc;
mod image;
mod layout;
#[cfg(test)]
mod tests;
mod validate;

pub use crc::crc32;
pub use image::{Image, ImageError, user_ram_start};
pub use layout::*;
