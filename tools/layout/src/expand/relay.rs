// SPDX-License-Identifier: BSD-2-Clause
//! What services pass on between their clients, as their manifests and the layout's lists say.

use super::Expansion;
use super::join::Join;
use super::settings::text;
use crate::flow::Step;
use crate::manifest::Meet;
use std::collections::BTreeSet;

/// Setting that lists other clients of the same server.
const ALLOW: &str = "allow";

/// The flows through services that keep their clients apart but for what is listed.
pub(super) fn find(work: &Expansion<'_>, joins: &[Join]) -> Vec<Step> {
    let mut steps = BTreeSet::new();
    for from in joins {
        for to in joins.iter().filter(|to| to.server == from.server) {
            let (source, sink) = (subject(work, from), subject(work, to));
            if source == sink || !meet(work, from, to) {
                continue;
            }
            let service = work.pds[from.server.0].name.value.clone();
            steps.insert(Step {
                from: source,
                to: sink,
                by: format!("service `{service}`"),
                service: Some(service),
            });
        }
    }
    steps.into_iter().collect()
}

/// Whose the client of `join` is.
fn subject(work: &Expansion<'_>, join: &Join) -> String {
    let pd = &work.pds[join.client.0];
    let guest = pd.guest.map(|guest| &work.layout.guests[guest].name);
    guest.unwrap_or(&pd.name).value.clone()
}

fn meet(work: &Expansion<'_>, a: &Join, b: &Join) -> bool {
    let manifest = &work.pds[a.server.0].manifest;
    let apart = manifest.apart.as_ref().is_some_and(|apart| {
        let [name, value] = &apart.unless;
        let spans_all = |join: &Join| told(join, name).is_some_and(|told| told == *value);
        let of = |join: &Join| told(join, &apart.setting);
        of(a) != of(b) && !spans_all(a) && !spans_all(b)
    });
    let lists = |join: &Join, other: &Join| {
        let listed = told(join, ALLOW);
        listed.map(|names| names.split_whitespace().any(|name| *other.name == name))
    };
    !apart
        && match manifest.clients_meet {
            Meet::Any | Meet::Never => false,
            Meet::Listed => lists(a, b).unwrap_or(true) && lists(b, a).unwrap_or(true),
            Meet::Connected => lists(a, b).unwrap_or(false) || lists(b, a).unwrap_or(false),
        }
}

/// What the server of `join` is told about its client under `name`.
fn told(join: &Join, name: &str) -> Option<String> {
    join.settings.get(name).map(|value| text(&value.value))
}
