// SPDX-License-Identifier: BSD-2-Clause
//! Invocations of scheduling contexts (sel4-abi §5.5).

use crate::abi::{Error, Label, MessageInfo};
use crate::cap::Cap;
use crate::ids::{NotificationId, ScId, TcbId};
use crate::invoke::{Decoded, EMPTY, Invocation, Outcome};
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::object::Above;

impl<M: Machine> Kernel<'_, M> {
    pub(crate) fn decode_sched_context(&mut self, sc: ScId, invocation: Invocation) -> Decoded {
        match self.label(&invocation)? {
            Label::ScConsumed => {
                let consumed = self.take_consumed(sc);
                if invocation.mode.call {
                    self.set_message_word(invocation.id, 0, consumed);
                }
                Ok(Outcome::Values(1))
            }
            Label::ScBind => match invocation.extra.ok_or(Error::TruncatedMessage)? {
                Cap::Tcb(tcb) => self.bind_tcb(sc, tcb),
                Cap::Notification { id, .. } => self.bind_sc_notification(sc, id),
                _ => Err(Error::InvalidCapability(1)),
            },
            Label::ScUnbind => self.unbind(sc),
            Label::ScUnbindObject => self.unbind_object(sc, &invocation),
            Label::ScYieldTo => self.yield_to(sc, &invocation),
            _ => Err(Error::IllegalOperation),
        }
    }

    /// Microseconds used since the last report.
    fn take_consumed(&mut self, sc: ScId) -> u64 {
        let ticks = core::mem::take(&mut self.scs[sc].consumed);
        self.microseconds(ticks)
    }

    fn bind_tcb(&mut self, sc: ScId, tcb: TcbId) -> Decoded {
        let taken = self.scs[sc].tcb.is_some() || self.tcbs[tcb].sc.is_some();
        if taken || (self.tcbs[tcb].blocked() && !self.sc_released(sc)) {
            return Err(Error::IllegalOperation);
        }
        self.tcbs[tcb].sc = Some(sc);
        self.scs[sc].tcb = Some(tcb);
        self.sc_resume(sc);
        if self.schedulable(tcb) {
            self.enqueue(tcb);
            self.reschedule();
        }
        EMPTY
    }

    /// Looks only at the notification bindings, so a context that is still attached to a thread can be bound.
    pub(crate) fn bind_sc_notification(
        &mut self,
        sc: ScId,
        notification: NotificationId,
    ) -> Decoded {
        if self.scs[sc].notification.is_some() || self.notifications[notification].sc.is_some() {
            return Err(Error::IllegalOperation);
        }
        self.scs[sc].notification = Some(notification);
        self.notifications[notification].sc = Some(sc);
        EMPTY
    }

    fn unbind(&mut self, sc: ScId) -> Decoded {
        if self.scs[sc].tcb.is_some() && self.scs[sc].tcb == self.core.current {
            return Err(Error::IllegalOperation);
        }
        self.unbind_tcb(sc);
        self.unbind_notification(sc);
        if let Some(reply) = self.scs[sc].reply.take() {
            self.replies[reply].next = Above::Nothing;
        }
        EMPTY
    }

    fn unbind_object(&mut self, sc: ScId, invocation: &Invocation) -> Decoded {
        match invocation.extra.ok_or(Error::TruncatedMessage)? {
            Cap::Tcb(tcb) => {
                if self.scs[sc].tcb != Some(tcb) || self.core.current == Some(tcb) {
                    return Err(Error::IllegalOperation);
                }
                self.unbind_tcb(sc);
            }
            Cap::Notification { id, .. } => {
                if self.scs[sc].notification != Some(id) {
                    return Err(Error::IllegalOperation);
                }
                self.unbind_notification(sc);
            }
            _ => return Err(Error::InvalidCapability(1)),
        }
        EMPTY
    }

    fn unbind_tcb(&mut self, sc: ScId) {
        if let Some(tcb) = self.scs[sc].tcb.take() {
            self.dequeue(tcb);
            self.release_remove(tcb);
            self.tcbs[tcb].sc = None;
        }
    }

    fn unbind_notification(&mut self, sc: ScId) {
        if let Some(notification) = self.scs[sc].notification.take() {
            self.notifications[notification].sc = None;
        }
    }

    fn yield_to(&mut self, sc: ScId, invocation: &Invocation) -> Decoded {
        let id = invocation.id;
        let target = self.scs[sc].tcb.ok_or(Error::IllegalOperation)?;
        if target == id || self.tcbs[target].priority > self.tcbs[id].mcp {
            return Err(Error::IllegalOperation);
        }
        if let Some(earlier) = self.scs[sc].yield_from {
            self.complete_yield_to(earlier);
        }
        self.sc_resume(sc);
        if self.schedulable(target) && self.tcbs[target].priority >= self.tcbs[id].priority {
            self.tcbs[id].yield_to = Some(sc);
            self.scs[sc].yield_from = Some(id);
            self.dequeue(target);
            self.enqueue(id);
            self.enqueue(target);
            self.reschedule();
            return EMPTY;
        }
        if self.schedulable(target) {
            self.dequeue(target);
            self.enqueue(target);
        }
        let consumed = self.take_consumed(sc);
        if invocation.mode.call {
            self.set_message_word(id, 0, consumed);
        }
        Ok(Outcome::Values(1))
    }

    /// Delivers the result of a YieldTo when the yielding thread runs again.
    pub(crate) fn complete_yield_to(&mut self, id: TcbId) {
        if let Some(sc) = self.tcbs[id].yield_to {
            let consumed = self.take_consumed(sc);
            self.set_message_word(id, 0, consumed);
            self.set_message_info(id, 0, MessageInfo::new(0, 1));
            self.cancel_yield_to(id);
        }
    }

    pub(crate) fn cancel_yield_to(&mut self, id: TcbId) {
        if let Some(sc) = self.tcbs[id].yield_to.take() {
            self.scs[sc].yield_from = None;
        }
    }
}
