// SPDX-License-Identifier: BSD-2-Clause
//! Objects from a checked image.

use crate::abi::LabelSet;
use crate::cap::{CSpace, Cap, Rights};
use crate::context::{Context, sanitise_spsr};
use crate::ids::{EndpointId, Id, NotificationId, ReplyId, ScId, Table, VSpaceId, VcpuId};
use crate::kernel::{Core, IRQS, Kernel, Storage, us_to_ticks};
use crate::machine::Machine;
use crate::monitor::Monitor;
use crate::object::{FaultHandler, Irq, SchedContext, State, Tcb};
use crate::refill::Refills;
use devimage::{Image, NONE};

/// Root slots of a two-level space, without slot 0.
const ROOT_CAPS: usize = devimage::ROOT_SLOTS as usize - 1;
/// Capabilities that any image may need.
pub const MAX_CAPS: usize = ROOT_CAPS
    + devimage::MAX_PD_CSPACES as usize * (devimage::CNODE_SLOTS as usize + ROOT_CAPS)
    + 1024;

/// The image needs more of something than [`Storage`] offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfStorage(pub &'static str);

fn id<I: Id>(index: u32) -> Option<I> {
    if index == NONE {
        None
    } else {
        I::new(usize::try_from(index).ok()?)
    }
}

fn part<'a, T>(
    objects: &'a mut [T],
    count: usize,
    what: &'static str,
) -> Result<&'a mut [T], OutOfStorage> {
    objects.get_mut(..count).ok_or(OutOfStorage(what))
}

/// The part of `storage` that `image` needs.
fn cut<'a>(storage: Storage<'a>, image: &Image<'_>) -> Result<Storage<'a>, OutOfStorage> {
    let header = image.header;
    let notifications = count(header.notifications.get());
    Ok(Storage {
        tcbs: part(storage.tcbs, image.tcbs.len(), "tcbs")?,
        scs: part(storage.scs, image.sched_contexts.len(), "sched contexts")?,
        endpoints: part(
            storage.endpoints,
            count(header.endpoints.get()),
            "endpoints",
        )?,
        notifications: part(storage.notifications, notifications, "notifications")?,
        replies: part(storage.replies, count(header.replies.get()), "replies")?,
        vcpus: part(storage.vcpus, count(header.vcpus.get()), "vcpus")?,
        irqs: part(storage.irqs, image.irqs.len(), "irqs")?,
        cspaces: part(storage.cspaces, image.cspaces.len(), "cspaces")?,
        domains: part(storage.domains, image.domains.len(), "domains")?,
        ..storage
    })
}

fn build_domains<'a>(image: &Image<'_>, domains: &'a mut [(u8, u64)]) -> &'a [(u8, u64)] {
    for (source, target) in image.domains.iter().zip(&mut *domains) {
        *target = (
            u8::try_from(source.domain.get()).unwrap_or(0),
            source.ticks.get(),
        );
    }
    domains
}

fn count(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn capability(slot: &devimage::Slot) -> Option<Cap> {
    let object = slot.object.get();
    let badge = slot.badge.get();
    let bits = slot.rights.get();
    let rights = Rights {
        write: bits & devimage::RIGHT_WRITE != 0,
        read: bits & devimage::RIGHT_READ != 0,
        grant: bits & devimage::RIGHT_GRANT != 0,
        grant_reply: bits & devimage::RIGHT_GRANT_REPLY != 0,
    };
    Some(match slot.kind.get() {
        devimage::CAP_ENDPOINT => Cap::Endpoint {
            id: id(object)?,
            badge,
            rights,
        },
        devimage::CAP_NOTIFICATION => Cap::Notification {
            id: id(object)?,
            badge,
            rights,
        },
        devimage::CAP_REPLY => Cap::Reply(id::<ReplyId>(object)?),
        devimage::CAP_TCB => Cap::Tcb(id(object)?),
        devimage::CAP_SCHED_CONTEXT => Cap::SchedContext(id(object)?),
        devimage::CAP_IRQ => Cap::Irq(id(object)?),
        devimage::CAP_VCPU => Cap::Vcpu(id(object)?),
        devimage::CAP_VSPACE => Cap::VSpace(id(object)?),
        devimage::CAP_SMC => Cap::Smc,
        _ => return None,
    })
}

/// Fills the capability table. Slots 0..63 stay empty: the root CNode of every space without root capabilities.
fn build_cspaces(
    image: &Image<'_>,
    cspaces: &mut [CSpace],
    caps: &mut [Cap],
) -> Result<(), OutOfStorage> {
    let error = OutOfStorage("capabilities");
    let mut used = ROOT_CAPS;
    for (source, target) in image.cspaces.iter().zip(cspaces) {
        let slots = image.cspace_slots(source);
        let len = slots
            .iter()
            .map(|slot| slot.index.get() + 1)
            .max()
            .unwrap_or(0);
        let base = used;
        used += count(len);
        let table = caps.get_mut(base..used).ok_or(error)?;
        for slot in slots {
            table[count(slot.index.get())] = capability(slot).unwrap_or(Cap::Null);
        }
        let mut root = (source.kind.get() == devimage::CSPACE_PD).then_some(0);
        let root_slots = image.cspace_root_slots(source);
        if !root_slots.is_empty() {
            let table = caps.get_mut(used..used + ROOT_CAPS).ok_or(error)?;
            for slot in root_slots {
                table[count(slot.index.get()) - 1] = capability(slot).unwrap_or(Cap::Null);
            }
            root = u32::try_from(used).ok();
            used += ROOT_CAPS;
        }
        *target = CSpace {
            base: u32::try_from(base).map_err(|_| error)?,
            len: u16::try_from(len).map_err(|_| error)?,
            root,
        };
    }
    Ok(())
}

fn thread(source: &devimage::Tcb, debug: bool) -> Tcb {
    let byte = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
    let vcpu = id::<VcpuId>(source.vcpu.get());
    let entry = source.entry.get();
    let mut context = Context {
        sp: source.sp.get(),
        elr: entry,
        fault_ip: entry,
        ..Context::ZERO
    };
    context.spsr = sanitise_spsr(source.spsr.get(), vcpu.is_some(), debug);
    let badge = source.fault_badge.get();
    let buffer = source.ipc_buffer_paddr.get();
    Tcb {
        context,
        priority: byte(source.priority.get()),
        mcp: byte(source.mcp.get()),
        domain: byte(source.domain.get()),
        fpu_disabled: source.flags.get() & devimage::TCB_FPU_DISABLED != 0,
        sc: id::<ScId>(source.sched_context.get()),
        notification: id::<NotificationId>(source.notification.get()),
        vcpu,
        fault_handler: id::<EndpointId>(source.fault_endpoint.get())
            .map(|endpoint| FaultHandler { endpoint, badge }),
        vspace: id::<VSpaceId>(source.vspace.get()),
        cspace: id(source.cspace.get()),
        buffer: (buffer != 0).then_some(buffer),
        ..Tcb::EMPTY
    }
}

impl<'a, M: Machine> Kernel<'a, M> {
    /// Builds every object of `image`. `frequency` is the timer's, in Hz. No thread runs before [`Kernel::start`].
    pub fn new(
        machine: M,
        image: &Image<'a>,
        storage: Storage<'a>,
        frequency: u64,
    ) -> Result<Self, OutOfStorage> {
        let storage = cut(storage, image)?;
        build_cspaces(image, storage.cspaces, storage.caps)?;
        let labels = LabelSet::of(image.header.label_set.get());
        let endpoint = id(image.header.monitor_endpoint.get());
        let mut kernel = Self {
            core: Core::at(machine.now()),
            machine,
            labels,
            frequency,
            min_budget: us_to_ticks(devimage::MIN_BUDGET_US, frequency),
            tcbs: Table::new(storage.tcbs),
            scs: Table::new(storage.scs),
            endpoints: Table::new(storage.endpoints),
            notifications: Table::new(storage.notifications),
            replies: Table::new(storage.replies),
            vcpus: Table::new(storage.vcpus),
            irqs: Table::new(storage.irqs),
            cspaces: Table::new(storage.cspaces),
            caps: storage.caps,
            irq_handlers: [None; IRQS],
            ready: storage.ready,
            domains: build_domains(image, storage.domains),
            domain_start: count(image.header.domain_start.get()),
            monitor: Monitor::new(endpoint, image.tcbs),
        };
        kernel.fill(image);
        Ok(kernel)
    }

    fn fill(&mut self, image: &Image<'a>) {
        let debug = self.debug();
        for (sc, source) in self.scs.ids().zip(image.sched_contexts) {
            let (budget, period) = (source.budget_us.get(), source.period_us.get());
            let refills = Refills::new(self.ticks(budget), self.ticks(period), self.core.now);
            self.scs[sc] = SchedContext {
                refills,
                ..SchedContext::EMPTY
            };
        }
        for (tcb, source) in self.tcbs.ids().zip(image.tcbs) {
            self.tcbs[tcb] = thread(source, debug);
            if let Some(sc) = self.tcbs[tcb].sc {
                self.scs[sc].tcb = Some(tcb);
            }
            if let Some(notification) = self.tcbs[tcb].notification {
                self.notifications[notification].bound = Some(tcb);
            }
            if let Some(vcpu) = self.tcbs[tcb].vcpu {
                self.vcpus[vcpu].tcb = Some(tcb);
            }
        }
        for (irq, source) in self.irqs.ids().zip(image.irqs) {
            let number = u16::try_from(source.irq.get()).unwrap_or(0);
            let target = id(source.notification.get()).map(|n| (n, source.badge.get()));
            self.irqs[irq] = Irq { number, target };
            self.irq_handlers[usize::from(number)] = Some(irq);
            self.machine.mask_irq(number, false);
        }
        if let Some((domain, ticks)) = self.domains.get(self.domain_start).copied() {
            self.core.domain_index = self.domain_start;
            self.core.domain = domain;
            self.core.domain_left = ticks;
        }
    }

    /// Starts the threads that the image wants started, in its order, and picks the first to run.
    pub fn start(&mut self) {
        if self.debug() && self.monitor.endpoint.is_some() {
            self.print(format_args!("MON|INFO: Microkit Monitor started!\n"));
        }
        let tcbs = self.monitor.tcbs;
        let mut done = 0;
        while let Some(order) = next_order(tcbs, done) {
            for (tcb, source) in self.tcbs.ids().zip(tcbs) {
                if resumed(source) && source.start_order.get() == order {
                    self.tcbs[tcb].state = State::Restart;
                    self.enqueue(tcb);
                }
            }
            done = u64::from(order) + 1;
        }
        self.core.now = self.machine.now();
        self.leave();
    }
}

fn resumed(tcb: &devimage::Tcb) -> bool {
    tcb.flags.get() & devimage::TCB_RESUME != 0
}

/// Lowest start order that is at least `from`.
fn next_order(tcbs: &[devimage::Tcb], from: u64) -> Option<u32> {
    let orders = tcbs
        .iter()
        .filter(|tcb| resumed(tcb))
        .map(|tcb| tcb.start_order.get());
    orders.filter(|order| u64::from(*order) >= from).min()
}
