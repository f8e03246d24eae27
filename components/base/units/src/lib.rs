// SPDX-License-Identifier: BSD-2-Clause
//! Newtypes for addresses, ids and sizes, used alike by the tool and by protection domains (PDs).
//!
//! Three address spaces meet in a virtual machine monitor and are all `u64`: what the board decodes
//! ([`PhysAddr`]), what a guest believes is physical ([`Gpa`]) and what a PD dereferences
//! ([`PdVaddr`]). Mixing them up is a compile error here. Ids are checked once, where they enter,
//! and are in range ever after.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod addr;
mod id;
mod set;
mod size;

pub use addr::{Gpa, PdVaddr, PhysAddr, USER_TOP};
pub use id::{ChannelId, ChildId, IrqId, MAX_ID, VcpuId};
pub use set::{ChannelSet, ChannelSetIter};
pub use size::{Bytes, LARGE_PAGE_SIZE, PAGE_SIZE};
