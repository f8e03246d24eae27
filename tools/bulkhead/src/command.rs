// SPDX-License-Identifier: BSD-2-Clause
//! One module per command.

pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod boards;
pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod disk;
pub(crate) mod explain;
pub(crate) mod new;
pub(crate) mod pictures;
pub(crate) mod review;
pub(crate) mod run;
pub(crate) mod sdf;
pub(crate) mod test;
pub(crate) mod tidy;
pub(crate) mod trace;
