// SPDX-License-Identifier: BSD-2-Clause
//! Programs: what is mapped is what was compiled, and it is told the truth about its surroundings.

use std::collections::BTreeSet;

use super::{Check, Outcome};
use crate::elf::{Elf, Segment};
use crate::image::SETVAR;
use crate::report::{Facts, Setting};
use crate::spec::Kind;
use crate::system::{Role, Thread, cptr};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "elf-segments",
        law: "no segment of a program is writable and executable, and no two share a page",
        reason: "a linker may merge them silently; the SDK's own example has such a segment",
        run: segments,
    },
    Check {
        id: "elf-mapping",
        law: "a program's pages have the rights of its segments, and it starts at its entry point",
        reason: "what runs is then what was compiled",
        run: mapping,
    },
    Check {
        id: "elf-told",
        law: "what the tool tells a program about its channels and interrupts is what it has",
        reason: "a program that believes in a channel which it does not have stops, or signals another",
        run: told,
    },
];

/// Protection domains whose programs were given.
fn pds<'a>(facts: &'a Facts<'_>) -> Vec<(&'a Thread, &'a Elf)> {
    let pds = facts
        .system
        .threads
        .iter()
        .filter(|thread| thread.role != Role::Vcpu);
    pds.filter_map(|pd| Some((pd, facts.inputs.programs.get(&pd.name)?)))
        .collect()
}

const PAGE: u64 = 0x1000;

fn segments(facts: &Facts<'_>) -> Outcome {
    if facts.inputs.programs.is_empty() {
        return Outcome::Nothing("no programs were given");
    }
    let mut lines = Vec::new();
    for (name, elf) in &facts.inputs.programs {
        let mut taken = BTreeSet::new();
        for segment in elf.segments.iter().filter(|segment| segment.size > 0) {
            let at = segment.vaddr;
            if segment.flags.write && segment.flags.execute {
                lines.push(format!("{name}: {at:#x} is writable and executable"));
            }
            let last = at.saturating_add(segment.size - 1) / PAGE;
            let pages = at / PAGE..=last.min(at / PAGE + (1 << 20));
            let shared: Vec<u64> = pages.filter(|page| !taken.insert(*page)).collect();
            lines.extend(
                shared
                    .first()
                    .map(|page| format!("{name}: two segments on page {:#x}", page * PAGE)),
            );
        }
    }
    Outcome::breaches(lines, format!("{} programs", facts.inputs.programs.len()))
}

fn mapping(facts: &Facts<'_>) -> Outcome {
    let pds = pds(facts);
    if pds.is_empty() {
        return Outcome::Nothing("no programs were given");
    }
    let mut lines = Vec::new();
    for (pd, elf) in &pds {
        if pd.entry != elf.entry {
            lines.push(format!(
                "{}: starts at {:#x}, not {:#x}",
                pd.name, pd.entry, elf.entry
            ));
        }
        let runs = |segment: &&Segment| {
            segment.flags.execute
                && segment.vaddr <= elf.entry
                && elf.entry < segment.vaddr.saturating_add(segment.size)
        };
        if !elf.segments.iter().any(|segment| runs(&segment)) {
            lines.push(format!("{}: {:#x} is no code", pd.name, elf.entry));
        }
        lines.extend(
            elf.segments
                .iter()
                .filter_map(|segment| unlike(pd, segment)),
        );
    }
    Outcome::breaches(lines, format!("{} programs", pds.len()))
}

/// Where a segment is not mapped as it says.
fn unlike(pd: &Thread, segment: &Segment) -> Option<String> {
    let end = segment.vaddr.saturating_add(segment.size);
    let mut at = segment.vaddr;
    while at < end {
        let index = pd.mappings.partition_point(|page| page.end() <= at);
        let page = pd.mappings.get(index).filter(|page| page.vaddr <= at);
        let good = page.filter(|page| {
            (page.read, page.write, page.execute)
                == (
                    segment.flags.read,
                    segment.flags.write,
                    segment.flags.execute,
                )
                && page.cached
        });
        match good {
            Some(page) => at = page.end(),
            None => {
                return Some(format!(
                    "{}: {at:#x} is not mapped as its segment says",
                    pd.name
                ));
            }
        }
    }
    None
}

/// What a domain's memory holds at the start, if the image was given.
fn initial(facts: &Facts<'_>, pd: &Thread, vaddr: u64, len: u64) -> Option<Vec<u8>> {
    let embedded = facts.image.as_ref()?.embedded.as_ref()?;
    let mut bytes = Vec::new();
    for at in vaddr..vaddr.checked_add(len)? {
        let index = pd.mappings.partition_point(|page| page.end() <= at);
        let page = pd.mappings.get(index).filter(|page| page.vaddr <= at)?;
        let offset = at - page.vaddr;
        let parts = embedded.contents.get(page.frame)?;
        let byte = parts.iter().find_map(|part| {
            part.bytes
                .get(usize::try_from(offset.checked_sub(part.start)?).ok()?)
                .copied()
        });
        bytes.push(byte.unwrap_or(0));
    }
    Some(bytes)
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The ids at which a domain has capabilities of `kind` from `first` on, one bit each.
fn ids(pd: &Thread, kind: Kind, first: u64) -> u64 {
    let held = pd.caps.iter().filter(|held| held.kind == kind);
    let ids = held.filter_map(|held| held.cptr.checked_sub(first).filter(|id| *id < cptr::IDS));
    ids.fold(0, |bits, id| bits | 1 << id)
}

fn told(facts: &Facts<'_>) -> Outcome {
    let pds: Vec<_> = pds(facts)
        .into_iter()
        .filter(|(pd, _)| pd.role == Role::Pd)
        .collect();
    let embedded = facts.image.as_ref().and_then(|it| it.embedded.as_ref());
    if pds.is_empty() || embedded.is_none() {
        return Outcome::Nothing("needs programs and an image for seL4");
    }
    let lines = pds.iter().flat_map(|(pd, elf)| {
        numbers_told(facts, pd, elf)
            .into_iter()
            .chain(name_told(facts, pd, elf))
    });
    let lines: Vec<String> = lines.collect();
    Outcome::breaches(lines, format!("{} programs", pds.len()))
}

/// Variables of `pd` that do not hold what it has.
fn numbers_told(facts: &Facts<'_>, pd: &Thread, elf: &Elf) -> Vec<String> {
    let signals = ids(pd, Kind::Notification, cptr::NOTIFY);
    let mut lines = Vec::new();
    for (name, expected) in [
        ("microkit_irqs", ids(pd, Kind::Irq, cptr::IRQ)),
        ("microkit_notifications", signals),
        ("microkit_pps", ids(pd, Kind::Endpoint, cptr::CALL)),
        ("microkit_ioports", 0),
        ("microkit_passive", u64::from(pd.passive)),
    ] {
        let symbol = elf.symbol(name);
        let value = symbol.and_then(|s| initial(facts, pd, s.vaddr, s.size.min(8)));
        let pd = &pd.name;
        match value.map(|bytes| number(&bytes)) {
            Some(value) if value == expected => {}
            Some(value) => {
                lines.push(format!(
                    "{pd}: {name} is {value:#x}, should be {expected:#x}"
                ));
            }
            None => lines.push(format!("{pd}: has no {name}")),
        }
    }
    lines
}

/// What `pd` is told to be called, if that is wrong.
fn name_told(facts: &Facts<'_>, pd: &Thread, elf: &Elf) -> Option<String> {
    let symbol = elf.symbol("microkit_name");
    let value = symbol.and_then(|s| initial(facts, pd, s.vaddr, s.size));
    let value = value.unwrap_or_default();
    let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
    let told = String::from_utf8_lossy(name);
    (told != pd.name).then(|| format!("{}: is told to be {told}", pd.name))
}

/// The variables that were set in programs on request: those of eight bytes in data segments whose
/// value in the image is not the program's own.
#[must_use]
pub(crate) fn settings(facts: &Facts<'_>) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (pd, elf) in pds(facts) {
        let own = elf
            .symbols
            .iter()
            .filter(|s| s.size == SETVAR && !s.name.starts_with("microkit_"));
        let mut seen = BTreeSet::new();
        for symbol in own {
            let before = elf.bytes(symbol.vaddr, SETVAR);
            let after = initial(facts, pd, symbol.vaddr, SETVAR);
            if let Some((_, after)) = before.zip(after).filter(|(before, after)| before != after)
                && seen.insert(&symbol.name)
            {
                settings.push(Setting {
                    pd: pd.name.clone(),
                    symbol: symbol.name.clone(),
                    value: number(&after),
                });
            }
        }
    }
    settings.sort_by(|a, b| (&a.pd, &a.symbol).cmp(&(&b.pd, &b.symbol)));
    settings
}
