// SPDX-License-Identifier: BSD-2-Clause
//! `disk`: images with a partition per guest.

use std::path::PathBuf;

use host::{Failure, Outcome};

use crate::cli::{DiskArgs, DiskCommand, DiskCreateArgs, DiskShowArgs, Format, SystemArgs};
use crate::context::Context;
use crate::devices::Devices;
use crate::system::SystemFile;

/// Makes or shows an image.
pub(crate) fn run(context: &Context, args: &DiskArgs) -> Outcome<()> {
    match &args.command {
        DiskCommand::Create(args) => create(context, args),
        DiskCommand::Show(args) => show(context, args),
    }
}

/// Where the disk of a system is unless the user says otherwise: it outlives builds of all kernels.
pub(crate) fn default_path(context: &Context, args: &SystemArgs) -> PathBuf {
    let stem = args.system.as_deref().and_then(|path| path.file_stem());
    let mut name = stem.unwrap_or("system".as_ref()).to_os_string();
    name.push(".img");
    context.output().join("disks").join(name)
}

fn create(context: &Context, args: &DiskCreateArgs) -> Outcome<()> {
    let file = SystemFile::open(context, &args.system)?;
    let devices = Devices::of(&file.board, &file.check_without_files(context)?);
    let default = default_path(context, &args.system);
    let path = args.output.as_ref().unwrap_or(&default);
    if path.exists() && !args.force {
        return Err(
            Failure::input(format!("{} is there already", context.show(path)))
                .help("--force replaces it, and what is on it is lost"),
        );
    }
    devices.create_disk(context, path, args.size, args.sector_size.into())?;
    print(context, path)
}

fn show(context: &Context, args: &DiskShowArgs) -> Outcome<()> {
    print(context, &args.file)
}

fn print(context: &Context, path: &std::path::Path) -> Outcome<()> {
    let table = disk::read(path)?;
    match context.format {
        Format::Json => out!(
            "{}",
            serde_json::json!({ "version": 1, "image": path, "table": table })
        ),
        Format::Human => {
            out!(
                "{}: logical blocks of {} bytes",
                context.show(path),
                table.sectors.bytes()
            );
            for partition in &table.partitions {
                out!(
                    "  {:20} {:>6} MiB at {:#x}",
                    partition.label,
                    partition.size >> 20,
                    partition.offset
                );
            }
        }
    }
    Ok(())
}
