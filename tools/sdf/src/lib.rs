// SPDX-License-Identifier: BSD-2-Clause
//! Microkit system description files (SDF): parsed with positions, checked, lowered, written.
//!
//! The language is Microkit 2.3.0's on AArch64, with its silent mistakes turned into located errors,
//! plus one element of ours, `<record>`, that [`lower`] turns into plain SDF.

#![forbid(unsafe_code)]

pub mod board;
pub mod diag;
pub mod files;
pub mod layout;
pub mod lower;
pub mod model;
pub mod parse;
pub mod rules;
pub mod span;
mod write;
pub mod xml;

pub use board::{Board, QemuDevice};
pub use diag::{Diagnostic, Diagnostics};
pub use files::{FileError, Files, NoFiles, Overlay, SearchPath};
pub use lower::{Lowered, RecordImage, lower};
pub use model::System;
pub use parse::{Checked, check, parse};
pub use span::{Source, Span, Spanned};
pub use write::write;
