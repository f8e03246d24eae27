// SPDX-License-Identifier: BSD-2-Clause
//! From a system and its programs to its distribution.

mod frames;
mod pd;
mod vm;

use crate::load::ElfSet;
use crate::order;
use crate::rules;
use crate::slots::{self, tcb};
use crate::spec::{
    CNode, Cap, DomainEntry, Object, ObjectId, Rights, SchedContext, SchedExtra, Slot, Spec, Tcb,
    TcbExtra,
};
use crate::vspace::VSpace;
use sdf::layout::{IPC_BUFFER, STACK_TOP};
use sdf::model::{CapKind, ChannelEnd, Domains, PageSize, ScheduleEntry, System};
use sdf::{Diagnostic, Diagnostics, Files, Span};
use std::collections::HashMap;

/// Kernel configuration, as far as it changes the distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Config {
    /// Debugging calls and names; threads are larger.
    #[default]
    Debug,
    /// Neither.
    Release,
    /// As release, and every protection domain holds its own thread.
    Benchmark,
}

impl Config {
    /// Size of a thread's object as a power of two.
    const fn tcb_bits(self) -> u8 {
        match self {
            Self::Debug => 12,
            Self::Release | Self::Benchmark => 11,
        }
    }
}

/// Builds the distribution of a plain system (see [`sdf::lower()`]) whose programs were loaded by
/// [`ElfSet::load`] with the same files.
///
/// # Errors
/// When a prefill cannot be read, or two objects would have the same name.
pub fn build(
    system: &System,
    elfs: &ElfSet,
    files: &dyn Files,
    config: Config,
) -> Result<Spec, Diagnostics> {
    let mut builder = Builder::new(system, elfs, files, config);
    builder.monitor();
    builder.memory_regions();
    for index in 0..system.pds.len() {
        builder.protection_domain(index);
    }
    builder.channels();
    builder.cspaces();
    if let Some(domains) = &system.domains {
        builder.domains(domains);
    }
    let Builder {
        mut spec, mut out, ..
    } = builder;
    unique_names(system, &spec, &mut out);
    if out.has_errors() {
        out.sort();
        return Err(out);
    }
    order::sort(&mut spec, config.tcb_bits());
    Ok(spec)
}

/// Read and write, nothing else.
const READ_WRITE: Rights = Rights {
    read: true,
    write: true,
    grant: false,
    grant_reply: false,
};
/// What Microkit gives on every endpoint.
const ENDPOINT_RIGHTS: Rights = Rights {
    read: true,
    write: true,
    grant: true,
    grant_reply: false,
};

/// Objects of a protection domain that others refer to.
struct PdObjects {
    tcb: ObjectId,
    vspace: ObjectId,
    root: ObjectId,
    cnode: ObjectId,
    notification: ObjectId,
    endpoint: Option<ObjectId>,
    sched_context: ObjectId,
}

struct Builder<'a> {
    system: &'a System,
    elfs: &'a ElfSet,
    files: &'a dyn Files,
    config: Config,
    spec: Spec,
    out: Diagnostics,
    /// Frames of each region, with their size.
    frames: HashMap<&'a str, (PageSize, Vec<ObjectId>)>,
    monitor_endpoint: ObjectId,
    monitor_cnode: Option<ObjectId>,
    smc: Option<ObjectId>,
    /// Guest threads made so far.
    vcpus: u32,
    pds: Vec<PdObjects>,
}

impl<'a> Builder<'a> {
    fn new(system: &'a System, elfs: &'a ElfSet, files: &'a dyn Files, config: Config) -> Self {
        let mut spec = Spec::default();
        let monitor_endpoint = spec.add("ep_fault_monitor".to_owned(), Object::Endpoint);
        let smc = system
            .pds
            .iter()
            .any(|pd| pd.smc.value)
            .then(|| spec.add("arm_smc".to_owned(), Object::ArmSmc));
        Self {
            system,
            elfs,
            files,
            config,
            spec,
            out: Diagnostics::new(system.source.clone()),
            frames: HashMap::new(),
            monitor_endpoint,
            monitor_cnode: None,
            smc,
            vcpus: 0,
            pds: Vec::new(),
        }
    }

    /// Microkit's monitor, where it is a program of its own.
    fn monitor(&mut self) {
        let Some(elf) = &self.elfs.monitor else {
            return;
        };
        let vspace = VSpace::new(&mut self.spec, "monitor");
        self.program(&vspace, "monitor", self.system.pds.len(), elf);
        self.stack(&vspace, "frame_monitor_stack", 0x1000, false);
        let buffer = self.ipc_buffer("monitor");
        vspace.map(&mut self.spec, IPC_BUFFER, PageSize::Small, buffer.clone());
        let reply = self.spec.add("reply_monitor".to_owned(), Object::Reply);
        let budget = sdf::model::DEFAULT_BUDGET_US;
        let context = self.sched_context("monitor", budget, budget, 0);
        let cnode = self.cnode("monitor", slots::CNODE_BITS);
        let fault = self.endpoint_cap(self.monitor_endpoint, 0);
        self.spec.insert(cnode, slots::MONITOR_FAULT, fault);
        self.spec
            .insert(cnode, slots::MONITOR_REPLY, Cap::Reply { object: reply });
        let guard_size = slots::CPTR_BITS - slots::CNODE_BITS;
        let bound = [
            (
                tcb::CSPACE,
                Cap::CNode {
                    object: cnode,
                    guard: 0,
                    guard_size,
                },
            ),
            (tcb::VSPACE, vspace.cap()),
            (tcb::IPC_BUFFER, buffer),
            (tcb::SCHED_CONTEXT, Cap::SchedContext { object: context }),
        ];
        let extra = TcbExtra {
            domain: Some(0),
            ..thread(elf.entry, 0, 255)
        };
        self.tcb("monitor", &bound, extra);
        self.monitor_cnode = Some(cnode);
    }

    /// Gives the monitor a capability, where it is a program.
    fn tell_monitor(&mut self, base: u32, index: usize, cap: Cap) {
        if let Some(cnode) = self.monitor_cnode {
            let index = u32::try_from(index).unwrap_or_default();
            self.spec.insert(cnode, base + index, cap);
        }
    }

    fn sched_context(&mut self, name: &str, period: u64, budget: u64, badge: u64) -> ObjectId {
        let extra = SchedExtra {
            period,
            budget,
            badge,
        };
        let object = Object::SchedContext(SchedContext {
            size_bits: 8,
            extra,
        });
        self.spec.add(format!("sched_context_{name}"), object)
    }

    fn cnode(&mut self, name: &str, size_bits: u8) -> ObjectId {
        let object = Object::CNode(CNode {
            size_bits,
            slots: Vec::new(),
        });
        self.spec.add(format!("cnode_{name}"), object)
    }

    fn tcb(&mut self, name: &str, bound: &[(u32, Cap)], extra: TcbExtra) -> ObjectId {
        let slots = bound.iter().map(|(slot, cap)| Slot {
            slot: *slot,
            cap: cap.clone(),
        });
        let object = Object::Tcb(Tcb {
            slots: slots.collect(),
            extra,
        });
        self.spec.add(format!("tcb_{name}"), object)
    }

    fn endpoint_cap(&self, object: ObjectId, badge: u64) -> Cap {
        Cap::Endpoint {
            object,
            badge,
            rights: ENDPOINT_RIGHTS,
        }
    }

    fn channels(&mut self) {
        let system = self.system;
        for channel in &system.channels {
            let [a, b] = &channel.ends;
            self.channel_end(a, b);
            self.channel_end(b, a);
        }
    }

    /// What `own` may do to `other`.
    fn channel_end(&mut self, own: &ChannelEnd, other: &ChannelEnd) {
        let (Some(from), Some(to)) = (self.pd_objects(&own.pd), self.pd_objects(&other.pd)) else {
            return;
        };
        let (cnode, object, endpoint) = (from.cnode, to.notification, to.endpoint);
        let (id, peer) = (u32::from(own.id.value), other.id.value);
        if own.notify.value {
            let cap = Cap::Notification {
                object,
                badge: 1 << peer,
                rights: READ_WRITE,
            };
            self.spec.insert(cnode, slots::NOTIFICATIONS + id, cap);
        }
        if let Some(object) = endpoint.filter(|_| own.pp.value) {
            let cap = self.endpoint_cap(object, slots::CALL_BADGE | u64::from(peer));
            self.spec.insert(cnode, slots::ENDPOINTS + id, cap);
        }
    }

    fn pd_objects(&self, name: &str) -> Option<&PdObjects> {
        self.pds.get(self.system.pd_index(name)?)
    }

    /// Capabilities of other protection domains in root CNodes.
    fn cspaces(&mut self) {
        let system = self.system;
        for (index, pd) in system.pds.iter().enumerate() {
            for entry in &pd.cspace {
                let Some(from) = self.pd_objects(&entry.pd) else {
                    continue;
                };
                let cap = match entry.kind {
                    CapKind::Tcb => Cap::Tcb { object: from.tcb },
                    CapKind::Sc => Cap::SchedContext {
                        object: from.sched_context,
                    },
                    CapKind::VSpace => Cap::PageTable {
                        object: from.vspace,
                    },
                };
                let root = self.pds[index].root;
                self.spec.insert(root, u32::from(entry.slot.value), cap);
            }
        }
    }

    fn domains(&mut self, domains: &Domains) {
        let schedule = domains.schedule.iter().map(|entry| match entry {
            ScheduleEntry::End(_) => DomainEntry {
                domain: 0,
                duration: None,
            },
            ScheduleEntry::Run { domain, duration } => DomainEntry {
                domain: domain_id(domains, domain).unwrap_or_default(),
                duration: Some(duration.value),
            },
        });
        self.spec.domain_schedule = Some(schedule.collect());
        self.spec.domain_set_start = Some(domains.start_index.map_or(0, |start| start.value));
        self.spec.domain_idx_shift = domains.index_shift.map(|shift| shift.value);
    }
}

fn domain_id(domains: &Domains, name: &str) -> Option<u8> {
    domains
        .domains
        .iter()
        .find(|domain| *domain.name == name)
        .map(|domain| domain.id.value)
}

/// Parameters of a thread with the usual stack and buffer that starts with the system.
fn thread(ip: u64, affinity: u8, prio: u8) -> TcbExtra {
    TcbExtra {
        ipc_buffer_addr: IPC_BUFFER,
        affinity: u64::from(affinity),
        prio,
        max_prio: prio,
        fpu_disabled: false,
        resume: true,
        domain: None,
        ip,
        sp: STACK_TOP,
        gprs: Vec::new(),
        master_fault_ep: None,
    }
}

/// Reports names that two objects share, at the protection domain, guest or region behind them.
fn unique_names(system: &System, spec: &Spec, out: &mut Diagnostics) {
    let mut seen = HashMap::new();
    for object in &spec.objects {
        let count = seen.entry(object.name.as_str()).or_insert(0_u32);
        *count += 1;
        if *count == 2 {
            let message = format!("two objects would be called `{}`", object.name);
            out.push(Diagnostic::new(
                &rules::NAME,
                culprit(system, &object.name),
                message,
            ));
        }
    }
}

/// The longest name that occurs in an object's name.
fn culprit(system: &System, object: &str) -> Span {
    let vms = system
        .pds
        .iter()
        .filter_map(|pd| pd.virtual_machine.as_ref());
    let names = system
        .pds
        .iter()
        .map(|pd| &pd.name)
        .chain(vms.map(|vm| &vm.name));
    let names = names.chain(system.memory_regions.iter().map(|mr| &mr.name));
    let longest = names
        .filter(|name| object.contains(name.as_str()))
        .max_by_key(|n| n.len());
    longest.map_or_else(Span::default, |name| name.span)
}
