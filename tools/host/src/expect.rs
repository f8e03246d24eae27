// SPDX-License-Identifier: BSD-2-Clause
//! Boot tests: a script of what to wait for and what to type, run against a console.
//!
//! A script is a TOML file in `tests/boot`; see the README there. Matching sees the console's text
//! without carriage returns and colour sequences.

mod boot;
mod script;
mod session;
mod text;

pub use boot::{BootReport, boot};
pub use script::{Action, Case, Script, Step};
pub use session::{Reason, Session, Verdict};
