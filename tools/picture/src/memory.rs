// SPDX-License-Identifier: BSD-2-Clause
//! Physical memory: bands to scale, and a table.

use crate::model::{MemoryMap, Range, RangeKind};
use crate::svg::{LINE, Rect, Svg, count};
use crate::table::Table;

/// Left edge of bands.
const LEFT: i64 = 170;
/// Width of bands.
const WIDTH: i64 = 320;
/// Areas further apart than this get bands of their own.
const APART: u64 = 0x1000_0000;
/// Height of the smallest band.
const LEAST: i64 = 40;
/// Height that the largest band adds to that.
const MOST: i64 = 440;

/// Draws `map`.
#[must_use]
pub fn memory(map: &MemoryMap) -> String {
    let mut ranges: Vec<&Range> = map.ranges.iter().filter(|range| range.size > 0).collect();
    ranges.sort_by_key(|range| {
        let key = (range.base.unwrap_or(0), std::cmp::Reverse(range.size));
        (range.base.is_none(), key, range.kind, &range.name)
    });
    let mut svg = Svg::new();
    svg.text("title", 16, 26, &map.title);
    let mut y = 56;
    let bands = bands(&ranges);
    let longest = bands
        .iter()
        .map(|band| band.end - band.base)
        .max()
        .unwrap_or(1)
        .max(1);
    for band in &bands {
        y = draw_band(&mut svg, &ranges, band, longest, y) + LINE + LINE / 2;
    }
    let table = Table {
        head: &["first", "last", "size", "what", "name", "who"],
        rows: ranges.iter().map(|range| row(range)).collect(),
    };
    table.draw(&mut svg, 16, y);
    svg.finish(&map.title)
}

/// Addresses that are drawn together.
struct Band {
    base: u64,
    end: u64,
}

fn end(range: &Range) -> Option<u64> {
    Some(range.base?.saturating_add(range.size))
}

fn bands(ranges: &[&Range]) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    for range in ranges {
        let (Some(base), Some(end)) = (range.base, end(range)) else {
            continue;
        };
        match bands.last_mut() {
            Some(last) if base < last.end.saturating_add(APART.min(last.end - last.base)) => {
                last.end = last.end.max(end);
            }
            _ => bands.push(Band { base, end }),
        }
    }
    bands
}

/// The part of `whole` that `part` of `of` is.
fn scale(part: u64, of: u64, whole: i64) -> i64 {
    let whole = u128::try_from(whole).unwrap_or(0);
    let scaled = u128::from(part) * whole / u128::from(of.max(1));
    i64::try_from(scaled).unwrap_or(i64::MAX)
}

fn draw_band(svg: &mut Svg, ranges: &[&Range], band: &Band, longest: u64, y: i64) -> i64 {
    let size = band.end - band.base;
    let inside = |range: &&&Range| {
        range
            .base
            .is_some_and(|base| base >= band.base && base < band.end)
    };
    let names = ranges.iter().filter(inside).count();
    let labels = count(names) * LINE;
    let height = (LEAST + scale(size, longest, MOST)).max(labels);
    let whole = Rect {
        x: LEFT,
        y,
        w: WIDTH,
        h: height,
    };
    svg.rect("free", whole, "");
    svg.text("small end", LEFT - 6, y + 10, &hex(band.base));
    svg.text("small end", LEFT - 6, y + height, &hex(band.end - 1));
    let mut label = y;
    for range in ranges.iter().filter(inside) {
        let top = y + scale(range.base.unwrap_or(0) - band.base, size, height);
        let h = scale(range.size, size, height).max(1);
        label = draw_range(svg, range, (top, h), label);
    }
    (y + height).max(label + 4)
}

/// Draws an area from `top`, `h` high, with its label below the line `label`; the line of that.
fn draw_range(svg: &mut Svg, range: &Range, (top, h): (i64, i64), label: i64) -> i64 {
    let (class, inset) = match range.kind {
        RangeKind::Board => ("band rule", 0),
        RangeKind::Reserved => ("device", 12),
        RangeKind::Device => ("device", 24),
        RangeKind::Region => ("guest", 24),
    };
    let at = Rect {
        x: LEFT + inset,
        y: top,
        w: WIDTH - 2 * inset,
        h,
    };
    let text = format!("{} {} {}", range.name, bytes(range.size), users(range));
    let base = hex(range.base.unwrap_or(0));
    svg.rect(class, at, &format!("{base} {text}"));
    let middle = top + h / 2;
    let label = (label + LINE).max(middle + 4);
    let right = LEFT + WIDTH;
    let line = [
        (right - inset, middle),
        (right + 12, label - 4),
        (right + 20, label - 4),
    ];
    svg.path("rule", &line, "");
    svg.text("small", right + 24, label, text.trim_end());
    label
}

fn row(range: &Range) -> Vec<String> {
    let kind = match range.kind {
        RangeKind::Board => "board",
        RangeKind::Reserved => "kernel",
        RangeKind::Device => "device",
        RangeKind::Region => "region",
    };
    let last = end(range).map(|end| hex(end - 1));
    vec![
        range.base.map_or_else(|| "at boot".to_owned(), hex),
        last.unwrap_or_default(),
        bytes(range.size),
        kind.to_owned(),
        range.name.clone(),
        users(range),
    ]
}

fn users(range: &Range) -> String {
    let users = range.users.iter();
    let users: Vec<String> = users
        .map(|(name, rights)| format!("{name}:{rights}"))
        .collect();
    users.join(" ")
}

fn hex(value: u64) -> String {
    format!("{value:#x}")
}

/// A size as people write it.
fn bytes(size: u64) -> String {
    match size {
        _ if size.is_multiple_of(1 << 30) => format!("{} GiB", size >> 30),
        _ if size.is_multiple_of(1 << 20) => format!("{} MiB", size >> 20),
        _ if size.is_multiple_of(1 << 10) => format!("{} KiB", size >> 10),
        _ => format!("{size} B"),
    }
}
