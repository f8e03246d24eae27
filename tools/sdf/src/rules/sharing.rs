// SPDX-License-Identifier: BSD-2-Clause
//! What protection domains share: memory, devices, cores, time.

use super::{Context, Rule, Severity};
use crate::board::{Board, Range};
use crate::diag::Diagnostic;
use crate::model::{Map, ProtectionDomain};
use crate::span::Span;

/// A region has one writer.
pub static WRITERS: Rule = Rule {
    id: "mr-writers",
    severity: Severity::Warning,
    law: "A region has one writer, unless it is memory of a guest",
    why: "Where two can write, neither can be held to what it wrote, and either can disturb the other",
    fix: "use a region per direction: rw for the one that writes, r for the others",
};

/// The registers of a device belong to one protection domain or guest.
pub static DEVICE: Rule = Rule {
    id: "device-shared",
    severity: Severity::Error,
    law: "The registers of a device belong to one protection domain or guest",
    why: "Whoever programs a device decides what it does to all of its users, and with DMA to all of memory",
    fix: "let one driver own the device, and the others talk to it",
};

/// vCPUs run on the core of their monitor.
pub static VCPU: Rule = Rule {
    id: "vcpu-cpu",
    severity: Severity::Warning,
    law: "vCPUs run on the core of their monitor",
    why: "seL4 16 does not migrate a vCPU's state between cores (seL4 issue 1645)",
    fix: "remove cpu from the vcpu, or move the protection domain to that core",
};

/// An active protection domain has a limit of time.
pub static LIMIT: Rule = Rule {
    id: "budget-none",
    severity: Severity::Warning,
    law: "A protection domain above others has a budget that is less than its period",
    why: "Without one, an endless loop in it takes all the time of everything below",
    fix: "give it a budget that its work fits in, and a period",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[&WRITERS, &DEVICE, &VCPU, &LIMIT];

/// Applies this group.
pub(super) fn check(cx: &mut Context<'_>) {
    let system = cx.system;
    for mr in &system.memory_regions {
        let users = users(&system.pds, &mr.name);
        let base = mr.phys_addr.as_ref().map(|base| base.value);
        match (base, cx.board, cx.region(&mr.name)) {
            (Some(base), Some(board), Some(region)) if is_device(board, base, region.size) => {
                device(cx, &mr.name, &users);
            }
            _ => writers(cx, &mr.name, &users),
        }
    }
    system.pds.iter().for_each(|pd| cores(cx, pd));
    limits(cx);
}

/// A mapping of a region: whose, where, for a guest or not.
struct User<'a> {
    pd: &'a ProtectionDomain,
    map: &'a Map,
    is_guest: bool,
}

fn users<'a>(pds: &'a [ProtectionDomain], mr: &str) -> Vec<User<'a>> {
    let mut users = Vec::new();
    for pd in pds {
        let guest = pd.virtual_machine.iter().flat_map(|vm| &vm.maps);
        let maps = pd.maps.iter().map(|map| (map, false));
        for (map, is_guest) in maps.chain(guest.map(|map| (map, true))) {
            if map.mr.value == mr {
                users.push(User { pd, map, is_guest });
            }
        }
    }
    users
}

/// Neither RAM, nor made to be shared as a GIC's virtual CPU interface is.
fn is_device(board: &Board, base: u64, size: u64) -> bool {
    let end = base.saturating_add(size);
    let mut memory = board.ram.iter().chain(&board.device_ram);
    let mut shared = board.shared.iter().map(|shared| shared.range());
    !memory.any(|range| range.overlaps(base, end))
        && !shared.any(|range: Range| range.contains(base, end))
}

fn device(cx: &mut Context<'_>, name: &str, users: &[User<'_>]) {
    let Some((first, rest)) = users.split_first() else {
        return;
    };
    // A monitor and its guest are one owner: the guest is the monitor's responsibility.
    for other in rest.iter().filter(|user| user.pd.name != first.pd.name) {
        let message = format!(
            "`{}` and `{}` both have the registers `{name}`",
            first.pd.name.value, other.pd.name.value
        );
        let item = Diagnostic::new(&DEVICE, other.map.span, message);
        cx.out.push(item.also(first.map.span, "the first"));
    }
}

fn writers(cx: &mut Context<'_>, name: &str, users: &[User<'_>]) {
    if users.iter().any(|user| user.is_guest) {
        return;
    }
    let mut writers = users.iter().filter(|user| user.map.perms.value.write);
    let Some(first) = writers.next() else { return };
    for other in writers.filter(|user| user.pd.name != first.pd.name) {
        let message = format!(
            "`{}` and `{}` can both write `{name}`",
            first.pd.name.value, other.pd.name.value
        );
        let item = Diagnostic::new(&WRITERS, other.map.perms.span, message);
        cx.out
            .push(item.also(first.map.perms.span, "the first writer"));
    }
}

fn cores(cx: &mut Context<'_>, pd: &ProtectionDomain) {
    let vcpus = pd.virtual_machine.iter().flat_map(|vm| &vm.vcpus);
    for cpu in vcpus
        .filter_map(|vcpu| vcpu.cpu)
        .filter(|cpu| cpu.value != pd.cpu.value)
    {
        let message = format!(
            "a vCPU on core {}, its monitor `{}` on core {}",
            cpu.value, pd.name.value, pd.cpu.value
        );
        let item = Diagnostic::new(&VCPU, cpu.span, message);
        cx.out.push(item.also(pd.name.span, "the monitor"));
    }
}

/// One finding for the whole system: what is wrong is the absence of a plan.
fn limits(cx: &mut Context<'_>) {
    let system = cx.system;
    let has_below = |pd: &ProtectionDomain| {
        let others = system
            .pds
            .iter()
            .filter(|other| other.cpu.value == pd.cpu.value && other.name != pd.name);
        let guests = others
            .clone()
            .filter_map(|other| other.virtual_machine.as_ref())
            .map(|vm| vm.priority.value);
        others
            .map(|other| other.priority.value)
            .chain(guests)
            .any(|priority| priority < pd.priority.value)
    };
    let unlimited: Vec<_> = system
        .pds
        .iter()
        .filter(|pd| !pd.passive.value && pd.budget_us.value >= pd.period_us.value && has_below(pd))
        .collect();
    let Some(first) = unlimited.first() else {
        return;
    };
    let names: Vec<String> = unlimited
        .iter()
        .map(|pd| format!("`{}`", pd.name.value))
        .collect();
    let message = format!("nothing limits the time of {}", names.join(", "));
    let span: Span = first.name.span;
    cx.out.push(Diagnostic::new(&LIMIT, span, message));
}
