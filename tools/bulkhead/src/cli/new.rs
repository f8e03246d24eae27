// SPDX-License-Identifier: BSD-2-Clause
//! The command line of `new`.

use clap::{Args, ValueEnum};

/// Arguments of `new`.
#[derive(Args, Clone)]
pub(crate) struct NewArgs {
    /// Name of the system; of a folder that is made for it, too.
    pub(crate) name: String,
    /// What to begin with.
    #[arg(long, value_enum, default_value = "minimal")]
    pub(crate) template: NewTemplate,
}

/// What to begin with.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum NewTemplate {
    /// One guest with a console.
    Minimal,
    /// A critical guest beside a Linux guest with disk and network.
    Cockpit,
}
