// SPDX-License-Identifier: BSD-2-Clause
//! Which interrupt goes into which list register, and the ledger of what is in them.
//!
//! The rules and their reasons are in the crate's documentation.

use crate::spec::{FIRST_FILLER, FIRST_PPI, LIST_REGS, LOWEST_PRIORITY, PRIORITY_SHIFT, PRIVATE};
use crate::word::bit_of;
use crate::{SHARED_WORDS, Vgic};

/// One list register to be written: pending, with a maintenance interrupt on EOI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injection {
    /// Index of the list register, below [`LIST_REGS`].
    pub lr: u8,
    /// Interrupt number, at most 1019.
    pub virq: u16,
    /// Priority of the list register, 0 (highest) to 31.
    pub priority: u8,
    /// Interrupt group, 0 or 1.
    pub group: u8,
}

/// An interrupt in a list register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    intid: u16,
    priority: u8,
    /// CPU that sent the SGI.
    source: u8,
}

/// What is known of one CPU's list registers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    entries: [Option<Entry>; LIST_REGS],
    /// Registers that still hold an interrupt that was given up: one bit each.
    stale: u8,
    /// Registers that the kernel would not let us write: one bit each.
    refused: u8,
}

impl Ledger {
    /// Frees every register in the ledger; yields what was in them.
    pub(crate) fn give_up_all(&mut self) -> [Option<u16>; LIST_REGS] {
        let mut given_up = [None; LIST_REGS];
        for (lr, (entry, intid)) in self.entries.iter_mut().zip(&mut given_up).enumerate() {
            *intid = entry.take().map(|entry| entry.intid);
            self.stale |= u8::from(intid.is_some()) << lr;
        }
        given_up
    }

    /// Frees the register that holds `intid`.
    pub(crate) fn give_up(&mut self, intid: u16) {
        for (lr, slot) in self.entries.iter_mut().enumerate() {
            if slot.is_some_and(|entry| entry.intid == intid) {
                *slot = None;
                self.stale |= 1 << lr;
            }
        }
    }

    /// Whether any register holds an interrupt.
    fn in_use(&self) -> bool {
        self.entries.iter().any(Option::is_some)
    }

    /// The register for an interrupt of `priority`: one with a stale content first, since that
    /// saves neutralising it.
    fn place(&self, priority: u8) -> Option<u8> {
        let mut free = 0_u8;
        let mut outranked = true;
        for (lr, entry) in self.entries.iter().enumerate() {
            match entry {
                Some(entry) => outranked &= priority < entry.priority,
                None => free |= 1 << lr,
            }
        }
        free &= !self.refused;
        if free == 0 || (free.count_ones() == 1 && self.in_use() && !outranked) {
            return None;
        }
        let preferred = if free & self.stale != 0 {
            free & self.stale
        } else {
            free
        };
        u8::try_from(preferred.trailing_zeros()).ok()
    }

    /// Enters an interrupt that goes into `lr`.
    fn enter(&mut self, lr: u8, entry: Entry) {
        if let Some(slot) = self.entries.get_mut(usize::from(lr)) {
            *slot = Some(entry);
            self.stale &= !(1 << lr);
        }
    }

    /// The interrupt in `lr`, which becomes free.
    fn leave(&mut self, lr: usize) -> Option<Entry> {
        self.entries.get_mut(lr).and_then(Option::take)
    }

    /// A register whose stale content is to be neutralised, once.
    fn take_stale(&mut self) -> Option<u8> {
        let lr = u8::try_from(self.stale.trailing_zeros()).ok()?;
        if self.stale == 0 {
            return None;
        }
        self.stale &= !(1 << lr);
        Some(lr)
    }
}

/// The best candidate so far.
#[derive(Clone, Copy)]
struct Candidate {
    intid: u16,
    priority: u8,
    group: u8,
}

impl Vgic {
    /// The next list register of `cpu` to be written, until there is none. To be called once per
    /// activation, after all inputs have been driven and before the CPU runs on; each call takes
    /// it that the kernel has done what the previous one said (else: [`Self::refused`]).
    ///
    /// At most [`LIST_REGS`] in a row. A CPU that is offline gets none.
    pub fn next_injection(&mut self, cpu: usize) -> Option<Injection> {
        if cpu >= self.cpus || self.attention() & 1 << cpu == 0 {
            return None;
        }
        if let Some(injection) = self.inject_best(cpu) {
            return Some(injection);
        }
        let bank = self.banks.get_mut(cpu)?;
        if let Some(lr) = bank.ledger.take_stale() {
            return Some(Injection {
                lr,
                virq: FIRST_FILLER + u16::from(lr),
                priority: LOWEST_PRIORITY,
                group: 1,
            });
        }
        self.dirty &= !(1 << cpu);
        None
    }

    /// The kernel reports the EOI (deactivation) of the interrupt in list register `lr` of `cpu`.
    /// Yields the interrupt, so that its device can sample or acknowledge its input *before* the
    /// next call of [`Self::next_injection`]; `None` if the ledger has nothing there.
    pub fn end_of_interrupt(&mut self, cpu: usize, lr: usize) -> Option<u16> {
        let bank = self.banks.get_mut(cpu)?;
        if lr < LIST_REGS {
            bank.ledger.refused &= !(1 << lr);
        }
        let entry = bank.ledger.leave(lr);
        self.look_at(cpu);
        let entry = entry?;
        self.word_mut(cpu, entry.intid)?.in_lr &= !bit_of(entry.intid);
        self.touch(cpu, entry.intid);
        Some(entry.intid)
    }

    /// The kernel did not write the list register of the last [`Injection`] for `cpu`. The
    /// interrupt is pending again, and the register is left alone until its EOI is reported.
    pub fn refused(&mut self, cpu: usize, lr: u8) {
        let Some(bank) = self.banks.get_mut(cpu) else {
            return;
        };
        if usize::from(lr) >= LIST_REGS {
            return;
        }
        bank.ledger.refused |= 1 << lr;
        let Some(entry) = bank.ledger.leave(usize::from(lr)) else {
            return;
        };
        if entry.intid < FIRST_PPI {
            self.send_sgi(entry.intid, entry.source, cpu);
        }
        if let Some(word) = self.word_mut(cpu, entry.intid) {
            word.in_lr &= !bit_of(entry.intid);
            // A level-sensitive input still says so itself; all else was consumed by the latch.
            if word.pending() & bit_of(entry.intid) == 0 {
                word.latch |= bit_of(entry.intid);
            }
        }
        self.touch(cpu, entry.intid);
    }

    /// Whether a list register of `cpu` holds an interrupt, pending or active.
    #[must_use]
    pub fn in_flight(&self, cpu: usize) -> bool {
        self.banks.get(cpu).is_some_and(|bank| bank.ledger.in_use())
    }

    /// CPUs for which [`Self::next_injection`] may have something, one bit each.
    #[must_use]
    #[inline]
    pub const fn attention(&self) -> u8 {
        self.dirty & self.online
    }

    /// Enters the SGI `intid` of CPU `source` as pending on `target` (4.3.15).
    pub(crate) fn send_sgi(&mut self, intid: u16, source: u8, target: usize) {
        if target >= self.cpus {
            return;
        }
        let Some(bank) = self.banks.get_mut(target) else {
            return;
        };
        if let Some(sources) = bank.sources.get_mut(usize::from(intid)) {
            *sources |= 1 << source;
            bank.word.latch |= bit_of(intid);
            self.look_at(target);
        }
    }

    /// Gives up the list registers that hold interrupts of word `index` in `bits`, seen from
    /// `cpu`: the guest has deactivated them at the distributor (4.3.10).
    pub(crate) fn deactivate(&mut self, cpu: usize, index: u16, bits: u32) {
        let Some(word) = self.word_mut(cpu, index * 32) else {
            return;
        };
        let mut given_up = word.in_lr & bits;
        word.active &= !bits;
        word.in_lr &= !bits;
        while given_up != 0 {
            let intid = index * 32 + low_bit(given_up);
            given_up &= given_up - 1;
            for (owner, bank) in self.banks.iter_mut().enumerate() {
                if intid >= PRIVATE || owner == cpu {
                    bank.ledger.give_up(intid);
                }
            }
        }
        self.touch_all();
    }

    /// Puts the most urgent deliverable interrupt of `cpu` into a list register, if one is to be
    /// had for it.
    fn inject_best(&mut self, cpu: usize) -> Option<Injection> {
        let best = self.best(cpu)?;
        let bank = self.banks.get_mut(cpu)?;
        let lr = bank.ledger.place(best.priority)?;
        let source = self.consume(cpu, best.intid)?;
        let entry = Entry {
            intid: best.intid,
            priority: best.priority,
            source,
        };
        self.banks.get_mut(cpu)?.ledger.enter(lr, entry);
        Some(Injection {
            lr,
            virq: best.intid,
            priority: best.priority,
            group: best.group,
        })
    }

    /// Takes the pending state of `intid` into a list register. Yields the source of an SGI, of
    /// which one is served at a time.
    fn consume(&mut self, cpu: usize, intid: u16) -> Option<u8> {
        self.word_mut(cpu, intid)?.enter_lr(bit_of(intid));
        let bank = self.banks.get_mut(cpu)?;
        let Some(sources) = bank.sources.get_mut(usize::from(intid)) else {
            return Some(0);
        };
        let source = u8::try_from(sources.trailing_zeros()).unwrap_or(0);
        *sources &= sources.saturating_sub(1);
        if *sources != 0 {
            bank.word.latch |= bit_of(intid);
        }
        Some(source & 7)
    }

    /// The deliverable interrupt of highest priority; of equals, the lowest number (3.3.1).
    fn best(&mut self, cpu: usize) -> Option<Candidate> {
        let bank = self.banks.get(cpu)?;
        let private = bank.word.deliverable() & self.forwarded(&bank.word);
        let mut best = self.better(cpu, 0, private, bank.word.group1, None);
        let mut left = self.maybe;
        while left != 0 {
            let index = usize::try_from(left.trailing_zeros()).unwrap_or(SHARED_WORDS);
            left &= left - 1;
            let (Some(word), Some(routed)) = (self.shared.get(index), bank.routed.get(index))
            else {
                break;
            };
            let deliverable = word.deliverable();
            if deliverable == 0 {
                self.maybe &= !(1 << index);
                continue;
            }
            let bits = deliverable & routed & self.forwarded(word);
            best = self.better(cpu, word_number(index), bits, word.group1, best);
        }
        best
    }

    /// The better of `best` and the interrupts of word `index` in `bits`.
    fn better(
        &self,
        cpu: usize,
        index: u16,
        mut bits: u32,
        group1: u32,
        mut best: Option<Candidate>,
    ) -> Option<Candidate> {
        while bits != 0 {
            let intid = index * 32 + low_bit(bits);
            bits &= bits - 1;
            let priority = self.priority_of(cpu, intid) >> PRIORITY_SHIFT;
            if best.is_none_or(|best| priority < best.priority) {
                best = Some(Candidate {
                    intid,
                    priority,
                    group: u8::from(group1 & bit_of(intid) != 0),
                });
            }
        }
        best
    }
}

/// Number of the shared word `index` among all words.
fn word_number(index: usize) -> u16 {
    u16::try_from(index + 1).unwrap_or(u16::MAX)
}

/// Number of the lowest set bit of a word that has one.
#[expect(
    clippy::cast_possible_truncation,
    reason = "trailing_zeros of a u32 is at most 32"
)]
fn low_bit(bits: u32) -> u16 {
    bits.trailing_zeros() as u16
}
