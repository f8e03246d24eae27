// SPDX-License-Identifier: BSD-2-Clause
//! Model of a guest's GICv2 distributor and scheduler of its list registers.
//!
//! The guest's CPU interface is the hardware's virtual one (`GICV`), so acknowledge and EOI cost
//! no exit. This crate is the other half: the distributor that the guest programs
//! ([`bus::Device`]), the inputs that devices drive, and the choice of what goes into the list
//! registers next ([`Vgic::next_injection`]).
//!
//! # What the kernel lets us know
//! seL4 writes list registers (pending, with maintenance on EOI) and reports EOIs one by one. It
//! neither reads nor clears them. So the model keeps a private ledger and follows these rules:
//!
//! - An interrupt in a list register may be pending or active; only its EOI ends that state.
//!   Whether it is one or the other cannot be known, hence **a list register is never
//!   overwritten** while the ledger holds an interrupt for it. Overwriting an active one would
//!   lose its EOI, and with it the interrupt, forever.
//! - The owner asks for injections once, at the end of an activation, so that everything raised
//!   in it competes by priority before any list register is written.
//! - The last free list register is kept for an interrupt that outranks all that are in list
//!   registers, so that a burst of low priority cannot shut out a high one. This costs no exit:
//!   every EOI is one anyway, and refills.
//! - What does not fit stays pending here; inputs of level-sensitive interrupts are sampled again
//!   when their EOI is reported. Nothing is lost while disabled or while no register is free.
//! - A register that must be given up (a CPU switched off, a reset, `GICD_ICACTIVERn`) is filled
//!   with a number that no device has, at the lowest priority, before it counts as free.
//!
//! # Limits that follow, visible to guests
//! - An interrupt that is disabled, cleared or retargeted while it is in a list register can still
//!   be taken once.
//! - `GICD_ISACTIVERn` reads 1 for every interrupt in a list register. Making one active by
//!   writing it works as long as it is in none.
//! - `GICC_IAR.CPUID` reads 0: the kernel does not pass the source of an SGI on. An SGI that was
//!   sent by several CPUs is still taken once for each.
//!
//! The state and the scheduler know nothing of register offsets, which are in `dist`. A GICv3 adds
//! a redistributor next to it on the same state.
//!
//! Answers BH-20.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod dist;
mod list_regs;
mod spec;
#[cfg(test)]
mod tests;
mod word;

pub use list_regs::Injection;
pub use spec::{FIRST_PPI, LINES, LIST_REGS, MAX_CPUS, PRIVATE, WINDOW};

use list_regs::Ledger;
use spec::SGI_BITS;
use word::{Word, bit_of};

/// Words of shared interrupts.
const SHARED_WORDS: usize = ((LINES - PRIVATE) / 32) as usize;
/// Bits of all CPUs in a mask.
const ALL_CPUS: u8 = (1 << MAX_CPUS) - 1;
/// Bits of all words of shared interrupts in a mask.
const ALL_SHARED: u8 = (1 << SHARED_WORDS) - 1;
/// Number of shared interrupts.
const SHARED: usize = (LINES - PRIVATE) as usize;

/// What exists once per CPU: interrupts 0..=31, list registers, and which SPIs come here.
#[derive(Clone, Debug, Default)]
struct Bank {
    word: Word,
    priority: [u8; PRIVATE as usize],
    /// CPUs that have sent the SGI `n` and are not served yet (`GICD_SPENDSGIRn`).
    sources: [u8; FIRST_PPI as usize],
    /// SPIs that are forwarded to this CPU; disjoint from those of the other CPUs.
    routed: [u32; SHARED_WORDS],
    ledger: Ledger,
}

/// A distributor for up to [`MAX_CPUS`] CPUs, with their list registers.
#[derive(Clone, Debug)]
pub struct Vgic {
    cpus: usize,
    ctlr: u32,
    /// CPUs for which something may have become deliverable since the last look, one bit each.
    dirty: u8,
    /// CPUs that run, one bit each.
    online: u8,
    /// Words of [`Self::shared`] that may have something deliverable, one bit each: looking for the
    /// next interrupt must not cost as much as having them all.
    maybe: u8,
    banks: [Bank; MAX_CPUS],
    shared: [Word; SHARED_WORDS],
    priority: [u8; SHARED],
    targets: [u8; SHARED],
}

impl Vgic {
    /// A distributor in its reset state for `cpus` CPUs, clamped to 1..=[`MAX_CPUS`]. CPU 0 is
    /// online.
    #[must_use]
    pub fn new(cpus: usize) -> Self {
        let mut vgic = Self {
            cpus: cpus.clamp(1, MAX_CPUS),
            ctlr: 0,
            dirty: 0,
            online: 0,
            maybe: 0,
            banks: Default::default(),
            shared: Default::default(),
            priority: [0; SHARED],
            targets: [0; SHARED],
        };
        vgic.reset();
        vgic
    }

    /// Number of CPUs.
    #[must_use]
    pub const fn cpus(&self) -> usize {
        self.cpus
    }

    /// Puts everything into the reset state: inputs low, all CPUs but the first offline. List
    /// registers that are in use are given up.
    pub fn reset(&mut self) {
        self.ctlr = 0;
        self.shared = Default::default();
        self.priority = [0; SHARED];
        // 4.3.12: a uniprocessor has no targets; else the reset value is zero: not forwarded.
        self.targets = [u8::from(self.cpus == 1); SHARED];
        self.online = 1;
        for bank in &mut self.banks {
            let mut ledger = core::mem::take(&mut bank.ledger);
            ledger.give_up_all();
            *bank = Bank {
                ledger,
                ..Bank::default()
            };
            bank.word.enabled = SGI_BITS;
            bank.word.edge = SGI_BITS;
        }
        self.route_all();
    }

    /// Drives the input of `intid` (a PPI of `cpu`, or an SPI; `cpu` does not matter then).
    /// Anything else is ignored, as are SGIs, which have no input.
    pub fn set_level(&mut self, cpu: usize, intid: u16, level: bool) {
        if intid < FIRST_PPI {
            return;
        }
        let Some(word) = self.word_mut(cpu, intid) else {
            return;
        };
        if word.set_line(bit_of(intid), level) {
            self.touch(cpu, intid);
        }
    }

    /// Latches `intid` as pending: an edge without a level, such as a message-signalled interrupt.
    pub fn pulse(&mut self, cpu: usize, intid: u16) {
        if intid < FIRST_PPI {
            return;
        }
        if let Some(word) = self.word_mut(cpu, intid) {
            word.latch |= bit_of(intid);
            self.touch(cpu, intid);
        }
    }

    /// Level of the input of `intid`.
    #[must_use]
    pub fn level(&self, cpu: usize, intid: u16) -> bool {
        self.word(cpu, intid)
            .is_some_and(|word| word.line & bit_of(intid) != 0)
    }

    /// Whether the guest has enabled `intid` and the distributor forwards its group.
    #[must_use]
    pub fn is_enabled(&self, cpu: usize, intid: u16) -> bool {
        self.word(cpu, intid)
            .is_some_and(|word| word.enabled & self.forwarded(word) & bit_of(intid) != 0)
    }

    /// `cpu` runs from now on: its list registers are filled.
    pub fn cpu_on(&mut self, cpu: usize) {
        if cpu >= self.cpus {
            return;
        }
        self.online |= 1 << cpu;
        self.route_all();
    }

    /// `cpu` has stopped for good (`CPU_OFF`). Shared interrupts in its list registers become
    /// pending again for others to take; private ones, which can only be remains of the code that
    /// switched the CPU off, are dropped.
    pub fn cpu_off(&mut self, cpu: usize) {
        let Some(bank) = self.banks.get_mut(cpu) else {
            return;
        };
        self.online &= !(1 << cpu);
        for intid in bank.ledger.give_up_all().into_iter().flatten() {
            if let Some(word) = self.word_mut(cpu, intid) {
                word.in_lr &= !bit_of(intid);
                if intid >= PRIVATE {
                    word.latch |= word.edge & bit_of(intid);
                }
            }
        }
        self.route_all();
    }

    /// The word that holds `intid`, seen from `cpu`.
    fn word(&self, cpu: usize, intid: u16) -> Option<&Word> {
        match usize::from(intid / 32).checked_sub(1) {
            None if cpu < self.cpus => self.banks.get(cpu).map(|bank| &bank.word),
            None => None,
            Some(index) => self.shared.get(index),
        }
    }

    /// As [`Self::word`], to change it.
    fn word_mut(&mut self, cpu: usize, intid: u16) -> Option<&mut Word> {
        match usize::from(intid / 32).checked_sub(1) {
            None if cpu < self.cpus => self.banks.get_mut(cpu).map(|bank| &mut bank.word),
            None => None,
            Some(index) => self.shared.get_mut(index),
        }
    }

    /// The priority byte of `intid`, seen from `cpu`.
    fn priority_of(&self, cpu: usize, intid: u16) -> u8 {
        let byte = match usize::from(intid).checked_sub(usize::from(PRIVATE)) {
            None => self
                .banks
                .get(cpu)
                .and_then(|bank| bank.priority.get(usize::from(intid))),
            Some(index) => self.priority.get(index),
        };
        byte.copied().unwrap_or(0)
    }

    /// Notes that the CPU that `intid` goes to has to be looked at.
    fn touch(&mut self, cpu: usize, intid: u16) {
        if intid < PRIVATE {
            self.look_at(cpu);
            return;
        }
        let index = usize::from(intid / 32) - 1;
        self.maybe |= 1 << index;
        for (cpu, bank) in self.banks.iter().enumerate() {
            let routed = bank.routed.get(index).copied().unwrap_or(0);
            self.dirty |= u8::from(routed & bit_of(intid) != 0) << cpu;
        }
    }

    /// Notes that `cpu` has to be looked at.
    fn look_at(&mut self, cpu: usize) {
        if cpu < self.cpus {
            self.dirty |= 1 << cpu;
        }
    }

    /// Notes that every CPU has to be looked at.
    fn touch_all(&mut self) {
        self.dirty = ALL_CPUS;
        self.maybe = ALL_SHARED;
    }

    /// Interrupts of `word` whose group the distributor forwards (4.3.1).
    fn forwarded(&self, word: &Word) -> u32 {
        let group0 = if self.ctlr & spec::CTLR_GROUP0 != 0 {
            !word.group1
        } else {
            0
        };
        let group1 = if self.ctlr & spec::CTLR_GROUP1 != 0 {
            word.group1
        } else {
            0
        };
        group0 | group1
    }

    /// Decides anew which CPU each SPI goes to. Of several targets the lowest that is online takes
    /// it, which is one of the permitted forms of the 1-N model (2.3.3).
    fn route_all(&mut self) {
        for index in 0..SHARED {
            self.route(index);
        }
        self.touch_all();
    }

    /// [`Self::route_all`] for the SPI number `index`.
    fn route(&mut self, index: usize) {
        let targets = self.targets.get(index).copied().unwrap_or(0);
        let bit = 1_u32 << (index % 32);
        let mut taken = false;
        let online = self.online;
        for (cpu, bank) in self.banks.iter_mut().enumerate() {
            let here = !taken && targets & online & 1 << cpu != 0;
            taken |= here;
            if let Some(routed) = bank.routed.get_mut(index / 32) {
                *routed = if here { *routed | bit } else { *routed & !bit };
            }
        }
    }
}
