// SPDX-License-Identifier: BSD-2-Clause
//! The machine that `devkernel` decides for.

use crate::memory::{Tables, is_ram};
use crate::registers::{self, isb, read_register, write_register};
use crate::{fpu, gic, regime, uart};
use devkernel::ids::{Id as _, TcbId, VSpaceId};
use devkernel::machine::{CacheOp, Machine, Maintenance, Page};
use devkernel::stage2;
use devkernel::vcpu::VcpuState;

/// GICH_MISR.EOI.
const MISR_EOI: u32 = 1;
/// Page number bits of PAR_EL1.
const PAR_ADDRESS: u64 = 0xffff_ffff_f000;

/// QEMU `virt` with one Cortex-A53.
#[derive(Debug)]
pub(crate) struct Hardware {
    /// Stage-2 tables.
    pub(crate) tables: Tables,
    /// Root table of each address space.
    pub(crate) roots: [u64; devimage::MAX_VSPACES as usize],
    /// Number of list registers.
    pub(crate) list_registers: usize,
}

impl Hardware {
    fn root(&self, vspace: VSpaceId) -> u64 {
        self.roots.get(vspace.index()).copied().unwrap_or(0)
    }
}

impl Machine for Hardware {
    fn now(&self) -> u64 {
        isb();
        read_register!("cntpct_el0")
    }

    fn set_deadline(&mut self, ticks: u64) {
        if ticks == u64::MAX {
            write_register!("cnthp_ctl_el2", 0);
        } else {
            write_register!("cnthp_cval_el2", ticks);
            write_register!("cnthp_ctl_el2", 1);
        }
        isb();
    }

    fn buffer_read(&self, buffer: u64, index: usize) -> u64 {
        let word = (buffer as *const u64).wrapping_add(index);
        // SAFETY: `buffer` is a checked user RAM address, `index` below 128; the thread may change the word at any
        // time, hence volatile.
        unsafe { word.read_volatile() }
    }

    fn buffer_write(&mut self, buffer: u64, index: usize, value: u64) {
        let word = (buffer as *mut u64).wrapping_add(index);
        // SAFETY: as in `buffer_read`.
        unsafe { word.write_volatile(value) };
    }

    fn put_byte(&mut self, byte: u8) {
        uart::put_byte(byte);
    }

    fn halt(&mut self) {
        loop {
            registers::wait_for_interrupt();
        }
    }

    fn mask_irq(&mut self, irq: u16, masked: bool) {
        gic::mask(irq, masked);
    }

    fn walk(&self, vspace: VSpaceId, vaddr: u64) -> Option<Page> {
        stage2::walk(&self.tables, self.root(vspace), vaddr)
    }

    fn cache(&mut self, op: CacheOp, paddr: u64, size: u64) {
        if is_ram(paddr, paddr.saturating_add(size)) {
            registers::maintain(op, paddr, paddr + size);
        }
    }

    fn smc(&mut self, registers: [u64; 8]) -> [u64; 8] {
        registers::smc(registers)
    }

    fn switch_vspace(&mut self, vspace: VSpaceId) {
        let vmid = vspace.index() as u64 + 1;
        write_register!("vttbr_el2", vmid << 48 | self.root(vspace));
        isb();
    }

    fn switch_fpu(&mut self, from: Option<TcbId>, to: TcbId) {
        fpu::switch(from, to);
    }

    fn trap_fpu(&mut self, trap: bool) {
        regime::trap_fpu(trap);
    }

    fn guest_page(&self, vaddr: u64) -> u64 {
        registers::translate_stage1(vaddr) & PAR_ADDRESS
    }

    fn list_registers(&self) -> usize {
        self.list_registers
    }

    fn read_list_register(&self, index: usize) -> u32 {
        gic::read_virtual(gic::GICH_LR + index * 4)
    }

    fn write_list_register(&mut self, index: usize, value: u32) {
        gic::write_virtual(gic::GICH_LR + index * 4, value);
    }

    fn maintenance(&self) -> Maintenance {
        let low = u64::from(gic::read_virtual(gic::GICH_EISR0));
        let high = u64::from(gic::read_virtual(gic::GICH_EISR1));
        let eoi = gic::read_virtual(gic::GICH_MISR) & MISR_EOI != 0;
        Maintenance {
            eoi,
            registers: high << 32 | low,
        }
    }

    fn read_vcpu_register(&self, field: usize) -> u64 {
        regime::read(field)
    }

    fn write_vcpu_register(&mut self, field: usize, value: u64) {
        regime::write(field, value);
    }

    fn enter_guest_regime(&mut self, state: &VcpuState) {
        regime::enter_guest(state);
    }

    fn enter_native_regime(&mut self) -> u32 {
        regime::enter_native()
    }

    fn read_vgic(&self) -> (u32, u32) {
        (
            gic::read_virtual(gic::GICH_VMCR),
            gic::read_virtual(gic::GICH_APR),
        )
    }

    fn write_vgic(&mut self, vmcr: u32, apr: u32) {
        gic::write_virtual(gic::GICH_HCR, 0);
        gic::write_virtual(gic::GICH_VMCR, vmcr);
        gic::write_virtual(gic::GICH_APR, apr);
    }
}
