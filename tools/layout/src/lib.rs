// SPDX-License-Identifier: BSD-2-Clause
//! The layout language: a superset of Microkit's system description format (SDF) that says guests,
//! their devices, drivers, services and policy, and its expansion into plain protection domains,
//! regions and channels. Every plain SDF file is a layout and keeps its meaning.
#![forbid(unsafe_code)]

pub mod board;
pub mod criticality;
pub mod files;
pub mod flow;
pub mod manifest;
pub mod manifests;
pub mod model;
pub mod node;
pub mod reference;
pub mod rules;
pub mod schema;
pub mod template;
pub mod timing;
pub mod value;
pub mod xsd;

mod accept;
mod expand;
mod policy;

pub use board::Devices;
pub use files::{Folder, LARGEST, Tree, text};
pub use flow::Flows;
pub use model::Layout;

use expand::{Made, Surroundings};
use sdf::model::System;
use sdf::rules::xml::ROOT;
use sdf::xml::Element;
use sdf::{Board, Diagnostic, Diagnostics, Files, Span, Spanned};
use std::collections::BTreeMap;

/// A layout to be read, and what it refers to.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "built by every caller")]
pub struct Input<'a> {
    /// Its name in messages.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// The board; rules about it are silent without.
    pub board: Option<&'a Board>,
    /// The board's device tree, as a blob.
    pub device_tree: Option<&'a [u8]>,
    /// Fragments and manifests that it names.
    pub tree: &'a dyn Tree,
    /// Programs and prefills that it names.
    pub files: &'a dyn Files,
}

/// What a run over one layout found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Checked {
    /// What the layout says beyond plain SDF, also where it is wrong.
    pub layout: Layout,
    /// Which guest, driver or service each protection domain that was added belongs to.
    pub owners: BTreeMap<String, String>,
    /// Who tells whom what, if the layout says more than plain SDF and nothing was an error.
    pub flows: Flows,
    /// The system in SDF with `<record>`s, present exactly when no finding is an error.
    pub system: Option<System>,
    /// Errors and warnings, in the order of their place.
    pub diagnostics: Diagnostics,
}

/// Reads a layout, expands it, and applies every rule.
#[must_use]
pub fn check(input: Input<'_>) -> Checked {
    let (files, mut out) = files::load(input.name, input.text, input.tree);
    let mut layout = Layout::default();
    let mut made = Made::default();
    let mut system = read(&files, &mut layout, &mut out);
    if let Some(system) = system.as_mut().filter(|_| !layout.is_plain()) {
        layout.check(system, &mut out);
        let home = |span: Span| {
            let starts_before = |file: &&files::File| file.base <= span.start;
            let file = files.all.iter().rev().find(starts_before);
            file.map_or_else(String::new, |file| file.path.clone())
        };
        let around = Surroundings {
            board: input.board,
            devices: devices(input),
            tree: input.tree,
            home: &home,
        };
        if !out.has_errors() {
            made = expand::expand(&layout, &around, system, &mut out);
        }
    }
    // What lacks a part would be reported as a fault of the whole.
    let whole = system.filter(|_| !out.has_errors() || layout.is_plain());
    let checked = sdf::parse::finish(whole, input.board, input.files, out);
    let (system, mut out) = (checked.system, checked.diagnostics);
    let whole = system.as_ref().filter(|_| !layout.is_plain());
    let flows = whole.map(|whole| judge(&layout, whole, &made, input.board, &mut out));
    Checked {
        layout,
        owners: made.owners,
        flows: flows.unwrap_or_default(),
        system: system.filter(|_| !out.has_errors()),
        diagnostics: out,
    }
}

/// Holds `system`, which `layout` stands for, against promises and policy.
fn judge(
    layout: &Layout,
    system: &System,
    made: &Made,
    board: Option<&Board>,
    out: &mut Diagnostics,
) -> Flows {
    let flows = Flows::of(layout, system, made, board);
    let claims = criticality::Claims::of(layout);
    timing::check(layout, system, &made.owners, &claims, out);
    policy::check(layout, &flows, &claims, out);
    policy::devices(made, board, out);
    accept::apply(&layout.policy, out);
    out.sort();
    flows
}

fn devices(input: Input<'_>) -> Result<Devices, String> {
    match (input.board, input.device_tree) {
        (Some(board), Some(tree)) => Devices::read(board, tree),
        _ => Err("there is none".to_owned()),
    }
}

/// Reads the elements of all files: plain ones into the system, ours into `layout`.
fn read(files: &files::Files, layout: &mut Layout, out: &mut Diagnostics) -> Option<System> {
    let main = files.all.first()?;
    let doc = sdf::parse::document(&main.text, main.base, out)?;
    let root = Element::root(&doc, main.base);
    if root.name() != "system" {
        let message = format!("the outermost element is <{}>, not <system>", root.name());
        out.push(Diagnostic::new(&ROOT, root.span(), message));
        return None;
    }
    root.expect_attributes(&["name"], out);
    let name = root.get("name");
    let name = name.map(|name| Spanned::new(name.value.to_owned(), name.span));
    let mut system = System::empty(out.source.clone(), name);
    read_top(root, files, &mut system, layout, out);
    Some(system)
}

fn read_top(
    root: Element<'_, '_>,
    files: &files::Files,
    system: &mut System,
    layout: &mut Layout,
    out: &mut Diagnostics,
) {
    for child in root.children() {
        let ours = schema::TOP
            .iter()
            .find(|element| element.name == child.name());
        match ours {
            Some(element) if element.name == "include" => {
                node::read(child, element, out);
                let index = child
                    .get("file")
                    .and_then(|file| files.by_include.get(&file.span));
                if let Some(file) = index.and_then(|index| files.all.get(*index)) {
                    read_fragment(file, files, system, layout, out);
                }
            }
            Some(element) => layout.add(&node::read(child, element, out)),
            None if is_plain(child.name()) => sdf::parse::read_top(child, system, out),
            None => {
                let ours = schema::TOP.iter().map(|element| element.name);
                let known: Vec<&str> = sdf::parse::TOP.into_iter().chain(ours).collect();
                child.unexpected(root.name(), &known, out);
            }
        }
    }
}

/// Whether plain SDF has an opinion on an element.
fn is_plain(name: &str) -> bool {
    sdf::parse::TOP.contains(&name) || name == "io_address_space"
}

fn read_fragment(
    file: &files::File,
    files: &files::Files,
    system: &mut System,
    layout: &mut Layout,
    out: &mut Diagnostics,
) {
    let Some(doc) = sdf::parse::document(&file.text, file.base, out) else {
        return;
    };
    let root = Element::root(&doc, file.base);
    if root.name() != "fragment" {
        let message = format!("the outermost element is <{}>, not <fragment>", root.name());
        out.push(Diagnostic::new(&rules::INCLUDE, root.span(), message));
        return;
    }
    root.expect_attributes(&[], out);
    read_top(root, files, system, layout, out);
}
