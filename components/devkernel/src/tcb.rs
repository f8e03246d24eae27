// SPDX-License-Identifier: BSD-2-Clause
//! Invocations of threads (sel4-abi §5.4).

use crate::abi::{Error, Label};
use crate::cap::Cap;
use crate::context::{CONTEXT_WORDS, sanitise_spsr};
use crate::ids::TcbId;
use crate::invoke::{Decoded, EMPTY, Invocation, Outcome};
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::object::State;

const FLAG_FPU_DISABLED: u64 = 1;

impl<M: Machine> Kernel<'_, M> {
    pub(crate) fn decode_tcb(&mut self, target: TcbId, invocation: Invocation) -> Decoded {
        match self.label(&invocation)? {
            Label::TcbReadRegisters => self.read_registers(target, &invocation),
            Label::TcbWriteRegisters => self.write_registers(target, &invocation),
            Label::TcbSuspend => {
                self.suspend(target);
                EMPTY
            }
            Label::TcbResume => {
                self.restart(target);
                EMPTY
            }
            Label::TcbSetPriority => {
                let priority = self.checked_priority(&invocation)?;
                self.set_priority(target, priority);
                EMPTY
            }
            Label::TcbSetMcPriority => {
                self.tcbs[target].mcp = self.checked_priority(&invocation)?;
                EMPTY
            }
            Label::TcbSetFlags => self.set_flags(target, &invocation),
            Label::TcbSetTlsBase => {
                let [base] = self.arguments(&invocation)?;
                self.tcbs[target].context.tpidr = base;
                EMPTY
            }
            Label::TcbBindNotification => self.bind_notification(target, &invocation),
            Label::TcbUnbindNotification => {
                let bound = self.tcbs[target]
                    .notification
                    .take()
                    .ok_or(Error::IllegalOperation)?;
                self.notifications[bound].bound = None;
                EMPTY
            }
            _ => Err(Error::IllegalOperation),
        }
    }

    fn read_registers(&mut self, target: TcbId, invocation: &Invocation) -> Decoded {
        let [flags, count] = self.arguments(invocation)?;
        let count = register_count(count)?;
        if target == invocation.id {
            return Err(Error::IllegalOperation);
        }
        if flags & 1 != 0 {
            self.suspend(target);
        }
        if invocation.mode.call {
            let context = self.tcbs[target].context;
            for index in 0..count {
                self.set_message_word(invocation.id, index, context.word(index));
            }
        }
        Ok(Outcome::Values(count))
    }

    fn write_registers(&mut self, target: TcbId, invocation: &Invocation) -> Decoded {
        let [flags, count] = self.arguments(invocation)?;
        let available = invocation.length - 2;
        if u64::try_from(available).is_ok_and(|available| available < count) {
            return Err(Error::TruncatedMessage);
        }
        if target == invocation.id {
            return Err(Error::IllegalOperation);
        }
        let user = self.user_mode(target);
        let count = usize::try_from(count)
            .unwrap_or(CONTEXT_WORDS)
            .min(CONTEXT_WORDS);
        for index in 0..count {
            let mut value = self.message_word(invocation.id, 2 + index);
            if index == 2 {
                value = sanitise_spsr(value, user.has_vcpu, user.debug);
            }
            self.tcbs[target].context.set_word(index, value);
        }
        let context = &mut self.tcbs[target].context;
        context.elr = context.fault_ip;
        if flags & 1 != 0 {
            self.restart(target);
        }
        EMPTY
    }

    fn set_flags(&mut self, target: TcbId, invocation: &Invocation) -> Decoded {
        let [clear, set] = self.arguments(invocation)?;
        let old = u64::from(self.tcbs[target].fpu_disabled);
        let flags = ((old & !clear) | set) & FLAG_FPU_DISABLED;
        let disabled = flags & FLAG_FPU_DISABLED != 0;
        self.tcbs[target].fpu_disabled = disabled;
        if self.core.current == Some(target) {
            self.use_fpu(target, disabled);
        }
        if invocation.mode.call {
            self.set_message_word(invocation.id, 0, flags);
        }
        Ok(Outcome::Values(1))
    }

    /// The priority in MR0, allowed by the thread in the first extra capability.
    fn checked_priority(&self, invocation: &Invocation) -> Result<u8, Error> {
        let [priority] = self.arguments(invocation)?;
        let Cap::Tcb(authority) = invocation.extra.ok_or(Error::TruncatedMessage)? else {
            return Err(Error::InvalidCapability(1));
        };
        let mcp = self.tcbs[authority].mcp;
        u8::try_from(priority)
            .ok()
            .filter(|priority| *priority <= mcp)
            .ok_or(Error::RangeError(0, u64::from(mcp)))
    }

    fn bind_notification(&mut self, target: TcbId, invocation: &Invocation) -> Decoded {
        let cap = invocation.extra.ok_or(Error::TruncatedMessage)?;
        if self.tcbs[target].notification.is_some() {
            return Err(Error::IllegalOperation);
        }
        let Cap::Notification { id, rights, .. } = cap else {
            return Err(Error::IllegalOperation);
        };
        let object = &mut self.notifications[id];
        if !rights.read || object.bound.is_some() || object.queue.head.is_some() {
            return Err(Error::IllegalOperation);
        }
        object.bound = Some(target);
        self.tcbs[target].notification = Some(id);
        EMPTY
    }

    /// Stops a thread; a pending IPC or fault is dropped.
    pub(crate) fn suspend(&mut self, id: TcbId) {
        self.cancel_ipc(id);
        if self.tcbs[id].state == State::Running {
            let context = &mut self.tcbs[id].context;
            context.fault_ip = context.elr;
        }
        self.dequeue(id);
        self.release_remove(id);
        self.cancel_yield_to(id);
        self.set_state(id, State::Inactive);
    }

    /// Makes a stopped thread run from `fault_ip`; no effect on a running one.
    pub(crate) fn restart(&mut self, id: TcbId) {
        if self.tcbs[id].runnable() {
            return;
        }
        self.cancel_ipc(id);
        self.set_state(id, State::Restart);
        if let Some(sc) = self.tcbs[id].sc {
            self.sc_resume(sc);
        }
        if self.schedulable(id) {
            self.possible_switch_to(id);
        }
    }

    fn set_priority(&mut self, id: TcbId, priority: u8) {
        match self.tcbs[id].state {
            State::Running | State::Restart => {
                let waiting = self.tcbs[id].queued;
                self.dequeue(id);
                self.tcbs[id].priority = priority;
                if waiting || self.core.current == Some(id) {
                    self.enqueue(id);
                    self.reschedule();
                }
            }
            State::BlockedOnReceive { endpoint, .. } | State::BlockedOnSend { endpoint, .. } => {
                let queue = &mut self.endpoints[endpoint].queue;
                queue.remove(&mut self.tcbs, id);
                self.tcbs[id].priority = priority;
                queue.insert_by_priority(&mut self.tcbs, id);
            }
            State::BlockedOnNotification(notification) => {
                let queue = &mut self.notifications[notification].queue;
                queue.remove(&mut self.tcbs, id);
                self.tcbs[id].priority = priority;
                queue.insert_by_priority(&mut self.tcbs, id);
            }
            State::Inactive | State::BlockedOnReply(_) => self.tcbs[id].priority = priority,
        }
    }
}

fn register_count(count: u64) -> Result<usize, Error> {
    usize::try_from(count)
        .ok()
        .filter(|count| (1..=CONTEXT_WORDS).contains(count))
        .ok_or(Error::RangeError(1, CONTEXT_WORDS as u64))
}
