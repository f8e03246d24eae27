// SPDX-License-Identifier: BSD-2-Clause
//! The nodes, one function each.

use dtoolkit::ToPropertyValue;
use dtoolkit::error::ModelError;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use guest::machine;
use units::Gpa;

use crate::{Gic, Guest, Node};

const GIC_PHANDLE: u32 = 1;
const CLOCK_PHANDLE: u32 = 2;

/// Interrupt kinds of the GIC binding's first cell (arm,gic.yaml).
const SPI: u32 = 0;
const PPI: u32 = 1;
/// First interrupt id of PPIs.
const PPI_BASE: u32 = 16;
/// Trigger of the GIC binding's third cell.
const LEVEL_HIGH: u32 = 4;

/// Input clock of the UART; nothing depends on its value.
const CLOCK_HZ: u32 = 24_000_000;

/// Collects properties and children.
struct Builder(DeviceTreeNode);

impl Builder {
    fn new(name: &str) -> Result<Self, ModelError> {
        DeviceTreeNode::new(name).map(Self)
    }

    /// A node with a unit address and a single `reg` range.
    fn at(name: &str, base: Gpa, size: u64) -> Result<Self, ModelError> {
        Self::new(&format!("{name}@{:x}", base.get()))?.set("reg", ranges(&[(base, size)]))
    }

    fn set(mut self, name: &str, value: impl ToPropertyValue) -> Result<Self, ModelError> {
        self.0.add_property(DeviceTreeProperty::new(name, value)?);
        Ok(self)
    }

    fn flag(self, name: &str) -> Result<Self, ModelError> {
        self.set(name, [0_u8; 0])
    }

    fn child(mut self, node: DeviceTreeNode) -> Self {
        self.0.add_child(node);
        self
    }

    fn done(self) -> Node {
        Ok(self.0)
    }
}

/// `reg` under two address and two size cells.
fn ranges(ranges: &[(Gpa, u64)]) -> Vec<u8> {
    ranges
        .iter()
        .flat_map(|(base, size)| [base.get(), *size])
        .flat_map(u64::to_be_bytes)
        .collect()
}

/// An SPI as three GIC cells, from its interrupt id.
fn spi(irq: u32) -> [u32; 3] {
    [SPI, irq - machine::SPI_BASE, LEVEL_HIGH]
}

pub(crate) fn root(guest: &Guest) -> Node {
    let mut root = Builder(DeviceTree::new().root)
        .set("compatible", "linux,dummy-virt")?
        .set("model", guest.model.as_str())?
        .set("interrupt-parent", GIC_PHANDLE)?
        .set("#address-cells", 2_u32)?
        .set("#size-cells", 2_u32)?
        .flag("dma-coherent")?
        .child(chosen(guest)?)
        .child(memory(guest)?)
        .child(cpus(guest)?)
        .child(psci()?)
        .child(timer(guest)?)
        .child(gic(guest)?)
        .child(clock()?);
    if guest.uart {
        let path = format!("/pl011@{:x}", machine::UART.get());
        root = root.child(uart()?).child(
            Builder::new("aliases")?
                .set("serial0", path.as_str())?
                .done()?,
        );
    }
    if guest.rtc {
        root = root.child(rtc()?);
    }
    for slot in &guest.virtio {
        if let Some((base, irq)) = machine::virtio_slot(*slot) {
            root = root.child(virtio_mmio(base, irq)?);
        }
    }
    root.done()
}

/// Devicetree Specification 3.6; Linux `Documentation/devicetree/bindings/chosen.yaml`.
fn chosen(guest: &Guest) -> Node {
    let mut node = Builder::new("chosen")?;
    if guest.uart {
        let path = format!("/pl011@{:x}", machine::UART.get());
        node = node.set("stdout-path", path.as_str())?;
    }
    if let Some(bootargs) = &guest.bootargs {
        node = node.set("bootargs", bootargs.as_str())?;
    }
    if let Some(initrd) = guest.initrd {
        node = node
            .set("linux,initrd-start", initrd.base().get())?
            .set("linux,initrd-end", initrd.end().get())?;
    }
    if let Some(seed) = guest.rng_seed {
        node = node.set("rng-seed", seed)?;
    }
    node.done()
}

/// Devicetree Specification 3.4.
fn memory(guest: &Guest) -> Node {
    Builder::at("memory", guest.ram.base(), guest.ram.size())?
        .set("device_type", "memory")?
        .done()
}

/// `arm/cpus.yaml`.
fn cpus(guest: &Guest) -> Node {
    let mut cpus = Builder::new("cpus")?
        .set("#address-cells", 1_u32)?
        .set("#size-cells", 0_u32)?;
    for index in 0..guest.vcpus {
        let cpu = Builder::new(&format!("cpu@{index:x}"))?
            .set("device_type", "cpu")?
            .set("compatible", guest.cpu.as_str())?
            .set("reg", index)?
            .set("enable-method", "psci")?;
        cpus = cpus.child(cpu.done()?);
    }
    cpus.done()
}

/// `arm/psci.yaml`. The conduit is SMC: a guest's HVC is a system call of its thread in seL4
/// (sel4-abi.md 6.5).
fn psci() -> Node {
    Builder::new("psci")?
        .set("compatible", &["arm,psci-1.0", "arm,psci-0.2"][..])?
        .set("method", "smc")?
        .done()
}

/// `timer/arm,arch_timer.yaml`: secure, physical, virtual and hypervisor PPI, of which the guest
/// gets the virtual one.
fn timer(guest: &Guest) -> Node {
    // GICv2 tells which CPUs a PPI is wired to in bits 15:8 of the third cell.
    let flags = match guest.gic {
        Gic::V2 => ((1 << guest.vcpus) - 1) << 8 | LEVEL_HIGH,
        Gic::V3 => LEVEL_HIGH,
    };
    let interrupts = [29, 30, machine::VIRTUAL_TIMER_IRQ, 26];
    let cells: Vec<u32> = interrupts
        .iter()
        .flat_map(|irq| [PPI, irq - PPI_BASE, flags])
        .collect();
    Builder::new("timer")?
        .set("compatible", "arm,armv8-timer")?
        .set("interrupts", cells)?
        .flag("always-on")?
        .done()
}

/// `interrupt-controller/arm,gic.yaml` and `arm,gic-v3.yaml`.
fn gic(guest: &Guest) -> Node {
    let distributor = (machine::GICD, machine::GICD_SIZE);
    let (compatible, second) = match guest.gic {
        Gic::V2 => ("arm,cortex-a15-gic", (machine::GICC, machine::GICC_SIZE)),
        Gic::V3 => {
            let size = machine::GICR_SIZE * u64::from(guest.vcpus);
            ("arm,gic-v3", (machine::GICR, size))
        }
    };
    Builder::new(&format!("interrupt-controller@{:x}", machine::GICD.get()))?
        .set("compatible", compatible)?
        .flag("interrupt-controller")?
        .set("#interrupt-cells", 3_u32)?
        .set("#address-cells", 2_u32)?
        .set("#size-cells", 2_u32)?
        .flag("ranges")?
        .set("reg", ranges(&[distributor, second]))?
        .set("phandle", GIC_PHANDLE)?
        .done()
}

/// `clock/fixed-clock.yaml`.
fn clock() -> Node {
    Builder::new("apb-pclk")?
        .set("compatible", "fixed-clock")?
        .set("#clock-cells", 0_u32)?
        .set("clock-frequency", CLOCK_HZ)?
        .set("clock-output-names", "clk24mhz")?
        .set("phandle", CLOCK_PHANDLE)?
        .done()
}

/// `serial/pl011.yaml`.
fn uart() -> Node {
    Builder::at("pl011", machine::UART, machine::PRIMECELL_SIZE)?
        .set("compatible", &["arm,pl011", "arm,primecell"][..])?
        .set("interrupts", spi(machine::UART_IRQ))?
        .set("clocks", [CLOCK_PHANDLE; 2])?
        .set("clock-names", &["uartclk", "apb_pclk"][..])?
        .done()
}

/// `rtc/arm,pl031.yaml`.
fn rtc() -> Node {
    Builder::at("pl031", machine::RTC, machine::PRIMECELL_SIZE)?
        .set("compatible", &["arm,pl031", "arm,primecell"][..])?
        .set("interrupts", spi(machine::RTC_IRQ))?
        .set("clocks", CLOCK_PHANDLE)?
        .set("clock-names", "apb_pclk")?
        .done()
}

/// `virtio/mmio.yaml`. The line is high as long as InterruptStatus is not zero.
fn virtio_mmio(base: Gpa, irq: u32) -> Node {
    Builder::at("virtio_mmio", base, machine::VIRTIO_STRIDE)?
        .set("compatible", "virtio,mmio")?
        .set("interrupts", spi(irq))?
        .flag("dma-coherent")?
        .done()
}
