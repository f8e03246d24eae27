// SPDX-License-Identifier: BSD-2-Clause
//! `test`: every test of the repository, in numbered steps.

use host::Outcome;

use crate::cli::TestArgs;
use crate::context::Context;
use crate::suite;

/// Runs the steps, or lists them.
pub(crate) fn run(context: &Context, args: &TestArgs) -> Outcome<()> {
    let plan = suite::plan(context)?;
    let chosen = suite::select(plan, &args.filter)?;
    if args.list {
        for step in &chosen {
            out!("{:40} {}", step.name, step.shows);
        }
        return Ok(());
    }
    suite::run(context, &chosen)
}
