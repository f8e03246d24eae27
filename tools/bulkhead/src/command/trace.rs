// SPDX-License-Identifier: BSD-2-Clause
//! `trace`: requirements, the code that answers them, the tests that show it.

use host::{Failure, Outcome};

use crate::cli::Format;
use crate::context::Context;

/// Prints the table; fails if something in it does not fit.
pub(crate) fn run(context: &Context) -> Outcome<()> {
    let trace = traceability::trace(&context.root)
        .map_err(|e| Failure::environment(format!("cannot look at the tree: {e}")))?;
    let mut text = String::new();
    match context.format {
        Format::Json => {
            text = trace
                .to_json()
                .map_err(|e| Failure::environment(format!("cannot write the table: {e}")))?;
        }
        Format::Human => {
            trace
                .write_human(&mut text)
                .map_err(|e| Failure::environment(format!("cannot write the table: {e}")))?;
            for problem in &trace.problems {
                text += &format!("{problem}\n");
            }
        }
    }
    out!("{}", text.trim_end());
    match trace.problems.len() {
        0 => Ok(()),
        count => Err(Failure::input(format!(
            "{count} problems in the trace table"
        ))),
    }
}
