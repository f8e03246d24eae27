// SPDX-License-Identifier: BSD-2-Clause
//! The programs of a system, found and checked.

use crate::elf::{Elf, Segment};
use crate::rules;
use sdf::model::{ProtectionDomain, System};
use sdf::rules::Rule;
use sdf::{Diagnostic, Diagnostics, FileError, Files, Spanned};

/// The programs of a system.
#[derive(Debug, Clone)]
pub struct ElfSet {
    /// One for each protection domain, in its order.
    pub pds: Vec<Elf>,
    /// Microkit's monitor; absent for the development kernel, which contains it.
    pub monitor: Option<MonitorElf>,
}

/// Microkit's monitor.
pub type MonitorElf = Elf;

impl ElfSet {
    /// Reads every program that `system` names and applies the rules about each.
    ///
    /// # Errors
    /// Every program that is missing or breaks a rule.
    pub fn load(
        system: &System,
        files: &dyn Files,
        monitor: Option<MonitorElf>,
    ) -> Result<Self, Diagnostics> {
        let mut out = Diagnostics::new(system.source.clone());
        let mut pds = Vec::new();
        for pd in &system.pds {
            if let Some(elf) = load(pd, files, &mut out) {
                check(system, pd, &elf, files, &mut out);
                pds.push(elf);
            }
        }
        if out.has_errors() {
            out.sort();
            return Err(out);
        }
        Ok(Self { pds, monitor })
    }

    /// Entry point of the program of protection domain `name`, for records.
    #[must_use]
    pub fn entry(&self, system: &System, name: &str) -> Option<u64> {
        self.pds.get(system.pd_index(name)?).map(|elf| elf.entry)
    }
}

fn load(pd: &ProtectionDomain, files: &dyn Files, out: &mut Diagnostics) -> Option<Elf> {
    let program = read(&pd.image.path, files, out);
    let symbols = match &pd.image.path_for_symbols {
        Some(path) => Some(read(path, files, out)?),
        None => None,
    };
    match Elf::parse(&program?, symbols.as_deref()) {
        Ok(elf) => Some(elf),
        Err(error) => {
            let message = format!("`{}` cannot be loaded: {error}", pd.image.path.value);
            out.push(Diagnostic::new(&rules::FORMAT, pd.image.path.span, message));
            None
        }
    }
}

fn read(path: &Spanned<String>, files: &dyn Files, out: &mut Diagnostics) -> Option<Vec<u8>> {
    let message = match files.read(path) {
        Ok(bytes) => return Some(bytes),
        Err(FileError::Unreadable(why)) => format!("`{}` cannot be read: {why}", path.value),
        Err(_) => format!("`{}` is in no search directory", path.value),
    };
    out.push(Diagnostic::new(&rules::MISSING, path.span, message));
    None
}

/// Rules about one program and its place in the address space.
fn check(
    system: &System,
    pd: &ProtectionDomain,
    elf: &Elf,
    files: &dyn Files,
    out: &mut Diagnostics,
) {
    let path = &pd.image.path;
    let mut report = |rule, what: String| {
        let message = format!("`{}` {what}", path.value);
        out.push(Diagnostic::new(rule, path.span, message));
    };
    let loaded: Vec<&Segment> = elf.segments.iter().filter(|s| s.mem_size > 0).collect();
    for segment in &loaded {
        one(segment, pd.map_limit(), &mut report);
    }
    let mut pages: Vec<(u64, u64)> = loaded.iter().map(|segment| segment.pages()).collect();
    pages.sort_unstable();
    for pair in pages.windows(2) {
        if let [(_, end), (start, _)] = pair
            && start < end
        {
            report(
                &rules::PAGE_SHARED,
                format!("has two segments on the page {start:#x}"),
            );
        }
    }
    let has_code = |s: &Segment| s.execute && s.vaddr <= elf.entry && elf.entry < s.end();
    if !loaded.iter().any(|segment| has_code(segment)) {
        report(
            &rules::ENTRY,
            format!("starts at {:#x}, where it has no code", elf.entry),
        );
    }
    overlaps(system, pd, &loaded, files, out);
}

/// Rules about one segment by itself; addresses from `limit` belong to the stack.
fn one(segment: &Segment, limit: u64, report: &mut dyn FnMut(&'static Rule, String)) {
    let at = format!("at {:#x}", segment.vaddr);
    if segment.write && segment.execute {
        report(
            &rules::WX,
            format!("has a writable and executable segment {at}"),
        );
    }
    if !segment.read {
        report(
            &rules::PERMS,
            format!("has a segment without read permission {at}"),
        );
    }
    if segment.pages().1 > limit {
        report(
            &rules::RANGE,
            format!("has a segment {at} that reaches beyond {limit:#x}"),
        );
    }
}

fn overlaps(
    system: &System,
    pd: &ProtectionDomain,
    loaded: &[&Segment],
    files: &dyn Files,
    out: &mut Diagnostics,
) {
    for map in &pd.maps {
        let region = system
            .memory_region(&map.mr)
            .and_then(|mr| system.region(mr, files));
        let Some(region) = region else { continue };
        let end = map.vaddr.saturating_add(region.size);
        for (from, to) in loaded.iter().map(|segment| segment.pages()) {
            if map.vaddr.value < to && from < end {
                let message = format!(
                    "`{}` overlaps the program of `{}`",
                    map.mr.value, pd.name.value
                );
                let item = Diagnostic::new(&rules::MAP, map.vaddr.span, message);
                let item = item.label(format!("{:#x} to {end:#x}", map.vaddr.value));
                let text = format!("has a segment from {from:#x} to {to:#x}");
                out.push(item.also(pd.image.path.span, text));
            }
        }
    }
}
