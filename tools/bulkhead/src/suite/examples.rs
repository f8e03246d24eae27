// SPDX-License-Identifier: BSD-2-Clause
//! The SDK's own C examples, compiled from the SDK's sources and run unmodified on the development
//! kernel.

use host::provision::Need;
use host::sdk::Sdk;

use super::Step;
use super::boots::no_sdk;

/// The compiler for them.
pub(super) const COMPILER: Need = Need::Program {
    program: "aarch64-linux-gnu-gcc",
    package: "gcc-aarch64-linux-gnu",
    why: "compiles the SDK's C examples",
};

/// The steps.
pub(super) fn steps(sdk: Option<&Sdk>) -> Vec<Step> {
    let shows = "the SDK's C examples, unmodified, on the development kernel";
    match sdk {
        None => vec![no_sdk("examples", shows)],
        Some(_) => Vec::new(),
    }
}
