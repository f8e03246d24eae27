// SPDX-License-Identifier: BSD-2-Clause
//! State of 32 interrupts at a time: one bit per interrupt and property.
//!
//! Guests read and write the distributor in words of 32 interrupts, and the scheduler looks for
//! work in the same words, so neither ever loops over single interrupts without need.

/// One word of interrupts. Bit `n` of every field belongs to the same interrupt.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Word {
    /// `GICD_ISENABLERn`.
    pub(crate) enabled: u32,
    /// Level of the input, driven by the device.
    pub(crate) line: u32,
    /// Pending latch: an edge, a message, or a write to `GICD_ISPENDRn`.
    pub(crate) latch: u32,
    /// In a list register of some vCPU, pending or active: which of the two only the hardware
    /// knows.
    pub(crate) in_lr: u32,
    /// Made active by a write to `GICD_ISACTIVERn`, without a list register.
    pub(crate) active: u32,
    /// Edge-triggered (`GICD_ICFGRn`).
    pub(crate) edge: u32,
    /// Group 1 (`GICD_IGROUPRn`).
    pub(crate) group1: u32,
}

impl Word {
    /// Pending as of 4.3.7: the latch, and for level-sensitive interrupts the input as well.
    pub(crate) fn pending(&self) -> u32 {
        self.latch | (self.line & !self.edge)
    }

    /// What may go into a list register: pending, enabled, and not there already. An interrupt
    /// that is pending and active is not forwarded before it is deactivated (3.2.4).
    pub(crate) fn deliverable(&self) -> u32 {
        self.pending() & self.enabled & !self.in_lr & !self.active
    }

    /// Drives the input of the interrupts in `bits`; a rising edge latches. Returns whether
    /// something may have become deliverable.
    pub(crate) fn set_line(&mut self, bits: u32, level: bool) -> bool {
        if level {
            let rising = bits & !self.line;
            self.line |= bits;
            self.latch |= rising & self.edge;
            rising != 0
        } else {
            self.line &= !bits;
            false
        }
    }

    /// Moves an interrupt into a list register: its latch is consumed, its input is not.
    pub(crate) fn enter_lr(&mut self, bit: u32) {
        self.latch &= !bit;
        self.in_lr |= bit;
    }
}

/// Bit of the interrupt `intid` in its word.
pub(crate) fn bit_of(intid: u16) -> u32 {
    1 << (intid % 32)
}
