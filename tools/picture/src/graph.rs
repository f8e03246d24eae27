// SPDX-License-Identifier: BSD-2-Clause
//! Boxes in rows, wires between them with right angles, and a table of what the wires carry.
//!
//! Rows follow [`Layer`]; a guest's boxes stand in a column of their own. A wire that passes a row gets
//! a place of its own in it, so that it never runs through a box.

mod place;
mod route;

use std::collections::BTreeMap;

use crate::model::{Graph, Layer, Link, LinkKind, NodeKind};
use crate::svg::{LINE, Rect, Svg, text_width};
use crate::table::Table;
use place::{LEFT, Placed};
use route::Wire;

/// Space for the title and the key to the lines.
const TOP: i64 = 64;

/// Draws `graph`.
#[must_use]
pub fn graph(graph: &Graph) -> String {
    let bundles = bundles(graph);
    let mut placed = place::place(graph, bundles.keys());
    let wires = route::route(&mut placed, TOP);
    let mut svg = Svg::new();
    svg.text("title", 16, 26, &graph.title);
    let width = placed.width + 8;
    bands(&mut svg, &placed, width);
    frames(&mut svg, &placed);
    for wire in &wires {
        draw_wire(&mut svg, graph, wire, &bundles);
    }
    for item in placed.boxes() {
        draw_box(&mut svg, graph, item.0, item.1);
    }
    key(&mut svg, &bundles);
    let rows = bundles.iter().map(|(bundle, carried)| {
        let name = |node: usize| graph.nodes.get(node).map_or("", |node| node.label.as_str());
        vec![
            name(bundle.a).to_owned(),
            carried.arrow().to_owned(),
            name(bundle.b).to_owned(),
            class(bundle.kind).0.to_owned(),
            carried.text(),
        ]
    });
    let table = Table {
        head: &["from", "", "to", "by", "what"],
        rows: rows.collect(),
    };
    if !table.rows.is_empty() {
        table.draw(&mut svg, 16, placed.bottom + LINE);
    }
    svg.finish(&graph.title)
}

/// All links of a kind between two boxes, drawn as one wire; `a` stands first in the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bundle {
    pub(crate) a: usize,
    pub(crate) b: usize,
    pub(crate) kind: LinkKind,
}

/// What a bundle carries each way.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    forth: Vec<String>,
    back: Vec<String>,
    is_forth: bool,
    is_back: bool,
}

impl Carried {
    const fn arrow(&self) -> &'static str {
        match (self.is_forth, self.is_back) {
            (true, true) => "↔",
            (false, true) => "←",
            _ => "→",
        }
    }

    fn text(&self) -> String {
        let (forth, back) = (self.forth.join(", "), self.back.join(", "));
        match (self.is_forth, self.is_back) {
            (true, true) if forth == back => forth,
            (true, true) => format!("→ {forth}; ← {back}"),
            (false, true) => back,
            _ => forth,
        }
    }
}

fn bundles(graph: &Graph) -> BTreeMap<Bundle, Carried> {
    let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        ids.entry(&node.id).or_insert(index);
    }
    let mut all: BTreeMap<Bundle, Carried> = BTreeMap::new();
    for Link {
        from,
        to,
        kind,
        object,
    } in &graph.links
    {
        let (Some(&from), Some(&to)) = (ids.get(from.as_str()), ids.get(to.as_str())) else {
            continue;
        };
        if from == to {
            continue;
        }
        let bundle = Bundle {
            a: from.min(to),
            b: from.max(to),
            kind: *kind,
        };
        let carried = all.entry(bundle).or_default();
        let (list, is) = match from < to {
            true => (&mut carried.forth, &mut carried.is_forth),
            false => (&mut carried.back, &mut carried.is_back),
        };
        *is = true;
        if !object.is_empty() && !list.contains(object) {
            list.push(object.clone());
        }
    }
    all
}

/// Name and style of a kind.
const fn class(kind: LinkKind) -> (&'static str, &'static str, &'static str) {
    match kind {
        LinkKind::Memory => ("memory", "wire mem", "memtip"),
        LinkKind::Notify => ("notify", "wire sig", "sigtip"),
        LinkKind::Call => ("call", "wire call", "calltip"),
        LinkKind::Interrupt => ("interrupt", "wire irq", "irqtip"),
        LinkKind::Control => ("control", "wire ctl", "ctltip"),
    }
}

/// Names of rows.
const fn name(layer: Layer) -> &'static str {
    match layer {
        Layer::Guest => "guests",
        Layer::Monitor => "monitors",
        Layer::Backend => "backends",
        Layer::Service => "services",
        Layer::Driver => "drivers",
        Layer::Device => "devices",
    }
}

fn bands(svg: &mut Svg, placed: &Placed, width: i64) {
    for row in &placed.rows {
        let at = Rect {
            x: 8,
            y: row.y - 10,
            w: width,
            h: row.height + 20,
        };
        svg.rect("band", at, "");
        svg.text("small head", 16, row.y + LINE, name(row.layer));
    }
}

fn frames(svg: &mut Svg, placed: &Placed) {
    for column in placed
        .columns
        .iter()
        .filter(|column| !column.name.is_empty())
    {
        let inside = |layer| placed.rows.iter().filter(move |row| row.layer <= layer);
        let first = inside(Layer::Backend).next();
        let last = inside(Layer::Backend).next_back();
        if let (Some(first), Some(last)) = (first, last) {
            let y = first.y - 22;
            let h = last.y + last.height + 6 - y;
            let at = Rect {
                x: column.x,
                y,
                w: column.width,
                h,
            };
            svg.rect("frame", at, &column.name);
            svg.text("small", column.x + 6, y + 11, &column.name);
        }
    }
}

fn draw_wire(svg: &mut Svg, graph: &Graph, wire: &Wire, bundles: &BTreeMap<Bundle, Carried>) {
    let Some(carried) = bundles.get(&wire.bundle) else {
        return;
    };
    let (kind, line, tip) = class(wire.bundle.kind);
    let label = |node: usize| graph.nodes.get(node).map_or("", |node| node.label.as_str());
    let (a, b) = (label(wire.bundle.a), label(wire.bundle.b));
    let hint = format!("{a} {} {b}: {kind} {}", carried.arrow(), carried.text());
    svg.path(line, &wire.points, hint.trim_end());
    let ends = [
        (wire.points.last(), wire.end_down, carried.is_forth),
        (wire.points.first(), wire.start_down, carried.is_back),
    ];
    for (at, down, is) in ends {
        if let (Some(at), true) = (at, is) {
            svg.tip(tip, *at, (0, if down { 1 } else { -1 }));
        }
    }
}

fn draw_box(svg: &mut Svg, graph: &Graph, node: usize, at: Rect) {
    let Some(node) = graph.nodes.get(node) else {
        return;
    };
    let class = match node.kind {
        NodeKind::Guest => "guest",
        NodeKind::Domain => "box",
        NodeKind::Memory => "memory",
        NodeKind::Device => "device",
    };
    svg.rect(class, at, "");
    let middle = at.x + at.w / 2;
    svg.text("mid", middle, at.y + LINE, &node.label);
    let mut y = at.y + LINE;
    for note in &node.notes {
        y += LINE - 2;
        svg.text("small mid", middle, y, note);
    }
}

/// The key to the lines, with the kinds that occur.
fn key(svg: &mut Svg, bundles: &BTreeMap<Bundle, Carried>) {
    let mut x = LEFT;
    let kinds = [
        LinkKind::Memory,
        LinkKind::Notify,
        LinkKind::Call,
        LinkKind::Interrupt,
        LinkKind::Control,
    ];
    for kind in kinds {
        if bundles.keys().any(|bundle| bundle.kind == kind) {
            let (name, line, tip) = class(kind);
            svg.path(line, &[(x, 42), (x + 36, 42)], "");
            svg.tip(tip, (x + 36, 42), (1, 0));
            svg.text("small", x + 42, 46, name);
            x += 42 + text_width(name) + 16;
        }
    }
}
