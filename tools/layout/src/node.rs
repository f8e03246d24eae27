// SPDX-License-Identifier: BSD-2-Clause
//! Elements as the table describes them: read, with the value of every attribute.

use crate::schema::{Count, Element, Need};
use crate::value::Value;
use sdf::rules::xml::COUNT;
use sdf::xml;
use sdf::{Diagnostic, Diagnostics, Span, Spanned};
use std::collections::BTreeMap;

/// An element of ours that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub element: &'static Element,
    /// The start tag.
    pub span: Span,
    /// Attributes that are given or have a default.
    pub attributes: BTreeMap<&'static str, Spanned<Value>>,
    /// What it contains, in order.
    pub children: Vec<Node>,
}

impl Node {
    /// The text of attribute `name`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Spanned<String>> {
        let found = self.attributes.get(name)?;
        match &found.value {
            Value::Text(text) => Some(Spanned::new(text.clone(), found.span)),
            _ => None,
        }
    }

    /// The text of attribute `name`, which is required; empty where that was reported.
    #[must_use]
    pub fn must(&self, name: &str) -> Spanned<String> {
        self.text(name)
            .unwrap_or_else(|| Spanned::new(String::new(), self.span))
    }

    /// The number of attribute `name`.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<Spanned<u64>> {
        let found = self.attributes.get(name)?;
        match found.value {
            Value::Number(number) => Some(Spanned::new(number, found.span)),
            _ => None,
        }
    }

    /// The number of attribute `name`, or 0 at the start tag.
    #[must_use]
    pub fn number_or_zero(&self, name: &str) -> Spanned<u64> {
        self.number(name).unwrap_or(Spanned::new(0, self.span))
    }

    /// Whether attribute `name` stands in the file, as opposed to a default.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.attributes
            .get(name)
            .is_some_and(|value| value.span != self.span)
    }

    /// Children called `name`.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children
            .iter()
            .filter(move |child| child.element.name == name)
    }
}

/// Reads `xml` as `element`, reporting everything that is wrong with it.
pub(crate) fn read(
    xml: xml::Element<'_, '_>,
    element: &'static Element,
    out: &mut Diagnostics,
) -> Node {
    let names: Vec<&str> = element.all_attributes().map(|attr| attr.name).collect();
    xml.expect_attributes(&names, out);
    let mut node = Node {
        element,
        span: xml.span(),
        attributes: BTreeMap::new(),
        children: Vec::new(),
    };
    for attribute in element.all_attributes() {
        let given = match attribute.need {
            Need::Required => xml.required(attribute.name, out),
            Need::Optional(_) => xml.get(attribute.name),
            Need::Default(value) => xml
                .get(attribute.name)
                .or(Some(Spanned::new(value, xml.span()))),
        };
        let Some(given) = given else { continue };
        match attribute.kind.read(given.value) {
            Ok(value) => {
                node.attributes
                    .insert(attribute.name, Spanned::new(value, given.span));
            }
            Err(problem) => {
                let message = format!(
                    "`{}` is `{}`, which {}",
                    attribute.name, given.value, problem.message
                );
                out.push(Diagnostic::new(problem.rule, given.span, message));
            }
        }
    }
    read_children(xml, &mut node, out);
    node
}

fn read_children(xml: xml::Element<'_, '_>, node: &mut Node, out: &mut Diagnostics) {
    let known = node.element.children;
    for child in xml.children() {
        let found = known
            .iter()
            .find(|(element, _)| element.name == child.name());
        let Some((element, count)) = found else {
            let names: Vec<&str> = known.iter().map(|(element, _)| element.name).collect();
            child.unexpected(node.element.name, &names, out);
            continue;
        };
        let first = node.named(element.name).next().map(|first| first.span);
        if let (Some(first), Count::One | Count::Maybe) = (first, count) {
            let message = format!("<{}> may stand only once here", element.name);
            let item = Diagnostic::new(&COUNT, child.span(), message);
            out.push(item.also(first, "first one"));
        }
        let child = read(child, element, out);
        node.children.push(child);
    }
    for (element, count) in known {
        if *count == Count::One && node.named(element.name).next().is_none() {
            let message = format!("<{}> must have a <{}>", node.element.name, element.name);
            out.push(Diagnostic::new(&COUNT, node.span, message));
        }
    }
}
