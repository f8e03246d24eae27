// SPDX-License-Identifier: BSD-2-Clause
//! Tests on a fake machine: a rig of threads with the capabilities that Microkit gives them.

mod boot;
mod budget;
mod faults;
mod invariants;
mod invocations;
mod ipc;
mod tables;
mod virtual_cpu;

use crate::ids::{Id as _, TcbId, VSpaceId};
use crate::machine::{CacheOp, Machine, Maintenance, Page};
use crate::object::{Endpoint, Irq, Notification, Reply, SchedContext, State, Tcb};
use crate::queue::ReadyQueues;
use crate::vcpu::{REGISTERS, Vcpu, VcpuState};
use crate::{Kernel, Storage, boot as boot_module, cap};
use devimage::{Header, Image, NONE};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::vec::Vec;
use zerocopy::FromZeros as _;

/// Timer frequency: one tick per microsecond keeps tests readable.
pub(super) const FREQUENCY: u64 = 1_000_000;

/// A machine that records what it is told.
#[derive(Debug, Default)]
pub(super) struct Fake {
    pub(super) time: Cell<u64>,
    pub(super) deadline: u64,
    pub(super) buffers: BTreeMap<(u64, usize), u64>,
    pub(super) output: Vec<u8>,
    pub(super) halted: bool,
    pub(super) masked: BTreeMap<u16, bool>,
    pub(super) pages: BTreeMap<u64, Page>,
    pub(super) cache_ops: Vec<(CacheOp, u64, u64)>,
    pub(super) registers: [u64; REGISTERS],
    pub(super) list: [u32; 4],
    pub(super) hcr: u32,
    pub(super) maintenance: Option<Maintenance>,
    pub(super) fpu: Option<TcbId>,
    pub(super) fpu_traps: bool,
}

impl Machine for Fake {
    fn now(&self) -> u64 {
        self.time.get()
    }
    fn set_deadline(&mut self, ticks: u64) {
        self.deadline = ticks;
    }
    fn buffer_read(&self, buffer: u64, index: usize) -> u64 {
        self.buffers.get(&(buffer, index)).copied().unwrap_or(0)
    }
    fn buffer_write(&mut self, buffer: u64, index: usize, value: u64) {
        self.buffers.insert((buffer, index), value);
    }
    fn put_byte(&mut self, byte: u8) {
        self.output.push(byte);
    }
    fn halt(&mut self) {
        self.halted = true;
    }
    fn mask_irq(&mut self, irq: u16, masked: bool) {
        self.masked.insert(irq, masked);
    }
    fn walk(&self, _: VSpaceId, vaddr: u64) -> Option<Page> {
        self.pages
            .range(..=vaddr)
            .next_back()
            .map(|(_, page)| *page)
    }
    fn cache(&mut self, op: CacheOp, paddr: u64, size: u64) {
        self.cache_ops.push((op, paddr, size));
    }
    fn smc(&mut self, registers: [u64; 8]) -> [u64; 8] {
        registers.map(|register| register + 1)
    }
    fn switch_vspace(&mut self, _: VSpaceId) {}
    fn switch_fpu(&mut self, from: Option<TcbId>, to: TcbId) {
        assert_eq!(self.fpu, from);
        assert!(!self.fpu_traps);
        self.fpu = Some(to);
    }
    fn trap_fpu(&mut self, trap: bool) {
        self.fpu_traps = trap;
    }
    fn guest_page(&self, vaddr: u64) -> u64 {
        (vaddr & !0xfff) + 0x10_0000
    }
    fn list_registers(&self) -> usize {
        4
    }
    fn read_list_register(&self, index: usize) -> u32 {
        self.list[index]
    }
    fn write_list_register(&mut self, index: usize, value: u32) {
        self.list[index] = value;
    }
    fn maintenance(&self) -> Maintenance {
        self.maintenance.unwrap_or(Maintenance {
            eoi: false,
            registers: 0,
        })
    }
    fn read_vcpu_register(&self, field: usize) -> u64 {
        self.registers[field]
    }
    fn write_vcpu_register(&mut self, field: usize, value: u64) {
        self.registers[field] = value;
    }
    fn enter_guest_regime(&mut self, state: &VcpuState) {
        self.hcr = state.hcr;
    }
    fn enter_native_regime(&mut self) -> u32 {
        self.registers[crate::vcpu::field::CNTV_CTL] = 0;
        std::mem::take(&mut self.hcr)
    }
    fn read_vgic(&self) -> (u32, u32) {
        (0, 0)
    }
    fn write_vgic(&mut self, _: u32, _: u32) {}
}

/// One thread of a rig.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thread {
    pub(super) priority: u32,
    pub(super) budget: u64,
    pub(super) period: u64,
    pub(super) passive: bool,
    pub(super) fault_to: Option<(usize, u64)>,
    pub(super) vcpu: bool,
}

/// A round-robin thread with a slice of 1000 ticks and faults that go to the monitor.
pub(super) fn thread(priority: u32) -> Thread {
    Thread {
        priority,
        budget: 1000,
        period: 1000,
        passive: false,
        fault_to: None,
        vcpu: false,
    }
}

/// What to build: threads, and capabilities as (thread, slot, kind, object, badge); root slots are 1000 + s.
#[derive(Clone, Debug, Default)]
pub(super) struct Spec {
    pub(super) threads: Vec<Thread>,
    pub(super) caps: Vec<(usize, u32, u32, usize, u64)>,
    pub(super) irqs: Vec<(u32, usize, u64)>,
    pub(super) domains: Vec<(u32, u64)>,
    pub(super) release: bool,
}

pub(super) type Rig = Kernel<'static, Fake>;

fn leak<T>(items: Vec<T>) -> &'static mut [T] {
    Vec::leak(items)
}

fn u(number: usize) -> u32 {
    u32::try_from(number).unwrap()
}

fn slot(index: u32, kind: u32, object: usize, badge: u64) -> devimage::Slot {
    devimage::Slot {
        index: index.into(),
        kind: kind.into(),
        rights: 15.into(),
        object: u(object).into(),
        badge: badge.into(),
    }
}

/// The image that `spec` describes; the last endpoint is the monitor's.
pub(super) fn image(spec: &Spec) -> Image<'static> {
    let count = spec.threads.len();
    let (mut tcbs, mut contexts) = (Vec::new(), Vec::new());
    let (mut cspaces, mut slots) = (Vec::new(), Vec::new());
    let mut vcpus = 0;
    for (number, t) in spec.threads.iter().enumerate() {
        let mut tcb = devimage::Tcb::new_zeroed();
        tcb.name[0] = b'a' + u8::try_from(number).unwrap();
        tcb.entry = 0x20_0000.into();
        tcb.ipc_buffer_paddr = (0x7000_0000 + 0x1000 * number as u64).into();
        let (endpoint, badge) = t.fault_to.unwrap_or((count, number as u64 + 1));
        tcb.fault_endpoint = u(endpoint).into();
        tcb.fault_badge = badge.into();
        tcb.cspace = u(number).into();
        tcb.sched_context = u(number).into();
        tcb.notification = u(number).into();
        tcb.vcpu = if t.vcpu { u(vcpus) } else { NONE }.into();
        vcpus += usize::from(t.vcpu);
        tcb.priority = t.priority.into();
        tcb.mcp = t.priority.into();
        let passive = if t.passive { devimage::TCB_PASSIVE } else { 0 };
        tcb.flags = (devimage::TCB_RESUME | passive).into();
        tcb.start_order = u(number).into();
        tcbs.push(tcb);
        let budget = devimage::SchedContext {
            budget_us: t.budget.into(),
            period_us: t.period.into(),
            badge: 0.into(),
        };
        contexts.push(budget);
        let own = |root: bool| {
            let caps = spec
                .caps
                .iter()
                .filter(move |cap| cap.0 == number && (cap.1 >= 1000) == root);
            caps.map(|(_, at, kind, object, badge)| slot(at % 1000, *kind, *object, *badge))
        };
        let first = slots.len();
        slots.extend(own(false));
        let root = slots.len();
        slots.extend(own(true));
        cspaces.push(devimage::CSpace {
            kind: devimage::CSPACE_PD.into(),
            first_slot: u(first).into(),
            count: u(root - first).into(),
            first_root_slot: u(root).into(),
            root_count: u(slots.len() - root).into(),
            reserved: 0.into(),
        });
    }
    let mut header = Header::new_zeroed();
    header.label_set = u32::from(spec.release).into();
    header.monitor_endpoint = u(count).into();
    header.endpoints = u(count + 1).into();
    header.notifications = u(count).into();
    header.replies = u(count).into();
    header.vcpus = u(vcpus).into();
    let irq = |(number, target, badge): &(u32, usize, u64)| devimage::Irq {
        irq: (*number).into(),
        trigger: 0.into(),
        notification: u(*target).into(),
        reserved: 0.into(),
        badge: (*badge).into(),
    };
    let domain = |(domain, ticks): &(u32, u64)| devimage::DomainEntry {
        domain: (*domain).into(),
        reserved: 0.into(),
        ticks: (*ticks).into(),
    };
    Image {
        bytes: &[],
        header: &leak(vec![header])[0],
        loads: &[],
        vspaces: leak(vec![devimage::VSpace::new_zeroed()]),
        mappings: &[],
        tcbs: leak(tcbs),
        sched_contexts: leak(contexts),
        irqs: leak(spec.irqs.iter().map(irq).collect()),
        cspaces: leak(cspaces),
        slots: leak(slots),
        domains: leak(spec.domains.iter().map(domain).collect()),
    }
}

pub(super) fn storage() -> Storage<'static> {
    let ready: Box<[ReadyQueues]> = vec![ReadyQueues::EMPTY; crate::kernel::DOMAINS].into();
    Storage {
        tcbs: leak(vec![Tcb::EMPTY; 16]),
        scs: leak(vec![SchedContext::EMPTY; 16]),
        endpoints: leak(vec![Endpoint::default(); 17]),
        notifications: leak(vec![Notification::default(); 16]),
        replies: leak(vec![Reply::default(); 16]),
        vcpus: leak(vec![Vcpu::RESET; 16]),
        irqs: leak(vec![Irq::default(); 16]),
        cspaces: leak(vec![cap::CSpace::EMPTY; 16]),
        caps: leak(vec![cap::Cap::Null; boot_module::MAX_CAPS]),
        ready: Box::leak(ready).try_into().unwrap(),
        domains: leak(vec![(0, 0); 16]),
    }
}

/// A kernel with all threads of `spec` started.
pub(super) fn rig(spec: &Spec) -> Rig {
    let mut kernel = Kernel::new(Fake::default(), &image(spec), storage(), FREQUENCY).unwrap();
    kernel.start();
    kernel
}

pub(super) fn id(number: usize) -> TcbId {
    TcbId::new(number).unwrap()
}

pub(super) const CALL: i64 = -1;
pub(super) const REPLY_RECV: i64 = -2;
pub(super) const NB_SEND_RECV: i64 = -3;
pub(super) const SEND: i64 = -5;
pub(super) const NB_SEND: i64 = -6;
pub(super) const RECV: i64 = -7;
pub(super) const YIELD: i64 = -11;
pub(super) const ESR_SVC: u64 = 0x15 << 26;

/// The message-info word.
pub(super) fn info(label: u64, length: u64) -> u64 {
    label << 12 | length
}

impl Rig {
    /// Number of the running thread.
    pub(super) fn running(&self) -> Option<usize> {
        self.core.current.map(|id| id.index())
    }

    /// The running thread makes system call `number` with `x` as x0, x1, …; x6 and x8 are separate.
    pub(super) fn svc(&mut self, number: i64, x: &[u64], x6: u64, x8: u64) {
        let context = self.current_context().unwrap();
        context.x[..x.len()].copy_from_slice(x);
        context.x[6] = x6;
        context.x[7] = number.cast_unsigned();
        context.x[8] = x8;
        context.elr += 4;
        self.enter_sync(ESR_SVC, 0);
    }

    /// The running thread waits on its endpoint (slot 1) with its reply object (slot 4).
    pub(super) fn recv(&mut self) {
        self.svc(RECV, &[1], 4, 0);
    }

    pub(super) fn x(&self, thread: usize) -> [u64; 6] {
        self.tcbs[id(thread)].context.x[..6].try_into().unwrap()
    }

    pub(super) fn state(&self, thread: usize) -> State {
        self.tcbs[id(thread)].state
    }

    /// Lets `ticks` pass, then takes the kernel's timer interrupt if it is due.
    pub(super) fn pass(&mut self, ticks: u64) {
        self.machine.time.set(self.machine.time.get() + ticks);
        if self.machine.deadline <= self.machine.time.get() {
            self.enter_irq(26);
        }
    }

    pub(super) fn printed(&self) -> String {
        String::from_utf8_lossy(&self.machine.output).into_owned()
    }
}

/// Capabilities of a client (thread `client`) that calls a server (thread `server`) on channel 0.
pub(super) fn channel(spec: &mut Spec, client: usize, server: usize) {
    spec.caps.push((
        client,
        74,
        devimage::CAP_ENDPOINT,
        server,
        1 << 63 | client as u64,
    ));
    spec.caps.push((
        client,
        10 + u(server),
        devimage::CAP_NOTIFICATION,
        server,
        1 << client,
    ));
}

/// Every thread's own endpoint (1), monitor (5), reply (4) and notification (6).
pub(super) fn standard(threads: &[Thread]) -> Spec {
    let mut spec = Spec {
        threads: threads.to_vec(),
        ..Spec::default()
    };
    for number in 0..threads.len() {
        spec.caps
            .push((number, 1, devimage::CAP_ENDPOINT, number, 0));
        spec.caps.push((number, 4, devimage::CAP_REPLY, number, 0));
        spec.caps.push((
            number,
            5,
            devimage::CAP_ENDPOINT,
            threads.len(),
            number as u64 + 1,
        ));
        spec.caps
            .push((number, 6, devimage::CAP_NOTIFICATION, number, 1 << 40));
    }
    spec
}
