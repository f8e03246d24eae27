// SPDX-License-Identifier: BSD-2-Clause
//! System calls (sel4-abi §1).

use crate::abi::{BUFFER_CAPS, BUFFER_MSG, MessageInfo, Syscall};
use crate::cap::{Cap, LookupFailure, Rights};
use crate::fault::Fault;
use crate::ids::TcbId;
use crate::invoke::{Invocation, Outcome};
use crate::ipc::SendMode;
use crate::kernel::Kernel;
use crate::machine::Machine;

/// How a capability is invoked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InvokeMode {
    pub(crate) call: bool,
    pub(crate) blocking: bool,
    pub(crate) donate: bool,
    pub(crate) first_phase: bool,
}

impl InvokeMode {
    /// How a message is sent through an endpoint capability with this badge and these rights.
    pub(crate) fn message(self, badge: u64, rights: Rights) -> SendMode {
        SendMode {
            blocking: self.blocking,
            call: self.call,
            badge,
            grant: rights.grant,
            can_reply: rights.grant || rights.grant_reply,
            donate: self.donate,
        }
    }
}

const SEND: InvokeMode = InvokeMode {
    call: false,
    blocking: true,
    donate: false,
    first_phase: false,
};
const NB_SEND: InvokeMode = InvokeMode {
    blocking: false,
    ..SEND
};
const CALL: InvokeMode = InvokeMode {
    call: true,
    donate: true,
    ..SEND
};
const FIRST_PHASE: InvokeMode = InvokeMode {
    donate: true,
    first_phase: true,
    ..NB_SEND
};

impl<M: Machine> Kernel<'_, M> {
    /// Entry for `svc` of a native thread and `hvc` of a guest. The registers are in the current context, with
    /// `fault_ip` at the trapping instruction.
    pub fn enter_syscall(&mut self) {
        let Some(id) = self.core.current else { return };
        let number = self.tcbs[id].context.x[7];
        let syscall = Syscall::decode(number, self.labels);
        if let Some(syscall) = syscall
            && self.debug_call(id, syscall)
        {
            return;
        }
        self.update_time();
        if self.check_budget_restart() {
            match syscall {
                Some(syscall) => self.dispatch(id, syscall),
                None => self.handle_fault(id, Fault::UnknownSyscall(number)),
            }
        }
        self.leave();
    }

    fn dispatch(&mut self, id: TcbId, syscall: Syscall) {
        let [x0, _, _, _, _, _, x6, _, x8, ..] = self.tcbs[id].context.x;
        match syscall {
            Syscall::Send => self.invoke(id, x0, SEND),
            Syscall::NBSend => self.invoke(id, x0, NB_SEND),
            Syscall::Call => self.invoke(id, x0, CALL),
            Syscall::Recv => self.receive(id, true, true),
            Syscall::NBRecv => self.receive(id, false, true),
            Syscall::Wait => self.receive(id, true, false),
            Syscall::NBWait => self.receive(id, false, false),
            Syscall::ReplyRecv => {
                self.invoke(id, x6, FIRST_PHASE);
                self.receive(id, true, true);
            }
            Syscall::NBSendRecv => {
                self.invoke(id, x8, FIRST_PHASE);
                self.receive(id, true, true);
            }
            Syscall::NBSendWait => {
                self.invoke(id, x6, FIRST_PHASE);
                self.receive(id, true, false);
            }
            Syscall::Yield => self.yield_now(),
            _ => {}
        }
    }

    fn invoke(&mut self, id: TcbId, cptr: u64, mode: InvokeMode) {
        let info = MessageInfo(self.tcbs[id].context.x[1]);
        let cap = match self.lookup(id, cptr) {
            Ok(cap) => cap,
            Err(lookup) => return self.send_phase_fault(id, cptr, lookup, mode),
        };
        let extra = match self.extra_cap(id, info.extra_caps()) {
            Ok(extra) => extra,
            Err((cptr, lookup)) => return self.send_phase_fault(id, cptr, lookup, mode),
        };
        let length = self.message_length(id);
        let invocation = Invocation {
            id,
            label: info.label(),
            length,
            extra,
            mode,
        };
        match self.decode(cap, invocation) {
            Err(error) if mode.call => {
                let (label, words, length) = error.encode();
                for (index, word) in words.iter().enumerate().take(length) {
                    self.set_message_word(id, index, *word);
                }
                self.set_message_info(id, 0, MessageInfo::new(label, length));
            }
            Ok(Outcome::Values(length)) if mode.call => {
                self.set_message_info(id, 0, MessageInfo::new(0, length));
            }
            Err(_) | Ok(_) => {}
        }
    }

    fn send_phase_fault(&mut self, id: TcbId, cptr: u64, lookup: LookupFailure, mode: InvokeMode) {
        if mode.blocking {
            self.handle_fault(
                id,
                Fault::Cap {
                    cptr,
                    receive: false,
                    lookup,
                },
            );
        }
    }

    /// Looks up all extra capabilities of a message; only the first is ever used.
    fn extra_cap(&self, id: TcbId, count: usize) -> Result<Option<Cap>, (u64, LookupFailure)> {
        let Some(buffer) = self.tcbs[id].buffer else {
            return Ok(None);
        };
        let mut first = None;
        for index in 0..count {
            let cptr = self.machine.buffer_read(buffer, BUFFER_CAPS + index);
            let cap = self.lookup(id, cptr).map_err(|lookup| (cptr, lookup))?;
            first = first.or(Some(cap));
        }
        Ok(first)
    }

    fn receive(&mut self, id: TcbId, blocking: bool, with_reply: bool) {
        let [cptr, _, _, _, _, _, reply_cptr, ..] = self.tcbs[id].context.x;
        let result = match self.lookup(id, cptr) {
            Err(lookup) => Err((cptr, lookup)),
            Ok(cap) => self.receive_on(id, cap, blocking, with_reply.then_some(reply_cptr)),
        };
        if let Err((fault_cptr, lookup)) = result {
            // The lookup of the reply capability is reported with the reply's address.
            let fault = Fault::Cap {
                cptr: fault_cptr,
                receive: true,
                lookup,
            };
            self.handle_fault(id, fault);
        }
    }

    fn receive_on(
        &mut self,
        id: TcbId,
        cap: Cap,
        blocking: bool,
        reply_cptr: Option<u64>,
    ) -> Result<(), (u64, LookupFailure)> {
        const MISSING: LookupFailure = LookupFailure::MissingCapability { bits_left: 0 };
        let cptr = self.tcbs[id].context.x[0];
        match cap {
            Cap::Endpoint {
                id: endpoint,
                rights,
                ..
            } if rights.read => {
                let reply = match reply_cptr {
                    None => None,
                    Some(address) => match self.lookup(id, address) {
                        Ok(Cap::Reply(reply)) => Some(reply),
                        Ok(_) => return Err((address, MISSING)),
                        Err(lookup) => return Err((address, lookup)),
                    },
                };
                self.receive_ipc(id, endpoint, blocking, reply);
                Ok(())
            }
            Cap::Notification {
                id: notification,
                rights,
                ..
            } if rights.read => match self.notifications[notification].bound {
                Some(bound) if bound != id => Err((cptr, MISSING)),
                _ => {
                    self.wait(id, notification, blocking);
                    Ok(())
                }
            },
            _ => Err((cptr, MISSING)),
        }
    }

    /// Runs a debug call; false if `syscall` is none. Debug calls are not charged and never reschedule.
    fn debug_call(&mut self, id: TcbId, syscall: Syscall) -> bool {
        let x0 = self.tcbs[id].context.x[0];
        match syscall {
            Syscall::DebugPutChar => {
                let [byte, ..] = x0.to_le_bytes();
                self.machine.put_byte(byte);
            }
            Syscall::DebugDumpScheduler => self.dump_scheduler(),
            Syscall::DebugHalt => self.debug_halt(),
            Syscall::DebugCapIdentify => {
                let cap = self.lookup(id, x0).unwrap_or(Cap::Null);
                self.tcbs[id].context.x[0] = cap.type_tag();
            }
            Syscall::DebugSnapshot => self.warn("DebugSnapshot: not supported"),
            Syscall::DebugNameThread => self.name_thread(id, x0),
            _ => return false,
        }
        true
    }

    /// As seL4, stops the machine on a capability that is not a thread or a name that is not terminated.
    fn name_thread(&mut self, id: TcbId, cptr: u64) {
        let words = 1 + (devimage::MAX_NAME / 8);
        let terminated = self.tcbs[id].buffer.is_some_and(|buffer| {
            (0..words).any(|index| {
                let word = self.machine.buffer_read(buffer, BUFFER_MSG + index);
                word.to_le_bytes().contains(&0)
            })
        });
        if !terminated || !matches!(self.lookup(id, cptr), Ok(Cap::Tcb(_))) {
            self.warn("DebugNameThread: bad thread or name");
            self.debug_halt();
        }
    }
}
