// SPDX-License-Identifier: BSD-2-Clause
//! `cargo bulkhead`: check, build, run and test a system of protection domains.
#![forbid(unsafe_code)]

/// Writes a line of results.
macro_rules! out {
    ($($argument:tt)*) => { host::ui::print_line(format_args!($($argument)*)) };
}

mod board;
mod cargo;
mod cli;
mod command;
mod context;
mod devices;
mod guests;
mod kernel;
mod suite;
mod system;

use std::process::ExitCode;

use clap::Parser;
use host::{Failure, Outcome};

use cli::{Cli, Command};
use context::Context;

fn main() -> ExitCode {
    if let Some(code) = command::build::called_by_cargo() {
        return code;
    }
    host::interrupt::install();
    let cli = Cli::parse();
    let ui = cli.global.ui();
    match Context::new(&cli.global, ui).and_then(|context| run(&context, &cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            ui.fail(&failure);
            ExitCode::from(failure.fault.exit_code())
        }
    }
}

fn run(context: &Context, command: &Command) -> Outcome<()> {
    if context.sarif && !matches!(command, Command::Check(_)) {
        let failure = Failure::environment("only `check` has results in the form `sarif`");
        return Err(failure.help("choose --format human or --format json"));
    }
    match command {
        Command::Build(args) => command::build::run(context, args),
        Command::Run(args) => command::run::run(context, args),
        Command::Test(args) => command::test::run(context, args),
        Command::Bench(args) => command::bench::run(context, args),
        Command::Check(args) => command::check::run(context, args),
        Command::Sdf(args) => command::sdf::run(context, args),
        Command::Graph(args) => command::pictures::graph(context, args),
        Command::Map(args) => command::pictures::map(context, args),
        Command::Diff(args) => command::pictures::diff(context, args),
        Command::New(args) => command::new::run(context, args),
        Command::Explain(args) => command::explain::run(context, args),
        Command::Boards => command::boards::run(context),
        Command::Disk(args) => command::disk::run(context, args),
        Command::Audit(args) => command::audit::run(context, args),
        Command::Review(args) => command::review::run(context, args),
        Command::Trace => command::trace::run(context),
        Command::Tidy(args) => command::tidy::run(context, args),
    }
}
