// SPDX-License-Identifier: BSD-2-Clause
//! QEMU's own virt machine as the first target: the same kernel and initrd, no hypervisor.

use std::path::Path;
use std::time::Duration;

use dtoolkit::fdt::Fdt;
use dtoolkit::model::{DeviceTree, DeviceTreeProperty};
use host::job::Job;
use host::provision::QEMU_PROGRAM;
use host::{Failure, Outcome, Ui};

use crate::prepare::{Prepared, SEED};
use crate::target::{Owner, Target};

const MACHINE: &str = "virt,gic-version=2,dtb-randomness=off";
const RAM: u64 = 0x4000_0000;
/// Linux turns huge pages off below 512 MiB, so this is what every target's guest has.
const RAM_SIZE: u64 = 512 << 20;

/// Describes the machine; its device tree is written to `folder`.
pub(crate) fn target(ui: &Ui, prepared: &Prepared, folder: &Path) -> Outcome<Target> {
    let tree = folder.join("machine.dtb");
    host::output::write(&tree, &seeded(&dump(ui, folder)?)?)?;
    Ok(Target {
        name: "native".into(),
        description: "QEMU's virt machine with its own virtio-mmio devices".into(),
        arguments: arguments(prepared, &tree),
        boot: (RAM, RAM + RAM_SIZE),
        console_is_uart: false,
        ranges: Vec::new(),
        programs: Vec::new(),
        rest: Owner::Guest,
        probes: Vec::new(),
    })
}

fn arguments(prepared: &Prepared, tree: &Path) -> Vec<String> {
    let path = |path: &Path| path.display().to_string();
    let null = format!(
        "driver=null-co,node-name=disk,size={},read-zeroes=off",
        64 << 20
    );
    let mut words = machine();
    words.extend(
        [
            ["-dtb", &path(tree)],
            ["-kernel", &path(&prepared.kernel)],
            ["-initrd", &path(&prepared.initrd)],
            ["-append", &prepared.command_line],
            ["-device", "virtio-serial-device"],
            [
                "-device",
                &format!("virtconsole,chardev={}", Target::CONSOLE),
            ],
            ["-blockdev", &null],
            ["-device", "virtio-blk-device,drive=disk"],
            ["-netdev", "user,id=net"],
            [
                "-device",
                "virtio-net-device,netdev=net,mac=52:54:00:12:34:56",
            ],
            ["-global", "virtio-mmio.force-legacy=false"],
            // With it, requests are completed by another thread, whenever that runs.
            ["-global", "virtio-mmio.ioeventfd=off"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned),
    );
    words
}

fn machine() -> Vec<String> {
    let memory = format!("{}M", RAM_SIZE >> 20);
    let words = ["-M", MACHINE, "-cpu", "cortex-a53", "-m", &memory];
    words.map(str::to_owned).to_vec()
}

/// The device tree that QEMU makes for this machine.
fn dump(ui: &Ui, folder: &Path) -> Outcome<Vec<u8>> {
    let path = folder.join("qemu.dtb");
    let file = host::qemu::option_value(&path);
    let mut words = machine();
    words[1] += &format!(",dumpdtb={file}");
    let ran = Job::new(QEMU_PROGRAM)
        .args(words)
        .args(["-nodefaults", "-display", "none"])
        .limit(Duration::from_secs(60))
        .run(ui, "device tree")?;
    std::fs::read(&path).map_err(|e| {
        let failure = Failure::io("read QEMU's device tree", &path, &e);
        ran.last_lines(3).into_iter().fold(failure, Failure::note)
    })
}

/// `tree` with a seed for the guest's random numbers.
fn seeded(tree: &[u8]) -> Outcome<Vec<u8>> {
    let broken = |what: String| Failure::environment(format!("QEMU's device tree: {what}"));
    let fdt = Fdt::new(tree).map_err(|e| broken(e.to_string()))?;
    let mut tree = DeviceTree::from_fdt(&fdt);
    let chosen = tree
        .find_node_mut("/chosen")
        .ok_or_else(|| broken("no /chosen node".into()))?;
    let seed = DeviceTreeProperty::new("rng-seed", SEED).map_err(|e| broken(e.to_string()))?;
    chosen.add_property(seed);
    Ok(tree.to_dtb())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtoolkit::model::DeviceTreeNode;
    use dtoolkit::{Node as _, Property as _};

    #[test]
    fn the_seed_is_added_to_chosen() {
        let mut tree = DeviceTree::new();
        assert!(seeded(&tree.to_dtb()).is_err());
        tree.root.add_child(DeviceTreeNode::new("chosen").unwrap());
        let bytes = seeded(&tree.to_dtb()).unwrap();
        let fdt = Fdt::new(&bytes).unwrap();
        let chosen = fdt.find_node("/chosen").unwrap();
        assert_eq!(chosen.property("rng-seed").unwrap().value(), SEED);
    }
}
