// SPDX-License-Identifier: BSD-2-Clause
//! Endpoints and the transfer of messages and faults (sel4-abi §1.3, §2).

use crate::abi::{BUFFER_CAPS, BUFFER_MSG, MessageInfo, REGISTER_WORDS};
use crate::cap::Cap;
use crate::fault::Fault;
use crate::ids::{EndpointId, ReplyId, TcbId};
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::object::State;

/// How a message is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendMode {
    pub(crate) blocking: bool,
    pub(crate) call: bool,
    pub(crate) badge: u64,
    pub(crate) grant: bool,
    pub(crate) can_reply: bool,
    pub(crate) donate: bool,
}

impl<M: Machine> Kernel<'_, M> {
    /// Message word `index` that `id` sends or got; 0 if it lies in a buffer that does not exist.
    pub(crate) fn message_word(&self, id: TcbId, index: usize) -> u64 {
        let tcb = &self.tcbs[id];
        match tcb.buffer {
            _ if index < REGISTER_WORDS => tcb.context.x[2 + index],
            Some(buffer) => self.machine.buffer_read(buffer, BUFFER_MSG + index),
            None => 0,
        }
    }

    pub(crate) fn set_message_word(&mut self, id: TcbId, index: usize, value: u64) {
        let tcb = &mut self.tcbs[id];
        match tcb.buffer {
            _ if index < REGISTER_WORDS => tcb.context.x[2 + index] = value,
            Some(buffer) => self.machine.buffer_write(buffer, BUFFER_MSG + index, value),
            None => {}
        }
    }

    /// Sets what a receiver learns besides the words: badge in x0, message info in x1.
    pub(crate) fn set_message_info(&mut self, id: TcbId, badge: u64, info: MessageInfo) {
        let context = &mut self.tcbs[id].context;
        context.x[0] = badge;
        context.x[1] = info.0;
    }

    /// Length of the message of `id`, cut to the registers if it has no buffer.
    pub(crate) fn message_length(&self, id: TcbId) -> usize {
        let length = MessageInfo(self.tcbs[id].context.x[1]).length();
        if self.tcbs[id].buffer.is_some() {
            length
        } else {
            length.min(REGISTER_WORDS)
        }
    }

    /// Sends from `id` (a message, or its fault if it has one) to `endpoint`.
    pub(crate) fn send_ipc(&mut self, id: TcbId, endpoint: EndpointId, mode: SendMode) {
        if self.monitor.serves(endpoint) {
            self.monitor_message(id, mode);
            return;
        }
        let ep = self.endpoints[endpoint];
        match ep.queue.head {
            Some(receiver) if ep.receivers => self.send_to(id, receiver, endpoint, mode),
            _ if mode.blocking => {
                let SendMode {
                    badge,
                    can_reply,
                    call,
                    grant,
                    ..
                } = mode;
                let state = State::BlockedOnSend {
                    endpoint,
                    badge,
                    can_reply,
                    call,
                    grant,
                };
                self.set_state(id, state);
                self.endpoint_append(endpoint, id, false);
            }
            _ => {}
        }
    }

    fn send_to(&mut self, id: TcbId, receiver: TcbId, endpoint: EndpointId, mode: SendMode) {
        self.endpoints[endpoint]
            .queue
            .remove(&mut self.tcbs, receiver);
        self.transfer(id, receiver, mode.badge, mode.grant.then_some(endpoint));
        let reply = match self.tcbs[receiver].state {
            State::BlockedOnReceive { reply, .. } => reply,
            _ => None,
        };
        if let Some(reply) = reply {
            self.reply_unlink(reply, receiver);
        }
        if mode.call || self.tcbs[id].fault.is_some() {
            match reply {
                Some(reply) if mode.can_reply => self.reply_push(id, receiver, reply, mode.donate),
                _ => self.set_state(id, State::Inactive),
            }
        } else if mode.donate
            && self.tcbs[receiver].sc.is_none()
            && let Some(sc) = self.tcbs[id].sc
        {
            self.sc_donate(sc, receiver);
        }
        self.set_state(receiver, State::Running);
        self.possible_switch_to(receiver);
    }

    /// Receives for `id` (the current thread) from `endpoint`.
    pub(crate) fn receive_ipc(
        &mut self,
        id: TcbId,
        endpoint: EndpointId,
        blocking: bool,
        reply: Option<ReplyId>,
    ) {
        if let Some(reply) = reply
            && let Some(holder) = self.replies[reply].tcb
            && holder != id
        {
            self.warn("Reply object already has unexecuted reply!");
            self.cancel_ipc(holder);
        }
        if let Some(notification) = self.tcbs[id].notification {
            if self.notifications[notification].pending.is_some() {
                self.complete_signal(notification, id);
                return;
            }
            if blocking {
                self.maybe_return_sc(notification, id);
            }
        }
        let ep = self.endpoints[endpoint];
        match ep.queue.head {
            Some(sender) if !ep.receivers => self.receive_from(id, sender, endpoint, reply),
            _ if blocking => {
                self.set_state(id, State::BlockedOnReceive { endpoint, reply });
                if let Some(reply) = reply {
                    self.replies[reply].tcb = Some(id);
                }
                self.endpoint_append(endpoint, id, true);
            }
            _ => self.tcbs[id].context.x[0] = 0,
        }
    }

    fn receive_from(
        &mut self,
        id: TcbId,
        sender: TcbId,
        endpoint: EndpointId,
        reply: Option<ReplyId>,
    ) {
        self.endpoints[endpoint]
            .queue
            .remove(&mut self.tcbs, sender);
        let State::BlockedOnSend {
            badge,
            can_reply,
            call,
            grant,
            ..
        } = self.tcbs[sender].state
        else {
            return;
        };
        self.transfer(sender, id, badge, grant.then_some(endpoint));
        if call || self.tcbs[sender].fault.is_some() {
            match reply {
                Some(reply) if can_reply => {
                    let donate = self.tcbs[sender].sc.is_some();
                    self.reply_push(sender, id, reply, donate);
                }
                _ => self.set_state(sender, State::Inactive),
            }
        } else {
            self.set_state(sender, State::Running);
            self.possible_switch_to(sender);
        }
    }

    fn endpoint_append(&mut self, endpoint: EndpointId, id: TcbId, receivers: bool) {
        let ep = &mut self.endpoints[endpoint];
        ep.receivers = receivers;
        ep.queue.insert_by_priority(&mut self.tcbs, id);
    }

    /// Copies the message or fault of `from` to `to`. `via` is the endpoint if capabilities may be sent.
    pub(crate) fn transfer(&mut self, from: TcbId, to: TcbId, badge: u64, via: Option<EndpointId>) {
        match self.tcbs[from].fault {
            Some(fault) => self.transfer_fault(fault, from, to, badge),
            None => {
                let info = MessageInfo(self.tcbs[from].context.x[1]);
                let length = self.copy_message(from, to, info.length());
                let (extra, unwrapped) = match via {
                    Some(endpoint) if info.extra_caps() > 0 => {
                        self.unwrap_caps(from, to, info.extra_caps(), endpoint)
                    }
                    _ => (0, 0),
                };
                let tag =
                    MessageInfo::new(info.label(), length).0 | (extra << 7) | (unwrapped << 9);
                self.set_message_info(to, badge, MessageInfo(tag));
            }
        }
    }

    fn copy_message(&mut self, from: TcbId, to: TcbId, length: usize) -> usize {
        let [_, _, a, b, c, d, ..] = self.tcbs[from].context.x;
        let target = &mut self.tcbs[to].context.x;
        let registers = length.min(REGISTER_WORDS);
        for (to, from) in target[2..].iter_mut().zip([a, b, c, d]).take(registers) {
            *to = from;
        }
        let (Some(source), Some(destination)) = (self.tcbs[from].buffer, self.tcbs[to].buffer)
        else {
            return registers;
        };
        for index in REGISTER_WORDS..length {
            let word = self.machine.buffer_read(source, BUFFER_MSG + index);
            self.machine
                .buffer_write(destination, BUFFER_MSG + index, word);
        }
        length
    }

    /// Extra capabilities: one to the endpoint itself arrives as its badge; the first other one ends the transfer,
    /// since no PD has a receive slot. Returns the counts for the message info.
    fn unwrap_caps(
        &mut self,
        from: TcbId,
        to: TcbId,
        count: usize,
        endpoint: EndpointId,
    ) -> (u64, u64) {
        let (Some(source), Some(destination)) = (self.tcbs[from].buffer, self.tcbs[to].buffer)
        else {
            return (0, 0);
        };
        let (mut extra, mut unwrapped) = (0, 0);
        for index in 0..count {
            let cptr = self.machine.buffer_read(source, BUFFER_CAPS + index);
            match self.lookup(from, cptr) {
                Ok(Cap::Endpoint { id, badge, .. }) if id == endpoint => {
                    self.machine
                        .buffer_write(destination, BUFFER_CAPS + index, badge);
                    extra += 1;
                    unwrapped |= 1 << index;
                }
                _ => break,
            }
        }
        (extra, unwrapped)
    }

    fn transfer_fault(&mut self, fault: Fault, from: TcbId, to: TcbId, badge: u64) {
        let message = fault.encode(&self.tcbs[from].context);
        let has_buffer = self.tcbs[to].buffer.is_some();
        let length = if has_buffer {
            message.length
        } else {
            message.length.min(REGISTER_WORDS)
        };
        for (index, word) in message.words.iter().enumerate().take(length) {
            self.set_message_word(to, index, *word);
        }
        self.set_message_info(to, badge, MessageInfo::new(message.label, length));
    }

    /// Takes a blocked thread out of whatever it waits for; it becomes inactive and its fault is dropped.
    pub(crate) fn cancel_ipc(&mut self, id: TcbId) {
        self.tcbs[id].fault = None;
        match self.tcbs[id].state {
            State::BlockedOnSend { endpoint, .. } => {
                self.endpoints[endpoint].queue.remove(&mut self.tcbs, id);
                self.set_state(id, State::Inactive);
            }
            State::BlockedOnReceive { endpoint, reply } => {
                self.endpoints[endpoint].queue.remove(&mut self.tcbs, id);
                if let Some(reply) = reply {
                    self.replies[reply].tcb = None;
                }
                self.set_state(id, State::Inactive);
            }
            State::BlockedOnNotification(notification) => {
                self.notifications[notification]
                    .queue
                    .remove(&mut self.tcbs, id);
                self.set_state(id, State::Inactive);
            }
            State::BlockedOnReply(reply) => self.reply_break(reply, id),
            State::Inactive | State::Running | State::Restart => {}
        }
    }

    /// Reports a fault of `id` to its handler; without one the thread stops.
    pub(crate) fn handle_fault(&mut self, id: TcbId, fault: Fault) {
        let Some(handler) = self.tcbs[id].fault_handler else {
            self.set_state(id, State::Inactive);
            return;
        };
        self.tcbs[id].fault = Some(fault);
        let donate = self.tcbs[id].sc.is_some();
        let mode = SendMode {
            blocking: true,
            call: false,
            badge: handler.badge,
            grant: false,
            can_reply: true,
            donate,
        };
        self.send_ipc(id, handler.endpoint, mode);
    }
}
