// SPDX-License-Identifier: BSD-2-Clause
//! Tables below pictures.

use crate::svg::{LINE, SMALL_CHAR, Svg, count};

/// Longest column in characters; longer texts are broken into lines.
const LONGEST: usize = 90;

/// A table: names of the columns, then rows of as many cells.
pub(crate) struct Table<'a> {
    pub(crate) head: &'a [&'a str],
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table<'_> {
    /// Draws it with the top left corner at `x`, `y`; the first `y` below it.
    pub(crate) fn draw(&self, svg: &mut Svg, x: i64, y: i64) -> i64 {
        let cells: Vec<Vec<Vec<String>>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(|cell| wrap(cell)).collect())
            .collect();
        let mut left = x;
        let columns: Vec<i64> = self
            .head
            .iter()
            .enumerate()
            .map(|(column, head)| {
                let of_row =
                    |row: &Vec<Vec<String>>| row.get(column).map_or(0, |cell| widest(cell));
                let widest = cells.iter().map(of_row).max().unwrap_or(0);
                let at = left;
                left += SMALL_CHAR * (count(widest.max(head.chars().count())) + 2);
                at
            })
            .collect();
        let mut y = y + LINE;
        for (head, x) in self.head.iter().zip(&columns) {
            svg.text("small head", *x, y, head);
        }
        svg.path("rule", &[(x, y + 4), (left, y + 4)], "");
        for row in &cells {
            let lines = row.iter().map(Vec::len).max().unwrap_or(1).max(1);
            for (cell, x) in row.iter().zip(&columns) {
                for (n, line) in cell.iter().enumerate() {
                    svg.text("small", *x, y + LINE * (count(n) + 1), line);
                }
            }
            y += LINE * count(lines);
        }
        y + LINE
    }
}

fn widest(lines: &[String]) -> usize {
    let lengths = lines.iter().map(|line| line.chars().count());
    lengths.max().unwrap_or(0)
}

/// Breaks at spaces; words that are longer than a line stay whole.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > LONGEST {
            lines.push(String::new());
        }
        if let Some(last) = lines.last_mut() {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_broken_at_spaces_and_lose_nothing() {
        let text = "word ".repeat(50);
        let lines = wrap(text.trim_end());
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.len() <= LONGEST));
        assert_eq!(lines.join(" "), text.trim_end());
        assert_eq!(wrap(&"x".repeat(200)).len(), 1);
    }
}
