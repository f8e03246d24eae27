// SPDX-License-Identifier: BSD-2-Clause
//! A layout as data: what the file says beyond plain SDF, typed, with a span on every value.

use crate::node::Node;
use crate::rules::FLOW;
use sdf::rules::name::{DUPLICATE, UNKNOWN};
use sdf::{Diagnostic, Diagnostics, Span, Spanned, System};
use std::collections::HashMap;

/// What a layout says beyond plain SDF.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Layout {
    /// Drivers and services in file order.
    pub parts: Vec<Part>,
    /// Guests in file order.
    pub guests: Vec<Guest>,
    /// Statements about flows and criticality.
    pub policy: Policy,
}

/// A driver or a service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// The start tag.
    pub span: Span,
    /// Whether it is a `<driver>`.
    pub is_driver: bool,
    /// Name of it and its protection domain.
    pub name: Spanned<String>,
    /// A driver's class or a service's kind.
    pub class: Spanned<String>,
    /// The device, by the board's name.
    pub device: Option<Spanned<String>>,
    /// Who serves it, if the file says.
    pub server: Option<Spanned<String>>,
    /// A third party's manifest.
    pub manifest: Option<Spanned<String>>,
    /// The program, where it is not the manifest's.
    pub elf: Option<Spanned<String>>,
    /// Its share of the machine.
    pub limits: Limits,
    /// What it is told, as (name, value).
    pub settings: Vec<(Spanned<String>, Spanned<String>)>,
}

/// A share of the machine, as far as the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// 0 to 254.
    pub priority: Option<Spanned<u64>>,
    /// Microseconds per period.
    pub budget: Option<Spanned<u64>>,
    /// Microseconds.
    pub period: Option<Spanned<u64>>,
    /// Bytes of stack.
    pub stack: Option<Spanned<u64>>,
    /// Core.
    pub cpu: Spanned<u64>,
}

/// A guest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Guest {
    /// The start tag.
    pub span: Span,
    /// Name of it and its virtual machine.
    pub name: Spanned<String>,
    /// Bytes of RAM.
    pub memory: Spanned<u64>,
    /// Number of vCPUs.
    pub vcpus: Spanned<u64>,
    /// Its share of the machine; no stack.
    pub limits: Limits,
    /// Fixed physical address of its RAM.
    pub phys_addr: Option<Spanned<u64>>,
    /// Recipe of its image.
    pub recipe: Spanned<String>,
    /// Kernel command line.
    pub cmdline: Option<Spanned<String>>,
    /// Its devices in file order.
    pub devices: Vec<Node>,
}

/// Statements that the system is held against.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Policy {
    /// Flows that are wanted, in file order.
    pub allow: Vec<Flow>,
    /// Flows that must not be.
    pub deny: Vec<Flow>,
    /// Criticality of subjects, by name; one of [`crate::schema::LEVELS`].
    pub criticality: Vec<(Spanned<String>, Spanned<String>)>,
    /// Warnings that are accepted: rule and reason.
    pub accept: Vec<(Spanned<String>, Spanned<String>)>,
}

/// A direction between two subjects.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flow {
    /// The start tag.
    pub span: Span,
    /// Name of the source.
    pub from: Spanned<String>,
    /// Name of the sink.
    pub to: Spanned<String>,
}

impl Limits {
    fn of(node: &Node) -> Self {
        Self {
            priority: node.number("priority"),
            budget: node.number("budget"),
            period: node.number("period"),
            stack: node.number("stack"),
            cpu: node.number_or_zero("cpu"),
        }
    }
}

impl Layout {
    /// Adds what `node`, which stands directly in `<system>`, says.
    pub(crate) fn add(&mut self, node: &Node) {
        if let Some(level) = node.text("criticality") {
            self.policy.criticality.push((node.must("name"), level));
        }
        match node.element.name {
            "driver" | "service" => self.parts.push(Part::of(node)),
            "guest" => self.guests.push(Guest::of(node)),
            _ => self.policy.add(node),
        }
    }

    /// Whether it says nothing beyond plain SDF.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Reports names that are used twice, and statements that make no sense in `system`, which holds
    /// the plain protection domains.
    pub(crate) fn check(&self, system: &System, out: &mut Diagnostics) {
        let parts = self.parts.iter().map(|part| &part.name);
        let guests = self.guests.iter().map(|guest| &guest.name);
        let plain = system.pds.iter().map(|pd| &pd.name);
        let mut known: HashMap<&str, Span> = HashMap::new();
        for name in plain
            .chain(parts)
            .chain(guests)
            .filter(|name| !name.is_empty())
        {
            if let Some(first) = known.insert(name.as_str(), name.span) {
                let message = format!("two things are called `{}`", name.value);
                let item = Diagnostic::new(&DUPLICATE, name.span, message);
                out.push(item.also(first, "first one"));
            }
        }
        self.policy.check(&known, out);
    }
}

impl Part {
    fn of(node: &Node) -> Self {
        let is_driver = node.element.name == "driver";
        Self {
            span: node.span,
            is_driver,
            name: node.must("name"),
            class: node.must(if is_driver { "class" } else { "kind" }),
            device: node.text("device"),
            server: node.text("to").or(node.text("driver")),
            manifest: node.text("manifest"),
            elf: node.text("elf"),
            limits: Limits::of(node),
            settings: node
                .named("setting")
                .map(|setting| (setting.must("name"), setting.must("value")))
                .collect(),
        }
    }
}

impl Guest {
    /// Whether its vCPUs may run for as long as they like.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        let Limits { budget, period, .. } = &self.limits;
        match (budget, period) {
            (Some(budget), Some(period)) => budget.value >= period.value,
            _ => true,
        }
    }

    fn of(node: &Node) -> Self {
        let image = node.named("image").next();
        let devices = node.children.iter();
        let mut limits = Limits::of(node);
        // Without a period, a given budget is without limit, and the default one has the default's.
        if limits.period.is_none() && !node.is_given("budget") {
            limits.period = Some(Spanned::new(DEFAULT_PERIOD_US, node.span));
        }
        Self {
            span: node.span,
            name: node.must("name"),
            memory: node.number_or_zero("memory"),
            vcpus: node.number_or_zero("vcpus"),
            limits,
            phys_addr: node.number("phys_addr"),
            recipe: image.map_or_else(|| node.must(""), |image| image.must("recipe")),
            cmdline: image.and_then(|image| image.text("cmdline")),
            devices: devices
                .filter(|child| child.element.name != "image")
                .cloned()
                .collect(),
        }
    }
}

/// Period of a guest that says neither budget nor period, in microseconds.
const DEFAULT_PERIOD_US: u64 = 20_000;

impl Policy {
    fn add(&mut self, node: &Node) {
        for child in &node.children {
            if child.element.name == "criticality" {
                self.criticality
                    .push((child.must("of"), child.must("level")));
                continue;
            }
            if child.element.name == "accept" {
                self.accept.push((child.must("rule"), child.must("reason")));
                continue;
            }
            let flow = Flow {
                span: child.span,
                from: child.must("from"),
                to: child.must("to"),
            };
            match child.element.name {
                "allow" => self.allow.push(flow),
                _ => self.deny.push(flow),
            }
        }
    }

    fn check(&self, known: &HashMap<&str, Span>, out: &mut Diagnostics) {
        let flows = || self.allow.iter().chain(&self.deny);
        let ends = flows().flat_map(|flow| [&flow.from, &flow.to]);
        for name in ends.chain(self.criticality.iter().map(|(of, _)| of)) {
            if !name.is_empty() && !known.contains_key(name.as_str()) {
                let message = format!("nothing is called `{}`", name.value);
                out.push(Diagnostic::new(&UNKNOWN, name.span, message));
            }
        }
        for flow in flows().filter(|flow| *flow.from == *flow.to && !flow.from.is_empty()) {
            let message = format!("a flow from `{}` to itself", flow.from.value);
            out.push(Diagnostic::new(&FLOW, flow.span, message));
        }
        for (of, level) in &self.criticality {
            let first = self
                .criticality
                .iter()
                .find(|(other, _)| other.value == of.value);
            if let Some((_, first)) = first.filter(|(_, first)| first.span != level.span) {
                let message = format!("`{}` has two criticalities", of.value);
                let item = Diagnostic::new(&DUPLICATE, level.span, message);
                out.push(item.also(first.span, "first one"));
            }
        }
        for deny in &self.deny {
            let same = |allow: &&Flow| *allow.from == *deny.from && *allow.to == *deny.to;
            if let Some(allow) = self.allow.iter().find(same) {
                let message = "this flow is both allowed and denied";
                let item = Diagnostic::new(&FLOW, deny.span, message);
                out.push(item.also(allow.span, "allowed here"));
            }
        }
    }
}
