// SPDX-License-Identifier: BSD-2-Clause
//! Results as they come, and the one line at the end.

use std::time::Instant;

use host::ui::{Style, elapsed};
use host::{Failure, Outcome, Ui};
use serde_json::{Value, json};

use super::{Step, StepResult};
use crate::cli::Format;
use crate::context::Context;

/// Collects and prints results.
pub(super) struct Report<'a> {
    ui: &'a Ui,
    format: Format,
    total: usize,
    sum: StepResult,
    rows: Vec<Value>,
    failed_steps: Vec<String>,
    began: Instant,
    step_began: Instant,
}

impl<'a> Report<'a> {
    pub(super) fn new(context: &'a Context, total: usize) -> Self {
        let now = Instant::now();
        Self {
            ui: &context.ui,
            format: context.format,
            total,
            sum: StepResult::default(),
            rows: Vec::new(),
            failed_steps: Vec::new(),
            began: now,
            step_began: now,
        }
    }

    pub(super) fn begin(&mut self, step: &Step) {
        self.step_began = Instant::now();
        let number = self.rows.len() + 1;
        self.ui.say(&format!(
            "[{number:2}/{}] {}: {}",
            self.total, step.name, step.shows
        ));
    }

    pub(super) fn end(&mut self, step: &Step, result: StepResult) {
        let time = self.step_began.elapsed();
        let (style, word) = verdict(&result);
        if self.format == Format::Human {
            let remark = match result.remark.as_str() {
                "" => String::new(),
                remark => format!(": {remark}"),
            };
            let ran = result.passed + result.failed > 0;
            let word = self.ui.paint(style, word);
            // What was skipped took no time.
            let time = if ran {
                format!(" ({})", elapsed(time))
            } else {
                String::new()
            };
            out!("        {word}{remark}{time}");
            result
                .details
                .iter()
                .for_each(|line| out!("          {line}"));
        }
        self.rows.push(json!({
            "name": step.name, "passed": result.passed, "failed": result.failed,
            "skipped": result.skipped, "remark": result.remark, "details": result.details,
            "seconds": time.as_secs_f64(),
        }));
        if result.failed > 0 {
            self.failed_steps.push(step.name.clone());
        }
        self.sum.passed += result.passed;
        self.sum.failed += result.failed;
        self.sum.skipped += result.skipped;
    }

    /// Prints the summary, whose last line scripts rely on.
    pub(super) fn finish(self) -> Outcome<()> {
        self.ui
            .say(&format!("all steps took {}", elapsed(self.began.elapsed())));
        let summary = summary(&self.sum);
        match self.format {
            Format::Json => {
                out!(
                    "{}",
                    json!({ "version": 1, "steps": self.rows, "summary": summary })
                );
            }
            Format::Human => {
                for name in &self.failed_steps {
                    out!("failed: {name}");
                }
                out!("{summary}");
            }
        }
        if self.sum.failed == 0 {
            return Ok(());
        }
        let mut failure = Failure::input(format!("{} failed", self.failed_steps.join(", ")));
        if let Some(first) = self.failed_steps.first() {
            failure = failure.help(format!("cargo bulkhead test --filter {first}"));
        }
        Err(failure)
    }
}

fn verdict(result: &StepResult) -> (Style, &'static str) {
    if result.failed > 0 {
        (Style::Red, "FAILED")
    } else if result.passed > 0 {
        (Style::Green, "ok")
    } else {
        (Style::Yellow, "skipped")
    }
}

fn summary(sum: &StepResult) -> String {
    format!(
        "{} passed, {} failed, {} skipped",
        sum.passed, sum.failed, sum.skipped
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_has_its_exact_form() {
        let sum = StepResult {
            passed: 312,
            failed: 0,
            skipped: 2,
            ..StepResult::default()
        };
        assert_eq!(summary(&sum), "312 passed, 0 failed, 2 skipped");
    }
}
