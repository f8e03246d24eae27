// SPDX-License-Identifier: BSD-2-Clause
//! A declared policy of flows, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Edge, Flows, Graph};

/// A declared policy. Groups stand for several subjects; a name that is no group is a subject.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Subjects by group: a guest with its monitor and its backends, for example.
    #[serde(default)]
    pub groups: BTreeMap<String, Vec<String>>,
    /// Subjects that are trusted to keep those apart who talk to them: nothing flows *through* them
    /// for the sake of this policy. They are listed as assumptions.
    #[serde(default)]
    pub separators: Vec<String>,
    /// What must not be.
    #[serde(default)]
    pub deny: Vec<Statement>,
    /// What may be directly. If there is any, a direct flow between groups that none allows is a
    /// finding.
    #[serde(default)]
    pub allow: Vec<Statement>,
}

/// From a group or subject to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
}

/// What became of a statement that denies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// The statement.
    pub statement: Statement,
    /// Whether nothing flows.
    pub holds: bool,
    /// A shortest way that it should not be possible to go: subject, carrier, object, subject, …
    pub way: Vec<String>,
    /// Whom a way would lead through if the separators did not keep it apart.
    pub kept_apart_by: Vec<String>,
}

/// What became of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PolicyResult {
    /// Every statement that denies.
    pub denied: Vec<Judged>,
    /// Direct flows between groups that nothing allows.
    pub undeclared: Vec<Edge>,
    /// Names in the policy that nothing has.
    pub unknown: Vec<String>,
}

impl Policy {
    /// Holds the policy against `flows`.
    #[must_use]
    pub fn judge(&self, flows: &Flows) -> PolicyResult {
        let known: BTreeSet<&str> = flows.closure.keys().map(String::as_str).collect();
        let statements = || self.deny.iter().chain(&self.allow);
        let names = statements()
            .flat_map(|s| [&s.from, &s.to])
            .flat_map(|name| self.members(name));
        let named = self
            .groups
            .values()
            .flatten()
            .chain(&self.separators)
            .map(String::as_str);
        let unknown: BTreeSet<&str> = names
            .chain(named)
            .filter(|name| !known.contains(name))
            .collect();
        let undeclared = match self.allow.is_empty() {
            true => Vec::new(),
            false => flows
                .edges
                .iter()
                .filter(|edge| !edge.excess && !self.allows(edge))
                .cloned()
                .collect(),
        };
        PolicyResult {
            denied: self
                .deny
                .iter()
                .map(|statement| self.judge_one(statement, flows))
                .collect(),
            undeclared,
            unknown: unknown.into_iter().map(str::to_owned).collect(),
        }
    }

    fn members<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        match self.groups.get(name) {
            Some(members) => members.iter().map(String::as_str).collect(),
            None => vec![name],
        }
    }

    fn judge_one(&self, statement: &Statement, flows: &Flows) -> Judged {
        let graph = Graph::new(&flows.edges, false);
        let (from, to) = (self.members(&statement.from), self.members(&statement.to));
        let monitors = flows.left_monitors();
        let stops: BTreeSet<&str> = self
            .separators
            .iter()
            .map(String::as_str)
            .chain(monitors.iter().copied())
            .collect();
        let way = way(&graph, &from, &to, &stops);
        let through = match way.is_empty() {
            true => self::way(&graph, &from, &to, &monitors),
            false => Vec::new(),
        };
        let kept = through
            .into_iter()
            .filter(|name| self.separators.contains(name));
        Judged {
            statement: statement.clone(),
            holds: way.is_empty(),
            way,
            kept_apart_by: kept.collect(),
        }
    }

    fn allows(&self, edge: &Edge) -> bool {
        let same = |group: &Vec<String>| group.contains(&edge.from) && group.contains(&edge.to);
        let allowed = |s: &Statement| {
            self.members(&s.from).contains(&edge.from.as_str())
                && self.members(&s.to).contains(&edge.to.as_str())
        };
        self.groups.values().any(same) || self.allow.iter().any(allowed)
    }
}

impl Flows {
    /// The subjects that fault handling makes everybody's neighbour and that never answer.
    fn left_monitors(&self) -> BTreeSet<&str> {
        self.closure
            .keys()
            .map(String::as_str)
            .filter(|name| *name == MONITOR)
            .collect()
    }
}

/// Name of the SDK's monitor.
pub(crate) const MONITOR: &str = "monitor";

/// A shortest way from one of `from` to one of `to`; empty if there is none.
fn way<'a>(
    graph: &Graph<'a>,
    from: &[&'a str],
    to: &[&str],
    stops: &BTreeSet<&str>,
) -> Vec<String> {
    let found = graph.from(from, stops);
    let Some(end) = to
        .iter()
        .find(|name| found.get(**name).is_some_and(Option::is_some))
    else {
        return Vec::new();
    };
    let mut steps = vec![(*end).to_owned()];
    let mut at = *end;
    while let Some(Some(edge)) = found.get(at) {
        let carrier = format!("{:?}", edge.carrier).to_lowercase();
        steps.extend([format!("{carrier} {}", edge.object), edge.from.clone()]);
        at = &edge.from;
    }
    steps.reverse();
    steps
}
