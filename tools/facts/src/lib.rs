// SPDX-License-Identifier: BSD-2-Clause
//! What a system description says, as plain tables: subjects, authority, flows, memory, interrupts,
//! time. Pictures ([`pictures`]), differences ([`diff`]) and texts ([`text`]) are made of them.
//!
//! Derived from the description alone, without an image; what an image really grants is the business of
//! the independent checker, which shares no code with this.
#![forbid(unsafe_code)]

pub mod diff;
mod flows;
mod memory;
pub mod pictures;
mod rights;
mod subjects;
pub mod text;

use std::collections::BTreeMap;

use layout::{Devices, Layout};
use sdf::{Board, Files, System};
use serde::Serialize;

/// Where facts come from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The system, checked.
    pub system: &'a System,
    /// What the file says beyond plain SDF.
    pub layout: &'a Layout,
    /// Which guest or part each protection domain belongs to; those of plain SDF are not in it.
    pub owners: &'a BTreeMap<String, String>,
    /// The board; without, memory at fixed addresses that is mapped uncached counts as a device's.
    pub board: Option<&'a Board>,
    /// The board's devices, for their names.
    pub devices: Option<&'a Devices>,
    /// Prefills, for the sizes of regions that have no other.
    pub files: &'a dyn Files,
}

/// What a system description says. Lists are in file order unless stated otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Facts {
    /// The system's name, or an empty text.
    pub name: String,
    /// Protection domains and virtual machines, a machine after its monitor.
    pub subjects: Vec<Subject>,
    /// Memory regions.
    pub regions: Vec<Region>,
    /// Devices that are used, by name.
    pub devices: Vec<Device>,
    /// Who may do what to whom or what, sorted.
    pub authority: Vec<Grant>,
    /// Direct information flows between subjects, sorted.
    pub flows: Vec<Flow>,
    /// Flows between guests, services and drivers, held against the policy; sorted.
    pub policy: Vec<Judged>,
    /// The domain schedule: domains with microseconds, or ticks where `true`.
    pub domains: Vec<(String, u64, bool)>,
    /// Memory of the board and what the kernel keeps of it.
    pub board: Vec<Area>,
}

/// What a subject is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A virtual machine.
    Guest,
    /// The monitor of one.
    Monitor,
    /// A protection domain that serves one guest.
    Backend,
    /// A protection domain that holds a device.
    Driver,
    /// Any other protection domain.
    Service,
}

/// A protection domain or virtual machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// Name, unique among subjects.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The guest, service or driver that it belongs to; itself, if to none.
    pub owner: String,
    /// Who handles its faults, if not the kernel's monitor.
    pub parent: Option<String>,
    /// Criticality, where the layout states one.
    pub criticality: Option<String>,
    /// Its program; for a guest its recipe, as far as known.
    pub program: Option<String>,
    /// Its share of time.
    pub time: Time,
    /// What it sees at which addresses, sorted by address; guest-physical ones for a guest.
    pub maps: Vec<Mapping>,
    /// What it is told in its record, as (name, values in order); what a service lets whom do is here.
    pub settings: Vec<(String, Vec<String>)>,
    /// Bytes of stack, below [`sdf::layout::STACK_TOP`]; 0 for a guest.
    pub stack: u64,
}

/// A share of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Time {
    /// 0 to 254; higher ones run first.
    pub priority: u64,
    /// Microseconds per period; the same as the period means without limit.
    pub budget_us: u64,
    /// Microseconds.
    pub period_us: u64,
    /// Cores, one per vCPU for a guest.
    pub cores: Vec<u64>,
    /// Runs on its callers' time.
    pub passive: bool,
    /// Domain of the domain schedule.
    pub domain: Option<String>,
}

/// A region in an address space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mapping {
    /// First address.
    pub address: u64,
    /// Name of the region.
    pub region: String,
    /// Such as `rw`.
    pub rights: String,
    /// Whether as normal memory; device memory otherwise.
    pub cached: bool,
}

/// What is behind a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backing {
    /// Memory.
    Memory,
    /// Registers of a device.
    Device,
    /// Registers that the kernel saves and restores, or that the hardware has once per user: no shared
    /// memory.
    Banked,
}

/// A memory region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Region {
    /// Name.
    pub name: String,
    /// First physical address; `None` where the kernel's initialiser chooses.
    pub base: Option<u64>,
    /// Bytes; `None` where only a build knows.
    pub size: Option<u64>,
    /// Bytes of a page.
    pub page: Option<u64>,
    /// What is behind it.
    pub backing: Backing,
    /// The device, if it is one's.
    pub device: Option<String>,
    /// Subjects with their rights.
    pub users: Vec<(String, String)>,
    /// Subjects that know its physical address, for devices to reach.
    pub dma: Vec<String>,
}

/// A device that is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Name, the board's where it has one.
    pub name: String,
    /// First addresses of its regions.
    pub bases: Vec<u64>,
    /// Interrupts, with who receives them and whether they are edges.
    pub irqs: Vec<(u32, String, bool)>,
}

/// A right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Reads a region.
    Read,
    /// Writes a region.
    Write,
    /// Executes a region.
    Execute,
    /// Has devices reach a region by its physical address.
    Dma,
    /// Notifies a protection domain.
    Notify,
    /// Calls a protection domain.
    Call,
    /// Receives an interrupt.
    Interrupt,
    /// Handles faults of a subject, reads and writes its registers, stops and restarts it.
    Control,
    /// Holds the thread, time or address space of another protection domain.
    Hold,
    /// Calls the secure monitor.
    Smc,
}

/// Who may do what to whom or what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Grant {
    /// Who.
    pub subject: String,
    /// What.
    pub right: Right,
    /// A subject, a region, an interrupt.
    pub on: String,
}

/// A direct flow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Flow {
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// By what: a region's name, `notification`, `call`, `control`.
    pub by: String,
}

/// What was found of a flow and what was stated about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Found and allowed.
    Allowed,
    /// Found directly; nothing is stated about it.
    Found,
    /// Found directly although denied.
    Forbidden,
    /// Allowed but not found.
    Missing,
    /// Denied and not found, or only through services that keep their clients apart.
    Prevented,
}

/// A flow between guests, services and drivers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Judged {
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What a direct flow goes by; empty otherwise.
    pub by: Vec<String>,
    /// Where there is no direct flow: everybody on a way that leads through no other guest, sorted. What
    /// is denied rests on all of them to keep their clients apart.
    pub through: Vec<String>,
}

/// Memory of the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Area {
    /// What is there.
    pub name: String,
    /// First address.
    pub base: u64,
    /// Bytes.
    pub size: u64,
    /// Whether the kernel keeps it to itself.
    pub reserved: bool,
}

/// Derives the facts of a system.
#[must_use]
pub fn facts(source: &Source<'_>) -> Facts {
    let regions = memory::regions(source);
    let subjects = subjects::subjects(source, &regions);
    let authority = rights::authority(source, &subjects, &regions);
    let flows = flows::direct(&subjects, &regions, &authority);
    let policy = flows::judge(source.layout, &subjects, &flows);
    Facts {
        name: source
            .system
            .name
            .as_ref()
            .map_or_else(String::new, |name| name.value.clone()),
        devices: memory::devices(source, &regions),
        board: source.board.map_or_else(Vec::new, memory::board),
        domains: subjects::domains(source.system),
        subjects,
        regions,
        authority,
        flows,
        policy,
    }
}

impl Facts {
    /// The subject called `name`.
    #[must_use]
    pub fn subject(&self, name: &str) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.name == name)
    }

    /// The region called `name`.
    #[must_use]
    pub fn region(&self, name: &str) -> Option<&Region> {
        self.regions.iter().find(|region| region.name == name)
    }
}

/// What virtual machine `vm` is called among subjects: its name, unless a protection domain has it.
pub(crate) fn guest_name(system: &System, vm: &str) -> String {
    match system.pd_index(vm) {
        Some(_) => format!("{vm} (guest)"),
        None => vm.to_owned(),
    }
}
