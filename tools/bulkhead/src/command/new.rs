// SPDX-License-Identifier: BSD-2-Clause
//! `new`: a layout to begin with.

use std::fs;

use host::{Failure, Outcome};
use layout::template::{Template, is_name};

use crate::cli::{Format, NewArgs, NewTemplate};
use crate::context::Context;

/// Writes `NAME/NAME.xml`; what is there stays as it is.
pub(crate) fn run(context: &Context, args: &NewArgs) -> Outcome<()> {
    let name = args.name.as_str();
    if !is_name(name) {
        let failure = Failure::environment(format!("`{name}` is no name"));
        return Err(failure
            .help("begin with a letter; letters, digits, `_`, `-` and `.` follow, 40 at most"));
    }
    let template = match args.template {
        NewTemplate::Minimal => Template::Minimal,
        NewTemplate::Cockpit => Template::Cockpit,
    };
    fs::create_dir(name).map_err(|error| {
        let failure = Failure::environment(format!("cannot make the folder {name}: {error}"));
        failure.help("choose another name, or another folder to be in")
    })?;
    let path = std::path::Path::new(name).join(format!("{name}.xml"));
    host::output::write(&path, template.text(name).as_bytes())?;
    let path = path.display().to_string();
    match context.format {
        Format::Json => out!("{}", serde_json::json!({ "version": 1, "file": path })),
        Format::Human => {
            out!("{path}\n");
            out!("cargo bulkhead check {path}");
            out!("cargo bulkhead run {path}");
        }
    }
    Ok(())
}
