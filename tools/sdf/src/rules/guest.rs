// SPDX-License-Identifier: BSD-2-Clause
//! The `<guest>` of a record.

use super::{Context, Rule, Severity};
use crate::diag::Diagnostic;
use crate::model::{GUEST_RAM_BASE, GUEST_RAM_ROLE, Guest, ProtectionDomain, Record, RecordTarget};

/// A guest belongs to a virtual machine, whose RAM its monitor can fill.
pub static RAM: Rule = Rule {
    id: "guest-ram",
    severity: Severity::Error,
    law: "A guest belongs to a virtual machine, whose RAM its monitor can fill",
    why: "Guests find their RAM where QEMU's virt machine has it, and the monitor copies images there",
    fix: "give the record a region with role `ram` that this protection domain maps rw, and map it \
          rwx and cached at 0x40000000 in the virtual machine",
};

/// The images of a guest exist and fit its RAM.
pub static IMAGE: Rule = Rule {
    id: "guest-image",
    severity: Severity::Error,
    law: "The images of a guest exist and fit its RAM",
    why: "A guest that cannot be placed cannot be started",
    fix: "name a folder of images/guests that holds a guest.toml, or give the guest more RAM",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[&RAM, &IMAGE];

/// Applies this group.
pub(super) fn check(cx: &mut Context<'_>) {
    for pd in &cx.system.pds {
        let Some(record) = &pd.record else { continue };
        let Some(guest) = &record.guest else { continue };
        if let Some(problem) = ram_problem(pd, record) {
            cx.out.push(Diagnostic::new(&RAM, guest.span, problem));
        }
        if let Some(problem) = name_problem(guest)
            && cx.given(&guest.image)
        {
            cx.out
                .push(Diagnostic::new(&IMAGE, guest.image.span, problem));
        }
    }
}

/// What keeps the monitor `pd` from filling its guest's RAM.
fn ram_problem(pd: &ProtectionDomain, record: &Record) -> Option<String> {
    let name = &pd.name.value;
    let Some(vm) = &pd.virtual_machine else {
        return Some(format!("`{name}` has no virtual machine for its guest"));
    };
    let ram = record.entries.iter().find_map(|entry| match &entry.target {
        RecordTarget::Region { mr } if *entry.role == GUEST_RAM_ROLE => Some(mr),
        _ => None,
    });
    let Some(ram) = ram else {
        return Some(format!(
            "the record has no region with role `{GUEST_RAM_ROLE}`"
        ));
    };
    let filled = pd
        .maps
        .iter()
        .any(|map| *map.mr == **ram && map.perms.read && map.perms.write && *map.cached);
    if !filled {
        return Some(format!(
            "`{name}` does not map `{}` rw and cached",
            ram.value
        ));
    }
    let seen = vm.maps.iter().any(|map| {
        let all = map.perms.read && map.perms.write && map.perms.execute;
        *map.mr == **ram && *map.vaddr == GUEST_RAM_BASE && all && *map.cached
    });
    (!seen).then(|| {
        format!(
            "the virtual machine does not map `{}` rwx and cached at {GUEST_RAM_BASE:#x}",
            ram.value
        )
    })
}

/// A recipe is a folder of `images/guests`, not a path.
fn name_problem(guest: &Guest) -> Option<String> {
    let name = &guest.image.value;
    let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
    (!plain).then(|| format!("`{name}` is not the name of a guest image"))
}
