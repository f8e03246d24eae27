// SPDX-License-Identifier: BSD-2-Clause
//! Pictures of systems as SVG: parts, memory, schedule, flows. Each is a pure function of plain data
//! and stands alone: no script, no font, no reference to another file; text can be selected.
#![forbid(unsafe_code)]

mod flows;
mod graph;
mod memory;
mod model;
mod schedule;
mod svg;
mod table;

pub use flows::flows;
pub use graph::graph;
pub use memory::memory;
pub use model::{
    Flow, Flows, Graph, Layer, Link, LinkKind, MemoryMap, Node, NodeKind, Range, RangeKind,
    Schedule, Thread, Verdict,
};
pub use schedule::schedule;
