// SPDX-License-Identifier: BSD-2-Clause
//! The programming model of a protection domain (PD), independent of the kernel underneath.
//!
//! A PD is a [`Component`] that is created once from its configuration record and then, as a
//! [`Handler`], reacts to events: notifications, protected procedure calls, faults of its children.
//! What it may ask of the kernel is one small trait per facet ([`Notify`], [`Call`], [`Irq`],
//! [`Child`], [`Vcpu`], [`Clock`], [`DebugOut`], [`Cache`]); a handler names only those it uses.
//! The kernel ports implement the facets and [`Port`]; [`run`] is the main loop of both.
//!
//! With the feature `fake`, the `fake` module offers a kernel that records every call, fails on
//! request, raises spurious notifications and lies about registers.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "fake"))]
extern crate std;

pub mod context;
mod deferred;
mod dispatch;
mod error;
#[cfg(feature = "fake")]
pub mod fake;
mod fault;
mod handler;
mod kernel;
mod message;
mod setup;
mod vcpu;

#[cfg(test)]
mod tests;

pub use deferred::{Deferred, DeferredSlot};
pub use dispatch::{BadgeKind, Event, Port, Reply, dispatch, run, step};
pub use error::KernelError;
pub use fault::{
    CapFault, DebugException, Fault, FaultKind, FaultReply, LookupFailure, UnknownSyscall,
    UserException, VmFault, label,
};
pub use handler::{Component, Handler, Unexpected};
pub use kernel::{Cache, Call, Child, Clock, DebugOut, Irq, Kernel, Notify, PhysicalTimer, Vcpu};
pub use message::{LABEL_UNEXPECTED, MAX_WORDS, Message, MessageInfo};
pub use setup::{MapError, Mapper, Setup, SetupError, check_memory, check_registers};
pub use vcpu::{VcpuReg, VirtualIrq, VirtualIrqError};
