// SPDX-License-Identifier: BSD-2-Clause
//! Tables: one form for CSV, JSON, Markdown and HTML.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::html::escape;

/// So many characters of a cell are on pages.
const SHOWN: usize = 160;

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    /// What it shows.
    pub(crate) title: String,
    /// What it was made from, and what that does not cover.
    pub(crate) origin: String,
    /// Names of the columns.
    pub(crate) columns: Vec<String>,
    /// Cells, as many per row as there are columns.
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table; `|` separates the names of columns.
    #[must_use]
    pub(crate) fn new(title: &str, origin: &str, columns: &str) -> Self {
        Self {
            title: title.to_owned(),
            origin: origin.to_owned(),
            columns: columns.split('|').map(str::to_owned).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; cells that are missing are empty, cells too many are dropped.
    pub(crate) fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row: Vec<String> = cells.into_iter().collect();
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
    }

    /// RFC 4180, with a line feed at the end of lines.
    #[must_use]
    pub(crate) fn csv(&self) -> String {
        let mut out = String::new();
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            let cells: Vec<String> = row.iter().map(|cell| csv_cell(cell)).collect();
            out.push_str(&cells.join(","));
            out.push('\n');
        }
        out
    }

    /// Title, origin, columns and rows.
    #[must_use]
    pub(crate) fn json(&self) -> String {
        crate::package::pretty(self)
    }

    /// A Markdown page.
    #[must_use]
    pub(crate) fn markdown(&self) -> String {
        let mut out = format!("# {}\n\n{}\n\n", self.title, self.origin);
        let line = |out: &mut String, cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|c| c.replace('|', "\\|")).collect();
            // Writing to a String cannot fail.
            writeln!(out, "| {} |", cells.join(" | ")).unwrap_or_default();
        };
        line(&mut out, &self.columns);
        line(&mut out, &vec!["---".to_owned(); self.columns.len()]);
        self.rows.iter().for_each(|row| line(&mut out, row));
        out
    }

    /// An HTML table with its title as heading; cells of many lines are cut, the data have them whole.
    #[must_use]
    pub(crate) fn html(&self, anchor: &str) -> String {
        let mut out = format!(
            "<section id=\"{}\"><h2>{}</h2><p class=\"origin\">{} As data: \
             <a href=\"{0}.csv\">{0}.csv</a>, <a href=\"{0}.json\">{0}.json</a></p>\n<table><thead><tr>",
            escape(anchor),
            escape(&self.title),
            escape(&self.origin)
        );
        for name in &self.columns {
            write!(out, "<th>{}</th>", escape(name)).unwrap_or_default();
        }
        out.push_str("</tr></thead><tbody>\n");
        for row in &self.rows {
            out.push_str("<tr>");
            for cell in row {
                let short: String = cell.chars().take(SHOWN).collect();
                let dots = if short.len() < cell.len() { " …" } else { "" };
                write!(out, "<td>{}{dots}</td>", escape(&short)).unwrap_or_default();
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody></table></section>\n");
        out
    }
}

fn csv_cell(cell: &str) -> String {
    if cell.contains(['"', ',', '\n', '\r']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell.to_owned()
}

/// Names with commas, or "none".
#[must_use]
pub(crate) fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

/// "yes" or "no".
#[must_use]
pub(crate) fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

/// The value, or a dash.
#[must_use]
pub(crate) fn or_dash(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("T <1>", "made up", "a|b");
        table.push(["1,2".to_owned(), "say \"x\"".to_owned(), "lost".to_owned()]);
        table.push(["<b>".to_owned()]);
        table
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        assert_eq!(table().csv(), "a,b\n\"1,2\",\"say \"\"x\"\"\"\n<b>,\n");
    }

    #[test]
    fn pages_cut_what_the_data_have_whole() {
        let mut table = table();
        table.push(["x".repeat(1000)]);
        let html = table.html("15-t");
        assert!(html.contains(&format!("<td>{} …</td>", "x".repeat(SHOWN))));
        assert!(html.contains("href=\"15-t.csv\"") && table.csv().contains(&"x".repeat(1000)));
    }

    #[test]
    fn html_escapes_everything() {
        let html = table().html("x");
        assert!(html.contains("<td>&lt;b&gt;</td>") && html.contains("T &lt;1&gt;"));
    }
}
