// SPDX-License-Identifier: BSD-2-Clause
//! The memory map and interrupts that every guest sees: QEMU's `virt` machine.
//!
//! Guests that run on that machine carry some of these numbers in their binaries, so they are a
//! contract and not a choice of the tool.

use units::Gpa;

/// Interrupt ids of SPIs start here.
pub const SPI_BASE: u32 = 32;
/// First byte of RAM.
pub const RAM_BASE: Gpa = Gpa::new(0x4000_0000);

/// Two banks of NOR flash of 64 MiB each, from address zero.
pub const FLASH: Gpa = Gpa::new(0);
/// Size of both banks.
pub const FLASH_SIZE: u64 = 0x0800_0000;

/// GIC distributor.
pub const GICD: Gpa = Gpa::new(0x0800_0000);
/// Size of the distributor's window.
pub const GICD_SIZE: u64 = 0x1_0000;
/// GICv2 CPU interface (GICV is mapped here).
pub const GICC: Gpa = Gpa::new(0x0801_0000);
/// Size of the CPU interface: the two pages that a GICv2 has.
pub const GICC_SIZE: u64 = 0x2000;
/// GICv3 redistributors, one frame pair per vCPU.
pub const GICR: Gpa = Gpa::new(0x080a_0000);
/// Size of one vCPU's redistributor.
pub const GICR_SIZE: u64 = 0x2_0000;

/// PL011 UART.
pub const UART: Gpa = Gpa::new(0x0900_0000);
/// Interrupt id of the UART (SPI 1).
pub const UART_IRQ: u32 = SPI_BASE + 1;
/// PL031 real-time clock.
pub const RTC: Gpa = Gpa::new(0x0901_0000);
/// Interrupt id of the clock (SPI 2).
pub const RTC_IRQ: u32 = SPI_BASE + 2;
/// Size of the window of a PrimeCell.
pub const PRIMECELL_SIZE: u64 = 0x1000;

/// First virtio-mmio window.
pub const VIRTIO: Gpa = Gpa::new(0x0a00_0000);
/// Distance and size of virtio-mmio windows.
pub const VIRTIO_STRIDE: u64 = 0x200;
/// Number of virtio-mmio windows.
pub const VIRTIO_SLOTS: u32 = 32;
/// Interrupt id of virtio-mmio window 0 (SPI 16); the others follow.
pub const VIRTIO_IRQ: u32 = SPI_BASE + 16;

/// Virtual timer (PPI 11).
pub const VIRTUAL_TIMER_IRQ: u32 = 27;

/// Most vCPUs of a guest.
pub const MAX_VCPUS: u32 = 4;

/// Window and interrupt id of virtio-mmio slot `slot`; `None` from [`VIRTIO_SLOTS`] on.
#[must_use]
pub const fn virtio_slot(slot: u32) -> Option<(Gpa, u32)> {
    if slot >= VIRTIO_SLOTS {
        return None;
    }
    match VIRTIO.checked_add(VIRTIO_STRIDE * slot as u64) {
        Some(base) => Some((base, VIRTIO_IRQ + slot)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of QEMU 10 `-M virt,gic-version=2,dumpdtb=`.
    #[test]
    fn the_map_is_that_of_qemu_virt() {
        assert_eq!(virtio_slot(0), Some((Gpa::new(0x0a00_0000), 48)));
        assert_eq!(virtio_slot(31), Some((Gpa::new(0x0a00_3e00), 79)));
        assert_eq!(virtio_slot(32), None);
        assert_eq!((UART_IRQ, RTC_IRQ), (33, 34));
    }
}
