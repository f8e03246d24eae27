// SPDX-License-Identifier: BSD-2-Clause
//! Wires with right angles: each part runs down from its upper end, along a track of its own in the
//! space between two rows, and down (or, within a row, up) to its other end.

use std::collections::BTreeMap;

use super::Bundle;
use super::place::{PORT, Placed};

/// Space between tracks.
const TRACK: i64 = 7;
/// Space between a row and the first track.
const CLEAR: i64 = 26;
/// Space above the first row, for the names of frames.
const HEAD: i64 = 24;

/// A wire.
pub(super) struct Wire {
    pub(super) bundle: Bundle,
    /// From the first box of the bundle to the second.
    pub(super) points: Vec<(i64, i64)>,
    /// Whether an arrow head at the first point points down.
    pub(super) start_down: bool,
    /// Whether an arrow head at the last point points down.
    pub(super) end_down: bool,
}

/// Gives rows their heights and every wire its points.
pub(super) fn route(placed: &mut Placed, top: i64) -> Vec<Wire> {
    let ports = ports(placed);
    let mut y = top + HEAD;
    let mut tracks = BTreeMap::new();
    for row in 0..placed.rows.len() {
        placed.rows[row].y = y;
        let used = tracks_below(placed, row, &ports, &mut tracks);
        y += placed.rows[row].height + 2 * CLEAR + used * TRACK;
    }
    placed.bottom = y - CLEAR;
    let mut wires: BTreeMap<Bundle, Vec<Vec<(i64, i64)>>> = BTreeMap::new();
    for (index, step) in placed.steps.iter().enumerate() {
        let (upper, lower) = (&placed.items[step.upper], &placed.items[step.lower]);
        let row = &placed.rows[upper.row];
        let start = row.y
            + if upper.node.is_some() {
                upper.height
            } else {
                row.height
            };
        let track = row.y + row.height + CLEAR + tracks.get(&index).copied().unwrap_or(0) * TRACK;
        let end = match upper.row == lower.row {
            true => row.y + lower.height,
            false => placed.rows[lower.row].y,
        };
        let (x1, x2) = (ports[&(index, true)], ports[&(index, false)]);
        let points = vec![(x1, start), (x1, track), (x2, track), (x2, end)];
        wires.entry(step.bundle).or_default().push(points);
    }
    wires
        .into_iter()
        .map(|(bundle, steps)| join(placed, bundle, steps))
        .collect()
}

/// Joins the parts of a wire, which are in order from its upper end.
fn join(placed: &Placed, bundle: Bundle, steps: Vec<Vec<(i64, i64)>>) -> Wire {
    let mut points: Vec<(i64, i64)> = steps.into_iter().flatten().collect();
    points.dedup();
    let (a, b) = (placed.items[bundle.a].row, placed.items[bundle.b].row);
    if a > b {
        points.reverse();
    }
    Wire {
        bundle,
        points,
        start_down: a > b,
        end_down: a < b,
    }
}

/// Where the other end of a step is, the step, and whether this is its upper end.
type End = (i64, usize, bool);

/// Where each step meets its upper (`true`) and lower end.
fn ports(placed: &Placed) -> BTreeMap<(usize, bool), i64> {
    // By item and side: what meets it there, in the order of where that comes from.
    let mut sides: BTreeMap<(usize, bool), Vec<End>> = BTreeMap::new();
    for (index, step) in placed.steps.iter().enumerate() {
        let (upper, lower) = (&placed.items[step.upper], &placed.items[step.lower]);
        let same = upper.row == lower.row;
        let above = sides.entry((step.upper, true)).or_default();
        above.push((lower.x, index, true));
        let below = sides.entry((step.lower, same)).or_default();
        below.push((upper.x, index, false));
    }
    let mut ports = BTreeMap::new();
    for ((item, bottom), mut ends) in sides {
        ends.sort_unstable();
        let item = &placed.items[item];
        let span = PORT * (crate::svg::count(ends.len()) - 1);
        for (nth, (_, step, is_upper)) in ends.into_iter().enumerate() {
            let x = item.x - span / 2 + PORT * crate::svg::count(nth);
            // Ends from above and below never share a place, and so no upright of two wires does.
            let x = match item.node {
                Some(_) => x - x.rem_euclid(4) + if bottom { 0 } else { 2 },
                None => x - x.rem_euclid(4) + if item.row.is_multiple_of(2) { 1 } else { 3 },
            };
            ports.insert((step, is_upper), x);
        }
    }
    ports
}

/// Gives the steps below `row` tracks on which they do not overlap; how many are used.
fn tracks_below(
    placed: &Placed,
    row: usize,
    ports: &BTreeMap<(usize, bool), i64>,
    tracks: &mut BTreeMap<usize, i64>,
) -> i64 {
    let steps = placed.steps.iter().enumerate();
    let mut spans: Vec<(i64, i64, usize)> = steps
        .filter(|(_, step)| placed.items[step.upper].row == row)
        .map(|(index, _)| {
            let (x1, x2) = (ports[&(index, true)], ports[&(index, false)]);
            (x1.min(x2), x1.max(x2), index)
        })
        .collect();
    spans.sort_unstable();
    let mut ends: Vec<i64> = Vec::new();
    for (from, to, index) in spans {
        let free = ends.iter().position(|end| end + 4 < from);
        let track = free.unwrap_or_else(|| {
            ends.push(0);
            ends.len() - 1
        });
        ends[track] = to;
        tracks.insert(index, crate::svg::count(track));
    }
    crate::svg::count(ends.len())
}
