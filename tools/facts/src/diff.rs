// SPDX-License-Identifier: BSD-2-Clause
//! What a change of a layout changes: subjects, authority, flows, memory, time, devices.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::text::{bytes, list, time};
use crate::{Backing, Facts, Kind, Right, Verdict};

/// What differs between two systems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Whether nothing does.
    pub same: bool,
    /// Every aspect, also those without a change.
    pub sections: Vec<Section>,
}

/// An aspect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// What is compared.
    pub title: &'static str,
    /// What differs, by what it is about.
    pub changes: Vec<Change>,
}

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it is about.
    pub what: String,
    /// How it was; `None` where it was not there.
    pub before: Option<String>,
    /// How it is; `None` where it is gone.
    pub after: Option<String>,
}

/// What an aspect says, by what it is about.
type Said = BTreeMap<String, String>;
/// An aspect: its title and what it says of a system.
type Aspect = (&'static str, fn(&Facts) -> Said);

const ASPECTS: [Aspect; 9] = [
    ("subjects", subjects),
    ("authority", authority),
    ("settings", settings),
    ("flows between guests, services and drivers", policy),
    ("direct flows between subjects", flows),
    ("memory", memory),
    ("address spaces", spaces),
    ("schedule", schedule),
    ("devices and interrupts", devices),
];

/// Compares `a` with `b`.
#[must_use]
pub fn diff(a: &Facts, b: &Facts) -> Difference {
    let sections: Vec<Section> = ASPECTS
        .iter()
        .map(|(title, of)| Section {
            title,
            changes: changes(&of(a), &of(b)),
        })
        .collect();
    Difference {
        same: sections.iter().all(|section| section.changes.is_empty()),
        sections,
    }
}

fn changes(a: &Said, b: &Said) -> Vec<Change> {
    let mut all: BTreeMap<&String, (Option<&String>, Option<&String>)> = BTreeMap::new();
    for (what, how) in a {
        all.entry(what).or_default().0 = Some(how);
    }
    for (what, how) in b {
        all.entry(what).or_default().1 = Some(how);
    }
    all.into_iter()
        .filter(|(_, (before, after))| before != after)
        .map(|(what, (before, after))| Change {
            what: what.clone(),
            before: before.cloned(),
            after: after.cloned(),
        })
        .collect()
}

fn subjects(facts: &Facts) -> Said {
    let subjects = facts.subjects.iter().map(|subject| {
        let kind = match subject.kind {
            Kind::Guest => "guest".to_owned(),
            Kind::Monitor => format!("monitor of {}", subject.owner),
            Kind::Backend => format!("backend of {}", subject.owner),
            Kind::Driver => "driver".to_owned(),
            Kind::Service => "service".to_owned(),
        };
        let mut parts = vec![kind];
        parts.extend(subject.program.clone());
        parts.extend(subject.criticality.clone());
        let parent = subject.parent.as_ref();
        parts.extend(parent.map(|parent| format!("faults to {parent}")));
        parts.push(format!("stack {}", bytes(subject.stack)));
        (subject.name.clone(), parts.join(", "))
    });
    subjects.collect()
}

fn authority(facts: &Facts) -> Said {
    let grants = facts.authority.iter().map(|grant| {
        let does = match grant.right {
            Right::Read => "reads",
            Right::Write => "writes",
            Right::Execute => "executes",
            Right::Dma => "lets devices reach",
            Right::Notify => "notifies",
            Right::Call => "calls",
            Right::Interrupt => "receives",
            Right::Control => "controls",
            Right::Hold => "holds",
            Right::Smc => "calls the",
        };
        let what = format!("{} {does} {}", grant.subject, grant.on);
        (what, String::new())
    });
    grants.collect()
}

/// What domains are told: access to disks, allowed peers, addresses.
fn settings(facts: &Facts) -> Said {
    let mut said = Said::new();
    for subject in &facts.subjects {
        for (name, values) in &subject.settings {
            said.insert(format!("{}: {name}", subject.name), list(values));
        }
    }
    said
}

fn policy(facts: &Facts) -> Said {
    let flows = facts.policy.iter().map(|flow| {
        let verdict = match flow.verdict {
            Verdict::Allowed => "allowed",
            Verdict::Found => "not stated",
            Verdict::Forbidden => "DENIED BUT FOUND",
            Verdict::Missing => "allowed, not found",
            Verdict::Prevented => "denied, not found",
        };
        let how = match (flow.through.as_slice(), flow.by.as_slice()) {
            ([], []) => String::new(),
            ([], by) => format!(", by {}", list(by)),
            (through, _) => format!(", only through {}", list(through)),
        };
        (
            format!("{} → {}", flow.from, flow.to),
            format!("{verdict}{how}"),
        )
    });
    flows.collect()
}

fn flows(facts: &Facts) -> Said {
    let mut by: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for flow in &facts.flows {
        let what = format!("{} → {}", flow.from, flow.to);
        by.entry(what).or_default().push(flow.by.clone());
    }
    let said = by.into_iter();
    said.map(|(what, by)| (what, format!("by {}", list(&by))))
        .collect()
}

fn memory(facts: &Facts) -> Said {
    let regions = facts.regions.iter().map(|region| {
        let size = region
            .size
            .map_or_else(|| "size known to a build".to_owned(), bytes);
        let place = match region.base {
            Some(base) => format!("at {base:#x}"),
            None => "placed at boot".to_owned(),
        };
        let backing = match (region.backing, &region.device) {
            (Backing::Memory, _) => String::new(),
            (Backing::Banked, _) => ", banked".to_owned(),
            (Backing::Device, name) => format!(", of {}", name.as_deref().unwrap_or("a device")),
        };
        let pages = region
            .page
            .map(|page| format!(", pages of {}", bytes(page)));
        let how = format!("{size} {place}{backing}{}", pages.unwrap_or_default());
        (region.name.clone(), how)
    });
    regions.collect()
}

fn spaces(facts: &Facts) -> Said {
    let mut said = Said::new();
    for subject in &facts.subjects {
        for map in &subject.maps {
            let what = format!("{} in {}", map.region, subject.name);
            let kind = if map.cached { "" } else { ", device memory" };
            let how = format!("{} at {:#x}{kind}", map.rights, map.address);
            let all = said.entry(what).or_default();
            if !all.is_empty() {
                all.push_str("; ");
            }
            all.push_str(&how);
        }
    }
    said
}

fn schedule(facts: &Facts) -> Said {
    let mut said = Said::new();
    for subject in &facts.subjects {
        let of = &subject.time;
        let share = match (of.passive, of.budget_us < of.period_us) {
            (true, _) => "passive".to_owned(),
            (_, true) => format!("{} in {}", time(of.budget_us), time(of.period_us)),
            _ => format!("no limit, slices of {}", time(of.period_us)),
        };
        let cores: Vec<String> = of.cores.iter().map(u64::to_string).collect();
        let domain = of
            .domain
            .as_ref()
            .map(|domain| format!(", domain {domain}"));
        let how = format!(
            "priority {}, {share}, core {}{}",
            of.priority,
            cores.join(" "),
            domain.unwrap_or_default()
        );
        said.insert(subject.name.clone(), how);
    }
    for (n, (domain, length, ticks)) in facts.domains.iter().enumerate() {
        let length = if *ticks {
            format!("{length} ticks")
        } else {
            time(*length)
        };
        said.insert(
            format!("domain schedule {n:3}"),
            format!("{domain} for {length}"),
        );
    }
    said
}

fn devices(facts: &Facts) -> Said {
    let mut said = Said::new();
    for device in &facts.devices {
        let own = |region: &&crate::Region| region.device.as_deref() == Some(&device.name);
        let users = facts
            .regions
            .iter()
            .filter(own)
            .flat_map(|region| &region.users);
        let mut users: Vec<String> = users.map(|(name, _)| name.clone()).collect();
        users.sort();
        users.dedup();
        if !users.is_empty() {
            said.insert(device.name.clone(), format!("used by {}", list(&users)));
        }
        for (irq, user, edge) in &device.irqs {
            let how = if *edge { "edge" } else { "level" };
            said.insert(format!("interrupt {irq}"), format!("{how}, to {user}"));
        }
    }
    said
}

/// A difference as text, one line per change: `+` came, `-` went, `~` changed. `paint` may colour a line
/// that begins so.
#[must_use]
pub fn text(difference: &Difference, paint: impl Fn(char, &str) -> String) -> String {
    let mut out = String::new();
    let changed = difference
        .sections
        .iter()
        .filter(|section| !section.changes.is_empty());
    for section in changed {
        out.push_str(&format!("{}\n", section.title));
        for change in &section.changes {
            let (sign, how) = match (&change.before, &change.after) {
                (None, after) => ('+', after.clone().unwrap_or_default()),
                (before, None) => ('-', before.clone().unwrap_or_default()),
                (Some(before), Some(after)) => ('~', format!("{before}  →  {after}")),
            };
            let how = if how.is_empty() {
                how
            } else {
                format!(": {how}")
            };
            let line = format!("{sign} {}{how}", change.what);
            out.push_str(&format!("  {}\n", paint(sign, &line)));
        }
    }
    out
}
