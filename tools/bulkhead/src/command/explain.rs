// SPDX-License-Identifier: BSD-2-Clause
//! `explain`: a rule in full, or all of them in a line each.

use host::{Failure, Outcome};
use sdf::rules::Rule;

use crate::cli::{ExplainArgs, Format};
use crate::context::Context;

/// The rules of system descriptions, those of layouts, then those of programs.
fn all() -> impl Iterator<Item = &'static Rule> {
    sdf::rules::all()
        .chain(layout::rules::all())
        .chain(capdl::rules::all())
}

/// Explains.
pub(crate) fn run(context: &Context, args: &ExplainArgs) -> Outcome<()> {
    let chosen: Vec<&Rule> = match &args.rule {
        None => all().collect(),
        Some(id) => vec![find(id)?],
    };
    match (context.format, args.rule.is_some()) {
        (Format::Json, _) => {
            out!("{}", serde_json::json!({ "version": 1, "rules": chosen }));
        }
        (Format::Human, true) => chosen.iter().for_each(|rule| print_whole(rule)),
        (Format::Human, false) => {
            for rule in chosen {
                out!(
                    "{:24} {:8} {}",
                    rule.id,
                    rule.severity.to_string(),
                    rule.law
                );
            }
        }
    }
    Ok(())
}

fn print_whole(rule: &Rule) {
    out!("{}[{}]: {}\n", rule.severity, rule.id, rule.law);
    out!("why:  {}", rule.why);
    out!("help: {}", rule.fix);
}

fn find(id: &str) -> Outcome<&'static Rule> {
    all().find(|rule| rule.id == id).ok_or_else(|| {
        let near: Vec<_> = all()
            .map(|r| r.id)
            .filter(|known| alike(known, id))
            .collect();
        let failure = Failure::environment(format!("there is no rule called {id}"));
        if near.is_empty() {
            failure.help("cargo bulkhead explain lists all rules")
        } else {
            failure.help(format!("did you mean {}?", near.join(", ")))
        }
    })
}

/// Whether two names share a word.
fn alike(known: &str, asked: &str) -> bool {
    asked
        .split('-')
        .any(|word| word.len() > 2 && known.split('-').any(|k| k == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_found_and_says_why_and_what_to_do() {
        for rule in all() {
            assert_eq!(find(rule.id).unwrap().id, rule.id);
            assert!(!rule.why.is_empty() && !rule.fix.is_empty(), "{}", rule.id);
        }
        assert!(find("no-such-rule-x").is_err());
    }
}
