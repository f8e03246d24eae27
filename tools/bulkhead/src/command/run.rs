// SPDX-License-Identifier: BSD-2-Clause
//! `run`: build, then boot in QEMU with the console on this terminal.

use std::path::Path;
use std::time::Duration;

use host::console::{self, Ending};
use host::provision::{self, Need};
use host::qemu::Machine;
use host::{Failure, Outcome};
use sdf::Board;

use super::build;
use crate::cli::RunArgs;
use crate::context::Context;
use crate::kernel::Kernel;

/// Builds and boots.
pub(crate) fn run(context: &Context, args: &RunArgs) -> Outcome<()> {
    if !args.dry_run {
        // All at once, so that what is missing is reported in one go.
        let needs = [Need::Qemu, Need::RustTarget];
        provision::ensure(&context.ui, &needs, context.may_install)?;
    }
    let built = build::build(context, &args.build)?;
    let machine = machine(&built.board, &built.kernel, &built.image, &args.qemu)?;
    if args.dry_run {
        out!("{}", machine.command_line());
        return Ok(());
    }
    let ending = console::run(&context.ui, &machine, args.timeout.map(Duration::from_secs))?;
    context.ui.say(match ending {
        Ending::Left => "\nleft; the machine was stopped",
        Ending::TimeOver => "\nthe time given by --timeout is over; the machine was stopped",
        Ending::PoweredOff => "\nthe machine was switched off",
    });
    Ok(())
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
        image: image.to_path_buf(),
        load_address: match kernel {
            Kernel::Sel4(_) => qemu.sel4_entry,
            Kernel::Dev => qemu.dev_entry,
        },
        extra: extra.to_vec(),
    })
}
