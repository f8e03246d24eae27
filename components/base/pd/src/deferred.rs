// SPDX-License-Identifier: BSD-2-Clause
//! Actions that wait for the next receive.

use units::{ChannelId, IrqId};

/// An action that costs no kernel entry of its own when combined with the next receive.
///
/// Not every invocation can be one: in the first phase of `NBSendRecv` the kernel refuses, silently,
/// capabilities of threads and `CNode`s among others. So a vCPU's thread is resumed by a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deferred {
    /// Notify the other end of a channel.
    Notify(ChannelId),
    /// Acknowledge an interrupt.
    IrqAck(IrqId),
}

/// The one deferred action of a PD, kept by the port.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DeferredSlot(Option<Deferred>);

impl DeferredSlot {
    /// A slot without an action.
    pub const EMPTY: Self = Self(None);

    /// Defers `action`. Answers the action that was waiting, which the port executes at once, so
    /// that none is lost (libmicrokit drops it). Deferring the waiting action again changes nothing.
    #[must_use]
    pub fn put(&mut self, action: Deferred) -> Option<Deferred> {
        if self.0 == Some(action) {
            return None;
        }
        self.0.replace(action)
    }

    /// Takes the action for the coming receive.
    pub const fn take(&mut self) -> Option<Deferred> {
        self.0.take()
    }
}
