// SPDX-License-Identifier: BSD-2-Clause
//! The composition model (item 10): what the description says, after defaults, as plain data. With the
//! capability distribution it is all that the derived items are made from, so that a package holds what
//! is needed to make them again.

mod build;

use std::collections::BTreeMap;

use audit::flow::Policy;
use audit::platform::Platform;
use sdf::Board;
use serde::{Deserialize, Serialize};

/// What the description says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Version of this format: 1.
    pub version: u32,
    /// Name of the system.
    pub name: String,
    /// Kernel, its configuration and the board.
    pub target: Target,
    /// The machine, as the checker must know it.
    pub platform: Platform,
    /// Protection domains in Microkit's order.
    pub domains: Vec<Domain>,
    /// Memory regions in file order.
    pub regions: Vec<Region>,
    /// Channels in file order.
    pub channels: Vec<[End; 2]>,
    /// Domain schedule: domain and how long.
    pub schedule: Vec<(u8, String)>,
    /// Flows that are allowed and denied.
    pub policy: Policy,
    /// Criticality by subject.
    pub criticality: BTreeMap<String, String>,
}

/// What the system is built for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// `sel4` or `dev`.
    pub kernel: String,
    /// Version of the Microkit SDK, if it is for seL4.
    pub sdk: Option<String>,
    /// `debug`, `release` or `benchmark`.
    pub config: String,
    /// The board.
    pub board: String,
}

/// A protection domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// The guest, driver or service that it was added for.
    pub owner: Option<String>,
    /// Its parent, who receives its faults.
    pub parent: Option<String>,
    /// Its program.
    pub program: String,
    /// Its time.
    pub time: Time,
    /// Whether it runs on its callers' time.
    pub passive: bool,
    /// Core.
    pub cpu: u8,
    /// Kernel domain.
    pub domain: u8,
    /// Bytes of stack.
    pub stack: u64,
    /// Whether it may call the firmware.
    pub smc: bool,
    /// Its mappings.
    pub maps: Vec<Mapping>,
    /// Its interrupts: number, id, edge triggered.
    pub irqs: Vec<(u32, u8, bool)>,
    /// Other domains' objects in its capability space: kind, whose, slot.
    pub caps: Vec<(String, String, u8)>,
    /// Its guest.
    pub machine: Option<Machine>,
}

/// Priority, budget and period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// Greater goes first.
    pub priority: u8,
    /// Microseconds per period.
    pub budget: u64,
    /// Microseconds.
    pub period: u64,
}

/// A mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The region.
    pub region: String,
    /// First address.
    pub vaddr: u64,
    /// Some of `rwx`.
    pub perms: String,
    /// Normal memory.
    pub cached: bool,
}

/// A virtual machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Its time.
    pub time: Time,
    /// Virtual CPUs: id and core.
    pub vcpus: Vec<(u8, u8)>,
    /// Its memory.
    pub maps: Vec<Mapping>,
}

/// A memory region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// Bytes; none: as many as what it is filled with.
    pub size: Option<u64>,
    /// Fixed physical address.
    pub paddr: Option<u64>,
    /// What it is filled with.
    pub prefill: Option<String>,
}

/// An end of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The protection domain.
    pub pd: String,
    /// The channel's id there.
    pub id: u8,
    /// Whether it may notify the other end.
    pub notify: bool,
    /// Whether it may call the other end.
    pub call: bool,
}

/// What goes beyond the description itself.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Kernel, configuration, board.
    pub target: &'a Target,
    /// The board.
    pub board: &'a Board,
    /// The machine, without devices that reach memory.
    pub platform: &'a Platform,
    /// What the layout says beyond the system.
    pub layout: &'a layout::Layout,
    /// Whom each added protection domain belongs to.
    pub owners: &'a BTreeMap<String, String>,
    /// A policy that is used instead of the layout's.
    pub policy: Option<&'a Policy>,
}

impl Model {
    /// Name of the subject that a virtual machine is: that of its first virtual CPU.
    #[must_use]
    pub fn guest_subject(machine: &Machine) -> String {
        let first = machine.vcpus.first().map_or(0, |(id, _)| *id);
        format!("{}_{first}", machine.name)
    }
}
