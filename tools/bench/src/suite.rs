// SPDX-License-Identifier: BSD-2-Clause
//! The operations of the guest programs: which marks enclose each, and how many there are.

use std::collections::BTreeMap;

use crate::counts::{Snapshot, Snapshots};
use crate::target::{Owner, Target};

/// Where an operation is found in the marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    /// From reset to this mark.
    Until(u32),
    /// From this mark to the next number.
    From(u32),
}

/// Something that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Its name in files.
    pub id: &'static str,
    /// Its name in the table.
    pub title: &'static str,
    span: Span,
    count: u32,
}

const fn op(id: &'static str, title: &'static str, mark: u32, count: u32) -> Operation {
    Operation {
        id,
        title,
        span: Span::From(mark),
        count,
    }
}

/// The mark that the guest's init runs first.
const INIT: u32 = 1;
/// The mark at which all is done.
pub(crate) const END: u32 = 3;

/// All operations, in the order of the table. Marks and counts are those of the suite's script.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        id: "boot",
        title: "reset to init",
        span: Span::Until(INIT),
        count: 1,
    },
    op("mmio-read", "emulated register read (GICD)", 26, 100_000),
    op("mmio-write", "emulated register write (GICD)", 90, 100_000),
    op("virtio-read", "virtio-mmio register read", 28, 100_000),
    op("cpu", "CPU spin, 50 M iterations", 10, 1),
    op("mem", "memory sweep, 4 x 32 MiB", 12, 1),
    op("syscall", "system call", 14, 20_000),
    op("fault", "page fault", 16, 4_096),
    op("pipe", "pipe round trip", 18, 2_000),
    op("fork", "fork and exit", 20, 100),
    op("cyclic", "1 ms sleep", 22, 2_000),
    op("idle-second", "idle, per second", 24, 5),
    op("sleep-1", "sleep 1, with its process", 92, 1),
    op("blk-4k-seq-read", "disk 4 KiB sequential read", 30, 1_000),
    op("blk-4k-rand-read", "disk 4 KiB random read", 32, 1_000),
    op("blk-4k-seq-write", "disk 4 KiB sequential write", 34, 1_000),
    op("blk-4k-rand-write", "disk 4 KiB random write", 36, 1_000),
    op("blk-128k-read", "disk 128 KiB read", 38, 100),
    op("blk-128k-write", "disk 128 KiB write", 40, 100),
    op("blk-1m-read", "disk 1 MiB read", 42, 16),
    op("blk-1m-write", "disk 1 MiB write", 44, 16),
    op("blk-128k-read-sg", "disk 128 KiB read, scattered", 72, 100),
    op(
        "blk-128k-write-sg",
        "disk 128 KiB write, scattered",
        74,
        100,
    ),
    op("blk-4k-read-qd8", "disk 4 KiB read, depth 8", 76, 1_000),
    op("blk-4k-read-qd32", "disk 4 KiB read, depth 32", 78, 1_000),
    op("blk-4k-write-qd8", "disk 4 KiB write, depth 8", 80, 1_000),
    op("ping-56", "ping 56 B round trip", 46, 500),
    op("ping-1400", "ping 1400 B round trip", 48, 500),
    op("udp-64", "UDP send 64 B", 50, 1_000),
    op("udp-1400", "UDP send 1400 B", 52, 1_000),
    op(
        "console-4k-byte",
        "console 4 KiB writes, per byte",
        54,
        102_400,
    ),
    op("console-1", "console 1-byte write", 56, 10_240),
];

/// What one operation costs: instructions by who executed them, and kernel entries.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Cost {
    /// All instructions.
    pub total: f64,
    /// The guest's.
    pub guest: f64,
    /// The kernel's.
    pub kernel: f64,
    /// The VMM's.
    pub vmm: f64,
    /// Other protection domains'.
    pub domains: f64,
    /// Kernel entries.
    pub entries: f64,
    /// Each range and probe by its name.
    pub parts: BTreeMap<String, f64>,
}

impl Operation {
    /// The cost of one operation in a run on `target`, if the run contained it.
    pub(crate) fn cost(&self, target: &Target, snapshots: &Snapshots) -> Option<Cost> {
        let snapshot = match self.span {
            Span::Until(mark) => snapshots.until(mark),
            Span::From(mark) => snapshots.between(mark),
        }?;
        Some(cost(target, &snapshot, f64::from(self.count)))
    }
}

/// Counts stay far below 2^53, where floating point is exact.
#[expect(
    clippy::as_conversions,
    reason = "see above; no lossless conversion exists"
)]
fn float(count: u64) -> f64 {
    count as f64
}

fn cost(target: &Target, snapshot: &Snapshot, operations: f64) -> Cost {
    let each = |count: u64| float(count) / operations;
    let owned = |owner: Owner| {
        let ranges = target.ranges.iter().filter(|range| range.owner == owner);
        let programs = target
            .programs
            .iter()
            .filter(|program| program.owner == owner);
        let names = ranges.map(|range| range.name.as_str());
        let names = names.chain(programs.map(|program| program.name.as_str()));
        let names = names.chain((target.rest == owner).then_some("other"));
        each(names.filter_map(|name| snapshot.counts.get(name)).sum())
    };
    let total = each(snapshot.counts.values().sum());
    let (guest, vmm, domains) = (owned(Owner::Guest), owned(Owner::Vmm), owned(Owner::Domain));
    let entries = target.probes.iter().filter(|probe| probe.is_entry);
    let entries = entries.filter_map(|probe| snapshot.probes.get(&probe.name));
    let parts = snapshot.counts.iter().chain(&snapshot.probes);
    Cost {
        total,
        guest,
        kernel: owned(Owner::Kernel),
        vmm,
        domains,
        entries: each(entries.sum()),
        parts: parts
            .map(|(name, count)| (name.clone(), each(*count)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{self, Probe, Program, Range};

    fn target() -> Target {
        let mut target = target::example("t");
        target.ranges.push(Range {
            name: "kernel".into(),
            owner: Owner::Kernel,
            start: 0,
            end: 1,
        });
        for (name, owner) in [
            ("vmm_ivi", Owner::Vmm),
            ("uart", Owner::Domain),
            ("mux", Owner::Domain),
        ] {
            target.programs.push(Program {
                name: name.into(),
                owner,
                file: "x".into(),
            });
        }
        for (name, is_entry) in [("sync", true), ("irq", true), ("read_registers", false)] {
            target.probes.push(Probe {
                name: name.into(),
                address: 0,
                is_entry,
            });
        }
        target
    }

    #[test]
    fn costs_are_per_operation_and_by_owner() {
        let text = r#"{"mark":26,"counts":{"vmm_ivi":0,"kernel":0,"uart":0,"mux":0,"other":0},"probes":{"sync":0,"irq":0,"read_registers":0}}
{"mark":27,"counts":{"vmm_ivi":2000000,"kernel":3000000,"uart":100000,"mux":200000,"other":1400000},"probes":{"sync":300000,"irq":100000,"read_registers":100000}}
"#;
        let snapshots = Snapshots::parse(text).unwrap();
        let read = OPERATIONS.iter().find(|op| op.id == "mmio-read").unwrap();
        let cost = read.cost(&target(), &snapshots).unwrap();
        assert_eq!((cost.total, cost.guest, cost.vmm), (67.0, 14.0, 20.0));
        assert_eq!((cost.kernel, cost.domains, cost.entries), (30.0, 3.0, 4.0));
        assert_eq!(cost.parts["read_registers"], 1.0);
        let boot = OPERATIONS.iter().find(|op| op.id == "boot").unwrap();
        assert_eq!(boot.cost(&target(), &snapshots), None);
    }

    #[test]
    fn names_and_marks_are_unique() {
        for (index, one) in OPERATIONS.iter().enumerate() {
            for other in &OPERATIONS[index + 1..] {
                assert!(one.id != other.id && one.title != other.title && one.span != other.span);
            }
        }
    }
}
