// SPDX-License-Identifier: BSD-2-Clause
//! Emulated real-time clock of a guest: ARM PrimeCell PL031 (ARM DDI 0224).
//!
//! Time is given, not read: the owner calls [`Pl031::advance_to`] before it passes an access on,
//! and asks [`Pl031::next_alarm`] when it has to wake up. The clock always runs (RTCCR reads 1 and
//! cannot be stopped, as on QEMU's `virt`), counts whole seconds and wraps after 2^32 of them.
//!
//! Answers AV-03, AV-48.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use bus::{Access, Device, IoError, IrqLine};

/// Size of the register window in bytes.
pub const WINDOW: u64 = 0x1000;

/// RTCPeriphID0-3 and RTCPCellID0-3 (3.3.9, 3.3.10), as on QEMU's `virt`.
const IDENTIFICATION: [u8; 8] = [0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

/// Data register: the time.
const RTCDR: u64 = 0x00;
/// Match register: the alarm.
const RTCMR: u64 = 0x04;
/// Load register: sets the time.
const RTCLR: u64 = 0x08;
/// Control register.
const RTCCR: u64 = 0x0c;
/// Interrupt mask set or clear.
const RTCIMSC: u64 = 0x10;
/// Raw interrupt status.
const RTCRIS: u64 = 0x14;
/// Masked interrupt status.
const RTCMIS: u64 = 0x18;
/// Interrupt clear.
const RTCICR: u64 = 0x1c;
/// First and last identification register.
const ID_FIRST: u64 = 0xfe0;
const ID_LAST: u64 = 0xffc;

/// The clock's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pl031 {
    /// The owner's time in seconds.
    now: u64,
    /// What to add to the owner's time to get the guest's, modulo 2^32.
    offset: u32,
    alarm: u32,
    load: u32,
    raw: bool,
    mask: bool,
}

impl Pl031 {
    /// A clock that shows `wall` (seconds since 1970) when the owner's time is `now` seconds.
    #[must_use]
    pub const fn new(now: u64, wall: u32) -> Self {
        let offset = wall.wrapping_sub(low(now));
        Self {
            now,
            offset,
            alarm: 0,
            load: 0,
            raw: false,
            mask: false,
        }
    }

    /// The owner's time is now `now` seconds. Going backwards is ignored.
    pub const fn advance_to(&mut self, now: u64) {
        if now <= self.now {
            return;
        }
        // The alarm is met when the count passes it, however long the owner was away.
        let until = self.alarm.wrapping_sub(self.count());
        if until != 0 && until as u64 <= now - self.now {
            self.raw = true;
        }
        self.now = now;
    }

    /// The owner's time in seconds at which the interrupt line will rise; `None` if the interrupt
    /// is masked or already raised.
    #[must_use]
    pub const fn next_alarm(&self) -> Option<u64> {
        if !self.mask || self.raw {
            return None;
        }
        match self.alarm.wrapping_sub(self.count()) {
            0 => self.now.checked_add(1 << 32),
            until => self.now.checked_add(until as u64),
        }
    }

    /// What RTCDR reads: the guest's time in seconds.
    #[must_use]
    pub const fn count(&self) -> u32 {
        low(self.now).wrapping_add(self.offset)
    }

    /// The comparator (2.2.4) sees every value of both its inputs.
    const fn compare(&mut self) {
        if self.count() == self.alarm {
            self.raw = true;
        }
    }
}

/// The low 32 bits: the counter wraps.
const fn low(seconds: u64) -> u32 {
    let [a, b, c, d, ..] = seconds.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

impl Device for Pl031 {
    fn read(&mut self, access: Access) -> Result<u64, IoError> {
        let value = match access.primecell()? {
            RTCDR => self.count(),
            RTCMR => self.alarm,
            RTCLR => self.load,
            RTCCR => 1,
            RTCIMSC => u32::from(self.mask),
            RTCRIS => u32::from(self.raw),
            RTCMIS => u32::from(self.raw && self.mask),
            RTCICR => return Err(IoError::WriteOnly),
            offset @ ID_FIRST..=ID_LAST => {
                let at = usize::try_from((offset - ID_FIRST) / 4).unwrap_or(usize::MAX);
                u32::from(IDENTIFICATION.get(at).copied().ok_or(IoError::NoRegister)?)
            }
            _ => return Err(IoError::NoRegister),
        };
        Ok(u64::from(value) & access.width.mask())
    }

    fn write(&mut self, access: Access, value: u64) -> Result<(), IoError> {
        let value = low(value);
        match access.primecell()? {
            RTCMR => {
                self.alarm = value;
                self.compare();
            }
            RTCLR => {
                self.load = value;
                self.offset = value.wrapping_sub(low(self.now));
                self.compare();
            }
            // Once enabled, writes have no effect until reset (3.3.4).
            RTCCR => {}
            RTCIMSC => self.mask = value & 1 != 0,
            RTCICR => self.raw &= value & 1 == 0,
            RTCDR | RTCRIS | RTCMIS | ID_FIRST..=ID_LAST => return Err(IoError::ReadOnly),
            _ => return Err(IoError::NoRegister),
        }
        Ok(())
    }

    fn irq(&self) -> IrqLine {
        IrqLine::from_level(self.raw && self.mask)
    }
}
