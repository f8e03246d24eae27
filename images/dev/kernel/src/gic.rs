// SPDX-License-Identifier: BSD-2-Clause
//! GICv2 distributor, CPU interface and virtual interface control (ARM IHI 0048B) of QEMU `virt`.

const GICD: usize = 0x0800_0000;
const GICC: usize = 0x0801_0000;
const GICH: usize = 0x0803_0000;

const GICD_CTLR: usize = 0x000;
const GICD_ISENABLER: usize = 0x100;
const GICD_ICENABLER: usize = 0x180;
const GICD_ICPENDR: usize = 0x280;
const GICD_IPRIORITYR: usize = 0x400;
const GICD_ITARGETSR: usize = 0x800;
const GICD_ICFGR: usize = 0xc00;

const GICC_CTLR: usize = 0x00;
const GICC_PMR: usize = 0x04;
const GICC_IAR: usize = 0x0c;
const GICC_EOIR: usize = 0x10;

/// GICH_HCR.
pub(crate) const GICH_HCR: usize = 0x00;
const GICH_VTR: usize = 0x04;
/// GICH_VMCR.
pub(crate) const GICH_VMCR: usize = 0x08;
/// GICH_MISR.
pub(crate) const GICH_MISR: usize = 0x10;
/// GICH_EISR0.
pub(crate) const GICH_EISR0: usize = 0x20;
/// GICH_EISR1.
pub(crate) const GICH_EISR1: usize = 0x24;
/// GICH_APR.
pub(crate) const GICH_APR: usize = 0xf0;
/// GICH_LR0.
pub(crate) const GICH_LR: usize = 0x100;

/// Interrupts that the distributor of QEMU `virt` has.
const INTERRUPTS: usize = 288;
/// First number that GICC_IAR returns for "none".
const SPURIOUS: u32 = 1020;
const PRIORITY_MASK: u32 = 0xf0;
/// All four priority bytes of a word at the middle priority.
const PRIORITIES: u32 = 0x8080_8080;
/// All four target bytes of a word at processor 0.
const TARGETS: u32 = 0x0101_0101;
/// Maintenance and hypervisor timer interrupts, always enabled.
const KERNEL_PPIS: [u16; 2] = [25, 26];

fn read(base: usize, offset: usize) -> u32 {
    // SAFETY: a register of the GIC, identity-mapped as device memory; no PD can map these pages.
    unsafe { ((base + offset) as *const u32).read_volatile() }
}

fn write(base: usize, offset: usize, value: u32) {
    // SAFETY: as in `read`; the GIC is the kernel's.
    unsafe { ((base + offset) as *mut u32).write_volatile(value) };
}

/// Reads a register of the virtual interface.
pub(crate) fn read_virtual(offset: usize) -> u32 {
    read(GICH, offset)
}

/// Writes a register of the virtual interface.
pub(crate) fn write_virtual(offset: usize, value: u32) {
    write(GICH, offset, value);
}

/// Number of list registers.
pub(crate) fn list_registers() -> usize {
    usize::try_from(read(GICH, GICH_VTR) & 0x3f).unwrap_or(0) + 1
}

/// Masks everything but the kernel's own interrupts and turns the controller on.
pub(crate) fn init() {
    write(GICD, GICD_CTLR, 0);
    for word in 0..INTERRUPTS / 32 {
        write(GICD, GICD_ICENABLER + word * 4, u32::MAX);
        write(GICD, GICD_ICPENDR + word * 4, u32::MAX);
    }
    for word in 0..INTERRUPTS / 4 {
        write(GICD, GICD_IPRIORITYR + word * 4, PRIORITIES);
        write(GICD, GICD_ITARGETSR + word * 4, TARGETS);
    }
    write(GICD, GICD_CTLR, 1);
    write(GICC, GICC_PMR, PRIORITY_MASK);
    write(GICC, GICC_CTLR, 1);
    write(GICH, GICH_HCR, 0);
    for irq in KERNEL_PPIS {
        mask(irq, false);
    }
}

/// Sets an interrupt to edge or level triggered; only shared interrupts can be changed.
pub(crate) fn configure(irq: u16, edge: bool) {
    let register = GICD_ICFGR + usize::from(irq / 16) * 4;
    let bit = 2 << (irq % 16 * 2);
    let old = read(GICD, register);
    write(GICD, register, if edge { old | bit } else { old & !bit });
}

/// Masks or unmasks an interrupt.
pub(crate) fn mask(irq: u16, masked: bool) {
    let register = if masked {
        GICD_ICENABLER
    } else {
        GICD_ISENABLER
    };
    write(GICD, register + usize::from(irq / 32) * 4, 1 << (irq % 32));
}

/// Takes the most urgent pending interrupt, which must be completed.
pub(crate) fn acknowledge() -> Option<u16> {
    let id = read(GICC, GICC_IAR) & 0x3ff;
    u16::try_from(id).ok().filter(|_| id < SPURIOUS)
}

/// Ends the handling of an acknowledged interrupt.
pub(crate) fn complete(irq: u16) {
    write(GICC, GICC_EOIR, u32::from(irq));
}
