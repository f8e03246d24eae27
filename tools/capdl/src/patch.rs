// SPDX-License-Identifier: BSD-2-Clause
//! Symbols that the tool writes into programs: Microkit's own, and those the system file asks for.

use crate::elf::{Elf, SymbolError};
use crate::load::ElfSet;
use crate::rules;
use sdf::model::{ProtectionDomain, SetvarKind, System};
use sdf::{Diagnostic, Diagnostics, Files, Span};

/// Bytes to be written into a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Index of the protection domain; the number of protection domains for the monitor.
    pub pd: usize,
    /// The symbol.
    pub symbol: String,
    /// Its address.
    pub address: u64,
    /// What it receives, starting at `address`.
    pub bytes: Vec<u8>,
}

/// Every patch of every protection domain. `paddr` tells the physical address of a region that the
/// file gives none; it is asked only for regions of `<setvar region_paddr>`.
///
/// # Errors
/// Symbols that are missing, occur twice, are not loaded, or have the wrong size.
pub fn patches(
    system: &System,
    elfs: &ElfSet,
    files: &dyn Files,
    paddr: &dyn Fn(&str) -> Option<u64>,
) -> Result<Vec<Patch>, Diagnostics> {
    let mut out = Diagnostics::new(system.source.clone());
    let mut all = Vec::new();
    for (index, (pd, elf)) in system.pds.iter().zip(&elfs.pds).enumerate() {
        let mut target = Target {
            index,
            pd,
            elf,
            all: &mut all,
            out: &mut out,
        };
        microkit(system, &mut target);
        for setvar in system.setvars(index) {
            let value = value(system, &setvar.kind, files, paddr);
            target.setvar(&setvar.symbol, setvar.symbol.span, value);
        }
    }
    if out.has_errors() {
        out.sort();
        return Err(out);
    }
    Ok(all)
}

/// Writes `patches` into the programs.
///
/// # Errors
/// When a patch names a program that is not there, or memory it does not have.
pub fn apply(elfs: &mut ElfSet, patches: &[Patch]) -> Result<(), SymbolError> {
    let count = elfs.pds.len();
    for patch in patches {
        let elf = if patch.pd == count {
            elfs.monitor.as_mut()
        } else {
            elfs.pds.get_mut(patch.pd)
        };
        elf.ok_or(SymbolError::Missing)?
            .write(patch.address, &patch.bytes)?;
    }
    Ok(())
}

/// One program and where to put its patches.
struct Target<'a> {
    index: usize,
    pd: &'a ProtectionDomain,
    elf: &'a Elf,
    all: &'a mut Vec<Patch>,
    out: &'a mut Diagnostics,
}

impl Target<'_> {
    fn error(&mut self, span: Span, symbol: &str, error: SymbolError) {
        let path = &self.pd.image.path;
        let message = format!("symbol `{symbol}` of `{}` {error}", path.value);
        let item = Diagnostic::new(&rules::SYMBOL, span, message);
        self.out.push(if span == path.span {
            item
        } else {
            item.also(path.span, "this program")
        });
    }

    /// One of Microkit's own symbols, which may be larger than its value.
    fn own(&mut self, symbol: &str, bytes: &[u8]) {
        let span = self.pd.image.path.span;
        match self.elf.symbol(symbol) {
            Err(error) => self.error(span, symbol, error),
            Ok(found) if usize::try_from(found.size).is_ok_and(|size| size < bytes.len()) => {
                let message = format!(
                    "symbol `{symbol}` of `{}` has {} bytes, not {}",
                    self.pd.image.path.value,
                    found.size,
                    bytes.len()
                );
                self.out
                    .push(Diagnostic::new(&rules::SYMBOL_SIZE, span, message));
            }
            Ok(found) => self.push(symbol, found.address, bytes),
        }
    }

    /// A symbol the system file asks for.
    fn setvar(&mut self, symbol: &str, span: Span, value: u64) {
        match self.elf.symbol(symbol) {
            Err(error) => self.error(span, symbol, error),
            Ok(found) if found.size != 8 => {
                let message = format!("symbol `{symbol}` has {} bytes, not 8", found.size);
                let item = Diagnostic::new(&rules::SYMBOL_SIZE, span, message);
                self.out
                    .push(item.also(self.pd.image.path.span, "in this program"));
            }
            Ok(found) => self.push(symbol, found.address, &value.to_le_bytes()),
        }
    }

    fn push(&mut self, symbol: &str, address: u64, bytes: &[u8]) {
        let symbol = symbol.to_owned();
        self.all.push(Patch {
            pd: self.index,
            symbol,
            address,
            bytes: bytes.to_vec(),
        });
    }
}

/// The six symbols of every program.
fn microkit(system: &System, target: &mut Target<'_>) {
    let pd = target.pd;
    let (mut notifications, mut calls) = (0_u64, 0_u64);
    for (own, _) in system.ends(&pd.name) {
        notifications |= u64::from(own.notify.value) << own.id.value;
        calls |= u64::from(own.pp.value) << own.id.value;
    }
    let irqs = pd
        .irqs
        .iter()
        .fold(0_u64, |bits, irq| bits | 1 << irq.id.value);
    target.own("microkit_name", &padded_name(&pd.name));
    target.own("microkit_passive", &[u8::from(pd.passive.value)]);
    target.own("microkit_irqs", &irqs.to_le_bytes());
    target.own("microkit_notifications", &notifications.to_le_bytes());
    target.own("microkit_pps", &calls.to_le_bytes());
    target.own("microkit_ioports", &0_u64.to_le_bytes());
}

/// A name as Microkit stores it: 64 bytes, zero-padded.
fn padded_name(name: &str) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes
        .iter_mut()
        .take(63)
        .zip(name.bytes())
        .for_each(|(to, from)| *to = from);
    bytes
}

fn value(
    system: &System,
    kind: &SetvarKind,
    files: &dyn Files,
    paddr: &dyn Fn(&str) -> Option<u64>,
) -> u64 {
    let region = |name: &str| system.region(system.memory_region(name)?, files);
    match kind {
        SetvarKind::Vaddr(address) => *address,
        SetvarKind::Id(id) => u64::from(*id),
        SetvarKind::Size(name) => region(name).map_or(0, |region| region.size),
        SetvarKind::PrefillSize(name) => region(name)
            .and_then(|region| region.prefill)
            .unwrap_or_default(),
        SetvarKind::Paddr(name) => {
            let fixed = system.memory_region(name).and_then(|mr| mr.phys_addr);
            fixed
                .map(|addr| addr.value)
                .or_else(|| paddr(name))
                .unwrap_or_default()
        }
    }
}

/// The patches of Microkit's monitor, for packers that carry it.
///
/// # Errors
/// When the monitor lacks one of its symbols: its name.
pub fn monitor_patches(system: &System, monitor: &Elf) -> Result<Vec<Patch>, String> {
    let mut patches = Vec::new();
    for (symbol, bytes) in monitor_values(system) {
        let found = monitor
            .symbol(symbol)
            .map_err(|error| format!("`{symbol}` {error}"))?;
        if usize::try_from(found.size).is_ok_and(|size| size < bytes.len()) {
            return Err(format!("`{symbol}` is too small"));
        }
        let (pd, symbol) = (system.pds.len(), symbol.to_owned());
        patches.push(Patch {
            pd,
            symbol,
            address: found.address,
            bytes,
        });
    }
    Ok(patches)
}

/// What the monitor is told: names, and where stacks end.
fn monitor_values(system: &System) -> [(&'static str, Vec<u8>); 5] {
    let pds = || system.pds.iter().map(|pd| pd.name.as_str());
    let guests = system
        .pds
        .iter()
        .filter_map(|pd| pd.virtual_machine.as_ref());
    let vms: Vec<&str> = guests
        .flat_map(|vm| std::iter::repeat_n(vm.name.as_str(), vm.vcpus.len()))
        .collect();
    let count = |count: usize| {
        u64::try_from(count)
            .unwrap_or_default()
            .to_le_bytes()
            .to_vec()
    };
    let stacks = system
        .pds
        .iter()
        .flat_map(|pd| pd.map_limit().to_le_bytes())
        .collect();
    [
        ("pd_names_len", count(system.pds.len())),
        ("pd_names", pds().flat_map(padded_name).collect()),
        ("vm_names_len", count(vms.len())),
        (
            "vm_names",
            vms.iter().copied().flat_map(padded_name).collect(),
        ),
        ("pd_stack_bottom_addrs", stacks),
    ]
}
