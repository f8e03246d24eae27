// SPDX-License-Identifier: BSD-2-Clause
//! Diagnostics: what is wrong, where, why it matters and what to do, as text or JSON.
//!
//! JSON, one object per run: `version` (1), `file`, and `diagnostics`, each with `rule`, `severity`
//! (`error` or `warning`), `message`, `why`, `help`, `primary` and `secondary`; a label is `line`,
//! `column`, `end_line`, `end_column` (from 1, in characters), `start`, `end` (bytes) and `label`, with
//! the `file` it is in: the description itself or a fragment that it includes. Bytes count from the
//! start of that file.
//!
//! Answers BH-11.

use crate::rules::{Rule, Severity};
use crate::span::{Part, Source, Span};
use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;
use std::fmt::Write as _;

/// So many findings are shown with their source lines; nobody reads more, and each costs time in
/// proportion to the file.
const SHOWN_WHOLE: usize = 100;

/// A place in the source and what to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What to say; may be empty.
    pub text: String,
}

/// One finding.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// The rule that was broken: its id, severity, reason and general remedy.
    pub rule: &'static Rule,
    /// What is wrong here, one sentence without a full stop.
    pub message: String,
    /// Where.
    pub primary: Label,
    /// Other places that take part.
    pub secondary: Vec<Label>,
    /// The remedy for this case, where it is more exact than the rule's.
    pub help: Option<String>,
}

impl Diagnostic {
    /// `rule` is broken at `span`.
    pub fn new(rule: &'static Rule, span: Span, message: impl Into<String>) -> Self {
        let primary = Label {
            span,
            text: String::new(),
        };
        Self {
            rule,
            message: message.into(),
            primary,
            secondary: Vec::new(),
            help: None,
        }
    }

    /// Says `text` beside the primary span.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// Points to another place that takes part.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Replaces the rule's general remedy.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// The remedy to show.
    #[must_use]
    pub fn remedy(&self) -> &str {
        self.help.as_deref().unwrap_or(self.rule.fix)
    }
}

/// All findings of a run over one source.
#[derive(Debug, Clone)]
pub struct Diagnostics {
    /// The text the spans refer to.
    pub source: Source,
    /// The findings, in the order of their place.
    pub items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// No findings yet.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self {
            source,
            items: Vec::new(),
        }
    }

    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.items.push(diagnostic);
    }

    /// Whether any finding is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.items
            .iter()
            .any(|d| d.rule.severity == Severity::Error)
    }

    /// Number of (errors, warnings).
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let errors = self
            .items
            .iter()
            .filter(|d| d.rule.severity == Severity::Error)
            .count();
        (errors, self.items.len() - errors)
    }

    /// Orders findings by place, then rule, and drops exact repetitions.
    pub fn sort(&mut self) {
        self.items.sort_by(|a, b| {
            (a.primary.span, a.rule.id, &a.message).cmp(&(b.primary.span, b.rule.id, &b.message))
        });
        self.items.dedup_by(|a, b| {
            a.primary.span == b.primary.span && a.rule.id == b.rule.id && a.message == b.message
        });
    }

    /// All findings in the manner of rustc, each with its source lines; ANSI colours if `color`. Of very
    /// many, those after the first hundred are a line each.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut out = String::new();
        let (whole, rest) = self.items.split_at(self.items.len().min(SHOWN_WHOLE));
        for item in whole {
            out.push_str(&self.render_one(item, &renderer));
            out.push_str("\n\n");
        }
        if !rest.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "and {} more, in short:", rest.len());
            rest.iter().for_each(|item| self.brief_one(item, &mut out));
        }
        out
    }

    fn render_one(&self, item: &Diagnostic, renderer: &Renderer) -> String {
        let level = match item.rule.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let part = self.source.part(item.primary.span.start);
        let primary = AnnotationKind::Primary.span(self.clip(&part, item.primary.span));
        let label = Some(item.primary.text.as_str()).filter(|text| !text.is_empty());
        let mut snippet = self.snippet(&part).annotation(primary.label(label));
        let mut elsewhere = Vec::new();
        for other in &item.secondary {
            let home = self.source.part(other.span.start);
            let place = AnnotationKind::Context.span(self.clip(&home, other.span));
            let annotation = place.label(other.text.as_str());
            if home == part {
                snippet = snippet.annotation(annotation);
            } else {
                elsewhere.push(self.snippet(&home).annotation(annotation));
            }
        }
        let group = level
            .primary_title(item.message.as_str())
            .id(item.rule.id)
            .element(snippet)
            .elements(elsewhere)
            .element(Level::NOTE.message(item.rule.why))
            .element(Level::HELP.message(item.remedy()));
        renderer.render(&[group])
    }

    /// The text of one file, to be annotated.
    fn snippet(&self, part: &Part) -> Snippet<'_, Annotation<'_>> {
        let text = &self.source.text[part.span.start..part.span.end];
        Snippet::source(text).path(part.name.to_string())
    }

    /// `span` in its file: inside the text and on character boundaries.
    fn clip(&self, part: &Part, span: Span) -> std::ops::Range<usize> {
        let text = &self.source.text[part.span.start..part.span.end];
        let mut start = span.start.saturating_sub(part.span.start).min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let end = span.end.saturating_sub(part.span.start);
        let mut end = end.clamp(start, text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        start..end
    }

    /// One line per finding: `file:line:col: severity[rule]: message`.
    #[must_use]
    pub fn brief(&self) -> String {
        let mut out = String::new();
        self.items
            .iter()
            .for_each(|item| self.brief_one(item, &mut out));
        out
    }

    fn brief_one(&self, item: &Diagnostic, out: &mut String) {
        let place = self.source.place(item.primary.span.start);
        let (severity, id, message) = (item.rule.severity, item.rule.id, &item.message);
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{place}: {severity}[{id}]: {message}");
    }

    /// The findings as one JSON value; see the module documentation.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let diagnostics: Vec<_> = self.items.iter().map(|item| self.json_item(item)).collect();
        let report = JsonReport {
            version: 1,
            file: &self.source.name,
            diagnostics,
        };
        // The report holds only strings and numbers, which always serialise.
        serde_json::to_value(report).unwrap_or_default()
    }

    fn json_item<'a>(&'a self, item: &'a Diagnostic) -> JsonDiagnostic<'a> {
        JsonDiagnostic {
            rule: item.rule.id,
            severity: item.rule.severity,
            message: &item.message,
            why: item.rule.why,
            help: item.remedy(),
            primary: self.json_label(&item.primary),
            secondary: item
                .secondary
                .iter()
                .map(|label| self.json_label(label))
                .collect(),
        }
    }

    fn json_label<'a>(&self, label: &'a Label) -> JsonLabel<'a> {
        let (line, column) = self.source.position(label.span.start);
        let (end_line, end_column) = self.source.position(label.span.end);
        let part = self.source.part(label.span.start);
        let Span { start, end } = label.span;
        let (start, end) = (start - part.span.start, end - part.span.start);
        JsonLabel {
            file: part.name.to_string(),
            line,
            column,
            end_line,
            end_column,
            start,
            end,
            label: &label.text,
        }
    }
}

impl std::fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

#[derive(Serialize)]
struct JsonReport<'a> {
    version: u32,
    file: &'a str,
    diagnostics: Vec<JsonDiagnostic<'a>>,
}

#[derive(Serialize)]
struct JsonDiagnostic<'a> {
    rule: &'a str,
    severity: Severity,
    message: &'a str,
    why: &'a str,
    help: &'a str,
    primary: JsonLabel<'a>,
    secondary: Vec<JsonLabel<'a>>,
}

#[derive(Serialize)]
struct JsonLabel<'a> {
    file: String,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    start: usize,
    end: usize,
    label: &'a str,
}
