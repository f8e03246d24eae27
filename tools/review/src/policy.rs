// SPDX-License-Identifier: BSD-2-Clause
//! Item 13: what the description declares, what the distribution has, and the difference.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use audit::flow::{Carrier, Edge, PolicyResult};
use audit::memory::MemoryUse;
use serde::Serialize;

use crate::model::Model;
use crate::package::Package;
use crate::view::{View, declared};

/// What `13-policy-*.json` hold.
#[derive(Debug, Serialize)]
struct Side<'a> {
    made_from: &'a str,
    flows: &'a [Edge],
    rights: &'a BTreeSet<Right>,
    policy: &'a audit::flow::Policy,
    judged: Option<&'a PolicyResult>,
}

/// A subject's right to a region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Right {
    region: String,
    subject: String,
    rights: String,
    cached: bool,
}

/// The difference.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// What is there without having been declared.
    pub(crate) undeclared: Vec<String>,
    /// What was declared and is not there.
    pub(crate) missing: Vec<String>,
    /// Flows that need rights without a purpose.
    pub(crate) excess: Vec<String>,
}

fn rights(view: &View, model: &Model) -> BTreeSet<Right> {
    let known: BTreeSet<&str> = model.regions.iter().map(|it| it.name.as_str()).collect();
    let regions = view
        .memory
        .iter()
        .filter(|it| known.contains(it.region.as_str()));
    let right = |region: &str, one: &MemoryUse| {
        let bits = [(one.read, 'r'), (one.write, 'w'), (one.execute, 'x')];
        Right {
            region: region.to_owned(),
            subject: one.subject.clone(),
            rights: bits.iter().filter(|(on, _)| *on).map(|(_, c)| *c).collect(),
            cached: one.cached,
        }
    };
    regions
        .flat_map(|it| it.uses.iter().map(|one| right(&it.region, one)))
        .collect()
}

/// What two extractors can agree on: names of endpoints and notifications are the tool's own.
fn key(edge: &Edge) -> (String, String, Carrier, String) {
    let object = match edge.carrier {
        Carrier::Memory => edge.object.clone(),
        _ => String::new(),
    };
    (edge.from.clone(), edge.to.clone(), edge.carrier, object)
}

fn show_edge(key: &(String, String, Carrier, String)) -> String {
    let (from, to, carrier, object) = key;
    let carrier = format!("{carrier:?}").to_lowercase();
    format!("flow {from} -> {to} by {carrier} {object}")
        .trim_end()
        .to_owned()
}

fn show_right(right: &Right) -> String {
    let attribute = if right.cached { "" } else { " device" };
    format!(
        "right {} to {}: {}{attribute}",
        right.subject, right.region, right.rights
    )
}

fn compare(wanted: &View, found: &View, model: &Model) -> Difference {
    let declared: BTreeSet<_> = wanted.edges.iter().map(key).collect();
    let needed = found.edges.iter().filter(|edge| !edge.excess);
    let needed: BTreeSet<_> = needed.map(key).collect();
    let excess = found.edges.iter().filter(|edge| edge.excess);
    let excess: BTreeSet<_> = excess.map(key).collect();
    let (ours, theirs) = (rights(wanted, model), rights(found, model));
    let mut undeclared: Vec<String> = needed.difference(&declared).map(show_edge).collect();
    undeclared.extend(theirs.difference(&ours).map(show_right));
    let mut missing: Vec<String> = declared.difference(&needed).map(show_edge).collect();
    missing.extend(ours.difference(&theirs).map(show_right));
    Difference {
        undeclared,
        missing,
        excess: excess.difference(&needed).map(show_edge).collect(),
    }
}

/// Adds item 13 and says what differs; nothing without a distribution.
pub(crate) fn emit(model: &Model, view: &View, out: &mut Package) -> Option<Difference> {
    let wanted = View::of(model, None).ok()?;
    let flows = declared(model);
    out.put_json(
        "13-policy-declared.json",
        &Side {
            made_from: "10-model.json",
            flows: &flows,
            rights: &rights(&wanted, model),
            policy: &model.policy,
            judged: None,
        },
    );
    let report = view.report.as_ref()?;
    out.put_json(
        "13-policy-extracted.json",
        &Side {
            made_from: "12-capdl.json",
            flows: &view.edges,
            rights: &rights(view, model),
            policy: &model.policy,
            judged: Some(&report.policy),
        },
    );
    let difference = compare(&wanted, view, model);
    out.put("13-policy.diff", difference.text());
    Some(difference)
}

impl Difference {
    /// One line each: `+` undeclared, `-` missing, `!` by excess rights.
    fn text(&self) -> String {
        let mut out = String::from(
            "# Declared (10-model.json) against extracted (12-capdl.json): flows and rights to regions.\n\
             # + is there undeclared; - was declared and is not there; ! needs rights that have no purpose.\n",
        );
        for (mark, lines) in [
            ('+', &self.undeclared),
            ('-', &self.missing),
            ('!', &self.excess),
        ] {
            for line in lines {
                // Writing to a String cannot fail.
                writeln!(out, "{mark} {line}").unwrap_or_default();
            }
        }
        writeln!(
            out,
            "# {} undeclared, {} missing, {} by excess rights",
            self.undeclared.len(),
            self.missing.len(),
            self.excess.len()
        )
        .unwrap_or_default();
        out
    }
}
