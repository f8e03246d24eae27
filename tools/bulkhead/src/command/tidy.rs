// SPDX-License-Identifier: BSD-2-Clause
//! `tidy`: the house rules.

use host::{Failure, Outcome};

use crate::cli::{Format, TidyArgs};
use crate::context::Context;

/// Checks the house rules, or accepts smaller sizes.
pub(crate) fn run(context: &Context, args: &TidyArgs) -> Outcome<()> {
    let report = tidy::check(&context.root, args.bless)
        .map_err(|e| Failure::environment(format!("cannot look at the tree: {e}")))?;
    match context.format {
        Format::Json => out!(
            "{}",
            serde_json::json!({ "version": 1, "findings": report.findings })
        ),
        Format::Human => report.findings.iter().for_each(|finding| out!("{finding}")),
    }
    if report.findings.is_empty() {
        context
            .ui
            .say(&format!("{} files keep the house rules", report.files));
        return Ok(());
    }
    Err(Failure::input(format!(
        "{} breaches of the house rules",
        report.findings.len()
    )))
}
