// SPDX-License-Identifier: BSD-2-Clause
//! Capability distribution of a system description: every kernel object, every slot, every right.
//!
//! [`build()`] derives from a system and its programs what Microkit 2.3.0 derives, independently of it;
//! [`compare()`] holds the two against each other. The development kernel's images are made from the
//! same [`Spec`].

#![forbid(unsafe_code)]

mod build;
mod compare;
mod elf;
mod load;
mod order;
mod patch;
pub mod rules;
pub mod slots;
mod spec;
mod vspace;

pub use build::{Config, build};
pub use compare::compare;
pub use elf::{Elf, ElfError, Segment, Symbol, SymbolError};
pub use load::{ElfSet, MonitorElf};
pub use patch::{Patch, apply, monitor_patches, patches};
pub use spec::{
    ArmIrq, ArmIrqExtra, CNode, Cap, DomainEntry, ElfContent, Fill, FillEntry, Frame, IrqEntry,
    NamedObject, Object, ObjectId, PageTable, Prefill, Rights, SchedContext, SchedExtra, Slot,
    Spec, Tcb, TcbExtra,
};
