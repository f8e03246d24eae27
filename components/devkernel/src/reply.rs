// SPDX-License-Identifier: BSD-2-Clause
//! Reply objects and the donation of scheduling contexts along the calls they stand for (sel4-abi §4.1, §6.1, §9.3).

use crate::abi::MessageInfo;
use crate::fault::Fault;
use crate::ids::{ReplyId, ScId, TcbId};
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::object::{Above, State};
use crate::sched::Action;

impl<M: Machine> Kernel<'_, M> {
    /// Answers whoever waits on `reply` with the message of `from`.
    pub(crate) fn do_reply(&mut self, from: TcbId, reply: ReplyId) {
        let Some(caller) = self.replies[reply].tcb else {
            return;
        };
        if !matches!(self.tcbs[caller].state, State::BlockedOnReply(_)) {
            return;
        }
        self.reply_remove(reply, caller);
        match self.tcbs[caller].fault.take() {
            None => {
                self.transfer(from, caller, 0, None);
                self.set_state(caller, State::Running);
            }
            Some(fault) => {
                let restart = self.fault_reply(from, caller, &fault);
                self.set_state(
                    caller,
                    if restart {
                        State::Restart
                    } else {
                        State::Inactive
                    },
                );
            }
        }
        if let Some(sc) = self.tcbs[caller].sc
            && self.tcbs[caller].runnable()
        {
            if self.sc_released(sc) {
                self.possible_switch_to(caller);
            } else {
                self.postpone(sc);
            }
        }
    }

    fn fault_reply(&mut self, from: TcbId, caller: TcbId, fault: &Fault) -> bool {
        let info = MessageInfo(self.tcbs[from].context.x[1]);
        let user = self.user_mode(caller);
        for index in 0..self.message_length(from).min(fault.reply_words()) {
            let word = self.message_word(from, index);
            fault.apply_reply(&mut self.tcbs[caller].context, index, word, user);
        }
        fault.reply_restarts(info.label())
    }

    pub(crate) fn reply_unlink(&mut self, reply: ReplyId, id: TcbId) {
        self.replies[reply].tcb = None;
        self.set_state(id, State::Inactive);
    }

    pub(crate) fn reply_push(
        &mut self,
        caller: TcbId,
        callee: TcbId,
        reply: ReplyId,
        donate: bool,
    ) {
        self.replies[reply].tcb = Some(caller);
        self.set_state(caller, State::BlockedOnReply(reply));
        if let Some(sc) = self.tcbs[caller].sc
            && donate
            && self.tcbs[callee].sc.is_none()
        {
            let below = self.scs[sc].reply.replace(reply);
            if let Some(below) = below {
                self.replies[below].next = Above::Reply(reply);
            }
            self.replies[reply].prev = below;
            self.replies[reply].next = Above::Sc(sc);
            self.sc_donate(sc, callee);
        }
    }

    /// Ends a call normally: the top of a stack returns the scheduling context.
    fn reply_remove(&mut self, reply: ReplyId, caller: TcbId) {
        if let Above::Sc(sc) = self.replies[reply].next {
            let below = self.replies[reply].prev.take();
            self.scs[sc].reply = below;
            if let Some(below) = below {
                self.replies[below].next = Above::Sc(sc);
            }
            self.replies[reply].next = Above::Nothing;
            if self.tcbs[caller].sc.is_none() {
                self.sc_donate(sc, caller);
            }
            self.reply_unlink(reply, caller);
        } else {
            self.reply_break(reply, caller);
        }
    }

    /// Cuts a caller out of its stack without returning anything.
    pub(crate) fn reply_break(&mut self, reply: ReplyId, caller: TcbId) {
        match core::mem::take(&mut self.replies[reply].next) {
            Above::Sc(sc) => self.scs[sc].reply = None,
            Above::Reply(above) => self.replies[above].prev = None,
            Above::Nothing => {}
        }
        if let Some(below) = self.replies[reply].prev.take() {
            self.replies[below].next = Above::Nothing;
        }
        self.reply_unlink(reply, caller);
    }

    /// Moves `sc` to `to`, which has none.
    pub(crate) fn sc_donate(&mut self, sc: ScId, to: TcbId) {
        if let Some(from) = self.scs[sc].tcb {
            self.dequeue(from);
            self.release_remove(from);
            self.tcbs[from].sc = None;
            if self.core.current == Some(from) || self.core.action == Action::Switch(from) {
                self.reschedule();
            }
        }
        self.scs[sc].tcb = Some(to);
        self.tcbs[to].sc = Some(sc);
    }
}
