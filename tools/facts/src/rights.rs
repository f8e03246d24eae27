// SPDX-License-Identifier: BSD-2-Clause
//! Authority, as the description grants it.

use std::collections::BTreeSet;

use sdf::model::{CapKind, ProtectionDomain};

use crate::{Grant, Region, Right, Source, Subject};

/// Everything that subjects may do, sorted.
pub(crate) fn authority(
    source: &Source<'_>,
    subjects: &[Subject],
    regions: &[Region],
) -> Vec<Grant> {
    let mut all = BTreeSet::new();
    regions
        .iter()
        .for_each(|region| of_region(region, &mut all));
    for channel in &source.system.channels {
        let [a, b] = &channel.ends;
        for (own, other) in [(a, b), (b, a)] {
            if *own.notify {
                add(&mut all, &own.pd, Right::Notify, &other.pd);
            }
            if *own.pp {
                add(&mut all, &own.pd, Right::Call, &other.pd);
            }
        }
    }
    source
        .system
        .pds
        .iter()
        .for_each(|pd| of_domain(pd, &mut all));
    for subject in subjects {
        if let Some(parent) = &subject.parent {
            add(&mut all, parent, Right::Control, &subject.name);
        }
    }
    all.into_iter().collect()
}

fn add(all: &mut BTreeSet<Grant>, subject: &str, right: Right, on: &str) {
    all.insert(Grant {
        subject: subject.to_owned(),
        right,
        on: on.to_owned(),
    });
}

fn of_region(region: &Region, all: &mut BTreeSet<Grant>) {
    let rights = [
        ('r', Right::Read),
        ('w', Right::Write),
        ('x', Right::Execute),
    ];
    for (subject, letters) in &region.users {
        for (_, right) in rights
            .iter()
            .filter(|(letter, _)| letters.contains(*letter))
        {
            add(all, subject, *right, &region.name);
        }
    }
    for subject in &region.dma {
        add(all, subject, Right::Dma, &region.name);
    }
}

/// What a protection domain's own elements grant it.
fn of_domain(pd: &ProtectionDomain, all: &mut BTreeSet<Grant>) {
    for irq in &pd.irqs {
        let on = format!("interrupt {}", *irq.irq);
        add(all, &pd.name, Right::Interrupt, &on);
    }
    for cap in &pd.cspace {
        let what = match cap.kind {
            CapKind::Tcb => "thread",
            CapKind::Sc => "time",
            CapKind::VSpace => "address space",
        };
        let on = format!("{what} of {}", *cap.pd);
        add(all, &pd.name, Right::Hold, &on);
    }
    if *pd.smc {
        add(all, &pd.name, Right::Smc, "secure monitor");
    }
}
