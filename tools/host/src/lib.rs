// SPDX-License-Identifier: BSD-2-Clause
//! What the host tool needs from the machine it runs on.
//!
//! Each module separates the decision, which is pure and tested here with recorded inputs, from the
//! deed, which is a few lines around `std::process` or `std::fs`.
#![forbid(unsafe_code)]

pub mod apt;
pub mod console;
pub mod expect;
pub mod failure;
mod install;
pub mod interrupt;
pub mod job;
pub mod machine;
pub mod output;
pub mod processes;
pub mod provision;
pub mod qemu;
pub mod root;
pub mod sdk;
pub mod sources;
pub mod terminal;
pub mod ui;

pub use failure::{Failure, Fault, Outcome};
pub use ui::Ui;
