// SPDX-License-Identifier: BSD-2-Clause
//! `sdf`: the plain system description that a file stands for.

use host::{Failure, Outcome};

use crate::cli::SdfArgs;
use crate::context::Context;

/// Prints it.
pub(crate) fn run(_context: &Context, _args: &SdfArgs) -> Outcome<()> {
    Err(Failure::environment("no lowering yet"))
}
