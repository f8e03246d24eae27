// SPDX-License-Identifier: BSD-2-Clause
//! The `cluster` guest: a bare-metal program with a deadline every 10 ms.
//!
//! It stands for an instrument cluster's RTOS: it must run in time whatever the other guests do,
//! and it says how well that went. One line per 100 beats gives the lateness of the handler
//! (virtual counter against the deadline). The console takes `s` (statistics), `r` (PSCI
//! SYSTEM_RESET) and `o` (PSCI SYSTEM_OFF).
//!
//! The machine is QEMU's `virt` with a GICv2, real or emulated; the image runs unmodified on both.
#![no_std]
#![no_main]

mod board;
mod machine;

use core::fmt::Write as _;
use core::panic::PanicInfo;

use aarch64_rt::entry;

use crate::board::{Console, Event};
use crate::machine::Power;

entry!(main);

fn main(device_tree: u64, _x1: u64, _x2: u64, _x3: u64) -> ! {
    let power = Power::from_device_tree(device_tree);
    let frequency = board::start();
    say(format_args!(
        "started, heartbeat every 10 ms, counter {frequency} Hz, PSCI by {power}"
    ));
    say(format_args!("keys: s statistics, r reset, o power off"));
    loop {
        match board::wait() {
            Event::Report(report) => say(format_args!("{report}")),
            Event::Key(b's') => say(format_args!("{}", board::statistics())),
            Event::Key(b'r') => {
                say(format_args!("reset"));
                power.reset();
            }
            Event::Key(b'o') => {
                say(format_args!("power off"));
                power.off();
            }
            Event::Key(_) => {}
        }
    }
}

fn say(line: core::fmt::Arguments<'_>) {
    // The console cannot fail; the trait can.
    let _ = writeln!(Console, "cluster: {line}\r");
}

/// The console may be locked by whoever panicked, so all that is left is to stand still: a guest
/// that stops beating is noticed from outside.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        arm_gic::wfi();
    }
}
