// SPDX-License-Identifier: BSD-2-Clause
//! The facets of `pd`, over bare system calls.

use core::ops::Range;

use pd::{
    Cache, Call, Child, Clock, DebugOut, Deferred, DeferredSlot, Irq, KernelError, Message, Notify,
    PhysicalTimer, Vcpu, VcpuReg, VirtualIrq,
};
use units::{ChannelId, ChildId, IrqId, PdVaddr, VcpuId};

use crate::abi;
use crate::invoke::{invoke, read_register, read_registers, write_registers};
use crate::program::Identity;
use crate::syscalls::{CacheOp, Outgoing, Syscalls};

/// What a protection domain's logic gets as its kernel.
#[derive(Debug)]
pub struct Kernel<S> {
    pub(crate) sys: S,
    pub(crate) deferred: DeferredSlot,
    pub(crate) identity: Identity,
    /// The next receive hands the scheduling context to the monitor.
    pub(crate) hand_over: bool,
}

impl<S: Syscalls> Kernel<S> {
    /// The kernel behind `sys`, nothing deferred.
    #[must_use]
    pub const fn new(sys: S, identity: Identity) -> Self {
        Self {
            sys,
            deferred: DeferredSlot::EMPTY,
            identity,
            hand_over: false,
        }
    }

    /// The message of a deferred action.
    pub(crate) fn outgoing(&self, action: Deferred) -> Outgoing {
        match action {
            Deferred::Notify(ch) => Outgoing::bare(abi::NOTIFICATION_BASE + u64::from(ch), 0),
            Deferred::IrqAck(id) => {
                Outgoing::bare(abi::IRQ_BASE + u64::from(id), self.sys.labels().irq_ack)
            }
        }
    }

    fn defer(&mut self, action: Deferred) {
        if let Some(earlier) = self.deferred.put(action) {
            let out = self.outgoing(earlier);
            self.sys.send(out);
        }
    }

    fn cache(&mut self, op: CacheOp, start: PdVaddr, len: usize) -> Result<(), KernelError> {
        const ILLEGAL: KernelError = KernelError::IllegalOperation;
        let end = start.checked_add(len as u64).ok_or(ILLEGAL)?;
        self.sys.cache(
            op,
            Range {
                start: start.get(),
                end: end.get(),
            },
        );
        Ok(())
    }
}

impl<S: Syscalls> Notify for Kernel<S> {
    fn notify(&mut self, ch: ChannelId) {
        let out = self.outgoing(Deferred::Notify(ch));
        self.sys.send(out);
    }

    fn notify_deferred(&mut self, ch: ChannelId) {
        self.defer(Deferred::Notify(ch));
    }
}

impl<S: Syscalls> Call for Kernel<S> {
    fn call(&mut self, ch: ChannelId, msg: &Message) -> Message {
        let answer = self.sys.call(Outgoing {
            dest: abi::ENDPOINT_BASE + u64::from(ch),
            info: msg.info(),
            words: msg.registers(),
        });
        let sent = answer.info.len().min(answer.words.len());
        Message::from_words(
            answer.info.label(),
            answer.words.get(..sent).unwrap_or_default(),
        )
    }
}

impl<S: Syscalls> Irq for Kernel<S> {
    fn irq_ack(&mut self, id: IrqId) {
        let out = self.outgoing(Deferred::IrqAck(id));
        // The kernel refuses only where the system gives no such IRQ; then none will come either.
        let _ = self.sys.call(out);
    }

    fn irq_ack_deferred(&mut self, id: IrqId) {
        self.defer(Deferred::IrqAck(id));
    }
}

fn child_tcb(id: ChildId) -> u64 {
    abi::CHILD_TCB_BASE + u64::from(id)
}

fn vcpu_tcb(id: VcpuId) -> u64 {
    abi::VCPU_TCB_BASE + u64::from(id)
}

fn vcpu_object(id: VcpuId) -> u64 {
    abi::VCPU_BASE + u64::from(id)
}

impl<S: Syscalls> Child for Kernel<S> {
    fn child_restart(&mut self, id: ChildId, entry: u64) -> Result<(), KernelError> {
        write_registers(&mut self.sys, child_tcb(id), &[entry], true)
    }

    fn child_stop(&mut self, id: ChildId) -> Result<(), KernelError> {
        let label = self.sys.labels().tcb_suspend;
        invoke(&mut self.sys, child_tcb(id), label, &[]).map(drop)
    }

    fn child_read_registers(&mut self, id: ChildId, into: &mut [u64]) -> Result<(), KernelError> {
        read_registers(&mut self.sys, child_tcb(id), into)
    }

    fn child_write_registers(
        &mut self,
        id: ChildId,
        from: &[u64],
        resume: bool,
    ) -> Result<(), KernelError> {
        write_registers(&mut self.sys, child_tcb(id), from, resume)
    }
}

impl<S: Syscalls> Vcpu for Kernel<S> {
    fn vcpu_restart(&mut self, id: VcpuId, entry: u64) -> Result<(), KernelError> {
        write_registers(&mut self.sys, vcpu_tcb(id), &[entry], true)
    }

    fn vcpu_stop(&mut self, id: VcpuId) -> Result<(), KernelError> {
        let label = self.sys.labels().tcb_suspend;
        invoke(&mut self.sys, vcpu_tcb(id), label, &[]).map(drop)
    }

    fn vcpu_read_registers(&mut self, id: VcpuId, into: &mut [u64]) -> Result<(), KernelError> {
        read_registers(&mut self.sys, vcpu_tcb(id), into)
    }

    fn vcpu_read_register(&mut self, id: VcpuId, position: usize) -> Result<u64, KernelError> {
        read_register(&mut self.sys, vcpu_tcb(id), position)
    }

    fn vcpu_write_registers(
        &mut self,
        id: VcpuId,
        from: &[u64],
        resume: bool,
    ) -> Result<(), KernelError> {
        write_registers(&mut self.sys, vcpu_tcb(id), from, resume)
    }

    fn vcpu_hold(&mut self, id: VcpuId) -> Result<(), KernelError> {
        if self.sys.has_console() {
            self.vcpu_stop(id)
        } else {
            Ok(())
        }
    }

    fn vcpu_resume(&mut self, id: VcpuId) -> Result<(), KernelError> {
        let label = self.sys.labels().tcb_resume;
        invoke(&mut self.sys, vcpu_tcb(id), label, &[]).map(drop)
    }

    fn vcpu_read_reg(&mut self, id: VcpuId, reg: VcpuReg) -> Result<u64, KernelError> {
        let label = self.sys.labels().vcpu_read_reg;
        let [value, ..] = invoke(&mut self.sys, vcpu_object(id), label, &[reg.number()])?.words;
        Ok(value)
    }

    fn vcpu_write_reg(&mut self, id: VcpuId, reg: VcpuReg, value: u64) -> Result<(), KernelError> {
        let label = self.sys.labels().vcpu_write_reg;
        let args = [reg.number(), value];
        invoke(&mut self.sys, vcpu_object(id), label, &args).map(drop)
    }

    fn vcpu_inject_irq(&mut self, id: VcpuId, irq: VirtualIrq) -> Result<(), KernelError> {
        let label = self.sys.labels().vcpu_inject_irq;
        invoke(&mut self.sys, vcpu_object(id), label, &[irq.encode()]).map(drop)
    }

    fn vcpu_ack_vppi(&mut self, id: VcpuId, irq: u64) -> Result<(), KernelError> {
        let label = self.sys.labels().vcpu_ack_vppi;
        invoke(&mut self.sys, vcpu_object(id), label, &[irq]).map(drop)
    }
}

impl<S: Syscalls> Clock for Kernel<S> {
    fn now(&self) -> u64 {
        self.sys.ticks()
    }

    fn frequency(&self) -> u64 {
        self.sys.frequency()
    }
}

impl<S: Syscalls> PhysicalTimer for Kernel<S> {
    fn timer_set(&mut self, deadline: u64) {
        self.sys.set_timer(Some(deadline));
    }

    fn timer_stop(&mut self) {
        self.sys.set_timer(None);
    }
}

impl<S: Syscalls> DebugOut for Kernel<S> {
    fn debug_write(&mut self, bytes: &[u8]) {
        self.sys.debug_write(bytes);
    }
}

impl<S: Syscalls> Cache for Kernel<S> {
    fn cache_clean(&mut self, start: PdVaddr, len: usize) -> Result<(), KernelError> {
        self.cache(CacheOp::Clean, start, len)
    }

    /// Page by page, since the kernel refuses a range that crosses one (sel4-abi §5.7).
    fn cache_invalidate(&mut self, start: PdVaddr, len: usize) -> Result<(), KernelError> {
        let label = self.sys.labels().vspace_invalidate_data;
        for (from, to) in pages(start.get(), len as u64) {
            invoke(&mut self.sys, abi::VSPACE, label, &[from, to])?;
        }
        Ok(())
    }

    fn cache_clean_invalidate(&mut self, start: PdVaddr, len: usize) -> Result<(), KernelError> {
        self.cache(CacheOp::CleanInvalidate, start, len)
    }

    fn cache_unify(&mut self, start: PdVaddr, len: usize) -> Result<(), KernelError> {
        self.cache(CacheOp::Unify, start, len)
    }
}

/// Largest cache line of any AArch64 core (CTR_EL0.DminLine has four bits, 64 bytes everywhere).
const LINE: u64 = 64;

/// The pieces of `start..start + len`, rounded out to lines, that lie in one 4 KiB page each.
/// (Rounding also avoids the one-byte range, which the kernel silently skips.)
fn pages(start: u64, len: u64) -> impl Iterator<Item = (u64, u64)> {
    let end = start
        .saturating_add(len)
        .checked_next_multiple_of(LINE)
        .unwrap_or(u64::MAX);
    let mut from = start & !(LINE - 1);
    core::iter::from_fn(move || {
        if len == 0 || from >= end {
            return None;
        }
        let page_end = (from | (units::PAGE_SIZE - 1)).saturating_add(1);
        let piece = (from, page_end.min(end));
        from = piece.1;
        Some(piece)
    })
}
