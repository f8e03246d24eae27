// SPDX-License-Identifier: BSD-2-Clause
//! Numbers of the GICv2 architecture and of this implementation of it.
//!
//! Clause numbers are those of the Arm Generic Interrupt Controller Architecture Specification,
//! version 2.0, issue B.b (IHI 0048B). Register names are the document's.

/// Interrupt lines of the distributor: 16 SGIs, 16 PPIs and 224 SPIs.
pub const LINES: u16 = 256;

/// Interrupts that are banked per processor: SGIs 0..=15 and PPIs 16..=31 (2.2.1).
pub const PRIVATE: u16 = 32;

/// First PPI; the interrupts below it are SGIs.
pub const FIRST_PPI: u16 = 16;

/// Most virtual processors a distributor serves.
pub const MAX_CPUS: usize = 4;

/// List registers of the virtual CPU interface (Cortex-A53: `GICH_VTR.ListRegs` = 3).
pub const LIST_REGS: usize = 4;

/// Bytes of the distributor's register window (Table 4-1).
pub const WINDOW: u64 = 0x1000;

/// Priority bits that exist: the five that a list register carries (5.3.11), so 32 levels in
/// steps of eight; the others are RAZ/WI (3.3).
pub(crate) const PRIORITY_MASK: u8 = 0xf8;

/// Shift from a distributor priority to the one of a list register.
pub(crate) const PRIORITY_SHIFT: u32 = 3;

/// Lowest list-register priority; a guest that masks anything never sees it.
pub(crate) const LOWEST_PRIORITY: u8 = 31;

/// First of [`LIST_REGS`] interrupt numbers, one per list register, that no device can raise
/// since they lie above [`LINES`]. They neutralise a list register that must be given up.
pub(crate) const FIRST_FILLER: u16 = 1016;

/// `GICD_CTLR` (4.3.1): enable bits of the two groups; no Security Extensions.
pub(crate) const CTLR_MASK: u32 = 0b11;
/// `GICD_CTLR.EnableGrp0`.
pub(crate) const CTLR_GROUP0: u32 = 0b01;
/// `GICD_CTLR.EnableGrp1`.
pub(crate) const CTLR_GROUP1: u32 = 0b10;

/// `GICD_IIDR` (4.3.3): product `B`, revision 0, implementer Arm as every GICv2 driver expects.
pub(crate) const IIDR: u32 = 0x4200_043b;

/// `ICPIDR2` (4.3.17): architecture revision 2 in bits 7:4, JEP106 scheme as on a GIC-400.
pub(crate) const ICPIDR2: u32 = 0x2b;

/// Configuration word of the SGIs: edge-triggered, fixed (4.3.13).
pub(crate) const SGI_EDGE: u32 = 0x0000_ffff;

/// The SGI bits of a banked word; SGIs are always enabled here, which 4.3.5 leaves open.
pub(crate) const SGI_BITS: u32 = 0x0000_ffff;

/// Offsets of the register blocks (Table 4-1).
pub(crate) mod offset {
    pub(crate) const CTLR: u64 = 0x000;
    pub(crate) const TYPER: u64 = 0x004;
    pub(crate) const IIDR: u64 = 0x008;
    pub(crate) const IGROUPR: u64 = 0x080;
    pub(crate) const ISENABLER: u64 = 0x100;
    pub(crate) const ICENABLER: u64 = 0x180;
    pub(crate) const ISPENDR: u64 = 0x200;
    pub(crate) const ICPENDR: u64 = 0x280;
    pub(crate) const ISACTIVER: u64 = 0x300;
    pub(crate) const ICACTIVER: u64 = 0x380;
    pub(crate) const IPRIORITYR: u64 = 0x400;
    pub(crate) const ITARGETSR: u64 = 0x800;
    pub(crate) const ICFGR: u64 = 0xc00;
    pub(crate) const ICFGR_END: u64 = 0xd00;
    pub(crate) const SGIR: u64 = 0xf00;
    pub(crate) const CPENDSGIR: u64 = 0xf10;
    pub(crate) const SPENDSGIR: u64 = 0xf20;
    pub(crate) const SPENDSGIR_END: u64 = 0xf30;
    pub(crate) const ICPIDR2: u64 = 0xfe8;
}
