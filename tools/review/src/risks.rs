// SPDX-License-Identifier: BSD-2-Clause
//! What stays over, in plain words.

use crate::verdict::Ground;

/// Always there.
const ALWAYS: [&str; 3] = [
    "Microkit's monitor holds capabilities to the threads of all, and the initialiser keeps its own after it has suspended itself: \
     both are trusted with everything.",
    "Caches, TLB, memory bandwidth and the interrupt controller are shared (21-interference): timing interference and covert \
     channels are neither bounded nor measured.",
    "Nothing here was measured on hardware. Counts on QEMU are no timing evidence.",
];

/// All risks, the greatest first.
pub(crate) fn risks(ground: &Ground<'_>) -> Vec<String> {
    let mut out = Vec::new();
    if ground.findings.is_none() {
        out.push(
            "Nothing that was built has been looked at: this package speaks about a description."
                .to_owned(),
        );
    }
    kernel(ground, &mut out);
    system(ground, &mut out);
    out.extend(ALWAYS.map(str::to_owned));
    out
}

fn kernel(ground: &Ground<'_>, out: &mut Vec<String>) {
    let target = &ground.model.target;
    out.push(match target.kernel.as_str() {
        "sel4" => "seL4 is used in a configuration that no proof covers: MCS, hypervisor mode, this board. 31-proof-status \
                   says what is missing per theorem.",
        _ => "The kernel is our development kernel: unverified, never to be shipped. Nothing here speaks for a system on seL4.",
    }
    .to_owned());
    if target.config != "release" {
        out.push(format!(
            "This is a {} build. Evidence for a product must come from the release configuration.",
            target.config
        ));
    }
    let excess = ground.difference.map_or(0, |it| it.excess.len());
    if excess > 0 {
        out.push(format!(
            "The platform gives more rights than the description asks for: {excess} flows exist by rights that have no purpose \
             (Microkit 2.3.0 puts full rights into endpoint capabilities)."
        ));
    }
}

fn system(ground: &Ground<'_>, out: &mut Vec<String>) {
    let free = ground.view.dma.iter().filter(|it| it.confined_by.is_none());
    let free: Vec<String> = free
        .map(|it| {
            format!(
                "{} (programmed by {})",
                it.master,
                it.programmed_by.join(", ")
            )
        })
        .collect();
    let cores = ground.view.cores.iter();
    let unlimited: Vec<String> = cores.flat_map(|core| core.unlimited.clone()).collect();
    let lists = [
        (
            "No SMMU confines these devices; who programs them can read and write all memory",
            &free,
        ),
        (
            "These threads may take all time that is left at their priority",
            &unlimited,
        ),
        (
            "These are trusted to keep their clients apart; the policy holds only if they do",
            &ground.model.policy.separators,
        ),
    ];
    let there = lists.iter().filter(|(_, names)| !names.is_empty());
    out.extend(there.map(|(text, names)| format!("{text}: {}.", names.join(", "))));
}
