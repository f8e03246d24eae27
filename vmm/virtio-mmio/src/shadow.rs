// SPDX-License-Identifier: BSD-2-Clause
//! The registers on a page that the guest reads without an exit.
//!
//! The page holds at each offset what a read there would yield. Reading registers changes none of
//! them (4.2.2 has no read that does), so the guest cannot tell the difference; its stores trap as
//! before, since the page is read-only to it. What is written here is for one guest alone, and it may
//! look at any time: a register's word is stored at once, and the VMM, which shares the vCPU's core
//! and outranks it, is done before the guest runs on.

use core::ops::Range;

use shm::{OutOfBounds, Region, Rw};
use virtio::device;
use virtio::mmio::{CONFIG, MAGIC, Register, VERSION};

use crate::{Transport, WINDOW};

impl Transport {
    /// Brings `window`, [`WINDOW`] bytes, up to date. To be called after every access, and after
    /// [`Transport::on_backend`] before the interrupt that it may have raised is injected. Yields the
    /// bytes that changed, which must get to memory if the guest's map of the page is uncached.
    ///
    /// # Errors
    /// [`OutOfBounds`] where the window is shorter.
    pub fn show(&mut self, window: &Region<Rw>) -> Result<Range<usize>, OutOfBounds> {
        let now = (self.interrupt.bits(), self.read_status());
        let changed = match self.shown {
            Some(shown) if shown == now => 0..0,
            Some(_) => {
                let (first, last) = (place(Register::InterruptStatus), place(Register::Status));
                window.store(first, now.0)?;
                window.store(last, now.1)?;
                first..last.saturating_add(4)
            }
            None => self.show_all(window)?,
        };
        self.shown = Some(now);
        Ok(changed)
    }

    fn show_all(&self, window: &Region<Rw>) -> Result<Range<usize>, OutOfBounds> {
        let size = usize::try_from(WINDOW).unwrap_or(usize::MAX);
        for (offset, place) in (0..WINDOW).zip(0..size).step_by(4) {
            window.store(place, self.word(offset))?;
        }
        Ok(0..size)
    }

    /// What a 32-bit read at `offset` yields; zero where that is refused.
    fn word(&self, offset: u64) -> u32 {
        match offset.checked_sub(CONFIG) {
            None => {
                let register = Register::at(offset);
                let value = register.and_then(|register| self.register(register).ok());
                value.unwrap_or(0)
            }
            Some(field) => {
                let mut bytes = [0; 4];
                self.config(field, &mut bytes);
                u32::from_le_bytes(bytes)
            }
        }
    }
}

/// Shows on `window` a transport without a device, which a driver leaves alone (4.2.2.2).
///
/// # Errors
/// [`OutOfBounds`] where the window is too short.
pub fn show_no_device(window: &Region<Rw>) -> Result<(), OutOfBounds> {
    window.store(place(Register::MagicValue), MAGIC)?;
    window.store(place(Register::Version), VERSION)?;
    window.store(place(Register::DeviceId), device::NONE)
}

/// Offset of a register, all of which are in the window.
fn place(register: Register) -> usize {
    usize::try_from(register.offset()).unwrap_or(usize::MAX)
}
