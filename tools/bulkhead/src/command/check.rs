// SPDX-License-Identifier: BSD-2-Clause
//! `check`: every rule on a system description, all findings at once.

use host::Outcome;

use crate::cli::{CheckArgs, Format};
use crate::context::Context;
use crate::system::SystemFile;

/// Checks. Files that the description names are looked at where they are found already; those that
/// only a build makes are not asked for.
pub(crate) fn run(context: &Context, args: &CheckArgs) -> Outcome<()> {
    let file = SystemFile::open(context, &args.system)?;
    let system = if args.system.search_path.is_empty() {
        file.check(context, &sdf::NoFiles)?
    } else {
        file.check(context, &file.search_path(&args.system.search_path, &[]))?
    };
    if context.format == Format::Human {
        context.ui.say(&format!(
            "{}: no errors ({} protection domains, {} memory regions, {} channels)",
            file.name,
            system.pds.len(),
            system.memory_regions.len(),
            system.channels.len()
        ));
    }
    Ok(())
}
