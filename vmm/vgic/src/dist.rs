// SPDX-License-Identifier: BSD-2-Clause
//! The distributor's registers (IHI 0048B chapter 4.3) as a device on the guest's bus.
//!
//! Access sizes as of 4.1.4: every register takes aligned words; `GICD_IPRIORITYRn`,
//! `GICD_ITARGETSRn`, `GICD_CPENDSGIRn` and `GICD_SPENDSGIRn` take bytes as well. A narrower read of
//! any other register yields the part of the word it addresses; a narrower write, and everything
//! wider or misaligned, is refused and so reads as zero and writes nothing.
//!
//! Answers H-39.

use bus::{Access, Device, IoError, Width};

use crate::spec::{self, FIRST_PPI, LINES, PRIVATE, SGI_BITS, SGI_EDGE, offset};
use crate::word::{Word, bit_of};
use crate::{MAX_CPUS, Vgic};

/// Which word of a block of one-bit-per-interrupt registers `at` is.
fn bit_word(at: u64, block: u64) -> u16 {
    u16::try_from((at - block) / 4).unwrap_or(u16::MAX)
}

/// First interrupt of the byte-per-interrupt register at `at`.
fn first_intid(at: u64, block: u64) -> u16 {
    u16::try_from(at - block).unwrap_or(u16::MAX)
}

impl Device for Vgic {
    fn read(&mut self, access: Access) -> Result<u64, IoError> {
        if access.width == Width::Double {
            return Err(IoError::Width);
        }
        if !access.aligned() {
            return Err(IoError::Misaligned);
        }
        let word = self.read_word(access.vcpu, access.offset & !3)?;
        let shift = (access.offset & 3) * 8;
        Ok(u64::from(word) >> shift & access.width.mask())
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the mask leaves 8 or 32 bits"
    )]
    fn write(&mut self, access: Access, value: u64) -> Result<(), IoError> {
        match access.width {
            Width::Word if access.aligned() => {
                self.write_word(access.vcpu, access.offset, value as u32)
            }
            Width::Byte => self.write_byte(access.vcpu, access.offset, (value & 0xff) as u8),
            Width::Word => Err(IoError::Misaligned),
            Width::Half | Width::Double => Err(IoError::Width),
        }
    }
}

impl Vgic {
    fn read_word(&self, cpu: usize, at: u64) -> Result<u32, IoError> {
        let bits = |block, field: fn(&Word) -> u32| {
            let intid = bit_word(at, block).saturating_mul(32);
            self.word(cpu, intid).map_or(0, field)
        };
        Ok(match at {
            offset::CTLR => self.ctlr,
            offset::TYPER => self.typer(),
            offset::IIDR => spec::IIDR,
            offset::IGROUPR..offset::ISENABLER => bits(offset::IGROUPR, |word| word.group1),
            offset::ISENABLER..offset::ICENABLER => bits(offset::ISENABLER, |word| word.enabled),
            offset::ICENABLER..offset::ISPENDR => bits(offset::ICENABLER, |word| word.enabled),
            offset::ISPENDR..offset::ICPENDR => bits(offset::ISPENDR, Word::pending),
            offset::ICPENDR..offset::ISACTIVER => bits(offset::ICPENDR, Word::pending),
            offset::ISACTIVER..offset::ICACTIVER => {
                bits(offset::ISACTIVER, |word| word.in_lr | word.active)
            }
            offset::ICACTIVER..offset::IPRIORITYR => {
                bits(offset::ICACTIVER, |word| word.in_lr | word.active)
            }
            offset::IPRIORITYR..offset::ITARGETSR => {
                let first = first_intid(at, offset::IPRIORITYR);
                bytes(first, |intid| self.priority_of(cpu, intid))
            }
            offset::ITARGETSR..offset::ICFGR => {
                let first = first_intid(at, offset::ITARGETSR);
                bytes(first, |intid| self.target_of(cpu, intid))
            }
            offset::ICFGR..offset::ICFGR_END => self.read_config(cpu, at),
            offset::CPENDSGIR..offset::SPENDSGIR_END => {
                // Both blocks read the same, and are 16 bytes long.
                let first = first_intid(at, offset::CPENDSGIR) % FIRST_PPI;
                bytes(first, |intid| self.sources_of(cpu, intid))
            }
            offset::SGIR => return Err(IoError::WriteOnly),
            offset::ICPIDR2 => spec::ICPIDR2,
            // Reserved and IMPLEMENTATION DEFINED registers read as zero (4.1.2).
            _ => return Err(IoError::NoRegister),
        })
    }

    fn write_word(&mut self, cpu: usize, at: u64, value: u32) -> Result<(), IoError> {
        match at {
            offset::CTLR => {
                self.ctlr = value & spec::CTLR_MASK;
                self.touch_all();
            }
            offset::IGROUPR..offset::IPRIORITYR => self.write_bits(cpu, at, value),
            offset::ICFGR..offset::ICFGR_END => self.write_config(at, value),
            offset::SGIR => self.write_sgir(cpu, value),
            offset::TYPER | offset::IIDR | offset::ICPIDR2 => return Err(IoError::ReadOnly),
            _ => {
                for (byte, at) in value.to_le_bytes().into_iter().zip(at..) {
                    self.write_byte(cpu, at, byte)?;
                }
            }
        }
        Ok(())
    }

    /// `GICD_IGROUPRn` to `GICD_ICACTIVERn`: one bit per interrupt (4.3.4 to 4.3.10).
    fn write_bits(&mut self, cpu: usize, at: u64, value: u32) {
        let block = at & !0x7f;
        let index = bit_word(at, block);
        if block == offset::ICACTIVER {
            self.deactivate(cpu, index, value);
            return;
        }
        // SGIs are always enabled, and pend by GICD_SGIR or GICD_SPENDSGIRn only (4.3.5, 4.3.7).
        let value = if index == 0 && block != offset::IGROUPR && block != offset::ISACTIVER {
            value & !SGI_BITS
        } else {
            value
        };
        let Some(word) = self.word_mut(cpu, index.saturating_mul(32)) else {
            return;
        };
        let before = (word.deliverable(), word.group1);
        match block {
            offset::IGROUPR => word.group1 = value,
            offset::ISENABLER => word.enabled |= value,
            offset::ICENABLER => word.enabled &= !value,
            offset::ISPENDR => word.latch |= value,
            offset::ICPENDR => word.latch &= !value,
            _ => word.active |= value & !word.in_lr,
        }
        if word.deliverable() & !before.0 != 0 || word.group1 != before.1 {
            self.touch_all();
        }
    }

    /// The registers that take bytes.
    fn write_byte(&mut self, cpu: usize, at: u64, value: u8) -> Result<(), IoError> {
        match at {
            offset::IPRIORITYR..offset::ITARGETSR => {
                self.set_priority(cpu, first_intid(at, offset::IPRIORITYR), value);
            }
            offset::ITARGETSR..offset::ICFGR => {
                self.set_target(first_intid(at, offset::ITARGETSR), value);
            }
            offset::CPENDSGIR..offset::SPENDSGIR => {
                self.clear_sgi(cpu, first_intid(at, offset::CPENDSGIR), value);
            }
            offset::SPENDSGIR..offset::SPENDSGIR_END => {
                let intid = first_intid(at, offset::SPENDSGIR);
                for source in (0..8_u8).filter(|source| value & 1 << source != 0) {
                    if usize::from(source) < self.cpus {
                        self.send_sgi(intid, source, cpu);
                    }
                }
            }
            // Reads of these work in any width, hence they exist.
            0..offset::IPRIORITYR | offset::ICFGR..offset::ICFGR_END | offset::SGIR..=0xf03 => {
                return Err(IoError::Width);
            }
            _ => return Err(IoError::NoRegister),
        }
        Ok(())
    }

    /// `GICD_TYPER` (4.3.2): lines and CPUs; no Security Extensions, hence no lockable SPIs.
    fn typer(&self) -> u32 {
        let cpus = u32::try_from(self.cpus - 1).unwrap_or(0);
        cpus << 5 | (u32::from(LINES) / 32 - 1)
    }

    /// `GICD_IPRIORITYRn` (4.3.11). A priority that is in a list register already stays there.
    fn set_priority(&mut self, cpu: usize, intid: u16, value: u8) {
        let slot = match usize::from(intid).checked_sub(usize::from(PRIVATE)) {
            None => self
                .banks
                .get_mut(cpu)
                .and_then(|bank| bank.priority.get_mut(usize::from(intid))),
            Some(index) => self.priority.get_mut(index),
        };
        if let Some(slot) = slot {
            *slot = value & spec::PRIORITY_MASK;
            self.touch_all();
        }
    }

    /// `GICD_ITARGETSRn` (4.3.12): the private ones read as the CPU that reads them.
    fn target_of(&self, cpu: usize, intid: u16) -> u8 {
        if self.cpus == 1 {
            return 0;
        }
        match usize::from(intid).checked_sub(usize::from(PRIVATE)) {
            None if cpu < MAX_CPUS => 1 << cpu,
            None => 0,
            Some(index) => self.targets.get(index).copied().unwrap_or(0),
        }
    }

    fn set_target(&mut self, intid: u16, value: u8) {
        let Some(index) = usize::from(intid).checked_sub(usize::from(PRIVATE)) else {
            return;
        };
        if self.cpus == 1 {
            return;
        }
        let present = (1_u8 << self.cpus) - 1;
        if let Some(targets) = self.targets.get_mut(index) {
            *targets = value & present;
            self.route(index);
            self.touch_all();
        }
    }

    /// `GICD_ICFGRn` (4.3.13): two bits per interrupt, of which the upper one says edge.
    fn read_config(&self, cpu: usize, at: u64) -> u32 {
        let (intid, shift) = config_place(at);
        let edge = self.word(cpu, intid).map_or(0, |word| word.edge) >> shift;
        (0..16).fold(0, |config, n| config | (edge >> n & 1) << (2 * n + 1))
    }

    /// SGIs are edge-triggered and PPIs level-sensitive, fixed.
    fn write_config(&mut self, at: u64, value: u32) {
        let (intid, shift) = config_place(at);
        if intid < PRIVATE {
            return;
        }
        let edge = (0..16).fold(0, |edge, n| edge | (value >> (2 * n + 1) & 1) << n);
        if let Some(word) = self.word_mut(0, intid) {
            word.edge = word.edge & !(SGI_EDGE << shift) | edge << shift;
            self.touch_all();
        }
    }

    /// `GICD_SGIR` (4.3.15). `NSATT` has a meaning with the Security Extensions only.
    fn write_sgir(&mut self, cpu: usize, value: u32) {
        let all = (1_u32 << self.cpus) - 1;
        let own = 1_u32 << (cpu & 7);
        let targets = match value >> 24 & 3 {
            0 => value >> 16 & all,
            1 => all & !own,
            2 => all & own,
            // Reserved.
            _ => 0,
        };
        let (Ok(intid), Ok(source)) = (u16::try_from(value & 15), u8::try_from(cpu & 7)) else {
            return;
        };
        for target in (0..self.cpus).filter(|target| targets & 1 << target != 0) {
            self.send_sgi(intid, source, target);
        }
    }

    /// CPUs that have sent SGI `intid` to `cpu`.
    fn sources_of(&self, cpu: usize, intid: u16) -> u8 {
        let sources = self
            .banks
            .get(cpu)
            .and_then(|bank| bank.sources.get(usize::from(intid)));
        sources.copied().unwrap_or(0)
    }

    /// `GICD_CPENDSGIRn` (4.3.16).
    fn clear_sgi(&mut self, cpu: usize, intid: u16, value: u8) {
        let Some(bank) = self.banks.get_mut(cpu) else {
            return;
        };
        if let Some(sources) = bank.sources.get_mut(usize::from(intid)) {
            *sources &= !value;
            if *sources == 0 {
                bank.word.latch &= !bit_of(intid);
            }
        }
    }
}

/// Word and shift of the 16 interrupts that the configuration register at `at` is about.
fn config_place(at: u64) -> (u16, u32) {
    let first = u16::try_from((at - offset::ICFGR) / 4 * 16).unwrap_or(u16::MAX);
    (first & !31, u32::from(first & 16))
}

/// Four byte-per-interrupt fields from interrupt `first` on.
fn bytes(first: u16, field: impl Fn(u16) -> u8) -> u32 {
    u32::from_le_bytes([0, 1, 2, 3].map(|n| field(first.saturating_add(n))))
}
