// SPDX-License-Identifier: BSD-2-Clause
//! What the tables show as pictures: parts, flows, memory, time. Drawn from the same view, so that they
//! show what was found where there is an image, and what the description says where there is none.

mod flows;
mod parts;

use std::collections::BTreeSet;

use audit::memory::Extent;
use audit::system::Role;
use picture::{MemoryMap, Range, RangeKind, Schedule, Thread};

use crate::model::{Domain, Model};
use crate::package::Package;
use crate::tables::rights;
use crate::view::{MONITOR, View};

/// A picture: its file, its heading, and what a reader must know of it.
pub(crate) struct Picture {
    /// Name of the file.
    pub(crate) file: &'static str,
    /// What it shows.
    pub(crate) title: &'static str,
    /// What is left out, and what its signs mean.
    pub(crate) note: String,
    /// The drawing.
    pub(crate) svg: String,
}

/// Draws all of them and adds their files.
pub(crate) fn emit(model: &Model, view: &View, package: &mut Package) -> Vec<Picture> {
    let left_out =
        "Left out are Microkit's monitor, which has every thread, and flows by excess rights";
    let all = vec![
        Picture {
            file: "10-parts.svg",
            title: "Parts: partitions, shared memory, channels, interrupts",
            note: format!("{} {left_out} (13-policy.diff).", view.origin),
            svg: picture::graph(&parts::graph(model, view)),
        },
        Picture {
            file: "13-flows.svg",
            title: "Flows: what is allowed and what was found",
            note: format!(
                "{} A guest stands for itself, its monitor and its backends. {left_out}.",
                view.origin
            ),
            svg: picture::flows(&flows::flows(model, view)),
        },
        Picture {
            file: "15-memory-map.svg",
            title: "Physical memory",
            note: format!(
                "{} Left out are pages of one program alone; 15-memory-map.csv has all.",
                view.origin
            ),
            svg: picture::memory(&memory(model, view)),
        },
        Picture {
            file: "18-schedule.svg",
            title: "Budgets and periods, highest priority first",
            note: format!("{} Configuration, not a measurement.", view.origin),
            svg: picture::schedule(&schedule(model, view)),
        },
    ];
    for picture in &all {
        package.put(picture.file, picture.svg.clone());
    }
    all
}

/// What stands for a subject in the layout: the guest, driver or service that it was added for.
fn owner<'a>(model: &'a Model, subject: &'a str) -> &'a str {
    domain(model, subject)
        .and_then(|domain| domain.owner.as_deref())
        .unwrap_or(subject)
}

/// The domain that a subject is, or that runs it.
fn domain<'a>(model: &'a Model, subject: &str) -> Option<&'a Domain> {
    let is_guest = |domain: &Domain| {
        let mut machines = domain.machine.iter();
        machines.any(|machine| Model::guest_subject(machine) == subject)
    };
    let mut domains = model.domains.iter();
    domains.find(|domain| domain.name == subject || is_guest(domain))
}

/// Those that stand for a guest and what belongs to it.
fn guests(model: &Model) -> BTreeSet<&str> {
    let domains = model.domains.iter();
    domains
        .filter(|domain| domain.machine.is_some())
        .map(|domain| owner(model, &domain.name))
        .collect()
}

/// Whether only one program has it.
fn is_private(extent: &Extent) -> bool {
    extent.program && !extent.is_shared()
}

fn title(model: &Model, what: &str) -> String {
    format!("{}: {what}", model.name)
}

fn memory(model: &Model, view: &View) -> MemoryMap {
    let area = |kind| {
        move |area: &audit::platform::Area| Range {
            base: Some(area.base),
            size: area.size,
            name: area.name.clone(),
            kind,
            users: Vec::new(),
        }
    };
    let platform = &model.platform;
    let board = platform.ram.iter().chain(&platform.device_ram);
    let mut ranges: Vec<Range> = board.map(area(RangeKind::Board)).collect();
    ranges.extend(platform.reserved.iter().map(area(RangeKind::Reserved)));
    for extent in view.memory.iter().filter(|extent| !is_private(extent)) {
        let users = extent.uses.iter();
        ranges.push(Range {
            base: extent.paddr,
            size: extent.size,
            name: extent.region.clone(),
            kind: match extent.device {
                true => RangeKind::Device,
                false => RangeKind::Region,
            },
            users: users
                .map(|one| (one.subject.clone(), rights(one)))
                .collect(),
        });
    }
    MemoryMap {
        title: title(model, "physical memory"),
        ranges,
    }
}

fn schedule(model: &Model, view: &View) -> Schedule {
    let slices = view.slices.iter().filter(|slice| slice.thread != MONITOR);
    let threads = slices.map(|slice| Thread {
        name: slice.thread.clone(),
        core: slice.core,
        priority: slice.priority.into(),
        budget_us: slice.budget.unwrap_or(0),
        period_us: slice.period.unwrap_or(0),
        passive: slice.passive,
        vcpu: slice.role == Role::Vcpu,
        domain: (!model.schedule.is_empty()).then(|| slice.domain.to_string()),
    });
    Schedule {
        title: title(model, "schedule"),
        threads: threads.collect(),
    }
}
