// SPDX-License-Identifier: BSD-2-Clause
//! What the kernel needs from the hardware. `images/dev/kernel` implements it; tests use a fake.

use crate::ids::{TcbId, VSpaceId};
use crate::vcpu::VcpuState;

/// Cache maintenance over a physical range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheOp {
    /// Write back.
    Clean,
    /// Discard.
    Invalidate,
    /// Write back and discard.
    CleanInvalidate,
    /// Make written instructions visible to instruction fetch.
    Unify,
}

/// A page found by walking an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Physical address of its first byte.
    pub paddr: u64,
    /// Bytes, a power of two.
    pub size: u64,
}

/// State of the virtual interrupt interface at a maintenance interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// GICH_MISR.EOI: some list register signals end of interrupt.
    pub eoi: bool,
    /// GICH_EISR: which ones.
    pub registers: u64,
}

/// Mechanism. No method decides anything.
pub trait Machine {
    /// Timer ticks since boot.
    fn now(&self) -> u64;
    /// Raises the kernel's timer interrupt at `ticks` (absolute), or never for `u64::MAX`.
    fn set_deadline(&mut self, ticks: u64);
    /// Reads word `index` of the IPC buffer at physical address `buffer`.
    fn buffer_read(&self, buffer: u64, index: usize) -> u64;
    /// Writes word `index` of the IPC buffer at physical address `buffer`.
    fn buffer_write(&mut self, buffer: u64, index: usize, value: u64);
    /// Writes a byte to the debug console.
    fn put_byte(&mut self, byte: u8);
    /// Stops the machine; returns only in tests.
    fn halt(&mut self);
    /// Masks or unmasks an interrupt line.
    fn mask_irq(&mut self, irq: u16, masked: bool);
    /// Finds the page that `vaddr` lies in.
    fn walk(&self, vspace: VSpaceId, vaddr: u64) -> Option<Page>;
    /// Maintains the caches for `[paddr, paddr + size)`.
    fn cache(&mut self, op: CacheOp, paddr: u64, size: u64);
    /// Executes `smc #0` with x0..x7 and returns them.
    fn smc(&mut self, registers: [u64; 8]) -> [u64; 8];
    /// Makes `vspace` the address space of EL0 (and EL1).
    fn switch_vspace(&mut self, vspace: VSpaceId);
    /// Saves the FP registers of `from` and loads those of `to`.
    fn switch_fpu(&mut self, from: Option<TcbId>, to: TcbId);
    /// Makes FP and SIMD instructions trap, or not.
    fn trap_fpu(&mut self, trap: bool);
    /// Page of the intermediate physical address behind a guest's virtual address, from the loaded virtual CPU.
    fn guest_page(&self, vaddr: u64) -> u64;
    /// Number of GIC list registers.
    fn list_registers(&self) -> usize;
    /// Reads a list register.
    fn read_list_register(&self, index: usize) -> u32;
    /// Writes a list register.
    fn write_list_register(&mut self, index: usize, value: u32);
    /// Why the maintenance interrupt was raised.
    fn maintenance(&self) -> Maintenance;
    /// Reads VCPU register `field` (sel4-abi §5.6) of the loaded virtual CPU.
    fn read_vcpu_register(&self, field: usize) -> u64;
    /// Writes VCPU register `field` of the loaded virtual CPU.
    fn write_vcpu_register(&mut self, field: usize, value: u64);
    /// Enters the guest regime (HCR_EL2, GICH_HCR).
    fn enter_guest_regime(&mut self, state: &VcpuState);
    /// Enters the native regime: stage 1 off, virtual interrupts off. Returns GICH_HCR as it was.
    fn enter_native_regime(&mut self) -> u32;
    /// Reads GICH_VMCR and GICH_APR.
    fn read_vgic(&self) -> (u32, u32);
    /// Turns the virtual interrupt interface off and sets GICH_VMCR and GICH_APR.
    fn write_vgic(&mut self, vmcr: u32, apr: u32);
}
