// SPDX-License-Identifier: BSD-2-Clause
//! Decoding of invocations by capability kind (sel4-abi §1.3, §5).

use crate::abi::{Error, Label};
use crate::cap::Cap;
use crate::ids::{IrqId, TcbId, VSpaceId};
use crate::kernel::Kernel;
use crate::machine::{CacheOp, Machine};
use crate::syscall::InvokeMode;

/// An invocation before its capability is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Invocation {
    /// Invoking thread.
    pub(crate) id: TcbId,
    pub(crate) label: u64,
    /// Message words.
    pub(crate) length: usize,
    /// First extra capability.
    pub(crate) extra: Option<Cap>,
    pub(crate) mode: InvokeMode,
}

/// What a successful invocation leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A caller gets a success reply with this many words, which are already in place.
    Values(usize),
    /// No reply: the invocation was IPC, or will be answered later.
    Done,
}

pub(crate) type Decoded = Result<Outcome, Error>;

/// Success without values.
pub(crate) const EMPTY: Decoded = Ok(Outcome::Values(0));

impl<M: Machine> Kernel<'_, M> {
    pub(crate) fn decode(&mut self, cap: Cap, invocation: Invocation) -> Decoded {
        let Invocation { id, mode, .. } = invocation;
        match cap {
            Cap::Null => Err(Error::InvalidCapability(0)),
            Cap::Endpoint { rights, .. } | Cap::Notification { rights, .. } if !rights.write => {
                Err(Error::InvalidCapability(0))
            }
            Cap::Endpoint {
                id: endpoint,
                badge,
                rights,
            } => {
                self.send_ipc(id, endpoint, mode.message(badge, rights));
                Ok(Outcome::Done)
            }
            Cap::Notification {
                id: notification,
                badge,
                ..
            } => {
                self.signal(notification, badge);
                EMPTY
            }
            Cap::Reply(reply) => {
                self.do_reply(id, reply);
                EMPTY
            }
            Cap::Tcb(_) | Cap::SchedContext(_) if mode.first_phase => {
                Err(Error::InvalidCapability(0))
            }
            _ => self.decode_object(cap, invocation),
        }
    }

    /// Objects that are configured rather than communicated with.
    fn decode_object(&mut self, cap: Cap, invocation: Invocation) -> Decoded {
        match cap {
            Cap::Tcb(target) => self.decode_tcb(target, invocation),
            Cap::SchedContext(sc) => self.decode_sched_context(sc, invocation),
            Cap::Irq(irq) => self.decode_irq(irq, invocation),
            Cap::Vcpu(vcpu) => self.decode_vcpu(vcpu, invocation),
            Cap::VSpace(vspace) => self.decode_vspace(vspace, invocation),
            Cap::Smc => self.decode_smc(invocation),
            _ => Err(Error::InvalidCapability(0)),
        }
    }

    pub(crate) fn label(&self, invocation: &Invocation) -> Result<Label, Error> {
        Label::decode(invocation.label, self.labels).ok_or(Error::IllegalOperation)
    }

    /// The first `N` message words.
    pub(crate) fn arguments<const N: usize>(
        &self,
        invocation: &Invocation,
    ) -> Result<[u64; N], Error> {
        if invocation.length < N {
            return Err(Error::TruncatedMessage);
        }
        Ok(core::array::from_fn(|index| {
            self.message_word(invocation.id, index)
        }))
    }

    fn decode_irq(&mut self, irq: IrqId, invocation: Invocation) -> Decoded {
        match self.label(&invocation)? {
            Label::IrqAck => self.machine.mask_irq(self.irqs[irq].number, false),
            Label::IrqClearHandler => self.irqs[irq].target = None,
            Label::IrqSetHandler => match invocation.extra.ok_or(Error::TruncatedMessage)? {
                Cap::Notification { id, badge, rights } if rights.write => {
                    self.irqs[irq].target = Some((id, badge));
                }
                _ => return Err(Error::InvalidCapability(0)),
            },
            _ => return Err(Error::IllegalOperation),
        }
        EMPTY
    }

    /// Cache maintenance by virtual address; as in seL4 a range stays within one page, and one of a single byte
    /// does nothing (sel4-abi §5.7).
    fn decode_vspace(&mut self, vspace: VSpaceId, invocation: Invocation) -> Decoded {
        let op = match self.label(&invocation)? {
            Label::VSpaceCleanData => CacheOp::Clean,
            Label::VSpaceInvalidateData => CacheOp::Invalidate,
            Label::VSpaceCleanInvalidateData => CacheOp::CleanInvalidate,
            Label::VSpaceUnifyInstruction => CacheOp::Unify,
            _ => return Err(Error::IllegalOperation),
        };
        let [start, end] = self.arguments(&invocation)?;
        if end <= start {
            return Err(Error::InvalidArgument(1));
        }
        if end >= devimage::VADDR_END {
            return Err(Error::IllegalOperation);
        }
        let Some(page) = self.machine.walk(vspace, start) else {
            return EMPTY;
        };
        let last = start | (page.size - 1);
        if end - 1 > last {
            return Err(Error::RangeError(start, last));
        }
        if end - start > 1 {
            let offset = start & (page.size - 1);
            self.machine.cache(op, page.paddr + offset, end - start);
        }
        EMPTY
    }

    fn decode_smc(&mut self, invocation: Invocation) -> Decoded {
        if self.label(&invocation)? != Label::SmcCall {
            return Err(Error::IllegalOperation);
        }
        let registers = self.arguments::<8>(&invocation)?;
        let results = self.machine.smc(registers);
        if invocation.mode.call {
            for (index, word) in results.iter().enumerate() {
                self.set_message_word(invocation.id, index, *word);
            }
        }
        Ok(Outcome::Values(8))
    }
}
