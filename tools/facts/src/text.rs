// SPDX-License-Identifier: BSD-2-Clause
//! Facts as text for terminals.

use crate::{Backing, Facts, Kind, Region, Subject};

/// A size as people write it: in the largest unit that divides it.
#[must_use]
pub fn bytes(size: u64) -> String {
    match size {
        0 => "0 B".to_owned(),
        _ if size.is_multiple_of(1 << 30) => format!("{} GiB", size >> 30),
        _ if size.is_multiple_of(1 << 20) => format!("{} MiB", size >> 20),
        _ if size.is_multiple_of(1 << 10) => format!("{} KiB", size >> 10),
        _ => format!("{size} B"),
    }
}

/// A time as people write it.
#[must_use]
pub fn time(us: u64) -> String {
    match us.is_multiple_of(1000) {
        true => format!("{} ms", us / 1000),
        false => format!("{us} us"),
    }
}

/// `a, b and c`.
#[must_use]
pub fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// Columns under their names, two spaces apart, nothing at the ends of lines. Control characters, which
/// terminals would obey, are replaced.
#[must_use]
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let plain = |cell: &str| -> String {
        let safe = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        cell.chars().map(safe).collect()
    };
    let head: Vec<String> = head.iter().map(|name| plain(name)).collect();
    let rows = rows
        .iter()
        .map(|row| row.iter().map(|cell| plain(cell)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

/// Physical memory, then every address space.
#[must_use]
pub fn map(facts: &Facts) -> String {
    let mut out = physical(facts);
    for subject in &facts.subjects {
        let kind = match subject.kind {
            Kind::Guest => "guest-physical memory of",
            Kind::Monitor => "virtual memory of monitor",
            Kind::Backend => "virtual memory of backend",
            Kind::Driver => "virtual memory of driver",
            Kind::Service => "virtual memory of",
        };
        out.push_str(&format!("\n{kind} {}\n", subject.name));
        out.push_str(&space(facts, subject));
    }
    out
}

/// What is where: the board's memory, regions by address, then those that are placed at boot.
fn physical(facts: &Facts) -> String {
    let board = facts.board.iter().map(|area| {
        let what = if area.reserved { "kernel" } else { "board" };
        let row = vec![
            hex(area.base),
            hex(last(area.base, area.size)),
            bytes(area.size),
            what.to_owned(),
            area.name.clone(),
        ];
        ((area.base, u64::MAX - area.size), row)
    });
    let regions = facts.regions.iter().map(|region| {
        let size = region.size.unwrap_or(0);
        let key = (region.base.unwrap_or(u64::MAX), u64::MAX - size);
        (key, physical_row(region))
    });
    let mut rows: Vec<_> = board.chain(regions).collect();
    rows.sort_by_key(|(key, _)| *key);
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
    let head = ["first", "last", "size", "what", "name", "who"];
    format!("physical memory\n{}", table(&head, &rows))
}

fn physical_row(region: &Region) -> Vec<String> {
    let what = match region.backing {
        Backing::Memory => "region".to_owned(),
        Backing::Device => region.device.clone().unwrap_or_else(|| "device".to_owned()),
        Backing::Banked => "banked".to_owned(),
    };
    let users = region
        .users
        .iter()
        .map(|(name, rights)| format!("{name}:{rights}"));
    let dma = region.dma.iter().map(|name| format!("{name}:dma"));
    let users: Vec<String> = users.chain(dma).collect();
    let end = region.base.zip(region.size);
    vec![
        region.base.map_or_else(|| "at boot".to_owned(), hex),
        end.map_or_else(String::new, |(base, size)| hex(last(base, size))),
        region.size.map_or_else(|| "?".to_owned(), bytes),
        what,
        region.name.clone(),
        users.join(" "),
    ]
}

/// An address space.
fn space(facts: &Facts, subject: &Subject) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for map in &subject.maps {
        let region = facts.region(&map.region);
        let size = region.and_then(|region| region.size);
        let page = region.and_then(|region| region.page);
        rows.push(vec![
            hex(map.address),
            size.map_or_else(String::new, |size| hex(last(map.address, size))),
            size.map_or_else(|| "?".to_owned(), bytes),
            map.rights.clone(),
            if map.cached { "cached" } else { "device" }.to_owned(),
            page.map_or_else(|| "?".to_owned(), bytes),
            map.region.clone(),
        ]);
    }
    if subject.kind != Kind::Guest {
        let top = sdf::layout::STACK_TOP;
        let fixed = [
            (top.saturating_sub(subject.stack), subject.stack, "(stack)"),
            (sdf::layout::IPC_BUFFER, 0x1000, "(IPC buffer)"),
        ];
        for (base, size, name) in fixed {
            rows.push(vec![
                hex(base),
                hex(last(base, size)),
                bytes(size),
                "rw".to_owned(),
                "cached".to_owned(),
                bytes(0x1000),
                name.to_owned(),
            ]);
        }
    }
    table(
        &["first", "last", "size", "rights", "as", "pages", "region"],
        &rows,
    )
}

fn hex(value: u64) -> String {
    format!("{value:#x}")
}

const fn last(base: u64, size: u64) -> u64 {
    base.saturating_add(size.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_exact() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(0x20_0000), "2 MiB");
        assert_eq!(bytes(0x1000), "4 KiB");
        assert_eq!(bytes(0x1001), "4097 B");
        assert_eq!(
            (time(2000), time(2500)),
            ("2 ms".to_owned(), "2500 us".to_owned())
        );
    }

    #[test]
    fn lists_read_like_sentences() {
        let names = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(list(&names), "a, b and c");
        assert_eq!(list(&names[..1]), "a");
        assert_eq!(list(&[]), "");
    }

    #[test]
    fn tables_line_up_and_hold_no_terminal_orders() {
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        let text = table(&["x", "y"], &[row("a\x1b[2J", "1"), row("longer", "")]);
        assert_eq!(text, "x       y\na\u{fffd}[2J   1\nlonger\n");
    }
}
