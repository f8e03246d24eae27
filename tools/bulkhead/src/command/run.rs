// SPDX-License-Identifier: BSD-2-Clause
//! `run`: build, then boot in QEMU with the console on this terminal.

use std::path::Path;
use std::time::Duration;

use ::disk::SectorSize;
use host::console::{self, Ending, Greeting, Session};
use host::provision::{self, Need};
use host::qemu::{Machine, Start};
use host::{Failure, Outcome};
use sdf::Board;
use sdf::model::RecordTarget;

use super::{build, disk};
use crate::cli::{RunArgs, SystemArgs};
use crate::context::Context;
use crate::devices::{Devices, DiskImage};
use crate::kernel::Kernel;
use crate::system::SystemFile;

/// Builds and boots.
pub(crate) fn run(context: &Context, args: &RunArgs) -> Outcome<()> {
    if !args.dry_run {
        // All at once, so that what is missing is reported in one go.
        let needs = [Need::Qemu, Need::RustTarget];
        provision::ensure(&context.ui, &needs, context.may_install)?;
    }
    let greeting = match &args.guest {
        Some(name) => Some(attach(context, &args.build.system, name)?),
        None => None,
    };
    let built = build::build(context, &args.build)?;
    let disk = disk(context, args, &built.devices)?;
    let mut extra = built.devices.arguments(disk.as_ref());
    extra.extend(args.qemu.iter().cloned());
    let machine = machine(&built.board, &built.kernel, &built.image, &extra)?;
    if args.dry_run {
        out!("{}", machine.command_line());
        return Ok(());
    }
    let limit = args.timeout.map(Duration::from_secs);
    let ending = console::run(&context.ui, &machine, Session { limit, greeting })?;
    context.ui.say(match ending {
        Ending::Left => "\nleft; the machine was stopped",
        Ending::TimeOver => "\nthe time given by --timeout is over; the machine was stopped",
        Ending::PoweredOff => "\nthe machine was switched off",
    });
    Ok(())
}

/// The keys that give `name` the keyboard: the console multiplexer's prefix and the client's digit, in
/// the order of the `client` entries of its record.
fn attach(context: &Context, args: &SystemArgs, name: &str) -> Outcome<Greeting> {
    const PREFIX: u8 = 1;
    let file = SystemFile::open(context, args)?;
    let system = file.check_without_files(context)?;
    let records = system.pds.iter().filter_map(|pd| pd.record.as_ref());
    let clients: Vec<&str> = records
        .flat_map(|record| &record.entries)
        .filter(|entry| *entry.role == "client")
        .filter_map(|entry| match &entry.target {
            RecordTarget::Text { value } => Some(value.as_str()),
            _ => None,
        })
        .collect();
    let digit = clients
        .iter()
        .zip(b'1'..=b'9')
        .find(|(client, _)| **client == name);
    let Some((_, digit)) = digit else {
        return Err(
            Failure::input(format!("{}: no console is called `{name}`", file.name))
                .help(format!("choose one of: {}", clients.join(", "))),
        );
    };
    Ok(Greeting {
        after: "has the keys".to_owned(),
        keys: vec![PREFIX, digit],
    })
}

/// The disk image of this run: made if it is not there or `--fresh` says so.
fn disk(context: &Context, args: &RunArgs, devices: &Devices) -> Outcome<Option<DiskImage>> {
    if !devices.have_disk() {
        let name = [(args.disk.is_some(), "--disk"), (args.fresh, "--fresh")];
        return match name.into_iter().find(|(given, _)| *given) {
            None => Ok(None),
            Some((_, option)) => Err(Failure::environment(format!(
                "{option}: this system has no disk"
            ))
            .help("add a driver for the board's disk to the system description")),
        };
    }
    let default = disk::default_path(context, &args.build.system);
    let path = args.disk.as_ref().unwrap_or(&default);
    if path.exists() && !args.fresh {
        return devices.open_disk(context, path).map(Some);
    }
    let made = devices.create_disk(context, path, ::disk::DEFAULT_SIZE, SectorSize::default())?;
    context
        .ui
        .say(&format!("new disk image: {}", context.show(path)));
    Ok(Some(made))
}

/// QEMU's machine for an image.
pub(crate) fn machine(
    board: &Board,
    kernel: &Kernel,
    image: &Path,
    extra: &[String],
) -> Outcome<Machine> {
    let Some(qemu) = &board.qemu else {
        return Err(
            Failure::environment(format!("QEMU does not emulate {}", board.name))
                .help("build the image and start it on the board itself"),
        );
    };
    Ok(Machine {
        machine: qemu.machine.clone(),
        cpu: qemu.cpu.clone(),
        memory: qemu.memory.clone(),
        start: Start::Image {
            file: image.to_path_buf(),
            address: match kernel {
                Kernel::Sel4(_) => qemu.sel4_entry,
                Kernel::Dev => qemu.dev_entry,
            },
        },
        extra: extra.to_vec(),
    })
}
