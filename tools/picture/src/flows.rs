// SPDX-License-Identifier: BSD-2-Clause
//! Who can tell whom anything: arrows beside a list of subjects, a table of every flow.

use std::collections::BTreeMap;

use crate::model::{Flow, Flows, Verdict};
use crate::svg::{CHAR, LINE, Rect, SMALL_CHAR, Svg, count};
use crate::table::Table;

/// Height of a subject with its space.
const STEP: i64 = 46;
/// Space between arrows side by side.
const TRACK: i64 = 9;
/// First line of the picture.
const TOP: i64 = 76;

/// Draws `flows`: downward ones to the right of the subjects, upward ones to the left.
#[must_use]
pub fn flows(flows: &Flows) -> String {
    let arrows = arrows(flows);
    let (down, down_tracks) = tracks(arrows.iter().filter(|arrow| arrow.from < arrow.to));
    let (up, up_tracks) = tracks(arrows.iter().filter(|arrow| arrow.from > arrow.to));
    let label = |(name, remark): &(String, String)| {
        (CHAR * count(name.chars().count())).max(SMALL_CHAR * count(remark.chars().count()))
    };
    let width = flows.subjects.iter().map(label).max().unwrap_or(0) + 24;
    let left = 30 + TRACK * up_tracks;
    let mut svg = Svg::new();
    svg.text("title", 16, 26, &flows.title);
    key(&mut svg, flows);
    for (track, arrow) in down {
        draw(&mut svg, &arrow, left + width, TRACK * (track + 2), &arrows);
    }
    for (track, arrow) in up {
        draw(&mut svg, &arrow, left, -TRACK * (track + 2), &arrows);
    }
    boxes(&mut svg, flows, left, width);
    // Room for the outermost arrow.
    let bottom = TOP + STEP * count(flows.subjects.len());
    let right = left + width + TRACK * (down_tracks + 3);
    svg.path("rule", &[(16, bottom + 4), (right, bottom + 4)], "");
    table(&arrows).draw(&mut svg, 16, bottom + LINE);
    svg.finish(&flows.title)
}

#[derive(Clone, Copy)]
struct Arrow<'a> {
    flow: &'a Flow,
    from: usize,
    to: usize,
}

/// The subjects, one below the other.
fn boxes(svg: &mut Svg, flows: &Flows, left: i64, width: i64) {
    for (index, (name, remark)) in flows.subjects.iter().enumerate() {
        let at = Rect {
            x: left,
            y: TOP + STEP * count(index),
            w: width,
            h: STEP - 10,
        };
        svg.rect("box", at, "");
        svg.text("mid", left + width / 2, at.y + 15, name);
        svg.text("small mid", left + width / 2, at.y + 29, remark);
    }
}

/// The flows whose ends are subjects.
fn arrows(flows: &Flows) -> Vec<Arrow<'_>> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, (name, _)) in flows.subjects.iter().enumerate() {
        places.entry(name).or_insert(index);
    }
    flows
        .flows
        .iter()
        .filter_map(|flow| {
            let from = *places.get(flow.from.as_str())?;
            let to = *places.get(flow.to.as_str())?;
            (from != to).then_some(Arrow { flow, from, to })
        })
        .collect()
}

fn table(arrows: &[Arrow<'_>]) -> Table<'static> {
    let rows = arrows.iter().map(|arrow| {
        let flow = arrow.flow;
        vec![
            flow.from.clone(),
            "→".to_owned(),
            flow.to.clone(),
            style(flow.verdict).0.to_owned(),
            flow.by.join(", "),
        ]
    });
    Table {
        head: &["from", "", "to", "verdict", "by"],
        rows: rows.collect(),
    }
}

/// Name, line and tip of a verdict.
const fn style(verdict: Verdict) -> (&'static str, &'static str, &'static str) {
    match verdict {
        Verdict::Allowed => ("found, allowed", "wire good", "goodtip"),
        Verdict::Found => ("found, not stated", "wire mem", "memtip"),
        Verdict::Forbidden => ("FOUND, DENIED", "wire bad", "badtip"),
        Verdict::Missing => ("allowed, not found", "wire absent", "absenttip"),
        Verdict::Prevented => ("denied, not found", "wire irq", "irqtip"),
    }
}

/// Gives arrows tracks on which they do not overlap, short ones inside.
fn tracks<'a>(arrows: impl Iterator<Item = &'a Arrow<'a>>) -> (Vec<(i64, Arrow<'a>)>, i64) {
    let mut arrows: Vec<Arrow<'a>> = arrows.copied().collect();
    let span = |arrow: &Arrow<'_>| (arrow.from.min(arrow.to), arrow.from.max(arrow.to));
    arrows.sort_by_key(|arrow| {
        let (first, last) = span(arrow);
        (last - first, first, arrow.flow.verdict)
    });
    let mut used: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut placed = Vec::new();
    for arrow in arrows {
        let (first, last) = span(&arrow);
        let free =
            |track: &Vec<(usize, usize)>| track.iter().all(|(a, b)| *b <= first || last <= *a);
        let track = used.iter().position(free).unwrap_or_else(|| {
            used.push(Vec::new());
            used.len() - 1
        });
        used[track].push((first, last));
        placed.push((count(track), arrow));
    }
    (placed, count(used.len()))
}

/// An arrow that leaves at `x`, goes out by `out`, and comes back.
fn draw(svg: &mut Svg, arrow: &Arrow<'_>, x: i64, out: i64, all: &[Arrow<'_>]) {
    let (name, line, tip) = style(arrow.flow.verdict);
    // Arrows that meet a subject on one side share its height.
    let port = |subject: usize, leaves: bool| {
        let side = all
            .iter()
            .filter(|other| (other.from < other.to) == (out > 0));
        let mut here: Vec<(bool, usize)> = side
            .filter(|other| other.from == subject || other.to == subject)
            .map(|other| {
                (
                    other.from == subject,
                    if other.from == subject {
                        other.to
                    } else {
                        other.from
                    },
                )
            })
            .collect();
        here.sort_unstable();
        let own = (leaves, if leaves { arrow.to } else { arrow.from });
        let nth = here.iter().position(|port| *port == own).unwrap_or(0);
        let room = STEP - 16;
        TOP + STEP * count(subject) + 3 + room * (count(nth) + 1) / (count(here.len()) + 1)
    };
    let (start, end) = (port(arrow.from, true), port(arrow.to, false));
    let hint = format!(
        "{} → {}: {name} {}",
        arrow.flow.from,
        arrow.flow.to,
        arrow.flow.by.join(", ")
    );
    svg.path(
        line,
        &[(x, start), (x + out, start), (x + out, end), (x, end)],
        hint.trim_end(),
    );
    svg.tip(tip, (x, end), (-out.signum(), 0));
}

fn key(svg: &mut Svg, flows: &Flows) {
    let mut x = 16;
    for verdict in [
        Verdict::Allowed,
        Verdict::Found,
        Verdict::Forbidden,
        Verdict::Missing,
        Verdict::Prevented,
    ] {
        if flows.flows.iter().any(|flow| flow.verdict == verdict) {
            let (name, line, tip) = style(verdict);
            svg.path(line, &[(x, 46), (x + 36, 46)], "");
            svg.tip(tip, (x + 36, 46), (1, 0));
            svg.text("small", x + 42, 50, name);
            x += 42 + SMALL_CHAR * count(name.chars().count()) + 16;
        }
    }
}
