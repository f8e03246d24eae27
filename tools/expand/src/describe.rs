// SPDX-License-Identifier: BSD-2-Clause
//! What a guest has, for its device tree.

use crate::role;
use guest::Span;
use guest::machine::{MAX_VCPUS, RAM_BASE, VIRTIO_SLOTS};
use sdf::Files;
use sdf::model::{GUEST_RAM_ROLE, Guest, ProtectionDomain, RecordTarget, System};

/// CPU type of a guest: what the boards have.
const CPU: &str = "arm,cortex-a53";

/// The machine of the guest of protection domain `index`, without an initrd.
pub(crate) fn machine(
    system: &System,
    index: usize,
    guest: &Guest,
    files: &dyn Files,
) -> Result<dtb::Guest, String> {
    let pd = &system.pds[index];
    let vm = pd
        .virtual_machine
        .as_ref()
        .ok_or("there is no virtual machine")?;
    let vcpus = u32::try_from(vm.vcpus.len()).unwrap_or(u32::MAX);
    if vcpus > MAX_VCPUS {
        return Err(format!(
            "a guest has at most {MAX_VCPUS} vCPUs, not {vcpus}"
        ));
    }
    Ok(dtb::Guest {
        model: format!("bulkhead,{}", vm.name.value),
        ram: Span::new(RAM_BASE, ram_size(system, pd, files)?).ok_or("the guest has no RAM")?,
        vcpus,
        cpu: CPU.to_owned(),
        gic: dtb::Gic::V2,
        uart: has_role(pd, role::CONSOLE),
        rtc: true,
        virtio: virtio_slots(pd),
        bootargs: guest.cmdline.as_ref().map(|text| text.value.clone()),
        initrd: None,
        rng_seed: None,
    })
}

fn ram_size(system: &System, pd: &ProtectionDomain, files: &dyn Files) -> Result<u64, String> {
    let entries = pd.record.iter().flat_map(|record| &record.entries);
    let ram = entries.filter(|entry| *entry.role == GUEST_RAM_ROLE);
    let names = ram.filter_map(|entry| match &entry.target {
        RecordTarget::Region { mr } => Some(mr.as_str()),
        _ => None,
    });
    let region = names
        .filter_map(|name| system.region(system.memory_region(name)?, files))
        .next();
    region
        .map(|region| region.size)
        .ok_or_else(|| "the guest's RAM has no known size".to_owned())
}

fn has_role(pd: &ProtectionDomain, role: &str) -> bool {
    let mut entries = pd.record.iter().flat_map(|record| &record.entries);
    entries.any(|entry| *entry.role == role)
}

/// The slots whose device the record speaks of: entries with a role such as `virtio0.…`.
fn virtio_slots(pd: &ProtectionDomain) -> Vec<u32> {
    let entries = pd.record.iter().flat_map(|record| &record.entries);
    let mut slots: Vec<u32> = entries.filter_map(|entry| slot(&entry.role)).collect();
    slots.sort_unstable();
    slots.dedup();
    slots
}

fn slot(role: &str) -> Option<u32> {
    let (name, _) = role.split_once('.')?;
    let slot = name.strip_prefix(role::VIRTIO)?.parse().ok()?;
    (slot < VIRTIO_SLOTS).then_some(slot)
}
