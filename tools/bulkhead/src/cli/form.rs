// SPDX-License-Identifier: BSD-2-Clause
//! Forms of results.

use clap::ValueEnum;

/// Form of results, as the user wishes it.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wish {
    /// Text.
    Human,
    /// One JSON document.
    Json,
    /// Findings as one SARIF 2.1.0 document (`check` only).
    Sarif,
}

/// Form of results.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text.
    Human,
    /// One JSON document.
    Json,
}
