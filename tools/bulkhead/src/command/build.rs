// SPDX-License-Identifier: BSD-2-Clause
//! `build`: from a system description to a bootable image.

use std::path::PathBuf;

use host::provision::Need;
use host::{Failure, Outcome};
use sdf::Board;

use crate::cli::BuildArgs;
use crate::context::Context;
use crate::kernel::Kernel;

/// What the kernel's bindings for Rust are generated with.
pub(crate) const LIBCLANG: Need = Need::Library {
    file: "libclang",
    package: "libclang-dev",
    why: "reads seL4's headers when protection domains for seL4 are built",
};

/// A finished image.
pub(crate) struct Built {
    /// The board it is for.
    pub(crate) board: Board,
    /// The kernel it is for.
    pub(crate) kernel: Kernel,
    /// The file.
    pub(crate) image: PathBuf,
}

/// Builds, and says where the image is.
pub(crate) fn run(context: &Context, args: &BuildArgs) -> Outcome<()> {
    build(context, args).map(|_| ())
}

/// Builds an image.
pub(crate) fn build(_context: &Context, _args: &BuildArgs) -> Outcome<Built> {
    Err(Failure::environment("no packer yet"))
}
