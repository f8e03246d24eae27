// SPDX-License-Identifier: BSD-2-Clause
//! Channels between protection domains, and interrupts: the tables that reviewers read first.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::spec::Kind;
use crate::system::{Held, Role, System, badge, cptr};

/// A channel and what each end may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelRow {
    /// The end whose name (then id) comes first.
    pub a: End,
    /// The other end.
    pub b: End,
}

/// An end of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct End {
    /// The protection domain.
    pub pd: String,
    /// The channel's id there.
    pub id: u64,
    /// Whether it may notify the other end.
    pub notifies: bool,
    /// Whether it may call the other end.
    pub calls: bool,
}

/// An interrupt and whom it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IrqRow {
    /// Its number.
    pub number: u64,
    /// Who may acknowledge and rewire it.
    pub handlers: Vec<String>,
    /// Who is notified.
    pub receiver: Option<String>,
    /// By which bit of its badge.
    pub id: Option<u32>,
    /// Whether it is edge triggered.
    pub edge: bool,
    /// Core that it is sent to.
    pub core: u64,
}

/// A place: name and id.
type Place = (String, u64);

/// What a capability at `held.cptr` is a channel for: our id, the peer's id, whether it is for calls.
fn channel_ids(held: &Held) -> Option<(u64, u64, bool)> {
    let within = |first: u64| held.cptr.checked_sub(first).filter(|id| *id < cptr::IDS);
    match held.kind {
        Kind::Notification => {
            let id = within(cptr::NOTIFY)?;
            Some((id, held.badge.trailing_zeros().into(), false))
        }
        Kind::Endpoint => Some((within(cptr::CALL)?, held.badge & !badge::CALL, true)),
        _ => None,
    }
}

/// Channels as they are met.
#[derive(Default)]
struct Collector {
    peers: BTreeMap<Place, Place>,
    /// Whether a place may notify and call its peer.
    abilities: BTreeMap<Place, (bool, bool)>,
    defects: Vec<String>,
}

/// The channels, in order, and what does not fit together.
#[must_use]
pub fn channels(system: &System) -> (Vec<ChannelRow>, Vec<String>) {
    let receivers = system.receivers_meant();
    let mut collector = Collector::default();
    for thread in system.threads.iter().filter(|it| it.role == Role::Pd) {
        for held in &thread.caps {
            let Some((id, peer_id, calls)) = channel_ids(held) else {
                continue;
            };
            let Some(peer) = receivers.get(&held.object) else {
                let name = system.name(held.object);
                let line = format!("{} {id}: nobody receives from {name}", thread.name);
                collector.defects.push(line);
                continue;
            };
            let other = (system.threads[*peer].name.clone(), peer_id);
            collector.add((thread.name.clone(), id), &other, calls);
        }
    }
    let pairs = collector.peers.iter().filter(|(from, to)| from <= to);
    let row = |(from, to): (&Place, &Place)| ChannelRow {
        a: collector.end(from),
        b: collector.end(to),
    };
    let rows = pairs.map(row).collect();
    (rows, collector.defects)
}

impl Collector {
    fn add(&mut self, own: Place, other: &Place, calls: bool) {
        for (from, to) in [(&own, other), (other, &own)] {
            let known = self.peers.insert(from.clone(), to.clone());
            if let Some(known) = known.filter(|known| known != to) {
                let ((from, id), (to, n), (other, m)) = (from, to, known);
                let line = format!("{from} {id}: leads to {to} {n} and to {other} {m}");
                self.defects.push(line);
            }
        }
        let able = self.abilities.entry(own).or_default();
        *able = (able.0 || !calls, able.1 || calls);
    }

    fn end(&self, place: &Place) -> End {
        let (notifies, calls) = self.abilities.get(place).copied().unwrap_or_default();
        End {
            pd: place.0.clone(),
            id: place.1,
            notifies,
            calls,
        }
    }
}

/// The interrupts, by number.
#[must_use]
pub fn interrupts(system: &System) -> Vec<IrqRow> {
    let receivers = system.receivers_meant();
    let mut rows: Vec<IrqRow> = system
        .irqs
        .iter()
        .map(|irq| {
            let holders = system.threads.iter().filter(|thread| {
                thread
                    .caps
                    .iter()
                    .any(|held| held.kind == Kind::Irq && held.object == irq.object)
            });
            let receiver = irq.notification.and_then(|n| receivers.get(&n.object));
            IrqRow {
                number: irq.number,
                handlers: holders.map(|thread| thread.name.clone()).collect(),
                receiver: receiver.map(|thread| system.threads[*thread].name.clone()),
                id: irq
                    .notification
                    .filter(|n| n.badge != 0)
                    .map(|n| n.badge.trailing_zeros()),
                edge: irq.edge,
                core: irq.core,
            }
        })
        .collect();
    rows.sort_by_key(|row| row.number);
    rows
}

/// Calls from whom to whom, as a relation of names.
#[must_use]
pub fn calls(rows: &[ChannelRow]) -> BTreeSet<(&str, &str)> {
    let ends = rows
        .iter()
        .flat_map(|row| [(&row.a, &row.b), (&row.b, &row.a)]);
    ends.filter(|(from, _)| from.calls)
        .map(|(from, to)| (from.pd.as_str(), to.pd.as_str()))
        .collect()
}
