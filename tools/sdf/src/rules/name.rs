// SPDX-License-Identifier: BSD-2-Clause
//! Names and references by name.

use super::{Context, Rule, Severity};
use crate::diag::Diagnostic;
use crate::model::{ScheduleEntry, System};
use crate::span::{Span, Spanned};
use crate::xml::distance;
use std::collections::HashMap;

/// Names are unique among their kind.
pub static DUPLICATE: Rule = Rule {
    id: "name-duplicate",
    severity: Severity::Error,
    law: "Names are unique among their kind",
    why: "A reference by name would have two meanings",
    fix: "rename one of them",
};

/// No protection domain is called monitor.
pub static RESERVED: Rule = Rule {
    id: "name-reserved",
    severity: Severity::Error,
    law: "No protection domain is called monitor",
    why: "Microkit uses this name for its own fault handler",
    fix: "choose another name",
};

/// Names of protection domains and virtual machines have 1 to 63 bytes.
pub static LENGTH: Rule = Rule {
    id: "name-length",
    severity: Severity::Error,
    law: "Names of protection domains and virtual machines have 1 to 63 bytes",
    why: "They are stored in 64 bytes; a name of 64 bytes leaves no room for the terminating NUL",
    fix: "shorten the name",
};

/// What is named exists.
pub static UNKNOWN: Rule = Rule {
    id: "name-unknown",
    severity: Severity::Error,
    law: "What is named exists",
    why: "A capability or mapping cannot be made for something that is not there",
    fix: "correct the name or declare it",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[&DUPLICATE, &RESERVED, &LENGTH, &UNKNOWN];

/// Applies this group.
pub(super) fn check(cx: &mut Context<'_>) {
    let system = cx.system;
    let vms = || {
        system
            .pds
            .iter()
            .filter_map(|pd| pd.virtual_machine.as_ref())
    };
    unique(
        cx,
        "protection domain",
        system.pds.iter().map(|pd| &pd.name),
    );
    unique(cx, "virtual machine", vms().map(|vm| &vm.name));
    unique(
        cx,
        "memory region",
        system.memory_regions.iter().map(|mr| &mr.name),
    );
    let domains = system.domains.iter().flat_map(|d| &d.domains);
    unique(cx, "domain", domains.map(|domain| &domain.name));
    spelling(cx, system);
    references(cx, system);
}

/// Rules about the names of protection domains and virtual machines themselves.
fn spelling(cx: &mut Context<'_>, system: &System) {
    let vms = system
        .pds
        .iter()
        .filter_map(|pd| pd.virtual_machine.as_ref());
    let names = system
        .pds
        .iter()
        .map(|pd| &pd.name)
        .chain(vms.map(|vm| &vm.name));
    for name in names {
        if cx.given(name) && !(1..=63).contains(&name.len()) {
            let message = format!("a name of {} bytes", name.len());
            cx.out.push(Diagnostic::new(&LENGTH, name.span, message));
        }
    }
    for pd in system.pds.iter().filter(|pd| *pd.name == "monitor") {
        cx.out.push(Diagnostic::new(
            &RESERVED,
            pd.name.span,
            "`monitor` is taken",
        ));
    }
}

/// Reports every name of `kind` that was used before.
fn unique<'a>(cx: &mut Context<'_>, kind: &str, names: impl Iterator<Item = &'a Spanned<String>>) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for name in names.filter(|name| !name.is_empty()) {
        if let Some(first) = seen.get(name.as_str()) {
            let message = format!("two {kind}s are called `{}`", name.value);
            let item = Diagnostic::new(&DUPLICATE, name.span, message);
            cx.out.push(item.also(*first, "first one"));
        } else {
            seen.insert(name, name.span);
        }
    }
}

/// Reports every reference to a protection domain, region or domain that does not exist.
fn references(cx: &mut Context<'_>, system: &System) {
    let regions: Vec<&str> = system
        .memory_regions
        .iter()
        .map(|mr| mr.name.as_str())
        .collect();
    for map in system.all_maps() {
        known(cx, "memory region", &map.mr, &regions);
    }
    let pds: Vec<&str> = system.pds.iter().map(|pd| pd.name.as_str()).collect();
    for pd in &system.pds {
        for setvar in &pd.setvars {
            known(cx, "memory region", &setvar.region, &regions);
        }
        for cap in &pd.cspace {
            known(cx, "protection domain", &cap.pd, &pds);
        }
    }
    for end in system.channels.iter().flat_map(|ch| &ch.ends) {
        known(cx, "protection domain", &end.pd, &pds);
    }
    let Some(domains) = &system.domains else {
        return;
    };
    let names: Vec<&str> = domains.domains.iter().map(|d| d.name.as_str()).collect();
    for domain in system.pds.iter().filter_map(|pd| pd.domain.as_ref()) {
        known(cx, "domain", domain, &names);
    }
    for entry in &domains.schedule {
        if let ScheduleEntry::Run { domain, .. } = entry {
            known(cx, "domain", domain, &names);
        }
    }
}

/// Reports `name` unless it is one of `names`, suggesting the nearest.
fn known(cx: &mut Context<'_>, kind: &str, name: &Spanned<String>, names: &[&str]) {
    if names.contains(&name.as_str()) || !cx.given(name) {
        return;
    }
    let message = format!("there is no {kind} called `{}`", name.value);
    let mut item = Diagnostic::new(&UNKNOWN, name.span, message);
    let nearest = names.iter().min_by_key(|other| distance(other, name));
    if let Some(nearest) = nearest.filter(|other| distance(other, name) <= 2) {
        item = item.help(format!("did you mean `{nearest}`?"));
    }
    cx.out.push(item);
}
