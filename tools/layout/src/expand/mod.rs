// SPDX-License-Identifier: BSD-2-Clause
//! From a layout to a system description: protection domains by their manifests, conversations
//! between them, addresses and ids. Same input, same output, on every machine.
//!
//! Everything is given out in file order, so that what is added at the end moves nothing before it.

mod guests;
mod join;
mod parts;
mod pd;
mod physical;
mod relay;
mod settings;
mod wire;

use crate::board::Devices;
use crate::files::Tree;
use crate::flow::Step;
use crate::manifest::Meet;
use crate::model::Layout;
use crate::rules::UNLIMITED;
use pd::Pd;
use sdf::model::{MAX_PDS, System};
use sdf::rules::Rule;
use sdf::{Board, Diagnostic, Diagnostics, Span};
use std::collections::{BTreeMap, BTreeSet};

/// What an expansion looks at beside the layout.
pub(crate) struct Surroundings<'a> {
    /// The board, if one is known.
    pub(crate) board: Option<&'a Board>,
    /// Its devices, or why there are none.
    pub(crate) devices: Result<Devices, String>,
    /// Where third parties' manifests are read.
    pub(crate) tree: &'a dyn Tree,
    /// Path of the file that holds a byte of the source, for files that it names.
    pub(crate) home: &'a dyn Fn(Span) -> String,
}

/// An expansion at work.
struct Expansion<'a> {
    layout: &'a Layout,
    around: &'a Surroundings<'a>,
    pds: Vec<Pd<'a>>,
    /// Indices of the regions that are RAM of guests and need a physical address.
    wants_ram: Vec<usize>,
    system: &'a mut System,
    out: &'a mut Diagnostics,
}

impl Expansion<'_> {
    fn report(&mut self, rule: &'static Rule, span: Span, message: impl Into<String>) {
        self.out.push(Diagnostic::new(rule, span, message));
    }
}

/// What an expansion knows that a system does not say.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// Which guest or part each protection domain that was added belongs to.
    pub(crate) owners: BTreeMap<String, String>,
    /// Parts that pass nothing on but what [`Made::relays`] says.
    pub(crate) separating: BTreeSet<String>,
    /// What services pass on between their clients.
    pub(crate) relays: Vec<Step>,
    /// Regions of devices that all virtual machines see.
    pub(crate) machine: BTreeSet<String>,
    /// Devices that reach memory by themselves, by the board's name, and who names them.
    pub(crate) masters: BTreeMap<String, Span>,
}

/// Adds to `system` what `layout` stands for.
pub(crate) fn expand(
    layout: &Layout,
    around: &Surroundings<'_>,
    system: &mut System,
    out: &mut Diagnostics,
) -> Made {
    limits(layout, system, out);
    let mut work = Expansion {
        layout,
        around,
        pds: Vec::new(),
        wants_ram: Vec::new(),
        system,
        out,
    };
    parts::add(&mut work);
    guests::add(&mut work);
    let joins = join::find(&mut work);
    settings::own(&mut work, &joins);
    settings::identities(&mut work, &joins);
    let guests_with_dma = wire::connect(&mut work, &joins);
    guests::memory(&mut work, &guests_with_dma);
    physical::place(&mut work);
    let mut made = Made {
        relays: relay::find(&work, &joins),
        ..Made::default()
    };
    learn(&work, &mut made);
    finish(&mut work, &mut made);
    made
}

/// What the manifests say of the finished domains.
fn learn(work: &Expansion<'_>, made: &mut Made) {
    for pd in &work.pds {
        let manifest = &pd.manifest;
        made.machine
            .extend(manifest.machine.iter().map(|shared| shared.name.clone()));
        if manifest.clients_meet != Meet::Any && pd.guest.is_none() {
            made.separating.insert(pd.name.value.clone());
        }
        let reaches = manifest.region.iter().any(|region| region.dma)
            || manifest.link.iter().any(|link| link.dma);
        let part = work.layout.parts.iter().find(|part| part.name == pd.name);
        let named = part.and_then(|part| part.device.as_ref());
        let device = named.map(|device| (device.value.clone(), device.span));
        let fallback = manifest.device.clone().map(|device| (device, pd.span));
        if reaches && manifest.wants_device() {
            made.masters.extend(device.or(fallback));
        }
    }
}

/// Adds the finished domains to the system.
fn finish(work: &mut Expansion<'_>, made: &mut Made) {
    let layout = work.layout;
    for pd in std::mem::take(&mut work.pds) {
        let owner = pd
            .guest
            .map_or(&pd.name, |guest| &layout.guests[guest].name);
        made.owners
            .insert(pd.name.value.clone(), owner.value.clone());
        if work.system.pds.len() >= MAX_PDS {
            let message = format!(
                "`{}` is one more than {MAX_PDS} protection domains",
                pd.name.value
            );
            work.report(&sdf::rules::pd::TOO_MANY, pd.span, message);
            break;
        }
        work.system.pds.push(pd.finish(layout));
    }
}

/// Plain protection domains beside guests say how long they may run.
fn limits(layout: &Layout, system: &System, out: &mut Diagnostics) {
    if layout.guests.is_empty() {
        return;
    }
    for pd in &system.pds {
        let defaulted = pd.budget_us.span == pd.span && pd.period_us.span == pd.span;
        if defaulted && !pd.passive.value {
            let message = format!("`{}` may run for as long as it likes", pd.name.value);
            out.push(Diagnostic::new(&UNLIMITED, pd.span, message));
        }
    }
}
