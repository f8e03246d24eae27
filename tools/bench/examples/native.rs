// SPDX-License-Identifier: BSD-2-Clause
//! Measures the native machine by hand: `cargo run -p bench --example native -- CACHE WORK [JSON]`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use host::{Outcome, Ui, ui::Colour};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(cache), Some(work)) = (args.next(), args.next()) else {
        eprintln!("usage: native CACHE_DIR WORK_DIR [JSON_FILE]");
        return ExitCode::from(2);
    };
    let ui = Ui::new(Colour::Auto, 0);
    match measure(&ui, cache, work, args.next()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            ui.fail(&failure);
            ExitCode::from(failure.fault.exit_code())
        }
    }
}

fn measure(ui: &Ui, cache: PathBuf, work: PathBuf, json: Option<PathBuf>) -> Outcome<()> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let options = bench::Options {
        root: host::root::find(&here)?,
        cache,
        work,
        programs: None,
        limit: Duration::from_secs(600),
    };
    let prepared = bench::prepare(ui, &options)?;
    let report = bench::run(ui, &options, &prepared, &[], &mut std::io::stdout())?;
    match json {
        Some(path) => host::output::write(&path, report.to_json().to_string().as_bytes()),
        None => Ok(()),
    }
}
