// SPDX-License-Identifier: BSD-2-Clause
//! Devices of a board: names from its file, addresses and interrupts from its device tree.

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::{Node as _, Property as _};
use sdf::Board;
use sdf::model::Trigger;
use std::collections::BTreeMap;

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// What it is, most specific first.
    pub compatible: Vec<String>,
    /// Register blocks as (first address, bytes).
    pub blocks: Vec<(u64, u64)>,
    /// Interrupts, numbered as the kernel does.
    pub irqs: Vec<(u32, Trigger)>,
    /// Its first clock in hertz, where that is fixed.
    pub clock: Option<u64>,
}

/// The devices of a board.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Devices {
    /// By the board's names.
    pub by_name: BTreeMap<String, Device>,
}

/// Binding of the GIC: the first cell of an interrupt.
const SPI: u32 = 0;
const PPI: u32 = 1;
/// Low bits of the third cell: edges; otherwise a level.
const EDGES: u32 = 0b11;

impl Devices {
    /// The devices that `board` names, from the blob `tree`.
    ///
    /// # Errors
    /// When the tree cannot be read or lacks a device, as a sentence.
    pub fn read(board: &Board, tree: &[u8]) -> Result<Self, String> {
        let fdt = Fdt::new(tree).map_err(|error| format!("it is no device tree: {error}"))?;
        let mut devices = Self::default();
        for (name, path) in &board.devices {
            let node = fdt
                .find_node(path)
                .ok_or_else(|| format!("`{name}` is {path}, which it does not have"))?;
            let device =
                device(fdt, node).map_err(|problem| format!("{path} ({name}): {problem}"))?;
            devices.by_name.insert(name.clone(), device);
        }
        Ok(devices)
    }
}

fn device(fdt: Fdt<'_>, node: FdtNode<'_>) -> Result<Device, String> {
    let compatible = node.compatible().into_iter().flatten();
    let mut device = Device {
        compatible: compatible.map(str::to_owned).collect(),
        blocks: Vec::new(),
        irqs: irqs(node)?,
        clock: clock(fdt, node),
    };
    if let Some(blocks) = node.reg().map_err(|error| error.to_string())? {
        for block in blocks {
            let base: u64 = block.address().map_err(|error| error.to_string())?;
            let size: u64 = block.size().map_err(|error| error.to_string())?;
            if size == 0 || base.checked_add(size).is_none() {
                return Err(format!("registers of {size:#x} bytes at {base:#x}"));
            }
            device.blocks.push((base, size));
        }
    }
    Ok(device)
}

/// The 32-bit cells of a property; none where it is absent.
fn cells(node: FdtNode<'_>, property: &str) -> Result<Vec<u32>, String> {
    let Some(found) = node.property(property) else {
        return Ok(Vec::new());
    };
    let (words, rest) = found.value().as_chunks::<4>();
    if !rest.is_empty() {
        return Err(format!("`{property}` is not made of cells"));
    }
    Ok(words.iter().map(|word| u32::from_be_bytes(*word)).collect())
}

fn irqs(node: FdtNode<'_>) -> Result<Vec<(u32, Trigger)>, String> {
    let cells = cells(node, "interrupts")?;
    let (all, rest) = cells.as_chunks::<3>();
    if !rest.is_empty() {
        return Err("`interrupts` are not of a GIC".to_owned());
    }
    let number = |[kind, number, flags]: &[u32; 3]| {
        let (first, count) = match *kind {
            SPI => (32, 988),
            PPI => (16, 16),
            _ => return Err(format!("interrupts of kind {kind}")),
        };
        if *number >= count {
            return Err(format!("interrupt {number} of kind {kind}"));
        }
        let trigger = if flags & EDGES == 0 {
            Trigger::Level
        } else {
            Trigger::Edge
        };
        Ok((first + number, trigger))
    };
    all.iter().map(number).collect()
}

/// The frequency of the node that the first of `clocks` points to.
fn clock(fdt: Fdt<'_>, node: FdtNode<'_>) -> Option<u64> {
    let wanted = *cells(node, "clocks").ok()?.first()?;
    let holds =
        |candidate: &FdtNode<'_>| cells(*candidate, "phandle").is_ok_and(|cells| cells == [wanted]);
    let found = fdt.root().children().find(holds)?;
    let frequency = cells(found, "clock-frequency").ok()?;
    frequency.first().map(|hertz| u64::from(*hertz))
}
