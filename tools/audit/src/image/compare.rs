// SPDX-License-Identifier: BSD-2-Clause
//! What the image's initialiser obeys, against what was listed and the programs that were given.

use std::collections::BTreeMap;

use super::{Embedded, Part};
use crate::elf::Elf;
use crate::spec::{Content, Data, ElfContent, FillEntry, Frame, NamedObject, Object, Spec};

/// Programs by their number in the distribution, and what the tool may have set in them.
#[derive(Debug, Clone, Default)]
pub struct Programs<'a> {
    /// Name and program.
    pub by_id: BTreeMap<u64, (String, &'a Elf)>,
}

/// Variables that the tool sets, by the start of their names. What they must hold is checked apart.
/// Variables of eight bytes in data segments may also be set on request (`setvar`); what they were set
/// to is listed.
const SET_BY_TOOL: &str = "microkit_";
const MONITORS: [&str; 5] = [
    "pd_names_len",
    "pd_names",
    "vm_names_len",
    "vm_names",
    "pd_stack_bottom_addrs",
];

/// Bytes of a variable that is set on request.
pub(crate) const SETVAR: u64 = 8;

/// Differences between the distribution that was listed and the one in the image: all objects, slots,
/// rights, badges and numbers, one by one. Contents are compared by [`compare_contents`].
#[must_use]
pub fn compare_specs(listed: &Spec, embedded: &Spec) -> Vec<String> {
    let mut lines = Vec::new();
    if listed.objects.len() != embedded.objects.len() {
        let (a, b) = (listed.objects.len(), embedded.objects.len());
        lines.push(format!("{a} objects listed, {b} in the image"));
    }
    for (index, (a, b)) in listed.objects.iter().zip(&embedded.objects).enumerate() {
        let name = listed.name(index);
        if b.name.is_some() && a.name != b.name {
            lines.push(format!(
                "{name}: called {} in the image",
                embedded.name(index)
            ));
        }
        if without_contents(a) != without_contents(b) {
            lines.push(format!("{name}: differs: {}", difference(a, b)));
        }
    }
    let others = |spec: &Spec| {
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            spec.irqs,
            spec.domain_schedule,
            spec.domain_set_start,
            spec.domain_idx_shift,
            spec.asid_slots,
            spec.root_objects,
            spec.untyped_covers
        )
    };
    if others(listed) != others(embedded) {
        lines.push(format!(
            "{} listed, {} in the image",
            others(listed),
            others(embedded)
        ));
    }
    lines
}

fn without_contents(named: &NamedObject) -> Object {
    let mut object = named.object.clone();
    if let Object::Frame(frame) = &mut object {
        frame.init.entries.clear();
    }
    object
}

/// The first difference, for people.
fn difference(a: &NamedObject, b: &NamedObject) -> String {
    if a.object.kind() != b.object.kind() {
        return format!(
            "{:?} listed, {:?} in the image",
            a.object.kind(),
            b.object.kind()
        );
    }
    let (left, right) = (a.object.slots(), b.object.slots());
    let slot = left.iter().zip(right).find(|(a, b)| a != b);
    match slot {
        Some((a, b)) => format!("{a:?} listed, {b:?} in the image"),
        None if left.len() != right.len() => {
            format!("{} slots listed, {} in the image", left.len(), right.len())
        }
        None => format!(
            "{:?} listed, {:?} in the image",
            without_contents(a),
            without_contents(b)
        ),
    }
}

/// Differences between what the image's pages hold and what they should: programs but for the
/// variables that the tool sets, and files by digest.
#[must_use]
pub fn compare_contents(
    listed: &Spec,
    embedded: &Embedded,
    programs: &Programs<'_>,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, named) in listed.objects.iter().enumerate() {
        let Object::Frame(frame) = &named.object else {
            continue;
        };
        let parts = embedded
            .contents
            .get(index)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let page = frame_bytes(frame, parts);
        let name = listed.name(index);
        let found = embedded.spec.objects.get(index);
        if boot_info(&named.object) != found.map_or_else(Vec::new, |it| boot_info(&it.object)) {
            lines.push(format!("{name}: other boot information in the image"));
        }
        match expected(frame, programs) {
            Err(why) => lines.push(format!("{name}: {why}")),
            Ok(expected) => {
                lines.extend(compare_page(&page, &expected).map(|why| format!("{name}: {why}")));
            }
        }
    }
    lines
}

/// What the kernel writes to a page at boot.
fn boot_info(object: &Object) -> Vec<&FillEntry> {
    let Object::Frame(frame) = object else {
        return Vec::new();
    };
    let is_boot = |entry: &&FillEntry| matches!(entry.content, Content::BootInfo { .. });
    frame.init.entries.iter().filter(is_boot).collect()
}

/// A page as the image fills it; no longer than what is filled.
fn frame_bytes(frame: &Frame, parts: &[Part]) -> Vec<u8> {
    let size = 1_u64.checked_shl(frame.size_bits.into()).unwrap_or(0);
    let mut page = Vec::new();
    for part in parts
        .iter()
        .filter(|part| part.start.saturating_add(part.bytes.len() as u64) <= size)
    {
        let start = usize::try_from(part.start).unwrap_or(0);
        page.resize(page.len().max(start + part.bytes.len()), 0);
        page[start..start + part.bytes.len()].copy_from_slice(&part.bytes);
    }
    page
}

/// What a page should hold: pieces by place.
struct Expected {
    pieces: Vec<(u64, Piece)>,
}

enum Piece {
    /// Bytes, and which of them the tool may have set.
    Bytes {
        bytes: Vec<u8>,
        set: Vec<std::ops::Range<u64>>,
    },
    /// A digest of so many bytes.
    Digest(crate::digest::Digest),
    /// The kernel fills it at boot.
    AtBoot(u64),
}

fn expected(frame: &Frame, programs: &Programs<'_>) -> Result<Expected, String> {
    let mut pieces = Vec::new();
    for entry in &frame.init.entries {
        let len = entry.range.end.saturating_sub(entry.range.start);
        let piece = match &entry.content {
            Content::BootInfo { .. } => Piece::AtBoot(len),
            Content::Data(Data::BytesContent { bytes }) if bytes.len == len => {
                Piece::Digest(bytes.clone())
            }
            Content::Data(Data::BytesContent { bytes }) => {
                return Err(format!("{} bytes for {len}", bytes.len));
            }
            Content::Data(Data::ElfContent(part)) => program_piece(part, len, programs)?,
        };
        pieces.push((entry.range.start, piece));
    }
    Ok(Expected { pieces })
}

fn program_piece(part: &ElfContent, len: u64, programs: &Programs<'_>) -> Result<Piece, String> {
    let id = part.elf_id;
    let (_, elf) = programs
        .by_id
        .get(&id)
        .ok_or(format!("program {id} was not given"))?;
    let index = usize::try_from(part.elf_seg_idx).unwrap_or(usize::MAX);
    let range = &part.elf_seg_data_range;
    let segment = elf.segments.get(index);
    let bytes = segment.and_then(|segment| segment.bytes(range.start, range.end));
    let (Some(segment), Some(bytes)) = (segment, bytes) else {
        return Err(format!(
            "program {id} has no segment {index} with bytes {range:x?}"
        ));
    };
    if bytes.len() as u64 != len {
        return Err(format!("{} bytes for {len}", bytes.len()));
    }
    let first = segment.vaddr + range.start;
    let on_request = |size: u64| size == SETVAR && !segment.flags.execute;
    let symbols = elf.symbols.iter();
    let symbols = symbols.filter(|s| is_set_by_tool(&s.name) || on_request(s.size));
    let set = symbols.filter_map(|symbol| {
        let end = symbol
            .vaddr
            .saturating_add(symbol.size)
            .checked_sub(first)?;
        (end > 0 && symbol.vaddr < first + len)
            .then(|| symbol.vaddr.saturating_sub(first)..end.min(len))
    });
    Ok(Piece::Bytes {
        set: set.collect(),
        bytes,
    })
}

/// Whether the SDK's tool always sets this variable.
#[must_use]
pub(crate) fn is_set_by_tool(name: &str) -> bool {
    name.starts_with(SET_BY_TOOL) || MONITORS.contains(&name)
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes { bytes, .. } => bytes.len() as u64,
            Self::Digest(digest) => digest.len,
            Self::AtBoot(len) => *len,
        }
    }

    /// What is wrong with `found`, which is as long as the piece and starts at byte `start`.
    fn compare(&self, found: &[u8], start: u64) -> Option<String> {
        match self {
            Self::AtBoot(_) => found
                .iter()
                .any(|byte| *byte != 0)
                .then(|| "holds bytes where the kernel writes at boot".to_owned()),
            Self::Digest(digest) => (crate::digest::Digest::of(found) != *digest)
                .then(|| "is not the file's".to_owned()),
            Self::Bytes { bytes, set } => {
                let pairs = (0..).zip(found.iter().zip(bytes));
                let mut differs = pairs
                    .filter(|(at, (a, b))| a != b && !set.iter().any(|range| range.contains(at)));
                let (at, _) = differs.next()?;
                Some(format!("is not the program's at byte {:#x}", start + at))
            }
        }
    }
}

/// `page` from byte `start` to `end`, as far as it goes.
fn part(page: &[u8], start: u64, end: u64) -> &[u8] {
    let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(page.len());
    page.get(at(start)..at(end)).unwrap_or_default()
}

fn compare_page(page: &[u8], expected: &Expected) -> Option<String> {
    let more = |start, end| part(page, start, end).iter().any(|byte| *byte != 0);
    let mut covered = 0;
    for (start, piece) in &expected.pieces {
        let end = start.saturating_add(piece.len());
        let mut found = part(page, *start, end).to_vec();
        found.resize(usize::try_from(piece.len()).unwrap_or(0), 0);
        if let Some(why) = piece.compare(&found, *start) {
            return Some(why);
        }
        if more(covered, *start) {
            return Some(format!("holds more than it should, before byte {start:#x}"));
        }
        covered = covered.max(end);
    }
    more(covered, u64::MAX).then(|| format!("holds more than it should, from byte {covered:#x} on"))
}
