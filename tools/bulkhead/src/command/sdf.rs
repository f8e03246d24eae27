// SPDX-License-Identifier: BSD-2-Clause
//! `sdf`: the plain system description that a file stands for.

use host::Outcome;
use pack::PackError;

use crate::cli::{Format, SdfArgs};
use crate::context::Context;
use crate::guests;
use crate::system::{self, SystemFile};

/// Prints it. Regions that only a build fills are named, not read.
pub(crate) fn run(context: &Context, args: &SdfArgs) -> Outcome<()> {
    let file = SystemFile::open(context, &args.system)?;
    let system = file.check_without_files(context)?;
    let files = file.search_path(&args.system.search_path, &[]);
    let text = plain(context, &file, system, &files).map_err(|error| match error {
        PackError::Failed(failure) => failure,
        PackError::Refused(diagnostics) => {
            system::show(context, &diagnostics);
            system::refused(&file.name, &diagnostics)
        }
    })?;
    match context.format {
        Format::Json => out!("{}", serde_json::json!({ "version": 1, "sdf": text })),
        Format::Human => out!("{}", text.trim_end()),
    }
    Ok(())
}

fn plain(
    context: &Context,
    file: &SystemFile,
    system: sdf::System,
    files: &sdf::SearchPath,
) -> Result<String, PackError> {
    let folder = guests::folder(context, &file.path);
    let expanded = guests::expand(context, &guests::Given::new(), system, files, &folder)?;
    let mut files = files.clone();
    files.dirs.extend(expanded.folder);
    let lowered = sdf::lower(&expanded.system, &files)?;
    Ok(sdf::write(&lowered.system))
}
