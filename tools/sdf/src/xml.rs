// SPDX-License-Identifier: BSD-2-Clause
//! Typed, located access to the elements and attributes of the document.

use crate::diag::{Diagnostic, Diagnostics};
use crate::rules::xml::{ATTRIBUTE, BOOL, DECIMAL, ELEMENT, MISSING_ATTRIBUTE, NUMBER, TEXT};
use crate::rules::{Rule, ids};
use crate::span::{Span, Spanned};
use std::ops::Range;

/// An element of a document.
#[derive(Clone, Copy)]
pub struct Element<'a, 'i> {
    node: roxmltree::Node<'a, 'i>,
    /// Where the document's text begins in the source's.
    base: usize,
}

impl<'a, 'i> Element<'a, 'i> {
    /// The outermost element of `doc`, whose text begins at byte `base` of the source.
    #[must_use]
    pub fn root(doc: &'a roxmltree::Document<'i>, base: usize) -> Self {
        let node = doc.root_element();
        Self { node, base }
    }

    /// The span of `range`, which counts from the start of the document.
    fn at(self, range: &Range<usize>) -> Span {
        Span::new(self.base + range.start, self.base + range.end)
    }

    /// Its name without namespace prefix.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.node.tag_name().name()
    }

    /// `<name`, the part of the start tag that identifies it.
    #[must_use]
    pub fn span(self) -> Span {
        let range = self.node.range();
        let text = &self.node.document().input_text()[range.clone()];
        let length = text
            .find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>')
            .unwrap_or(text.len());
        self.at(&(range.start..range.start + length))
    }

    /// Child elements in order.
    pub fn children(self) -> impl Iterator<Item = Element<'a, 'i>> {
        self.node
            .children()
            .filter(|node| node.is_element())
            .map(move |node| Element { node, ..self })
    }

    /// Reports every attribute that is not in `known`, and stray text among the children.
    pub fn expect_attributes(self, known: &[&str], out: &mut Diagnostics) {
        for attr in self.node.attributes() {
            let schema = attr.namespace() == Some("http://www.w3.org/2001/XMLSchema-instance");
            if known.contains(&attr.name()) || schema {
                continue;
            }
            let message = format!("<{}> has no attribute `{}`", self.name(), attr.name());
            let item = Diagnostic::new(&ATTRIBUTE, self.at(&attr.range_qname()), message);
            out.push(item.help(known_list(known, attr.name())));
        }
        self.expect_no_text(out);
    }

    fn expect_no_text(self, out: &mut Diagnostics) {
        for node in self.node.children().filter(|node| node.is_text()) {
            let text = node.text().unwrap_or_default();
            if text.trim().is_empty() {
                continue;
            }
            let range = node.range();
            let raw = &node.document().input_text()[range.clone()];
            let lead = raw.len() - raw.trim_start().len();
            let start = range.start + lead;
            let span = self.at(&(start..start + raw.trim().len()));
            let message = format!("text inside <{}>", self.name());
            out.push(Diagnostic::new(&TEXT, span, message));
        }
    }

    /// Reports this element as one that `parent` cannot have.
    pub fn unexpected(self, parent: &str, known: &[&str], out: &mut Diagnostics) {
        let message = format!("<{parent}> cannot contain <{}>", self.name());
        let item = Diagnostic::new(&ELEMENT, self.span(), message);
        out.push(item.help(known_list(known, self.name())));
    }

    /// The attribute `name`, if given.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Spanned<&'a str>> {
        let attr = self
            .node
            .attributes()
            .find(|a| a.name() == name && a.namespace().is_none())?;
        Some(Spanned::new(attr.value(), self.at(&attr.range_value())))
    }

    /// The attribute `name`, owned, if given.
    #[must_use]
    pub fn text(self, name: &str) -> Option<Spanned<String>> {
        self.get(name)
            .map(|a| Spanned::new(a.value.to_owned(), a.span))
    }

    /// The attribute `name`; its absence is reported.
    pub fn required(self, name: &str, out: &mut Diagnostics) -> Option<Spanned<&'a str>> {
        let found = self.get(name);
        if found.is_none() {
            let message = format!("<{}> needs the attribute `{name}`", self.name());
            let item = Diagnostic::new(&MISSING_ATTRIBUTE, self.span(), message);
            out.push(item.help(format!("add `{name}=\"…\"`")));
        }
        found
    }

    /// The attribute `name`, owned; its absence is reported and leaves an empty text.
    pub fn required_text(self, name: &str, out: &mut Diagnostics) -> Spanned<String> {
        match self.required(name, out) {
            Some(a) => Spanned::new(a.value.to_owned(), a.span),
            None => Spanned::new(String::new(), self.span()),
        }
    }

    /// The number in attribute `name` (decimal or `0x`, `_` allowed), if given.
    pub fn number(self, name: &str, out: &mut Diagnostics) -> Option<Spanned<u64>> {
        self.get(name).and_then(|attr| number(attr, name, out))
    }

    /// The number in attribute `name`, or `default` at the start tag.
    pub fn number_or(self, name: &str, default: u64, out: &mut Diagnostics) -> Spanned<u64> {
        self.number(name, out)
            .unwrap_or(Spanned::new(default, self.span()))
    }

    /// The number in attribute `name`; its absence is reported.
    pub fn required_number(self, name: &str, out: &mut Diagnostics) -> Option<Spanned<u64>> {
        self.required(name, out)
            .and_then(|attr| number(attr, name, out))
    }

    /// The plain decimal number in attribute `name`; its absence is reported.
    pub fn required_decimal(self, name: &str, out: &mut Diagnostics) -> Option<Spanned<i64>> {
        self.required(name, out)
            .and_then(|attr| decimal(attr, name, out))
    }

    /// The channel, interrupt, child or vCPU id in attribute `name` (plain decimal if `decimal_only`).
    pub fn required_id(
        self,
        name: &str,
        decimal_only: bool,
        out: &mut Diagnostics,
    ) -> Option<Spanned<u8>> {
        let attr = if decimal_only {
            self.required_decimal(name, out)?
        } else {
            let number = self.required_number(name, out)?;
            Spanned::new(i64::try_from(number.value).unwrap_or(i64::MAX), number.span)
        };
        match u8::try_from(attr.value) {
            Ok(id) if id <= crate::model::MAX_ID => Some(Spanned::new(id, attr.span)),
            _ => {
                let message = format!("id {} is out of range", attr.value);
                out.push(Diagnostic::new(&ids::RANGE, attr.span, message));
                None
            }
        }
    }

    /// The boolean in attribute `name`, or `default` at the start tag.
    pub fn bool_or(self, name: &str, default: bool, out: &mut Diagnostics) -> Spanned<bool> {
        match self.get(name) {
            None => Spanned::new(default, self.span()),
            Some(attr) => match attr.value {
                "true" => Spanned::new(true, attr.span),
                "false" => Spanned::new(false, attr.span),
                other => {
                    let message = format!("`{name}` is `{other}`, neither `true` nor `false`");
                    out.push(Diagnostic::new(&BOOL, attr.span, message));
                    Spanned::new(default, attr.span)
                }
            },
        }
    }
}

/// `value` if it fits a `T`, else reports `rule` and takes `instead`.
pub(crate) fn narrow<T: TryFrom<u64>>(
    value: Spanned<u64>,
    instead: T,
    rule: &'static Rule,
    message: impl FnOnce(u64) -> String,
    out: &mut Diagnostics,
) -> Spanned<T> {
    let narrowed = T::try_from(value.value).unwrap_or_else(|_| {
        out.push(Diagnostic::new(rule, value.span, message(value.value)));
        instead
    });
    Spanned::new(narrowed, value.span)
}

/// Parses a number as Microkit does: decimal or `0x` hexadecimal, underscores anywhere.
#[must_use]
pub fn parse_number(text: &str) -> Option<u64> {
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    }
}

fn number(attr: Spanned<&str>, name: &str, out: &mut Diagnostics) -> Option<Spanned<u64>> {
    match parse_number(attr.value) {
        Some(value) => Some(Spanned::new(value, attr.span)),
        None => {
            let message = format!("`{name}` is `{}`, which is not a 64-bit number", attr.value);
            out.push(Diagnostic::new(&NUMBER, attr.span, message));
            None
        }
    }
}

pub(crate) fn decimal(
    attr: Spanned<&str>,
    name: &str,
    out: &mut Diagnostics,
) -> Option<Spanned<i64>> {
    if let Ok(value) = attr.value.parse() {
        return Some(Spanned::new(value, attr.span));
    }
    let message = format!(
        "`{name}` is `{}`, which is not a plain decimal number",
        attr.value
    );
    let mut item = Diagnostic::new(&DECIMAL, attr.span, message);
    if let Some(value) = parse_number(attr.value) {
        item = item.help(format!("write {value}"));
    }
    out.push(item);
    None
}

/// "did you mean" or the list of what is known.
fn known_list(known: &[&str], given: &str) -> String {
    let near = known
        .iter()
        .filter(|name| distance(name, given) <= 2)
        .min_by_key(|name| distance(name, given));
    match (near, known) {
        (Some(name), _) => format!("did you mean `{name}`?"),
        (None, []) => "nothing is allowed here".to_owned(),
        (None, _) => format!("known here: {}", known.join(", ")),
    }
}

/// Edit distance of two short words.
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, cb) in row.iter_mut().skip(1).zip(&b) {
            let substitute = diagonal + usize::from(ca != *cb);
            diagonal = *cell;
            left = substitute.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        row[0] = i + 1;
    }
    row.last().copied().unwrap_or(0)
}
