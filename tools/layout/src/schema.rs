// SPDX-License-Identifier: BSD-2-Clause
//! The one table of elements and attributes: the parser, the XSD and the reference page follow it.

mod guest;
mod table;

use crate::value::Kind;
use table::{DRIVER, INCLUDE, POLICY, SERVICE};

pub use table::LEVELS;

/// Whether an attribute must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "matched by the generators of this crate"
)]
pub enum Need {
    /// It must.
    Required,
    /// What its absence means.
    Optional(&'static str),
    /// This is its value then.
    Default(&'static str),
}

/// An attribute.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "written out in this table only")]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Whether it must be there.
    pub need: Need,
    /// What it means.
    pub doc: &'static str,
}

/// How often an element may stand in its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "matched by the generators of this crate"
)]
pub enum Count {
    /// Exactly once.
    One,
    /// Once or not at all.
    Maybe,
    /// As often as wanted.
    Any,
}

/// An element of ours.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "written out in this table only")]
pub struct Element {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// Its attributes, in groups that elements share.
    pub attributes: &'static [&'static [Attribute]],
    /// What it contains.
    pub children: &'static [(&'static Element, Count)],
}

impl Element {
    /// All attributes in order.
    pub fn all_attributes(&self) -> impl Iterator<Item = &'static Attribute> + use<> {
        self.attributes.iter().copied().flatten()
    }
}

/// Our elements that may stand in `<system>`, beside those of plain SDF.
pub static TOP: [&Element; 5] = [&INCLUDE, &DRIVER, &SERVICE, &guest::GUEST, &POLICY];

/// Every element, each once, parents first.
#[must_use]
pub fn all() -> Vec<&'static Element> {
    let mut all: Vec<&Element> = Vec::new();
    let mut open: Vec<&Element> = TOP.into_iter().rev().collect();
    while let Some(element) = open.pop() {
        if !all.iter().any(|known| known.name == element.name) {
            all.push(element);
            open.extend(element.children.iter().rev().map(|(child, _)| *child));
        }
    }
    all
}
