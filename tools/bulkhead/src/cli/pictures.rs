// SPDX-License-Identifier: BSD-2-Clause
//! Arguments of `graph`, `map` and `diff`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::SystemArgs;

pub(super) const GRAPH_EXAMPLES: &str = "\
Examples:
  cargo bulkhead graph -o parts.svg
  cargo bulkhead graph my.system --kind flows -o flows.svg
  cargo bulkhead graph --kind schedule > schedule.svg
  cargo bulkhead graph --format json      what is drawn, as data

A picture is one SVG file without references; any browser shows and prints it. Nothing is built.";

pub(super) const MAP_EXAMPLES: &str = "\
Examples:
  cargo bulkhead map
  cargo bulkhead map my.system --format json
  cargo bulkhead map -o memory.svg        draw physical memory instead

Regions that a build adds (records, images of guests) and the programs' own segments are not in it:
an audit reads them from an image.";

pub(super) const DIFF_EXAMPLES: &str = "\
Examples:
  cargo bulkhead diff old.xml system.xml
  cargo bulkhead diff old.xml new.xml --format json
  cargo bulkhead diff old.xml new.xml --exit-code     fail if they differ

Lines begin with + for what came, - for what went, ~ for what changed.";

/// What a picture is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Picture {
    /// Guests, domains, devices, and what joins them.
    Parts,
    /// Who can tell whom anything, held against the layout's policy.
    Flows,
    /// Priorities, budgets and periods per core.
    Schedule,
}

/// Arguments of `graph`.
#[derive(Args, Clone)]
pub(crate) struct GraphArgs {
    /// What to draw.
    #[command(flatten)]
    pub(crate) system: SystemArgs,
    /// What the picture is of.
    #[arg(long, value_enum, default_value = "parts")]
    pub(crate) kind: Picture,
    /// Write the picture there [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Arguments of `map`.
#[derive(Args, Clone)]
pub(crate) struct MapArgs {
    /// Whose memory to show.
    #[command(flatten)]
    pub(crate) system: SystemArgs,
    /// Draw physical memory there, as SVG.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Arguments of `diff`.
#[derive(Args, Clone)]
pub(crate) struct DiffArgs {
    /// The system description before.
    pub(crate) before: PathBuf,
    /// The system description after.
    pub(crate) after: PathBuf,
    /// Board, as `cargo bulkhead boards` lists them.
    #[arg(long, default_value = "qemu_virt_aarch64", value_name = "BOARD")]
    pub(crate) board: String,
    /// Further folders for prefills; may be repeated.
    #[arg(long, value_name = "DIR")]
    pub(crate) search_path: Vec<PathBuf>,
    /// Exit with 1 if they differ.
    #[arg(long)]
    pub(crate) exit_code: bool,
}
