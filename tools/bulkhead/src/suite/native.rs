// SPDX-License-Identifier: BSD-2-Clause
//! Guests without Bulkhead: the very files that images are made of boot on QEMU's own machine.

use host::expect::{Case, Script};
use host::qemu::{Machine, Start};
use host::{Failure, Outcome};

use super::boots::{self, play};
use super::{Step, StepResult};
use crate::context::Context;
use crate::guests;

/// The machine that the guests of our images see, too.
const MACHINE: &str = "virt,gic-version=2";
const CASE: Case<'static> = Case {
    kernel: "native",
    config: "release",
};

/// The steps: every script in `tests/boot/native`, whose system is a recipe of `images/guests`.
pub(super) fn steps(context: &Context) -> Outcome<Vec<Step>> {
    let scripts = boots::scripts(&context.root.join("tests/boot/native"))?;
    let step = |(name, script): (String, Script)| {
        let shows = script.summary.clone();
        Step::new(format!("boot/native/{name}"), shows, move |context| {
            run(context, &name, &script)
        })
    };
    Ok(scripts.into_iter().map(step).collect())
}

fn run(context: &Context, name: &str, script: &Script) -> Outcome<StepResult> {
    let recipe = context.root.join("images/guests").join(&script.system);
    let mut progress = |line: &str| context.ui.say(line);
    let guest = ::guests::prepare(&recipe, &guests::cache(context), &mut progress)
        .map_err(|error| Failure::environment(error.to_string()))?;
    let initrd = guest
        .initrd
        .ok_or_else(|| Failure::input(format!("{} has no initramfs", script.system)))?;
    let machine = Machine {
        machine: MACHINE.to_owned(),
        cpu: "cortex-a53".to_owned(),
        memory: "256M".to_owned(),
        start: Start::Linux {
            kernel: guest.kernel,
            initrd,
            command_line: "console=ttyAMA0 quiet".to_owned(),
        },
        extra: script.qemu.clone(),
    };
    play(context, &machine, script, CASE, &format!("native-{name}"))
}
