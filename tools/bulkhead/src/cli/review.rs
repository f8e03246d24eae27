// SPDX-License-Identifier: BSD-2-Clause
//! Arguments of `review`.

use std::path::PathBuf;

use clap::Args;

use super::{Config, KernelChoice, SystemArgs};

pub(super) const REVIEW_EXAMPLES: &str = "\
Examples:
  cargo bulkhead review
  cargo bulkhead review --no-build                     from the description alone
  cargo bulkhead review my.system --kernel sel4 --config release -o target/product-review
  cargo bulkhead review --verify target/product-review

The folder holds the verdict (index.html), the tables behind it, and what they were made from; beside it
is the same as one archive. Made twice from the same tree, both are the same byte for byte.";

/// Arguments of `review`.
#[derive(Args, Clone)]
pub(crate) struct ReviewArgs {
    /// What to review.
    #[command(flatten)]
    pub(crate) system: SystemArgs,
    /// Kernel that it is built for.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) kernel: KernelChoice,
    /// Kernel configuration that it is built for.
    #[arg(long, value_enum, default_value = "release")]
    pub(crate) config: Config,
    /// Folder of the package [default: target/bulkhead/review/<system>-<kernel>-<config>].
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Build nothing: review the description alone, or the image that --image names.
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Folder of the image [default: target/bulkhead/<kernel>-<config>].
    #[arg(long, value_name = "DIR")]
    pub(crate) image: Option<PathBuf>,
    /// Flows that must not and that may be, instead of the layout's policy (JSON, as for audit).
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Results of `cargo bulkhead test --format json`.
    #[arg(long, value_name = "FILE")]
    pub(crate) tests: Option<PathBuf>,
    /// Figures of `cargo bulkhead bench --format json`.
    #[arg(long, value_name = "FILE")]
    pub(crate) bench: Option<PathBuf>,
    /// Folder of the same image, built again from another clone: both are compared byte for byte.
    #[arg(long, value_name = "DIR")]
    pub(crate) again: Option<PathBuf>,
    /// Check the package in DIR with nothing but itself.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["no_build", "image", "policy", "tests", "bench", "again", "output"])]
    pub(crate) verify: Option<PathBuf>,
}
