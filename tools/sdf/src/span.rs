// SPDX-License-Identifier: BSD-2-Clause
//! Where something stands in the system file.

use serde::Serialize;
use std::ops::Deref;
use std::sync::Arc;

/// A half-open byte range of the source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset after the last byte.
    pub end: usize,
}

impl Span {
    /// The span of `start..end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

impl From<std::ops::Range<usize>> for Span {
    fn from(range: std::ops::Range<usize>) -> Self {
        Self::new(range.start, range.end)
    }
}

/// A value together with the text it was read from.
///
/// A defaulted value carries the span of its element's start tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands: the attribute's value, or the start tag when defaulted.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// `value` as read from `span`.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// The text of a system description and the names it is reported under. A description that includes
/// fragments is one text: the files one after the other, so that a span needs no file of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Name of the first file as shown in messages, usually the path as the user gave it.
    pub name: Arc<str>,
    /// The complete text of all files.
    pub text: Arc<str>,
    /// The files, in the order of their texts; at least one.
    parts: Arc<[Part]>,
    /// Where each line of the complete text begins: a file with many findings asks often.
    lines: Arc<[usize]>,
}

/// One file of a [`Source`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name in messages.
    pub name: Arc<str>,
    /// Where its text stands in the source's.
    pub span: Span,
}

impl Source {
    /// A source called `name` that holds `text`.
    #[must_use]
    pub fn new(name: &str, text: &str) -> Self {
        Self::joined(&[(name, text)])
    }

    /// A source of several files, as (name, text). Between two files stands a line feed.
    #[must_use]
    pub fn joined(files: &[(&str, &str)]) -> Self {
        let mut text = String::new();
        let mut parts = Vec::new();
        for (name, content) in files {
            if !text.is_empty() {
                text.push('\n');
            }
            let start = text.len();
            text.push_str(content);
            parts.push(Part {
                name: (*name).into(),
                span: Span::new(start, text.len()),
            });
        }
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            name: files.first().map_or("", |(name, _)| name).into(),
            lines: std::iter::once(0).chain(breaks).collect(),
            text: text.into(),
            parts: parts.into(),
        }
    }

    /// The file that byte `offset` stands in; the last one for an offset beyond the text.
    #[must_use]
    pub fn part(&self, offset: usize) -> Part {
        let found = self.parts.iter().find(|part| offset <= part.span.end);
        found
            .or(self.parts.last())
            .cloned()
            .unwrap_or_else(|| Part {
                name: Arc::clone(&self.name),
                span: Span::new(0, self.text.len()),
            })
    }

    /// Line and column (both from 1, column in characters) of byte `offset` in its file.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let part = self.part(offset);
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        // A file begins a line, since a line feed stands between two.
        let line = |offset| self.lines.partition_point(|start| *start <= offset);
        let first = line(part.span.start.min(end));
        let start = self.lines[line(end) - 1];
        let column = self.text[start..end].chars().count() + 1;
        (line(end) - first + 1, column)
    }

    /// `file:line:column` of byte `offset`.
    #[must_use]
    pub fn place(&self, offset: usize) -> String {
        let (line, column) = self.position(offset);
        format!("{}:{line}:{column}", self.part(offset).name)
    }
}
