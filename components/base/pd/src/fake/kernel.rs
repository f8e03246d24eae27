// SPDX-License-Identifier: BSD-2-Clause
//! A kernel that records every call.

use std::boxed::Box;
use std::collections::{BTreeMap, VecDeque};
use std::vec::Vec;

use units::{ChannelId, ChannelSet, ChildId, IrqId, PdVaddr, VcpuId};

use crate::context;
use crate::deferred::{Deferred, DeferredSlot};
use crate::dispatch::{Event, Port, Reply, step};
use crate::error::KernelError;
use crate::handler::Handler;
use crate::kernel::{Cache, Call, Child, Clock, DebugOut, Irq, Notify, PhysicalTimer, Vcpu};
use crate::message::{Message, MessageInfo};
use crate::vcpu::{VcpuReg, VirtualIrq};

/// A recorded call. Children and vCPUs share their numbers, so thread calls name the number only.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    missing_docs,
    reason = "each variant is named after the facet's method"
)]
pub enum KernelCall {
    Notify(ChannelId),
    NotifyDeferred(ChannelId),
    Call(ChannelId, Message),
    IrqAck(IrqId),
    IrqAckDeferred(IrqId),
    RunDeferred(Deferred),
    Start,
    Restart {
        thread: u8,
        entry: u64,
    },
    Stop {
        thread: u8,
    },
    ReadRegisters {
        thread: u8,
        count: usize,
    },
    WriteRegisters {
        thread: u8,
        registers: Vec<u64>,
        resume: bool,
    },
    VcpuReadReg(VcpuId, VcpuReg),
    VcpuWriteReg(VcpuId, VcpuReg, u64),
    VcpuInjectIrq(VcpuId, VirtualIrq),
    VcpuAckVppi(VcpuId, u64),
    TimerSet(u64),
    TimerStop,
    CacheClean(PdVaddr, usize),
    CacheInvalidate(PdVaddr, usize),
    CacheCleanInvalidate(PdVaddr, usize),
    CacheUnify(PdVaddr, usize),
}

/// Answers protected calls in place of the peer.
type Peer = Box<dyn FnMut(ChannelId, &Message) -> Message>;

/// A kernel for host tests. By default every call succeeds, registers read as last written, protected
/// calls are answered with [`Message::unexpected`], and time stands still.
#[derive(Default)]
pub struct FakeKernel {
    calls: Vec<KernelCall>,
    failures: BTreeMap<usize, KernelError>,
    fallible: usize,
    events: VecDeque<Event>,
    replies: Vec<Reply>,
    deferred: DeferredSlot,
    peer: Option<Peer>,
    threads: BTreeMap<u8, [u64; context::COUNT]>,
    vcpu_registers: BTreeMap<(VcpuId, VcpuReg), u64>,
    lie: u64,
    spurious: ChannelSet,
    console: Vec<u8>,
    now: u64,
}

impl core::fmt::Debug for FakeKernel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FakeKernel")
            .field("calls", &self.calls)
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}

/// What a test prepares and looks at.
impl FakeKernel {
    /// A kernel that does what it is asked.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls so far, in order.
    #[must_use]
    pub fn calls(&self) -> &[KernelCall] {
        &self.calls
    }

    /// Takes the calls so far, so that the next look sees new ones only.
    pub fn take_calls(&mut self) -> Vec<KernelCall> {
        std::mem::take(&mut self.calls)
    }

    /// How often `channel` was notified, at once or deferred.
    #[must_use]
    pub fn notifications(&self, channel: ChannelId) -> usize {
        let wanted = [
            KernelCall::Notify(channel),
            KernelCall::NotifyDeferred(channel),
        ];
        self.calls
            .iter()
            .filter(|call| wanted.contains(call))
            .count()
    }

    /// How often `irq` was acknowledged, at once or deferred.
    #[must_use]
    pub fn acknowledgements(&self, irq: IrqId) -> usize {
        let wanted = [KernelCall::IrqAck(irq), KernelCall::IrqAckDeferred(irq)];
        self.calls
            .iter()
            .filter(|call| wanted.contains(call))
            .count()
    }

    /// Refuses the `n`-th fallible call from now on (0 is the next one) with `error`. The refused
    /// call is recorded, but has no effect.
    pub fn fail_nth(&mut self, n: usize, error: KernelError) {
        self.failures.insert(self.fallible + n, error);
    }

    /// Answers protected calls.
    pub fn answer_with(&mut self, peer: impl FnMut(ChannelId, &Message) -> Message + 'static) {
        self.peer = Some(Box::new(peer));
    }

    /// Inverts these bits of every register that is read from now on; 0 ends the lying.
    pub const fn lie_about_registers(&mut self, bits: u64) {
        self.lie = bits;
    }

    /// Raises `channels` without reason before every event of [`FakeKernel::drive`].
    pub const fn spurious(&mut self, channels: ChannelSet) {
        self.spurious = channels;
    }

    /// Appends a notification to the events of [`FakeKernel::drive`].
    pub fn push_notification(&mut self, channels: ChannelSet) {
        self.push_event(channels.bits(), MessageInfo::new(0, 0), &[]);
    }

    /// Appends a protected call to the events of [`FakeKernel::drive`].
    pub fn push_call(&mut self, channel: ChannelId, message: &Message) {
        let badge = 1 << 63 | u64::from(channel.get());
        self.push_event(badge, message.info(), message.words());
    }

    /// Appends a fault to the events of [`FakeKernel::drive`].
    pub fn push_fault(&mut self, child: ChildId, label: u64, words: &[u64]) {
        let badge = 1 << 62 | u64::from(child.get());
        self.push_event(badge, MessageInfo::new(label, words.len()), words);
    }

    /// Appends any event, including those that no kernel sends.
    pub fn push_event(&mut self, badge: u64, info: MessageInfo, words: &[u64]) {
        let mut event = Event {
            badge,
            info,
            // A real port leaves stale words behind the message; so does this one.
            words: [0xdead_dead_dead_dead; 13],
        };
        for (to, from) in event.words.iter_mut().zip(words) {
            *to = *from;
        }
        self.events.push_back(event);
    }

    /// Runs `handler` as a port would: init, start, then every queued event. Answers the replies,
    /// one per event.
    pub fn drive<H: Handler<Self>>(&mut self, handler: &mut H) -> Vec<Reply> {
        handler.init(self);
        self.start();
        self.drive_on(handler)
    }

    /// Runs `handler` on the queued events, after [`FakeKernel::drive`].
    pub fn drive_on<H: Handler<Self>>(&mut self, handler: &mut H) -> Vec<Reply> {
        let mut event = Event::default();
        let mut reply = Reply::None;
        while !self.events.is_empty() {
            if !self.spurious.is_empty() {
                handler.notified(self, self.spurious);
            }
            reply = step(handler, self, &mut event, &reply);
            self.replies.push(reply);
        }
        self.run_deferred();
        std::mem::take(&mut self.replies)
    }

    /// Sets the time in ticks.
    pub const fn set_now(&mut self, ticks: u64) {
        self.now = ticks;
    }

    /// Lets time pass.
    pub const fn advance(&mut self, ticks: u64) {
        self.now = self.now.wrapping_add(ticks);
    }

    /// Everything printed on the debug console.
    #[must_use]
    pub fn console(&self) -> &[u8] {
        &self.console
    }

    /// The thread context of a child or vCPU, for tests to fill or check.
    pub fn thread(&mut self, number: u8) -> &mut [u64; context::COUNT] {
        self.threads.entry(number).or_insert([0; context::COUNT])
    }

    /// Sets a vCPU register.
    pub fn set_vcpu_register(&mut self, id: VcpuId, reg: VcpuReg, value: u64) {
        self.vcpu_registers.insert((id, reg), value);
    }

    /// A vCPU register as last written; zero before.
    #[must_use]
    pub fn vcpu_register(&self, id: VcpuId, reg: VcpuReg) -> u64 {
        self.vcpu_registers.get(&(id, reg)).copied().unwrap_or(0)
    }
}

/// Mechanism.
impl FakeKernel {
    fn record(&mut self, call: KernelCall) {
        self.calls.push(call);
    }

    fn record_fallible(&mut self, call: KernelCall) -> Result<(), KernelError> {
        self.calls.push(call);
        let number = self.fallible;
        self.fallible += 1;
        self.failures.remove(&number).map_or(Ok(()), Err)
    }

    fn defer(&mut self, action: Deferred) {
        if let Some(displaced) = self.deferred.put(action) {
            self.record(KernelCall::RunDeferred(displaced));
        }
    }

    fn run_deferred(&mut self) {
        if let Some(action) = self.deferred.take() {
            self.record(KernelCall::RunDeferred(action));
        }
    }

    fn restart(&mut self, thread: u8, entry: u64) -> Result<(), KernelError> {
        self.record_fallible(KernelCall::Restart { thread, entry })?;
        self.thread(thread)[context::PC] = entry;
        Ok(())
    }

    fn read_registers(&mut self, thread: u8, into: &mut [u64]) -> Result<(), KernelError> {
        let count = into.len();
        self.record_fallible(KernelCall::ReadRegisters { thread, count })?;
        check_count(count)?;
        let lie = self.lie;
        for (to, from) in into.iter_mut().zip(self.thread(thread).iter()) {
            *to = from ^ lie;
        }
        Ok(())
    }

    fn write_registers(
        &mut self,
        thread: u8,
        from: &[u64],
        resume: bool,
    ) -> Result<(), KernelError> {
        self.record_fallible(KernelCall::WriteRegisters {
            thread,
            registers: from.to_vec(),
            resume,
        })?;
        check_count(from.len())?;
        for (to, from) in self.thread(thread).iter_mut().zip(from) {
            *to = *from;
        }
        Ok(())
    }
}

/// The kernel transfers 1 to 36 registers.
fn check_count(count: usize) -> Result<(), KernelError> {
    if (1..=context::COUNT).contains(&count) {
        Ok(())
    } else {
        Err(KernelError::Range {
            min: 1,
            max: context::COUNT as u64,
        })
    }
}

impl Notify for FakeKernel {
    fn notify(&mut self, ch: ChannelId) {
        self.record(KernelCall::Notify(ch));
    }

    fn notify_deferred(&mut self, ch: ChannelId) {
        self.record(KernelCall::NotifyDeferred(ch));
        self.defer(Deferred::Notify(ch));
    }
}

impl Call for FakeKernel {
    fn call(&mut self, ch: ChannelId, msg: &Message) -> Message {
        self.record(KernelCall::Call(ch, *msg));
        match &mut self.peer {
            Some(peer) => peer(ch, msg),
            None => Message::unexpected(),
        }
    }
}

impl Irq for FakeKernel {
    fn irq_ack(&mut self, id: IrqId) {
        self.record(KernelCall::IrqAck(id));
    }

    fn irq_ack_deferred(&mut self, id: IrqId) {
        self.record(KernelCall::IrqAckDeferred(id));
        self.defer(Deferred::IrqAck(id));
    }
}

impl Child for FakeKernel {
    fn child_restart(&mut self, id: ChildId, entry: u64) -> Result<(), KernelError> {
        self.restart(id.get(), entry)
    }

    fn child_stop(&mut self, id: ChildId) -> Result<(), KernelError> {
        self.record_fallible(KernelCall::Stop { thread: id.get() })
    }

    fn child_read_registers(&mut self, id: ChildId, into: &mut [u64]) -> Result<(), KernelError> {
        self.read_registers(id.get(), into)
    }

    fn child_write_registers(
        &mut self,
        id: ChildId,
        from: &[u64],
        resume: bool,
    ) -> Result<(), KernelError> {
        self.write_registers(id.get(), from, resume)
    }
}

impl Vcpu for FakeKernel {
    fn vcpu_restart(&mut self, id: VcpuId, entry: u64) -> Result<(), KernelError> {
        self.restart(id.get(), entry)
    }

    fn vcpu_stop(&mut self, id: VcpuId) -> Result<(), KernelError> {
        self.record_fallible(KernelCall::Stop { thread: id.get() })
    }

    fn vcpu_read_registers(&mut self, id: VcpuId, into: &mut [u64]) -> Result<(), KernelError> {
        self.read_registers(id.get(), into)
    }

    fn vcpu_write_registers(
        &mut self,
        id: VcpuId,
        from: &[u64],
        resume: bool,
    ) -> Result<(), KernelError> {
        self.write_registers(id.get(), from, resume)
    }

    fn vcpu_read_reg(&mut self, id: VcpuId, reg: VcpuReg) -> Result<u64, KernelError> {
        self.record_fallible(KernelCall::VcpuReadReg(id, reg))?;
        Ok(self.vcpu_register(id, reg) ^ self.lie)
    }

    fn vcpu_write_reg(&mut self, id: VcpuId, reg: VcpuReg, value: u64) -> Result<(), KernelError> {
        self.record_fallible(KernelCall::VcpuWriteReg(id, reg, value))?;
        self.set_vcpu_register(id, reg, value);
        Ok(())
    }

    fn vcpu_inject_irq(&mut self, id: VcpuId, irq: VirtualIrq) -> Result<(), KernelError> {
        self.record_fallible(KernelCall::VcpuInjectIrq(id, irq))
    }

    fn vcpu_ack_vppi(&mut self, id: VcpuId, irq: u64) -> Result<(), KernelError> {
        self.record_fallible(KernelCall::VcpuAckVppi(id, irq))
    }
}

impl Clock for FakeKernel {
    fn now(&self) -> u64 {
        self.now
    }

    fn frequency(&self) -> u64 {
        62_500_000
    }
}

impl PhysicalTimer for FakeKernel {
    fn timer_set(&mut self, deadline: u64) {
        self.record(KernelCall::TimerSet(deadline));
    }

    fn timer_stop(&mut self) {
        self.record(KernelCall::TimerStop);
    }
}

impl DebugOut for FakeKernel {
    fn debug_write(&mut self, bytes: &[u8]) {
        self.console.extend_from_slice(bytes);
    }
}

impl Cache for FakeKernel {
    fn cache_clean(&mut self, start: PdVaddr, len: usize) -> Result<(), KernelError> {
        self.record_fallible(KernelCall::CacheClean(start, len))
    }

    fn cache_invalidate(&mut self, start: PdVaddr, len: usize) -> Result<(), KernelError> {
        self.record_fallible(KernelCall::CacheInvalidate(start, len))
    }

    fn cache_clean_invalidate(&mut self, start: PdVaddr, len: usize) -> Result<(), KernelError> {
        self.record_fallible(KernelCall::CacheCleanInvalidate(start, len))
    }

    fn cache_unify(&mut self, start: PdVaddr, len: usize) -> Result<(), KernelError> {
        self.record_fallible(KernelCall::CacheUnify(start, len))
    }
}

impl Port for FakeKernel {
    fn start(&mut self) {
        self.record(KernelCall::Start);
    }

    /// Delivers the next queued event; without one, a notification of nothing.
    fn receive(&mut self, _reply: &Reply, event: &mut Event) {
        self.run_deferred();
        *event = self.events.pop_front().unwrap_or_default();
    }
}
