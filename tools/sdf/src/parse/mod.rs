// SPDX-License-Identifier: BSD-2-Clause
//! From text to [`System`]: reads every element, reports everything that is wrong, then applies the
//! rules that look at the whole.

mod domains;
mod pd;
mod record;
mod region;
mod vm;

use crate::board::Board;
use crate::diag::{Diagnostic, Diagnostics};
use crate::files::{Files, NoFiles};
use crate::model::{Channel, ChannelEnd, System};
use crate::rules;
use crate::rules::xml::{COUNT, MALFORMED, NOT_ON_ARM, ROOT};
use crate::span::{Source, Span, Spanned};
use crate::xml::Element;

/// What a run over one file found.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The system, present exactly when no finding is an error.
    pub system: Option<System>,
    /// Errors and warnings, in the order of their place.
    pub diagnostics: Diagnostics,
}

/// Reads a system description and applies every rule that needs neither board nor files.
///
/// # Errors
/// All findings of the run, warnings included, when at least one is an error.
pub fn parse(text: &str, file: &str) -> Result<System, Diagnostics> {
    let checked = check(text, file, None, &NoFiles);
    checked.system.ok_or(checked.diagnostics)
}

/// Reads a system description and applies every rule; those about the board only when one is given.
#[must_use]
pub fn check(text: &str, file: &str, board: Option<&Board>, files: &dyn Files) -> Checked {
    let mut out = Diagnostics::new(Source::new(file, text));
    let system =
        document(text, 0, &mut out).and_then(|doc| read_system(Element::root(&doc, 0), &mut out));
    finish(system, board, files, out)
}

/// The document in `text`, which begins at byte `base` of the source; a broken one is reported.
pub fn document<'i>(
    text: &'i str,
    base: usize,
    out: &mut Diagnostics,
) -> Option<roxmltree::Document<'i>> {
    let options = roxmltree::ParsingOptions {
        nodes_limit: 1 << 20,
        ..Default::default()
    };
    match roxmltree::Document::parse_with_options(text, options) {
        Ok(doc) => Some(doc),
        Err(error) => {
            out.push(malformed(text, base, &error));
            None
        }
    }
}

/// Applies the rules that look at the whole `system` and adds what they find to `out`.
#[must_use]
pub fn finish(
    system: Option<System>,
    board: Option<&Board>,
    files: &dyn Files,
    mut out: Diagnostics,
) -> Checked {
    if let Some(system) = &system {
        rules::run(system, board, files, &mut out);
    }
    out.sort();
    let system = system.filter(|_| !out.has_errors());
    Checked {
        system,
        diagnostics: out,
    }
}

fn malformed(text: &str, base: usize, error: &roxmltree::Error) -> Diagnostic {
    let pos = error.pos();
    let row = usize::try_from(pos.row).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(pos.col).unwrap_or(1).saturating_sub(1);
    let line_start: usize = text.split_inclusive('\n').take(row).map(str::len).sum();
    let line = text[line_start..].lines().next().unwrap_or_default();
    let within = line
        .char_indices()
        .nth(column)
        .map_or(line.len(), |(at, _)| at);
    let start = line_start + within;
    let width = text[start..].chars().next().map_or(0, char::len_utf8);
    // The library appends its own position, which the span already says.
    let full = error.to_string();
    let reason = full
        .rsplit_once(" at ")
        .map_or(full.as_str(), |(reason, _)| reason);
    let span = Span::new(base + start, base + start + width);
    Diagnostic::new(&MALFORMED, span, reason)
}

/// What `<system>` may contain.
pub const TOP: [&str; 4] = ["protection_domain", "memory_region", "channel", "domains"];

fn read_system(root: Element<'_, '_>, out: &mut Diagnostics) -> Option<System> {
    if root.name() != "system" {
        let message = format!("the outermost element is <{}>, not <system>", root.name());
        out.push(Diagnostic::new(&ROOT, root.span(), message));
        return None;
    }
    root.expect_attributes(&["name"], out);
    let mut system = System::empty(out.source.clone(), root.text("name"));
    for child in root.children() {
        read_top(child, &mut system, out);
    }
    Some(system)
}

/// Reads an element that stands directly in `<system>`.
pub fn read_top(element: Element<'_, '_>, system: &mut System, out: &mut Diagnostics) {
    match element.name() {
        "protection_domain" => pd::read(element, None, &mut system.pds, out),
        "memory_region" => system.memory_regions.push(region::read(element, out)),
        "channel" => system.channels.extend(read_channel(element, out)),
        "domains" => domains::read(element, system, out),
        "io_address_space" => not_on_arm(element, "an I/O address space", out),
        _ => element.unexpected("system", &TOP, out),
    }
}

/// Reports something that only exists on x86.
fn not_on_arm(element: Element<'_, '_>, what: &str, out: &mut Diagnostics) {
    let message = format!("{what} exists only on x86");
    out.push(Diagnostic::new(&NOT_ON_ARM, element.span(), message));
}

/// Reports that `parent` has `found` children called `child`, against what it should have.
fn wrong_count(parent: Element<'_, '_>, what: &str, out: &mut Diagnostics) {
    let message = format!("<{}> must have {what}", parent.name());
    out.push(Diagnostic::new(&COUNT, parent.span(), message));
}

/// Reports the second of two elements where only one may be.
fn repeated(second: Element<'_, '_>, first: Span, out: &mut Diagnostics) {
    let message = format!("<{}> may stand only once here", second.name());
    out.push(Diagnostic::new(&COUNT, second.span(), message).also(first, "first one"));
}

fn read_channel(element: Element<'_, '_>, out: &mut Diagnostics) -> Option<Channel> {
    element.expect_attributes(&[], out);
    let mut ends = Vec::new();
    let mut count = 0;
    for child in element.children() {
        if child.name() == "end" {
            count += 1;
            ends.extend(read_end(child, out));
        } else {
            child.unexpected("channel", &["end"], out);
        }
    }
    if count != 2 {
        wrong_count(element, "exactly two <end> elements", out);
    }
    let ends = <[ChannelEnd; 2]>::try_from(ends).ok()?;
    Some(Channel {
        span: element.span(),
        ends,
    })
}

fn read_end(element: Element<'_, '_>, out: &mut Diagnostics) -> Option<ChannelEnd> {
    element.expect_attributes(&["pd", "id", "pp", "notify", "setvar_id"], out);
    let pd = element.required_text("pd", out);
    let id = element.required_id("id", true, out);
    let pp = element.bool_or("pp", false, out);
    let notify = element.bool_or("notify", true, out);
    let id: Spanned<u8> = id?;
    Some(ChannelEnd {
        span: element.span(),
        pd,
        id,
        pp,
        notify,
        setvar_id: element.text("setvar_id"),
    })
}
