// SPDX-License-Identifier: BSD-2-Clause
//! The script of a boot test, as written in `tests/boot/*.toml`.

use std::time::Duration;

use regex_lite::Regex;
use serde::Deserialize;

/// A boot test.
#[derive(Debug, Clone)]
pub struct Script {
    /// What the test shows, in one line.
    pub summary: String,
    /// The system description, relative to the repository.
    pub system: String,
    /// Kernels it runs on: `dev`, `sel4`.
    pub kernels: Vec<String>,
    /// Configurations it runs in: `debug`, `release`, `benchmark`.
    pub configs: Vec<String>,
    /// Hard limit for the whole boot.
    pub timeout: Duration,
    /// Text that must never appear.
    pub forbid: Vec<String>,
    /// Further arguments for QEMU.
    pub qemu: Vec<String>,
    /// Bytes of a logical block of the new disk that the system gets, if it has one.
    pub sector_size: u32,
    /// MiB of each partition of that disk.
    pub partition_mib: u64,
    /// What to wait for and what to type.
    pub steps: Vec<Step>,
}

/// The kernel and configuration that a script runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case<'a> {
    /// `dev` or `sel4`.
    pub kernel: &'a str,
    /// `debug`, `release` or `benchmark`.
    pub config: &'a str,
}

/// One step of a script.
#[derive(Debug, Clone)]
pub struct Step {
    /// What to do.
    pub action: Action,
    /// How long it may take; the script's limit applies in any case.
    pub timeout: Option<Duration>,
    /// Kernels that the step applies to; all if empty.
    pub kernels: Vec<String>,
    /// Configurations that the step applies to; all if empty.
    pub configs: Vec<String>,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Wait for all of these texts, in this order.
    InOrder(Vec<String>),
    /// Wait for all of these texts, in any order.
    AnyOrder(Vec<String>),
    /// Wait for a match of a regular expression.
    Matches(Regex),
    /// Type this text.
    Send(String),
    /// Watch for forbidden text for this long.
    Hold(Duration),
}

impl Step {
    /// Whether the step takes part in `case`.
    pub fn applies(&self, case: Case<'_>) -> bool {
        let admits = |list: &[String], name| list.is_empty() || list.iter().any(|x| x == name);
        admits(&self.kernels, case.kernel) && admits(&self.configs, case.config)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawScript {
    summary: String,
    system: String,
    #[serde(default = "both_kernels")]
    kernels: Vec<String>,
    #[serde(default = "both_configs")]
    configs: Vec<String>,
    timeout: f64,
    #[serde(default)]
    forbid: Vec<String>,
    #[serde(default)]
    qemu: Vec<String>,
    #[serde(default = "common_sectors")]
    sector_size: u32,
    #[serde(default = "common_partition")]
    partition_mib: u64,
    step: Vec<RawStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawStep {
    expect: Option<Vec<String>>,
    any_order: Option<Vec<String>>,
    r#match: Option<String>,
    send: Option<String>,
    hold: Option<f64>,
    timeout: Option<f64>,
    #[serde(default)]
    kernels: Vec<String>,
    #[serde(default)]
    configs: Vec<String>,
}

fn both_kernels() -> Vec<String> {
    ["dev", "sel4"].map(str::to_owned).to_vec()
}

fn both_configs() -> Vec<String> {
    ["debug", "release"].map(str::to_owned).to_vec()
}

const fn common_partition() -> u64 {
    64
}

const fn common_sectors() -> u32 {
    512
}

/// Why a script cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// Not the TOML it should be.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A step has no action or several.
    #[error("step {0}: give exactly one of expect, any-order, match, send, hold")]
    Action(usize),
    /// A regular expression is wrong.
    #[error("step {0}: {1}")]
    Pattern(usize, regex_lite::Error),
    /// A time is negative or absurd.
    #[error("{0}: a time in seconds must be between 0 and 3600")]
    Time(String),
    /// A size of blocks that disks do not have.
    #[error("sector-size must be 512 or 4096, not {0}")]
    Sectors(u32),
    /// A kernel or configuration that does not exist.
    #[error("unknown {0}: {1}")]
    Unknown(&'static str, String),
}

impl Script {
    /// Reads a script.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let raw: RawScript = toml::from_str(text)?;
        check_names(&raw.kernels, &raw.configs)?;
        let steps: Result<Vec<_>, _> = raw
            .step
            .into_iter()
            .enumerate()
            .map(|(i, step)| step.check(i + 1))
            .collect();
        Ok(Self {
            summary: raw.summary,
            system: raw.system,
            kernels: raw.kernels,
            configs: raw.configs,
            timeout: seconds("timeout", raw.timeout)?,
            forbid: raw.forbid,
            qemu: raw.qemu,
            sector_size: check_sectors(raw.sector_size)?,
            partition_mib: raw.partition_mib,
            steps: steps?,
        })
    }

    /// Whether the script is meant for `case`.
    pub fn applies(&self, case: Case<'_>) -> bool {
        self.kernels.iter().any(|k| k == case.kernel)
            && self.configs.iter().any(|c| c == case.config)
    }
}

impl RawStep {
    fn check(self, number: usize) -> Result<Step, ScriptError> {
        check_names(&self.kernels, &self.configs)?;
        let name = format!("step {number}");
        let timeout = self.timeout.map(|t| seconds(&name, t)).transpose()?;
        let action = match (
            self.expect,
            self.any_order,
            self.r#match,
            self.send,
            self.hold,
        ) {
            (Some(texts), None, None, None, None) => Action::InOrder(texts),
            (None, Some(texts), None, None, None) => Action::AnyOrder(texts),
            (None, None, Some(pattern), None, None) => {
                Action::Matches(Regex::new(&pattern).map_err(|e| ScriptError::Pattern(number, e))?)
            }
            (None, None, None, Some(text), None) => Action::Send(text),
            (None, None, None, None, Some(time)) => Action::Hold(seconds(&name, time)?),
            _ => return Err(ScriptError::Action(number)),
        };
        Ok(Step {
            action,
            timeout,
            kernels: self.kernels,
            configs: self.configs,
        })
    }
}

fn seconds(name: &str, value: f64) -> Result<Duration, ScriptError> {
    if !(0.0..=3600.0).contains(&value) {
        return Err(ScriptError::Time(name.to_owned()));
    }
    Ok(Duration::from_secs_f64(value))
}

fn check_sectors(bytes: u32) -> Result<u32, ScriptError> {
    match bytes {
        512 | 4096 => Ok(bytes),
        _ => Err(ScriptError::Sectors(bytes)),
    }
}

fn check_names(kernels: &[String], configs: &[String]) -> Result<(), ScriptError> {
    let check = |what, names: &[String], known: &[&str]| match names
        .iter()
        .find(|name| !known.contains(&name.as_str()))
    {
        Some(name) => Err(ScriptError::Unknown(what, name.clone())),
        None => Ok(()),
    };
    check("kernel", kernels, &["dev", "sel4"])?;
    check("configuration", configs, &["debug", "release", "benchmark"])
}
