// SPDX-License-Identifier: BSD-2-Clause
//! What the rules need to know of a board; the values come from `images/boards/<name>.toml`.

use serde::Deserialize;
use std::collections::BTreeMap;

/// A board.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// Name as the Microkit SDK spells it.
    pub name: String,
    /// One line for humans.
    pub description: String,
    /// Cores of the machine.
    pub cores: u8,
    /// Cores that the kernel configuration uses: one, except with an `smp-` configuration.
    #[serde(default = "unicore")]
    pub kernel_cores: u8,
    /// Frequency of the generic timer in hertz.
    pub timer_hz: u64,
    /// Interrupts.
    pub gic: Gic,
    /// Memory the kernel hands out as normal, zeroed RAM.
    pub ram: Vec<Range>,
    /// RAM that the kernel regards as device memory: contents are kept, good for guests.
    #[serde(default)]
    pub device_ram: Vec<Range>,
    /// Physical pages that the kernel keeps to itself.
    pub reserved: Vec<Reserved>,
    /// RAM that the kernel's image takes in every configuration; what else the loader and the initialiser
    /// take depends on the image, and is for the SDK's tool and the audit to say.
    #[serde(default)]
    pub boot: Vec<Reserved>,
    /// Devices by the names that layouts give them: paths in the board's device tree,
    /// `images/boards/<name>.dtb`.
    #[serde(default)]
    pub devices: BTreeMap<String, String>,
    /// Devices that something keeps from reaching all memory, by name, and what that is.
    #[serde(default)]
    pub confined: BTreeMap<String, String>,
    /// Registers that several may map, such as the virtual CPU interface of a GIC, which the hardware
    /// keeps apart.
    #[serde(default)]
    pub shared: Vec<Reserved>,
    /// How QEMU runs this board, if it can.
    #[serde(default)]
    pub qemu: Option<Qemu>,
}

const fn unicore() -> u8 {
    1
}

/// The interrupt controller.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gic {
    /// Architecture version, 2 or 3.
    pub version: u8,
    /// Highest interrupt number the kernel knows.
    pub max_irq: u32,
    /// Interrupts that the kernel keeps to itself.
    pub reserved_irqs: Vec<u32>,
}

/// A physical address range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// First address.
    pub base: u64,
    /// Bytes.
    pub size: u64,
}

impl Range {
    /// First address above the range, saturating.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.base.saturating_add(self.size)
    }

    /// Whether the range shares an address with `base..end`.
    #[must_use]
    pub const fn overlaps(&self, base: u64, end: u64) -> bool {
        self.base < end && base < self.end()
    }

    /// Whether `base..end` lies inside the range.
    #[must_use]
    pub const fn contains(&self, base: u64, end: u64) -> bool {
        self.base <= base && end <= self.end()
    }
}

/// A named range.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reserved {
    /// What is there.
    pub name: String,
    /// First address.
    pub base: u64,
    /// Bytes.
    pub size: u64,
}

impl Reserved {
    /// The range alone.
    #[must_use]
    pub const fn range(&self) -> Range {
        Range {
            base: self.base,
            size: self.size,
        }
    }
}

/// QEMU's machine for a board.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qemu {
    /// `-M`.
    pub machine: String,
    /// `-cpu`.
    pub cpu: String,
    /// `-m`.
    pub memory: String,
    /// Address the seL4 loader image is loaded and entered at.
    pub sel4_entry: u64,
    /// Address the development kernel's image is loaded and entered at.
    pub dev_entry: u64,
    /// Further options of every run.
    #[serde(default)]
    pub options: Vec<String>,
    /// Devices that are plugged in where a system maps their registers.
    #[serde(default)]
    pub device: Vec<QemuDevice>,
}

/// A device that QEMU can plug in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QemuDevice {
    /// Name of the device, as layouts spell it.
    pub name: String,
    /// Page of its registers.
    pub base: u64,
    /// Options that plug it in; `{sector}` stands for the bytes of a disk's logical block.
    pub options: Vec<String>,
    /// Id of the drive that it needs, if it is a disk.
    #[serde(default)]
    pub drive: Option<String>,
}
