// SPDX-License-Identifier: BSD-2-Clause
//! From our extension to plain SDF: each `<record>` becomes a read-only, prefilled region.

mod image;
mod resolve;

pub use image::{EncodeError, RecordImage, Resolved};
use resolve::resolve;

use crate::diag::{Diagnostic, Diagnostics};
use crate::files::Files;
use crate::model::{Map, MemoryRegion, PageSize, Perms, ProtectionDomain, Record, System};
use crate::rules::guest::IMAGE;
use crate::rules::record::SPACE;
use crate::span::{Span, Spanned};

/// Lowest address a record is mapped at.
pub const RECORD_BASE: u64 = 0x3000_0000;
/// Symbol that receives the record's address; a PD without record keeps 0.
pub const RECORD_SYMBOL: &str = "bulkhead_record";
/// Symbol that receives the size of the record's region in bytes.
pub const RECORD_SIZE_SYMBOL: &str = "bulkhead_record_size";

/// A system in plain SDF, and the files that its records need.
#[derive(Debug, Clone)]
pub struct Lowered {
    /// The system without any `<record>`; new elements carry the span of the record they come from.
    pub system: System,
    /// The records, in the order of their protection domains.
    pub records: Vec<RecordImage>,
}

/// Turns every `<record>` into a region, a mapping and two setvars.
///
/// # Errors
/// When a record names what its protection domain does not have, or has no room. A system that
/// [`crate::check`] accepted with the same files can only lack room.
pub fn lower(system: &System, files: &dyn Files) -> Result<Lowered, Diagnostics> {
    let mut out = Diagnostics::new(system.source.clone());
    let mut lowered = Lowered {
        system: system.clone(),
        records: Vec::new(),
    };
    for index in 0..system.pds.len() {
        lower_pd(system, index, files, &mut lowered, &mut out);
    }
    if out.has_errors() {
        out.sort();
        return Err(out);
    }
    Ok(lowered)
}

fn lower_pd(
    system: &System,
    index: usize,
    files: &dyn Files,
    lowered: &mut Lowered,
    out: &mut Diagnostics,
) {
    let pd = &system.pds[index];
    let Some(record) = &pd.record else { return };
    if let Some(guest) = &record.guest {
        let message = format!("the images of `{}` are not placed yet", *guest.image);
        out.push(Diagnostic::new(&IMAGE, guest.span, message));
    }
    let entries = resolve_all(system, index, record, files, out);
    let Place { name, size, vaddr } = match place(system, pd, &entries, files) {
        Ok(place) => place,
        Err(item) => return out.push(*item),
    };
    let path = format!("{name}.bin");
    lowered
        .system
        .memory_regions
        .push(region(&name, &path, size, record.span));
    lowered.system.pds[index]
        .maps
        .push(mapping(&name, vaddr, record.span));
    lowered.system.pds[index].record = None;
    lowered.records.push(RecordImage {
        pd: index,
        path,
        size,
        vaddr,
        entries,
    });
}

/// The entries of `record` that stand for something; the others are reported.
pub(crate) fn resolve_all(
    system: &System,
    index: usize,
    record: &Record,
    files: &dyn Files,
    out: &mut Diagnostics,
) -> Vec<(String, Resolved)> {
    let mut entries = Vec::new();
    for entry in &record.entries {
        match resolve(system, index, entry, files) {
            Ok(resolved) => entries.push((entry.role.value.clone(), resolved)),
            Err(item) => out.push(*item),
        }
    }
    entries
}

/// Where a record goes.
pub(crate) struct Place {
    name: String,
    size: u64,
    vaddr: u64,
}

/// Finds name, size and address for the record of `pd` with `entries`.
pub(crate) fn place(
    system: &System,
    pd: &ProtectionDomain,
    entries: &[(String, Resolved)],
    files: &dyn Files,
) -> Result<Place, Box<Diagnostic>> {
    let span = pd.record.as_ref().map_or(pd.span, |record| record.span);
    let size = image_size(entries);
    let name = format!("{}_record", pd.name.value);
    if system.memory_region(&name).is_some() || name.contains(['/', '\\']) {
        let message = format!("a region cannot be called `{name}`");
        return Err(Box::new(Diagnostic::new(&SPACE, span, message)));
    }
    let hole = Hole {
        from: RECORD_BASE,
        size,
        align: 0x1000,
    };
    let Some(vaddr) = free_hole(system, pd, hole, files) else {
        let message = format!(
            "`{}` has no {size:#x} free bytes of address space",
            pd.name.value
        );
        return Err(Box::new(Diagnostic::new(&SPACE, span, message)));
    };
    Ok(Place { name, size, vaddr })
}

/// Bytes of the record, in whole pages.
fn image_size(entries: &[(String, Resolved)]) -> u64 {
    let text: usize = entries
        .iter()
        .map(|(_, entry)| match entry {
            Resolved::Text(text) => text.len(),
            _ => 0,
        })
        .sum();
    let length = record::encoded_len(entries.len(), text).next_multiple_of(0x1000);
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn region(name: &str, path: &str, size: u64, span: Span) -> MemoryRegion {
    MemoryRegion {
        span,
        name: Spanned::new(name.to_owned(), span),
        size: Some(Spanned::new(size, span)),
        page_size: Some(Spanned::new(PageSize::Small, span)),
        phys_addr: None,
        prefill_path: Some(Spanned::new(path.to_owned(), span)),
        prefill_bootinfo: None,
    }
}

fn mapping(name: &str, vaddr: u64, span: Span) -> Map {
    let symbol = |name: &str| Some(Spanned::new(name.to_owned(), span));
    Map {
        span,
        mr: Spanned::new(name.to_owned(), span),
        vaddr: Spanned::new(vaddr, span),
        perms: Spanned::new(
            Perms {
                read: true,
                write: false,
                execute: false,
            },
            span,
        ),
        cached: Spanned::new(true, span),
        setvar_vaddr: symbol(RECORD_SYMBOL),
        setvar_size: symbol(RECORD_SIZE_SYMBOL),
        setvar_prefill_size: None,
    }
}

/// A hole that is wanted in an address space.
#[derive(Debug, Clone, Copy)]
pub struct Hole {
    /// Lowest address.
    pub from: u64,
    /// Bytes.
    pub size: u64,
    /// Alignment in bytes, a multiple of 4 KiB.
    pub align: u64,
}

/// Lowest address in the address space of `pd` where `hole` is, a page of distance kept to what is
/// mapped. Where the program lies is not known here: look above it.
#[must_use]
pub fn free_hole(
    system: &System,
    pd: &ProtectionDomain,
    hole: Hole,
    files: &dyn Files,
) -> Option<u64> {
    let Hole { from, size, align } = hole;
    let mut taken: Vec<(u64, u64)> = pd
        .maps
        .iter()
        .map(|map| {
            let region = system
                .memory_region(&map.mr)
                .and_then(|mr| system.region(mr, files));
            let end = map
                .vaddr
                .saturating_add(region.map_or(0x1000, |region| region.size));
            (map.vaddr.saturating_sub(0x1000), end.saturating_add(0x1000))
        })
        .collect();
    taken.sort_unstable();
    let mut at = from.checked_next_multiple_of(align)?;
    for (start, end) in taken {
        if at.saturating_add(size) > start && at < end {
            at = end.checked_next_multiple_of(align)?;
        }
    }
    let end = at.checked_add(size)?.checked_add(0x1000)?;
    (end <= pd.map_limit()).then_some(at)
}
