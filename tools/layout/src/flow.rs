// SPDX-License-Identifier: BSD-2-Clause
//! Information flow between subjects: guests, drivers, services, plain protection domains.
//!
//! A subject tells another something through memory that one writes and the other reads, by a
//! notification, by a call (both ways: its reply), by faults and control of threads, by a device that it can
//! point at the other's memory, and through a service that passes things on between its clients. What a
//! program's manifest calls separating passes nothing on by itself: a path ends there.

use crate::expand::Made;
use crate::model::Layout;
use sdf::Board;
use sdf::model::{RecordTarget, System};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A direct flow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Step {
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// By what: memory, a notification, a service.
    pub by: String,
    /// The service that passes it on, if it is one.
    pub service: Option<String>,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` to `{}` by {}", self.from, self.to, self.by)
    }
}

/// The flows of a system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flows {
    /// Direct flows, each once, in order.
    pub steps: Vec<Step>,
    /// Subjects that pass nothing on but what a step says.
    pub separating: BTreeSet<String>,
}

impl Flows {
    /// The flows of `system`, which `layout` stands for.
    pub(crate) fn of(layout: &Layout, system: &System, made: &Made, board: Option<&Board>) -> Self {
        let mut all = Collector {
            system,
            made,
            steps: made.relays.iter().cloned().collect(),
        };
        if !layout.is_plain() {
            all.memory(board);
            all.channels();
            all.control();
            all.windows();
        }
        Self {
            steps: all.steps.into_iter().collect(),
            separating: made.separating.clone(),
        }
    }

    /// A shortest way from `from` to `to` with steps that `may_use` and, between the two, subjects that
    /// `may_pass` and do not separate.
    #[must_use]
    pub fn path(
        &self,
        from: &str,
        to: &str,
        may_use: impl Fn(&Step) -> bool,
        may_pass: impl Fn(&str) -> bool,
    ) -> Option<Vec<&Step>> {
        let mut came: BTreeMap<&str, &Step> = BTreeMap::new();
        let mut open = VecDeque::from([from]);
        while let Some(at) = open.pop_front() {
            for step in self
                .steps
                .iter()
                .filter(|step| step.from == at && may_use(step))
            {
                let next = step.to.as_str();
                if next == from || came.contains_key(next) {
                    continue;
                }
                came.insert(next, step);
                if next == to {
                    return Some(back(&came, to));
                }
                if may_pass(next) && !self.separating.contains(next) {
                    open.push_back(next);
                }
            }
        }
        None
    }
}

/// The steps that led to `to`, in order.
fn back<'a>(came: &BTreeMap<&str, &'a Step>, to: &str) -> Vec<&'a Step> {
    let mut path = Vec::new();
    let mut at = to;
    while let Some(step) = came.get(at) {
        path.push(*step);
        at = &step.from;
    }
    path.reverse();
    path
}

/// Direct flows while they are collected.
struct Collector<'a> {
    system: &'a System,
    made: &'a Made,
    steps: BTreeSet<Step>,
}

impl Collector<'_> {
    /// Whose the protection domain `pd` is.
    fn subject(&self, pd: &str) -> String {
        let owner = self.made.owners.get(pd);
        owner.map_or(pd, String::as_str).to_owned()
    }

    fn add(&mut self, from: &str, to: &str, by: String) {
        let (from, to) = (self.subject(from), self.subject(to));
        if from != to {
            let service = None;
            self.steps.insert(Step {
                from,
                to,
                by,
                service,
            });
        }
    }

    fn both(&mut self, a: &str, b: &str, by: &str) {
        self.add(a, b, by.to_owned());
        self.add(b, a, by.to_owned());
    }

    /// Who maps the region `mr`, and whether it writes it; virtual machines count as their monitors.
    fn users(&self, mr: &str) -> Vec<(String, bool)> {
        let mut users = Vec::new();
        for pd in &self.system.pds {
            let machines = pd.virtual_machine.iter().flat_map(|vm| &vm.maps);
            for map in pd.maps.iter().chain(machines).filter(|map| *map.mr == mr) {
                users.push((pd.name.value.clone(), map.perms.value.write));
            }
        }
        users
    }

    fn memory(&mut self, board: Option<&Board>) {
        let shared = board.map_or(&[][..], |board| &board.shared);
        for region in &self.system.memory_regions {
            // The hardware keeps those who share it apart.
            let is_shared = |base: u64| {
                shared
                    .iter()
                    .any(|one| one.range().contains(base, base + 1))
            };
            if region.phys_addr.is_some_and(|base| is_shared(base.value))
                || self.made.machine.contains(&region.name.value)
            {
                continue;
            }
            let users = self.users(&region.name);
            for (writer, _) in users.iter().filter(|(_, writes)| *writes) {
                for (reader, _) in &users {
                    self.add(writer, reader, format!("memory `{}`", region.name.value));
                }
            }
        }
    }

    fn channels(&mut self) {
        for channel in &self.system.channels {
            let [a, b] = &channel.ends;
            for (from, to) in [(a, b), (b, a)] {
                if from.pp.value {
                    self.both(&from.pd, &to.pd, "calls");
                }
                if from.notify.value {
                    self.add(&from.pd, &to.pd, "notifications".to_owned());
                }
            }
        }
    }

    fn control(&mut self) {
        for pd in &self.system.pds {
            if let Some(parent) = pd.parent.and_then(|parent| self.system.pds.get(parent)) {
                self.both(&parent.name, &pd.name, "faults and control");
            }
            for cap in &pd.cspace {
                self.both(&pd.name, &cap.pd, "capabilities");
            }
        }
    }

    fn windows(&mut self) {
        for pd in &self.system.pds {
            for entry in pd.record.iter().flat_map(|record| &record.entries) {
                let RecordTarget::Window { mr } = &entry.target else {
                    continue;
                };
                for (user, _) in self.users(mr) {
                    self.both(&pd.name, &user, &format!("DMA to `{}`", mr.value));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Flows, Step};

    fn flows(steps: &[(&str, &str)], separating: &[&str]) -> Flows {
        let step = |(from, to): &(&str, &str)| Step {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
            by: "memory".to_owned(),
            service: None,
        };
        Flows {
            steps: steps.iter().map(step).collect(),
            separating: separating.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn found(flows: &Flows, from: &str, to: &str) -> Option<Vec<String>> {
        let path = flows.path(from, to, |_| true, |_| true)?;
        Some(path.iter().map(|step| step.to.clone()).collect())
    }

    #[test]
    fn the_shortest_path_is_named() {
        let flows = flows(
            &[("a", "b"), ("b", "c"), ("c", "d"), ("a", "c"), ("d", "a")],
            &[],
        );
        assert_eq!(
            found(&flows, "a", "d"),
            Some(vec!["c".to_owned(), "d".to_owned()])
        );
        assert_eq!(found(&flows, "b", "a").map(|path| path.len()), Some(3));
        assert_eq!(found(&flows, "e", "a"), None);
    }

    #[test]
    fn paths_end_at_what_separates() {
        let flows = flows(&[("a", "b"), ("b", "c")], &["b"]);
        assert_eq!(found(&flows, "a", "c"), None);
        assert_eq!(found(&flows, "a", "b").map(|path| path.len()), Some(1));
        assert_eq!(found(&flows, "b", "c").map(|path| path.len()), Some(1));
    }

    #[test]
    fn steps_and_stations_can_be_ruled_out() {
        let flows = flows(&[("a", "b"), ("b", "c")], &[]);
        assert!(
            flows
                .path("a", "c", |step| step.from != "b", |_| true)
                .is_none()
        );
        assert!(
            flows
                .path("a", "c", |_| true, |station| station != "b")
                .is_none()
        );
    }
}
