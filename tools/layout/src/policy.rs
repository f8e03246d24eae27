// SPDX-License-Identifier: BSD-2-Clause
//! The policy held against the system: flows, criticality, devices that reach all memory.

use crate::criticality::Claims;
use crate::expand::Made;
use crate::flow::{Flows, Step};
use crate::model::{Guest, Layout};
use crate::rules::{CRITICAL_FLOW, DENIED, DMA, RANK, UNDECLARED};
use sdf::{Board, Diagnostic, Diagnostics, Span};

/// Reports what contradicts the policy of `layout`.
pub(crate) fn check(layout: &Layout, flows: &Flows, claims: &Claims, out: &mut Diagnostics) {
    denied(layout, flows, out);
    undeclared(layout, flows, out);
    critical(layout, flows, claims, out);
    ranks(layout, claims, out);
}

/// The steps of a path, as a sentence.
fn show(path: &[&Step]) -> String {
    let steps: Vec<String> = path.iter().map(ToString::to_string).collect();
    steps.join(", ")
}

fn denied(layout: &Layout, flows: &Flows, out: &mut Diagnostics) {
    for deny in &layout.policy.deny {
        if let Some(path) = flows.path(&deny.from, &deny.to, |_| true, |_| true) {
            out.push(Diagnostic::new(&DENIED, deny.span, show(&path)));
        }
    }
}

fn is_guest(layout: &Layout, subject: &str) -> bool {
    layout.guests.iter().any(|guest| *guest.name == subject)
}

/// Whether the layout says so.
fn allows(layout: &Layout, from: &str, to: &str) -> bool {
    let mut allow = layout.policy.allow.iter();
    allow.any(|flow| *flow.from == from && *flow.to == to)
}

/// Pairs of different guests.
fn pairs(layout: &Layout) -> impl Iterator<Item = (&Guest, &Guest)> {
    let guests = || layout.guests.iter();
    let pairs = guests().flat_map(move |from| guests().map(move |to| (from, to)));
    pairs.filter(|(from, to)| from.name.value != to.name.value)
}

fn undeclared(layout: &Layout, flows: &Flows, out: &mut Diagnostics) {
    for (from, to) in pairs(layout) {
        let (source, sink) = (from.name.as_str(), to.name.as_str());
        let mut deny = layout.policy.deny.iter();
        let denied = deny.any(|flow| *flow.from == source && *flow.to == sink);
        if denied || allows(layout, source, sink) {
            continue;
        }
        let between = |subject: &str| !is_guest(layout, subject);
        if let Some(path) = flows.path(source, sink, |_| true, between) {
            let item = Diagnostic::new(&UNDECLARED, from.name.span, show(&path));
            let help =
                format!("<allow from=\"{source}\" to=\"{sink}\"/>, or take away what it flows by");
            out.push(item.also(to.name.span, "to here").help(help));
        }
    }
}

/// From a lower to a higher level things flow only as the policy says, and through a service.
fn critical(layout: &Layout, flows: &Flows, claims: &Claims, out: &mut Diagnostics) {
    for low in claims.subjects() {
        for high in claims.subjects().filter(|high| claims.is_below(low, high)) {
            let declared = allows(layout, low, high);
            let unguarded = |step: &Step| !declared || step.service.is_none();
            let between = |subject: &str| claims.level(subject).is_none();
            let Some(path) = flows.path(low, high, unguarded, between) else {
                continue;
            };
            let (Some(lower), Some(higher)) = (claims.level(low), claims.level(high)) else {
                continue;
            };
            let message = format!("from {} to {}: {}", lower.value, higher.value, show(&path));
            let item = Diagnostic::new(&CRITICAL_FLOW, higher.span, message);
            out.push(item.also(lower.span, "the lower one"));
        }
    }
}

fn ranks(layout: &Layout, claims: &Claims, out: &mut Diagnostics) {
    for (low, high) in pairs(layout) {
        let rank = |guest: &Guest| guest.limits.priority.map_or(0, |priority| priority.value);
        let together = low.limits.cpu.value == high.limits.cpu.value;
        if together && rank(low) > rank(high) && claims.is_below(&low.name, &high.name) {
            let message = format!(
                "`{}` has priority {}, above `{}` with {}, which is more critical",
                low.name.value,
                rank(low),
                high.name.value,
                rank(high)
            );
            let span = low
                .limits
                .priority
                .map_or(low.span, |priority| priority.span);
            let item = Diagnostic::new(&RANK, span, message);
            out.push(item.also(high.name.span, "the more critical one"));
        }
    }
}

/// Reports, once, devices that reach memory by themselves with nothing on the board to confine them.
pub(crate) fn devices(made: &Made, board: Option<&Board>, out: &mut Diagnostics) {
    let Some(board) = board else { return };
    let loose = made.masters.iter();
    let loose = loose.filter(|(device, _)| !board.confined.contains_key(*device));
    let loose: Vec<(&String, &Span)> = loose.collect();
    let Some((_, first)) = loose.first() else {
        return;
    };
    let names: Vec<&str> = loose.iter().map(|(device, _)| device.as_str()).collect();
    let message = format!(
        "{}: nothing on {} keeps {} from reaching all memory",
        names.join(", "),
        board.name,
        if names.len() == 1 { "it" } else { "them" }
    );
    let mut item = Diagnostic::new(&DMA, **first, message);
    for (device, span) in loose.iter().skip(1) {
        item = item.also(**span, device.as_str());
    }
    out.push(item);
}
