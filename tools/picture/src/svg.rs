// SPDX-License-Identifier: BSD-2-Clause
//! Writing SVG: shapes in integer units, escaped text, one style sheet for screen, dark screen and paper.

use std::fmt::Write;

/// Width of a character of the main size.
pub(crate) const CHAR: i64 = 8;
/// Width of a character of the small size.
pub(crate) const SMALL_CHAR: i64 = 7;
/// Height of a line.
pub(crate) const LINE: i64 = 16;

/// Every rule begins with the picture's class, so that a page around it keeps its own looks.
/// Looks that do not depend on the screen. All selectors begin with the picture's class, so that a page
/// around it keeps its own.
const STYLE: &str = "\
.bulkhead text{font:13px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace}\
.bulkhead text.small{font-size:11px}\
.bulkhead text.title{font-size:16px;font-weight:600}\
.bulkhead text.head{font-weight:600}\
.bulkhead text.mid{text-anchor:middle}\
.bulkhead text.end{text-anchor:end}\
.bulkhead .frame{fill:none;stroke-dasharray:6 3}\
.bulkhead .rule{fill:none}\
.bulkhead .guest{stroke-width:1.5}\
.bulkhead .memory{stroke-dasharray:3 2}\
.bulkhead .wire{fill:none;stroke-width:1.3}\
.bulkhead .sig{stroke-dasharray:5 3}\
.bulkhead .call{stroke-width:2}\
.bulkhead .irq{stroke-dasharray:2 2}\
.bulkhead .ctl{stroke-dasharray:8 2 2 2}\
.bulkhead .bad{stroke-width:2.2}\
.bulkhead .absent{stroke-dasharray:5 3}";

/// A colour on light screens and paper, and on dark screens.
type Colour = (&'static str, &'static str);

const INK: Colour = ("#1c2024", "#e6e8eb");
const SOFT: Colour = ("#5b6470", "#a3abb6");
const PAPER: Colour = ("#ffffff", "#16181c");
const BAND: Colour = ("#f3f4f6", "#1f2329");
const LINES: Colour = ("#b9c0c9", "#4a525d");
const BOX: Colour = ("#ffffff", "#2a2f37");
const GUEST: Colour = ("#e3ecf7", "#26364a");
const DEVICE: Colour = ("#e9e9e9", "#34373c");
const BLUE: Colour = ("#3b6ea5", "#7fb0e6");
const BROWN: Colour = ("#9a5b13", "#e0a458");
const VIOLET: Colour = ("#7a3f8f", "#c792dd");
const GREEN: Colour = ("#2e7d4f", "#7fce9c");
const RED: Colour = ("#b3261e", "#ff8a80");

/// What is painted how. Written out for each case: not every viewer of SVG knows variables.
const COLOURS: [(&str, &str, Colour); 31] = [
    ("text", "fill", INK),
    ("text.small", "fill", SOFT),
    (".paper", "fill", PAPER),
    (".band", "fill", BAND),
    (".frame", "stroke", LINES),
    (".rule", "stroke", LINES),
    (".box", "fill", BOX),
    (".box", "stroke", SOFT),
    (".guest", "fill", GUEST),
    (".guest", "stroke", BLUE),
    (".memory", "fill", BOX),
    (".memory", "stroke", BLUE),
    (".device", "fill", DEVICE),
    (".device", "stroke", SOFT),
    (".mem", "stroke", BLUE),
    (".memtip", "fill", BLUE),
    (".sig", "stroke", SOFT),
    (".sigtip", "fill", SOFT),
    (".call", "stroke", BROWN),
    (".calltip", "fill", BROWN),
    (".irq", "stroke", VIOLET),
    (".irqtip", "fill", VIOLET),
    (".ctl", "stroke", GREEN),
    (".ctltip", "fill", GREEN),
    (".good,.bulkhead .absent", "stroke", GREEN),
    (".goodtip,.bulkhead .absenttip", "fill", GREEN),
    (".bad", "stroke", RED),
    (".badtip", "fill", RED),
    (".bar", "fill", BLUE),
    (".free", "fill", BAND),
    (".free", "stroke", LINES),
];

/// The style sheet.
fn style() -> String {
    let rules = |pick: fn(Colour) -> &'static str| {
        let rules = COLOURS
            .iter()
            .map(|(what, how, colour)| format!(".bulkhead {what}{{{how}:{}}}", pick(*colour)));
        rules.collect::<String>()
    };
    let (light, dark) = (rules(|colour| colour.0), rules(|colour| colour.1));
    format!("{STYLE}{light}@media screen and (prefers-color-scheme:dark){{{dark}}}")
}

/// A picture in the making.
pub(crate) struct Svg {
    body: String,
    width: i64,
    height: i64,
}

impl Svg {
    pub(crate) const fn new() -> Self {
        Self {
            body: String::new(),
            width: 0,
            height: 0,
        }
    }

    /// Makes room for `x`, `y` with a margin.
    fn reach(&mut self, x: i64, y: i64) {
        self.width = self.width.max(x);
        self.height = self.height.max(y);
    }

    fn raw(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.body.write_fmt(text);
        self.body.push('\n');
    }

    /// A rectangle; `hint` is shown when it is pointed at.
    pub(crate) fn rect(&mut self, class: &str, at: Rect, hint: &str) {
        let Rect { x, y, w, h } = at;
        self.reach(x + w, y + h);
        let hint = title(hint);
        self.raw(format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"3\">{hint}</rect>"
        ));
    }

    /// A line of text whose baseline begins (or has its middle or end, by class) at `x`, `y`.
    pub(crate) fn text(&mut self, class: &str, x: i64, y: i64, text: &str) {
        let width = match class {
            _ if class.contains("mid") => text_width(text) / 2,
            _ if class.contains("end") => 0,
            _ => text_width(text),
        };
        self.reach(x + width, y + 4);
        let text = escape(text);
        self.raw(format_args!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" xml:space=\"preserve\">{text}</text>"
        ));
    }

    /// A line through `points`.
    pub(crate) fn path(&mut self, class: &str, points: &[(i64, i64)], hint: &str) {
        let mut list = String::new();
        for (x, y) in points {
            self.reach(*x, *y);
            let _ = write!(list, "{}{x},{y}", if list.is_empty() { "" } else { " " });
        }
        let hint = title(hint);
        self.raw(format_args!(
            "<polyline class=\"{class}\" points=\"{list}\">{hint}</polyline>"
        ));
    }

    /// A filled shape.
    pub(crate) fn polygon(&mut self, class: &str, points: &[(i64, i64)]) {
        let list: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
        let list = list.join(" ");
        self.raw(format_args!(
            "<polygon class=\"{class}\" points=\"{list}\"/>"
        ));
    }

    /// An arrow head whose tip is at `x`, `y`, pointing along (`dx`, `dy`), each -1, 0 or 1.
    pub(crate) fn tip(&mut self, class: &str, (x, y): (i64, i64), (dx, dy): (i64, i64)) {
        let (back_x, back_y) = (x - 8 * dx, y - 8 * dy);
        let (side_x, side_y) = (3 * dy, 3 * dx);
        self.polygon(
            class,
            &[
                (x, y),
                (back_x + side_x, back_y + side_y),
                (back_x - side_x, back_y - side_y),
            ],
        );
    }

    /// The whole picture.
    pub(crate) fn finish(self, name: &str) -> String {
        let (width, height) = (self.width + 16, self.height + 16);
        let name = escape(name);
        let (body, style) = (self.body, style());
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"bulkhead\" role=\"img\" width=\"{width}\" \
             height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n<title>{name}</title>\n<style>{style}</style>\n\
             <rect class=\"paper\" x=\"0\" y=\"0\" width=\"{width}\" height=\"{height}\"/>\n{body}</svg>\n"
        )
    }
}

/// A rectangle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rect {
    pub(crate) x: i64,
    pub(crate) y: i64,
    pub(crate) w: i64,
    pub(crate) h: i64,
}

fn title(text: &str) -> String {
    match text {
        "" => String::new(),
        _ => format!("<title>{}</title>", escape(text)),
    }
}

/// `text` as XML may contain it: markup escaped, characters that XML does not know replaced.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Estimated width of `text` in the main size.
pub(crate) fn text_width(text: &str) -> i64 {
    let wide = |c: char| if c < '\u{2e80}' { CHAR } else { 2 * CHAR };
    text.chars().map(wide).sum()
}

/// A number of things as a length.
pub(crate) fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
