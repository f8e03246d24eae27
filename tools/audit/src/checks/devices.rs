// SPDX-License-Identifier: BSD-2-Clause
//! Devices and interrupts: one owner each.

use std::collections::BTreeMap;

use super::{Check, Outcome};
use crate::report::Facts;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "device-owner",
        law: "a page of device registers belongs to one subject",
        reason: "two drivers of one device undo each other's work, and talk through it",
        run: device_owner,
    },
    Check {
        id: "irq-owner",
        law: "an interrupt has one object, one handler, and signals that handler",
        reason: "who else may acknowledge it can silence the device",
        run: irq_owner,
    },
    Check {
        id: "irq-reserved",
        law: "interrupts exist on the board and are not the kernel's",
        reason: "the SDK's tool does not check it; the initialiser stops at boot",
        run: irq_reserved,
    },
    Check {
        id: "secure-calls",
        law: "nobody calls the firmware directly",
        reason: "the kernel passes any function on unchecked, and firmware is outside of every proof",
        run: secure_calls,
    },
    Check {
        id: "dma",
        law: "a device that reads and writes memory by itself is confined to its windows",
        reason: "whoever programs it otherwise has all memory, the kernel's included",
        run: dma,
    },
];

fn device_owner(facts: &Facts<'_>) -> Outcome {
    let platform = &facts.inputs.platform;
    let devices = || facts.memory.iter().filter(|extent| extent.device);
    let shared = devices().filter(|extent| {
        let banked = extent
            .paddr
            .and_then(|base| platform.banked(base, extent.size));
        extent.is_shared() && banked.is_none()
    });
    let lines = shared.map(|extent| {
        let users: Vec<&str> = extent.uses.iter().map(|one| one.subject.as_str()).collect();
        format!("{}: {}", extent.describe(), users.join(", "))
    });
    Outcome::breaches(
        lines.collect::<Vec<_>>(),
        format!("{} devices", devices().count()),
    )
}

fn irq_owner(facts: &Facts<'_>) -> Outcome {
    if facts.interrupts.is_empty() {
        return Outcome::Nothing("no interrupt is handed out");
    }
    let mut lines = Vec::new();
    let mut seen = BTreeMap::new();
    for row in &facts.interrupts {
        *seen.entry(row.number).or_insert(0) += 1;
        match (row.handlers.as_slice(), &row.receiver) {
            ([one], Some(receiver)) if one == receiver => {}
            ([one], Some(other)) => {
                lines.push(format!("{}: handled by {one}, signals {other}", row.number));
            }
            (handlers, receiver) => lines.push(format!(
                "{}: handled by {}, signals {}",
                row.number,
                if handlers.is_empty() {
                    "nobody".to_owned()
                } else {
                    handlers.join(" and ")
                },
                receiver.as_deref().unwrap_or("nobody"),
            )),
        }
    }
    let twice = seen.iter().filter(|(_, count)| **count > 1);
    lines.extend(twice.map(|(number, count)| format!("{number}: {count} objects")));
    Outcome::breaches(
        lines,
        format!("{} interrupts, one handler each", facts.interrupts.len()),
    )
}

fn irq_reserved(facts: &Facts<'_>) -> Outcome {
    if facts.interrupts.is_empty() {
        return Outcome::Nothing("no interrupt is handed out");
    }
    let platform = &facts.inputs.platform;
    let lines = facts.interrupts.iter().filter_map(|row| {
        let number = row.number;
        if number > platform.max_irq {
            return Some(format!(
                "{number}: the board has none above {}",
                platform.max_irq
            ));
        }
        platform
            .reserved_irqs
            .contains(&number)
            .then(|| format!("{number}: the kernel's"))
    });
    Outcome::breaches(
        lines.collect::<Vec<_>>(),
        format!("all up to {}", platform.max_irq),
    )
}

fn secure_calls(facts: &Facts<'_>) -> Outcome {
    let grants = facts.authority.iter();
    let may = grants.filter(|grant| grant.right == crate::authority::Right::SecureCall);
    let lines = may.map(|grant| format!("{}: any function of the firmware", grant.subject));
    Outcome::residuals(lines.collect::<Vec<_>>(), "nobody has the capability")
}

fn dma(facts: &Facts<'_>) -> Outcome {
    if facts.inputs.platform.dma.is_empty() {
        return Outcome::Nothing("no such device was declared");
    }
    let mut lines = Vec::new();
    for reach in facts
        .dma
        .iter()
        .filter(|reach| !reach.programmed_by.is_empty() && reach.beyond > 0)
    {
        let by = reach.confined_by.as_deref().unwrap_or("nothing");
        let who = reach.programmed_by.join(", ");
        lines.push(format!("{}, programmed by {who}: confined by {by}, reaches {} pieces of memory beyond its windows", reach.master, reach.beyond));
    }
    Outcome::residuals(lines, "every such device in use is confined")
}
