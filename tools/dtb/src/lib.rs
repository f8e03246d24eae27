// SPDX-License-Identifier: BSD-2-Clause
//! The device tree of a guest, generated from its description (Devicetree Specification 0.4; the
//! bindings are named at each node).
//!
//! The machine is QEMU's `virt` ([`guest::machine`]) with what this guest has of it, so nothing is
//! ever described that is not there. Same description, same bytes.
//!
//! Answers AV-06.
#![forbid(unsafe_code)]

mod nodes;
#[cfg(test)]
mod tests;

use dtoolkit::error::ModelError;
use dtoolkit::model::{DeviceTree, DeviceTreeNode};
use guest::{Span, machine};
use thiserror::Error;

/// What a guest has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// Name of the machine, for `/proc/device-tree/model`.
    pub model: String,
    /// RAM.
    pub ram: Span,
    /// Number of vCPUs: 1 to [`machine::MAX_VCPUS`]. vCPU `n` has MPIDR affinity `n`.
    pub vcpus: u32,
    /// `compatible` of the CPUs, such as `arm,cortex-a53`.
    pub cpu: String,
    /// The interrupt controller.
    pub gic: Gic,
    /// Whether there is a PL011 at [`machine::UART`]; it then is `stdout-path`.
    pub uart: bool,
    /// Whether there is a PL031 at [`machine::RTC`].
    pub rtc: bool,
    /// virtio-mmio slots in use, below [`machine::VIRTIO_SLOTS`], each once.
    pub virtio: Vec<u32>,
    /// Kernel command line.
    pub bootargs: Option<String>,
    /// Where the initrd is.
    pub initrd: Option<Span>,
    /// Random bytes for the guest's entropy pool; a fixed value makes boots repeatable.
    pub rng_seed: Option<[u8; 32]>,
}

/// Which interrupt controller the guest sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gic {
    /// GICv2 with the CPU interface at [`machine::GICC`].
    V2,
    /// GICv3 with one redistributor per vCPU from [`machine::GICR`].
    V3,
}

/// Why no device tree can be made.
#[derive(Debug, Error)]
pub enum DtbError {
    /// The number of vCPUs is not supported.
    #[error("a guest has 1 to {max} vCPUs, not {0}", max = machine::MAX_VCPUS)]
    Vcpus(u32),
    /// No such virtio-mmio slot, or twice the same.
    #[error("virtio-mmio slot {0} does not exist or is given twice")]
    VirtioSlot(u32),
    /// A string holds a NUL, which would end it.
    #[error("{0} holds a NUL character")]
    Nul(&'static str),
    /// The model did not take a name; a fault of this crate.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// The flattened device tree of `guest`. Its size does not depend on addresses.
///
/// # Errors
/// See [`DtbError`].
pub fn build(guest: &Guest) -> Result<Vec<u8>, DtbError> {
    check(guest)?;
    let mut tree = DeviceTree::new();
    tree.root = nodes::root(guest)?;
    Ok(tree.to_dtb())
}

fn check(guest: &Guest) -> Result<(), DtbError> {
    if !(1..=machine::MAX_VCPUS).contains(&guest.vcpus) {
        return Err(DtbError::Vcpus(guest.vcpus));
    }
    for (at, slot) in guest.virtio.iter().enumerate() {
        let twice = guest.virtio.iter().take(at).any(|other| other == slot);
        if twice || machine::virtio_slot(*slot).is_none() {
            return Err(DtbError::VirtioSlot(*slot));
        }
    }
    let strings = [
        ("the model", Some(&guest.model)),
        ("the CPU's compatible string", Some(&guest.cpu)),
        ("the command line", guest.bootargs.as_ref()),
    ];
    for (what, string) in strings {
        if string.is_some_and(|string| string.contains('\0')) {
            return Err(DtbError::Nul(what));
        }
    }
    Ok(())
}

/// A node under construction.
type Node = Result<DeviceTreeNode, ModelError>;
