// SPDX-License-Identifier: BSD-2-Clause
//! What the user sees: results on standard output, everything about progress on standard error.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::failure::Failure;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// Decides for a stream; `no_color` is whether the environment asks for none.
    pub fn decide(self, is_terminal: bool, no_color: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && !no_color,
        }
    }
}

/// The styles in use, as SGR parameters.
#[derive(Debug, Clone, Copy)]
pub enum Style {
    /// Failures.
    Red,
    /// Successes.
    Green,
    /// Warnings.
    Yellow,
    /// Things to look at.
    Bold,
    /// Things that matter less.
    Dim,
}

impl Style {
    fn sgr(self) -> &'static str {
        match self {
            Self::Red => "1;31",
            Self::Green => "1;32",
            Self::Yellow => "1;33",
            Self::Bold => "1",
            Self::Dim => "2",
        }
    }
}

/// How to talk to the user.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    colour: bool,
    result_colour: bool,
    terminal: bool,
    verbosity: i8,
}

impl Ui {
    /// `verbosity`: below 0 errors only, 0 normal, above 0 everything that tools say.
    pub fn new(colour: Colour, verbosity: i8) -> Self {
        let terminal = io::stderr().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        Self {
            colour: colour.decide(terminal, no_color),
            result_colour: colour.decide(io::stdout().is_terminal(), no_color),
            terminal,
            verbosity,
        }
    }

    /// A silent, colourless one for tests.
    pub fn silent() -> Self {
        Self {
            colour: false,
            result_colour: false,
            terminal: false,
            verbosity: -1,
        }
    }

    /// Whether standard error shows colours.
    pub fn colours(&self) -> bool {
        self.colour
    }

    /// Whether the output of tools is shown as it comes.
    pub fn is_verbose(&self) -> bool {
        self.verbosity > 0
    }

    /// `text` in `style`, if standard error shows colours.
    pub fn paint(&self, style: Style, text: &str) -> String {
        painted(self.colour, style, text)
    }

    /// `text` in `style`, if standard output, where results go, shows colours.
    pub fn paint_result(&self, style: Style, text: &str) -> String {
        painted(self.result_colour, style, text)
    }

    /// A line about what happens.
    pub fn say(&self, text: &str) {
        if self.verbosity >= 0 {
            eprintln!("{text}");
        }
    }

    /// Text that has its own line breaks; nothing if it is empty.
    pub fn say_lines(&self, text: &str) {
        if self.verbosity >= 0 {
            eprint!("{text}");
        }
    }

    /// A line for those who asked for details.
    pub fn detail(&self, text: &str) {
        if self.verbosity > 0 {
            eprintln!("{}", self.paint(Style::Dim, text));
        }
    }

    /// A line about something that should not be so but does not stop us.
    pub fn warn(&self, text: &str) {
        if self.verbosity >= 0 {
            eprintln!("{} {text}", self.paint(Style::Yellow, "warning:"));
        }
    }

    /// A failure, with its notes and help.
    pub fn fail(&self, failure: &Failure) {
        eprintln!("{} {failure}", self.paint(Style::Red, "error:"));
    }

    /// Replaces the status line of a terminal; does nothing elsewhere.
    pub fn status(&self, text: &str) {
        if self.terminal && self.verbosity >= 0 {
            let line: String = text.chars().filter(|c| !c.is_control()).take(100).collect();
            eprint!("\r\x1b[K{line}");
            // A status line that cannot be shown is no reason to stop.
            io::stderr().flush().unwrap_or_default();
        }
    }

    /// Clears the status line.
    pub fn clear_status(&self) {
        self.status("");
    }
}

fn painted(colour: bool, style: Style, text: &str) -> String {
    if colour {
        format!("\x1b[{}m{text}\x1b[0m", style.sgr())
    } else {
        text.to_owned()
    }
}

/// Writes a line to standard output. Whoever reads it may stop at any time, as `head` does: that ends
/// the program without a complaint.
pub fn print_line(line: fmt::Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    if writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .is_err()
    {
        std::process::exit(0);
    }
}

/// `90.4 s` or `2 min 03 s`.
pub fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 100 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_follows_the_flag_then_the_terminal_then_no_color() {
        assert!(Colour::Always.decide(false, true));
        assert!(!Colour::Never.decide(true, false));
        assert!(Colour::Auto.decide(true, false));
        assert!(!Colour::Auto.decide(true, true));
        assert!(!Colour::Auto.decide(false, false));
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(elapsed(Duration::from_millis(1234)), "1.2 s");
        assert_eq!(elapsed(Duration::from_secs(123)), "2 min 03 s");
    }
}
