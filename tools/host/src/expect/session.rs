// SPDX-License-Identifier: BSD-2-Clause
//! The state of a running boot test: pure, fed with bytes and with the time.

use std::time::Duration;

use super::script::{Action, Case, Script, Step};
use super::text::Cleaner;

/// What the runner has to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Wait for output, at most until this time since the start.
    Wait(Duration),
    /// Type these bytes, then ask again.
    Send(Vec<u8>),
    /// The script is complete.
    Passed,
    /// The script failed.
    Failed(Reason),
}

/// Why a boot test failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Something did not appear in time.
    #[error("step {step}: {wanted} did not appear within {}", crate::ui::elapsed(*.after))]
    Missing {
        /// The step's number in the script, from 1.
        step: usize,
        /// What was waited for.
        wanted: String,
        /// For how long.
        after: Duration,
    },
    /// Forbidden text appeared.
    #[error("forbidden text appeared: {0:?}")]
    Forbidden(String),
    /// QEMU ended before the script did.
    #[error("step {step}: QEMU ended while waiting for {wanted}: {how}")]
    Ended {
        /// The step's number in the script, from 1.
        step: usize,
        /// What was waited for.
        wanted: String,
        /// How QEMU ended.
        how: String,
    },
}

/// A boot test in progress.
pub struct Session<'a> {
    script: &'a Script,
    steps: Vec<(usize, &'a Step)>,
    next: usize,
    cleaner: Cleaner,
    text: String,
    cursor: usize,
    step_began: Duration,
    forbidden_until: Option<Duration>,
}

/// How long the rest of a line with forbidden text is awaited.
const LINE_PATIENCE: Duration = Duration::from_secs(1);

impl<'a> Session<'a> {
    /// Starts `script` for `case` at time 0.
    pub fn new(script: &'a Script, case: Case<'_>) -> Self {
        let steps = script
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| step.applies(case))
            .collect();
        Self {
            script,
            steps,
            next: 0,
            cleaner: Cleaner::default(),
            text: String::new(),
            cursor: 0,
            step_began: Duration::ZERO,
            forbidden_until: None,
        }
    }

    /// Takes output of the console.
    pub fn feed(&mut self, bytes: &[u8]) {
        let text = self.cleaner.feed(bytes);
        self.text.push_str(&text);
    }

    /// What to do at time `now` since the start.
    pub fn poll(&mut self, now: Duration) -> Verdict {
        if let Some(verdict) = self.forbidden(now) {
            return verdict;
        }
        while let Some(&(index, step)) = self.steps.get(self.next) {
            match &step.action {
                Action::Send(text) => {
                    self.advance(now, self.cursor);
                    return Verdict::Send(text.clone().into_bytes());
                }
                Action::Hold(time) if now >= self.step_began + *time => {
                    self.advance(now, self.cursor);
                }
                action => match end_of(action, &self.text[self.cursor..]) {
                    Some(length) => self.advance(now, self.cursor + length),
                    None => return self.wait(index, step, now),
                },
            }
        }
        Verdict::Passed
    }

    /// The verdict on forbidden text: the whole line is awaited for a moment, since it says more.
    fn forbidden(&mut self, now: Duration) -> Option<Verdict> {
        let at = self
            .script
            .forbid
            .iter()
            .find_map(|text| self.text.find(text.as_str()))?;
        let until = *self.forbidden_until.get_or_insert(now + LINE_PATIENCE);
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        match self.text[at..].find('\n') {
            None if now < until => Some(Verdict::Wait(until)),
            length => {
                let end = length.map_or(self.text.len(), |length| at + length);
                let line = self.text[start..end].to_owned();
                Some(Verdict::Failed(Reason::Forbidden(line)))
            }
        }
    }

    fn advance(&mut self, now: Duration, cursor: usize) {
        self.next += 1;
        self.cursor = cursor;
        self.step_began = now;
    }

    fn wait(&self, index: usize, step: &Step, now: Duration) -> Verdict {
        if let Action::Hold(time) = step.action {
            return Verdict::Wait((self.step_began + time).min(self.script.timeout));
        }
        let limit = step.timeout.map_or(self.script.timeout, |own| {
            (self.step_began + own).min(self.script.timeout)
        });
        if now < limit {
            return Verdict::Wait(limit);
        }
        Verdict::Failed(Reason::Missing {
            step: index + 1,
            wanted: self.wanted(),
            after: now.saturating_sub(self.step_began),
        })
    }

    /// The failure for a QEMU that ended too early.
    pub fn ended(&self, how: String) -> Reason {
        let step = self.steps.get(self.next).map_or(0, |(index, _)| index + 1);
        Reason::Ended {
            step,
            wanted: self.wanted(),
            how,
        }
    }

    /// What the current step still waits for.
    fn wanted(&self) -> String {
        let rest = &self.text[self.cursor..];
        match self.steps.get(self.next).map(|(_, step)| &step.action) {
            Some(Action::InOrder(texts)) => first_missing(texts, rest),
            Some(Action::AnyOrder(texts)) => texts
                .iter()
                .find(|t| !rest.contains(*t))
                .map_or(String::new(), |t| format!("{t:?}")),
            Some(Action::Matches(pattern)) => format!("/{}/", pattern.as_str()),
            Some(Action::Hold(_)) => "the end of a hold".to_owned(),
            Some(Action::Send(_)) | None => String::new(),
        }
    }
}

/// Length of the part of `rest` that fulfils `action`, if it is fulfilled.
fn end_of(action: &Action, rest: &str) -> Option<usize> {
    match action {
        Action::InOrder(texts) => texts.iter().try_fold(0, |from, text| {
            rest[from..]
                .find(text.as_str())
                .map(|at| from + at + text.len())
        }),
        Action::AnyOrder(texts) => texts.iter().try_fold(0, |end, text| {
            rest.find(text.as_str()).map(|at| end.max(at + text.len()))
        }),
        Action::Matches(pattern) => pattern.find(rest).map(|found| found.end()),
        Action::Send(_) | Action::Hold(_) => None,
    }
}

fn first_missing(texts: &[String], rest: &str) -> String {
    let mut from = 0;
    for text in texts {
        match rest[from..].find(text.as_str()) {
            Some(at) => from += at + text.len(),
            None => return format!("{text:?}"),
        }
    }
    String::new()
}

#[cfg(test)]
mod tests;
