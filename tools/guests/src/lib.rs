// SPDX-License-Identifier: BSD-2-Clause
//! Guest images made from Debian packages, fetched by package name, or built from this tree.
//!
//! A *recipe* (`images/guests/<name>/guest.toml`) names the packages, the kernel modules and the
//! files of the initramfs; [`prepare`] turns it into a kernel and an initrd in a cache folder. The
//! packages come through an apt of our own ([`apt`]), so that neither the machine's architecture
//! nor its installed packages change. Nothing is fetched when the cache already holds the result
//! of the same recipe.
#![forbid(unsafe_code)]

pub mod apt;
pub mod cpio;
pub mod initramfs;
pub mod modules;
pub mod program;
pub mod recipe;

mod build;

pub use build::{Guest, GuestError, prepare};
