// SPDX-License-Identifier: BSD-2-Clause
//! Where boxes stand, and where wires pass the rows between their ends.

use std::collections::BTreeMap;

use super::Bundle;
use crate::model::{Graph, Layer, Node};
use crate::svg::{LINE, Rect, SMALL_CHAR, count, text_width};

/// Left margin, for the names of rows.
pub(super) const LEFT: i64 = 88;
/// Space between neighbours in a row.
const GAP: i64 = 16;
/// Space that a passing wire takes.
const PASS: i64 = 8;
/// Space between places where wires meet a box.
pub(super) const PORT: i64 = 10;

/// Everything with its place.
pub(super) struct Placed {
    pub(super) rows: Vec<Row>,
    pub(super) columns: Vec<Column>,
    pub(super) items: Vec<Item>,
    /// Parts of wires from row to row or within one, upper item first.
    pub(super) steps: Vec<Step>,
    /// Right edge.
    pub(super) width: i64,
    /// Lower edge, known when wires are routed.
    pub(super) bottom: i64,
}

/// A row that has items.
pub(super) struct Row {
    pub(super) layer: Layer,
    pub(super) y: i64,
    pub(super) height: i64,
}

/// A guest's share of the upper rows.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) x: i64,
    pub(super) width: i64,
}

/// A box, or the place where a wire passes a row.
pub(super) struct Item {
    /// The box; `None` for a wire.
    pub(super) node: Option<usize>,
    pub(super) row: usize,
    column: usize,
    /// Middle.
    pub(super) x: i64,
    pub(super) width: i64,
    pub(super) height: i64,
}

/// A part of a wire.
pub(super) struct Step {
    pub(super) bundle: Bundle,
    pub(super) upper: usize,
    pub(super) lower: usize,
}

impl Placed {
    /// Boxes with their places.
    pub(super) fn boxes(&self) -> impl Iterator<Item = (usize, Rect)> {
        self.items.iter().filter_map(|item| {
            let at = Rect {
                x: item.x - item.width / 2,
                y: self.rows.get(item.row)?.y,
                w: item.width,
                h: item.height,
            };
            Some((item.node?, at))
        })
    }
}

/// Places the boxes of `graph` and the wires `bundles`.
pub(super) fn place<'a>(
    graph: &Graph,
    bundles: impl Iterator<Item = &'a Bundle> + Clone,
) -> Placed {
    let mut ends: BTreeMap<usize, i64> = BTreeMap::new();
    for bundle in bundles.clone() {
        *ends.entry(bundle.a).or_default() += 1;
        *ends.entry(bundle.b).or_default() += 1;
    }
    let mut layers: Vec<Layer> = graph.nodes.iter().map(|node| node.layer).collect();
    layers.sort_unstable();
    layers.dedup();
    let mut placed = Placed {
        rows: Vec::new(),
        columns: Vec::new(),
        items: Vec::new(),
        steps: Vec::new(),
        width: LEFT,
        bottom: 0,
    };
    placed.boxes_of(graph, &layers, &ends);
    bundles.for_each(|bundle| placed.pass(*bundle));
    placed.upper_rows();
    placed.lower_rows();
    placed
}

fn width(node: &Node) -> i64 {
    let notes = node.notes.iter();
    let notes = notes.map(|note| SMALL_CHAR * count(note.chars().count()));
    notes.max().unwrap_or(0).max(text_width(&node.label)) + 16
}

impl Placed {
    /// Adds the boxes of `graph` and the rows that they stand in; `ends` are of wires at each box.
    fn boxes_of(&mut self, graph: &Graph, layers: &[Layer], ends: &BTreeMap<usize, i64>) {
        for (index, node) in graph.nodes.iter().enumerate() {
            let ports = ends.get(&index).copied().unwrap_or(0);
            let column = self.column(node);
            let row = layers.binary_search(&node.layer).unwrap_or(0);
            self.items.push(Item {
                node: Some(index),
                row,
                column,
                x: 0,
                width: width(node).max(ports * PORT + PORT),
                height: LINE + 8 + (LINE - 2) * count(node.notes.len()),
            });
        }
        self.rows = layers
            .iter()
            .map(|layer| Row {
                layer: *layer,
                y: 0,
                height: 0,
            })
            .collect();
        for item in &self.items {
            let row = &mut self.rows[item.row];
            row.height = row.height.max(item.height);
        }
    }

    /// The column of a box in the upper rows, made when it is new.
    fn column(&mut self, node: &Node) -> usize {
        if node.layer > Layer::Backend {
            return usize::MAX;
        }
        let name = node.group.as_deref().unwrap_or("");
        let known = self.columns.iter().position(|column| column.name == name);
        known.unwrap_or_else(|| {
            self.columns.push(Column {
                name: name.to_owned(),
                x: 0,
                width: 0,
            });
            self.columns.len() - 1
        })
    }

    /// Gives `bundle` places in the rows that it passes. Items of boxes have the boxes' indices.
    fn pass(&mut self, bundle: Bundle) {
        let (mut upper, lower) = match self.items[bundle.a].row <= self.items[bundle.b].row {
            true => (bundle.a, bundle.b),
            false => (bundle.b, bundle.a),
        };
        let column = self.items[upper].column;
        for row in self.items[upper].row + 1..self.items[lower].row {
            let in_column = self.rows[row].layer <= Layer::Backend;
            let item = Item {
                node: None,
                row,
                column: if in_column { column } else { usize::MAX },
                x: 0,
                width: PASS,
                height: self.rows[row].height,
            };
            self.steps.push(Step {
                bundle,
                upper,
                lower: self.items.len(),
            });
            upper = self.items.len();
            self.items.push(item);
        }
        self.steps.push(Step {
            bundle,
            upper,
            lower,
        });
    }

    /// Items of a row and column, in their order.
    fn members(&self, row: usize, column: usize) -> Vec<usize> {
        let items = self.items.iter().enumerate();
        let here = items.filter(|(_, item)| item.row == row && item.column == column);
        here.map(|(index, _)| index).collect()
    }

    /// The mean place of what is joined to `item` from above.
    fn pull(&self, item: usize) -> Option<i64> {
        let joined = self.steps.iter().filter(|step| step.lower == item);
        let above = joined.filter(|step| self.items[step.upper].row < self.items[item].row);
        mean(above.map(|step| self.items[step.upper].x))
    }

    /// Guests' columns side by side; in each row a guest's boxes in order, passing wires beside them.
    fn upper_rows(&mut self) {
        let rows: Vec<usize> = (0..self.rows.len())
            .filter(|row| self.rows[*row].layer <= Layer::Backend)
            .collect();
        let mut left = LEFT;
        for column in 0..self.columns.len() {
            let of_row = |row: &usize| self.length(&self.members(*row, column));
            let widest = rows.iter().map(of_row).max().unwrap_or(0);
            let own = text_width(&self.columns[column].name);
            let width = widest.max(own) + 2 * GAP;
            self.columns[column].x = left;
            self.columns[column].width = width;
            for row in &rows {
                self.column_row(*row, column, left + width / 2);
            }
            left += width + GAP;
        }
        self.width = self.width.max(left);
    }

    fn length(&self, items: &[usize]) -> i64 {
        let length: i64 = items.iter().map(|item| self.items[*item].width + GAP).sum();
        (length - GAP).max(0)
    }

    fn column_row(&mut self, row: usize, column: usize, middle: i64) {
        let members = self.members(row, column);
        let mut x = middle - self.length(&members) / 2;
        let pulls: Vec<(usize, i64)> = members
            .iter()
            .map(|item| (*item, self.pull(*item).unwrap_or(middle)))
            .collect();
        let is_box = |item: usize| self.items[item].node.is_some();
        let side = |left: bool| {
            let mut wires: Vec<(i64, usize)> = pulls
                .iter()
                .filter(|(item, pull)| !is_box(*item) && (*pull < middle) == left)
                .map(|(item, pull)| (*pull, *item))
                .collect();
            wires.sort_unstable();
            wires.into_iter().map(|(_, item)| item)
        };
        let boxes = members.iter().copied().filter(|item| is_box(*item));
        let order: Vec<usize> = side(true).chain(boxes).chain(side(false)).collect();
        for item in order {
            let item = &mut self.items[item];
            item.x = x + item.width / 2;
            x += item.width + GAP;
        }
    }

    /// Rows that are everybody's: as near as there is room to what is above.
    fn lower_rows(&mut self) {
        for row in 0..self.rows.len() {
            if self.rows[row].layer <= Layer::Backend {
                continue;
            }
            let members = self.members(row, usize::MAX);
            let mut order: Vec<(i64, usize)> = Vec::new();
            for item in members {
                let neighbours = || self.beside(item).filter_map(|other| self.pull(other));
                let wanted = self.pull(item).or_else(|| mean(neighbours()));
                order.push((wanted.unwrap_or(self.width), item));
            }
            order.sort_unstable();
            self.spread(&order);
        }
    }

    /// What is joined to `item` in its own row.
    fn beside(&self, item: usize) -> impl Iterator<Item = usize> {
        let here = self.items[item].row;
        self.steps.iter().filter_map(move |step| {
            let other = match item {
                _ if step.upper == item => step.lower,
                _ if step.lower == item => step.upper,
                _ => return None,
            };
            (self.items[other].row == here).then_some(other)
        })
    }

    /// Places items in order near where they want to be, without overlap, between the margins if there
    /// is room.
    fn spread(&mut self, order: &[(i64, usize)]) {
        let mut left = LEFT;
        for (wanted, item) in order {
            let item = &mut self.items[*item];
            item.x = (*wanted).max(left + item.width / 2);
            left = item.x + item.width - item.width / 2 + GAP;
        }
        let items: Vec<usize> = order.iter().map(|(_, item)| *item).collect();
        let mut right = self.width.max(LEFT + self.length(&items) + 4);
        self.width = right;
        for item in items.iter().rev() {
            let item = &mut self.items[*item];
            item.x = item.x.min(right - (item.width - item.width / 2));
            right = item.x - item.width / 2 - GAP;
        }
    }
}

fn mean(values: impl Iterator<Item = i64>) -> Option<i64> {
    let (sum, count) = values.fold((0, 0), |(sum, count), x| (sum + x, count + 1));
    (count > 0).then(|| sum / count)
}
