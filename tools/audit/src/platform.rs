// SPDX-License-Identifier: BSD-2-Clause
//! What a checker must be told about the machine, since no distribution says it.

use serde::{Deserialize, Serialize};

/// A machine and the kernel's share of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// Name of the board.
    pub name: String,
    /// Memory that the kernel hands out; all else is a device to it.
    #[serde(default)]
    pub ram: Vec<Area>,
    /// Memory behind no device although the kernel takes it for one: guests' memory.
    #[serde(default)]
    pub device_ram: Vec<Area>,
    /// Pages that only the kernel may use.
    #[serde(default)]
    pub reserved: Vec<Area>,
    /// Registers whose state the kernel saves and restores with each virtual CPU, so that sharing them
    /// is no flow: the virtual interrupt interface.
    #[serde(default)]
    pub banked: Vec<Area>,
    /// Largest interrupt number.
    pub max_irq: u64,
    /// Interrupts that the kernel keeps.
    #[serde(default)]
    pub reserved_irqs: Vec<u64>,
    /// Cores that the kernel uses.
    pub cores: u64,
    /// Devices that read and write memory by themselves.
    #[serde(default)]
    pub dma: Vec<DmaMaster>,
}

/// A range of physical addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// What it is.
    pub name: String,
    /// First address.
    pub base: u64,
    /// Bytes.
    pub size: u64,
}

impl Area {
    /// Whether it and `size` bytes from `base` have an address in common.
    #[must_use]
    pub const fn overlaps(&self, base: u64, size: u64) -> bool {
        base < self.base.saturating_add(self.size) && self.base < base.saturating_add(size)
    }

    /// Whether `size` bytes from `base` are all in it.
    #[must_use]
    pub const fn contains(&self, base: u64, size: u64) -> bool {
        self.base <= base && base.saturating_add(size) <= self.base.saturating_add(self.size)
    }
}

/// A device that reads and writes memory by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DmaMaster {
    /// Its name.
    pub name: String,
    /// Its registers: who writes them decides where it reads and writes.
    pub registers: Area,
    /// What confines it: the name of the mechanism, and what it leaves reachable. None: everything.
    #[serde(default)]
    pub confined: Option<Confinement>,
    /// What it is meant to reach.
    #[serde(default)]
    pub windows: Vec<Area>,
}

/// What confines a DMA master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confinement {
    /// The mechanism: an SMMU stream, a bus firewall.
    pub by: String,
    /// What stays reachable.
    pub to: Vec<Area>,
}

impl Platform {
    /// Whether `base` is a device: neither the kernel's memory nor memory left to guests.
    #[must_use]
    pub fn is_device(&self, base: u64, size: u64) -> bool {
        let mut memory = self.ram.iter().chain(&self.device_ram);
        !memory.any(|area| area.contains(base, size))
    }

    /// The banked registers that `size` bytes from `base` are part of.
    #[must_use]
    pub fn banked(&self, base: u64, size: u64) -> Option<&Area> {
        self.banked.iter().find(|area| area.contains(base, size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(base: u64, size: u64) -> Area {
        Area {
            name: String::new(),
            base,
            size,
        }
    }

    #[test]
    fn areas_touch_without_overlapping() {
        let it = area(0x1000, 0x1000);
        for (base, size, overlaps, contains) in [
            (0x0, 0x1000, false, false),
            (0x0, 0x1001, true, false),
            (0x1000, 0x1000, true, true),
            (0x1800, 0x800, true, true),
            (0x1800, 0x801, true, false),
            (0x2000, 0x1000, false, false),
            (0x1fff, 1, true, true),
        ] {
            assert_eq!(it.overlaps(base, size), overlaps, "{base:#x} {size:#x}");
            assert_eq!(it.contains(base, size), contains, "{base:#x} {size:#x}");
        }
        assert!(area(u64::MAX - 1, 10).overlaps(u64::MAX - 1, 1));
    }

    #[test]
    fn memory_left_to_guests_is_no_device() {
        let platform = Platform {
            ram: vec![area(0x6000_0000, 0x1000)],
            device_ram: vec![area(0x4000_0000, 0x1000)],
            banked: vec![area(0x804_0000, 0x2000)],
            ..Platform::default()
        };
        assert!(!platform.is_device(0x6000_0000, 0x1000));
        assert!(!platform.is_device(0x4000_0000, 0x1000));
        assert!(platform.is_device(0x6000_0800, 0x1000));
        assert!(platform.is_device(0x900_0000, 0x1000));
        assert!(platform.banked(0x804_1000, 0x1000).is_some());
        assert!(platform.banked(0x804_2000, 0x1000).is_none());
    }
}
