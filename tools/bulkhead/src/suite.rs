// SPDX-License-Identifier: BSD-2-Clause
//! The test suite: which steps there are, and running them one after the other.

mod boots;
mod examples;
mod host_steps;
mod native;
mod power_cut;
mod report;
mod robust;

use host::provision::{self, Need};
use host::{Failure, Outcome};

use crate::context::Context;
use report::Report;

/// A step of the suite.
pub(crate) struct Step {
    /// Its name, for `--filter`.
    pub(crate) name: String,
    /// What it shows, in a line.
    pub(crate) shows: String,
    work: Box<dyn Fn(&Context) -> StepResult>,
}

/// What a step counted and found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct StepResult {
    passed: usize,
    failed: usize,
    skipped: usize,
    /// A remark for the result line.
    remark: String,
    /// What went wrong, for the report.
    details: Vec<String>,
}

impl StepResult {
    fn passed(remark: impl Into<String>) -> Self {
        Self {
            passed: 1,
            remark: remark.into(),
            ..Self::default()
        }
    }

    fn skipped(remark: impl Into<String>) -> Self {
        Self {
            skipped: 1,
            remark: remark.into(),
            ..Self::default()
        }
    }

    fn failed(remark: impl Into<String>, details: Vec<String>) -> Self {
        Self {
            failed: 1,
            remark: remark.into(),
            details,
            ..Self::default()
        }
    }

    /// A failure of the step itself.
    fn from_failure(failure: &Failure) -> Self {
        let text = failure.to_string();
        let mut lines = text.lines().map(str::to_owned);
        let remark = lines.next().unwrap_or_default();
        Self::failed(remark, lines.collect())
    }

    /// The result of work that either says something or fails.
    fn from_outcome(outcome: Outcome<Self>) -> Self {
        outcome.unwrap_or_else(|failure| Self::from_failure(&failure))
    }
}

impl Step {
    fn new(
        name: impl Into<String>,
        shows: impl Into<String>,
        work: impl Fn(&Context) -> Outcome<StepResult> + 'static,
    ) -> Self {
        let work = move |context: &Context| StepResult::from_outcome(work(context));
        Self {
            name: name.into(),
            shows: shows.into(),
            work: Box::new(work),
        }
    }
}

/// All steps, in order.
pub(crate) fn plan(context: &Context) -> Outcome<Vec<Step>> {
    let sdk = context.sdk()?;
    let mut steps = host_steps::steps(sdk.is_some());
    steps.extend(native::steps(context)?);
    steps.extend(boots::steps(context, sdk.is_some())?);
    steps.extend(power_cut::steps(sdk.is_some()));
    match &sdk {
        Some(sdk) => steps.extend(examples::steps(context, sdk)?),
        None => steps.push(Step::new(
            "sel4",
            "the same systems on seL4, and the SDK's examples on the development kernel",
            |_| Ok(StepResult::skipped("no Microkit SDK")),
        )),
    }
    steps.extend(robust::steps());
    Ok(steps)
}

/// The steps whose name contains one of `filters`; all without filters.
pub(crate) fn select(steps: Vec<Step>, filters: &[String]) -> Outcome<Vec<Step>> {
    if filters.is_empty() {
        return Ok(steps);
    }
    let chosen: Vec<_> = steps
        .into_iter()
        .filter(|step| filters.iter().any(|filter| step.name.contains(filter)))
        .collect();
    if chosen.is_empty() {
        return Err(
            Failure::environment(format!("no step is called {}", filters.join(" or ")))
                .help("cargo bulkhead test --list"),
        );
    }
    Ok(chosen)
}

/// Runs the steps and prints the summary.
pub(crate) fn run(context: &Context, steps: &[Step]) -> Outcome<()> {
    provision::ensure(&context.ui, &needs(context)?, context.may_install)?;
    let mut report = Report::new(context, steps.len());
    for step in steps {
        report.begin(step);
        let result = (step.work)(context);
        report.end(step, result);
    }
    report.finish()
}

fn needs(context: &Context) -> Outcome<Vec<Need>> {
    let component = |name, why| Need::RustComponent { name, why };
    let mut needs = vec![
        Need::RustTarget,
        component("clippy", "lints are part of the tests"),
        component("rustfmt", "formatting is part of the tests"),
        Need::Qemu,
    ];
    needs.extend(disk::NEEDS);
    if context.sdk()?.is_some() {
        needs.push(examples::COMPILER);
        needs.push(super::command::build::LIBCLANG);
    }
    Ok(needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> Vec<Step> {
        ["tidy", "boot/first", "boot/probe"]
            .map(|name| Step::new(name, "", |_| Ok(StepResult::passed(""))))
            .into()
    }

    #[test]
    fn filters_choose_by_part_of_the_name() {
        let names = |filters: &[&str]| -> Vec<String> {
            let filters: Vec<_> = filters.iter().map(|f| (*f).to_owned()).collect();
            let chosen = select(steps(), &filters).unwrap_or_default();
            chosen.into_iter().map(|step| step.name).collect()
        };
        assert_eq!(names(&[]).len(), 3);
        assert_eq!(names(&["boot/"]), ["boot/first", "boot/probe"]);
        assert_eq!(names(&["tidy", "probe"]), ["tidy", "boot/probe"]);
        assert!(select(steps(), &["nothing".to_owned()]).is_err());
    }

    #[test]
    fn a_failure_becomes_a_result_with_its_notes() {
        let failure = Failure::environment("broken")
            .note("because")
            .help("repair it");
        let result = StepResult::from_failure(&failure);
        assert_eq!((result.failed, result.remark.as_str()), (1, "broken"));
        assert_eq!(result.details, ["  note: because", "  help: repair it"]);
    }
}
