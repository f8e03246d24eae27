// SPDX-License-Identifier: BSD-2-Clause
//! The VMM of one guest: exits in, resumes out.
//!
//! [`Vmm`] is a [`pd::Handler`]. The kernel reports what a vCPU did as a fault; the VMM emulates it
//! with as few kernel entries as the case needs and lets the vCPU go on:
//!
//! | exit | kernel entries besides the fault itself |
//! |---|---|
//! | store | (read Rt's prefix unless `xzr`), write PC and resume, receive |
//! | load | read Rt's prefix, write it back and resume, receive |
//! | EOI, timer expiry | inject or acknowledge, reply and receive |
//! | `wfi` | read the timer (2), arm the wake-up, receive; resume later |
//! | `smc` | read 7 words, write 4 and resume, receive |
//!
//! A write that resumes makes the reply superfluous, so the receive that follows is free to carry a
//! deferred notification to a backend (benchmarks.md §2.4 T6). This needs an *active* VMM: a passive
//! one would keep the guest's scheduling context.
//!
//! Nothing here panics, allocates, or does work without a constant bound. What a guest does wrong
//! is answered as hardware would, counted in [`Stats`], or stops that guest
//! ([`Crash`]).
//!
//! Answers BH-16, BH-23, H-42.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod calls;
mod config;
mod cpu;
mod exit;
mod lifecycle;
mod machine;
mod mmio;
mod peripheral;
mod power;
mod report;
mod stats;
#[cfg(test)]
mod tests;
mod vmm;
mod wake;

pub use config::{GuestVmm, Images};
pub use cpu::CpuSet;
pub use exit::Crash;
pub use lifecycle::{Lifecycle, State};
pub use machine::{MAX_DEVICES, Machine, Model};
pub use peripheral::{Peripheral, Rtc, Uart, Virtio};
pub use stats::{Count, Stats};
pub use vmm::{GuestKernel, Loader, Vmm};
pub use wake::Wake;
