// SPDX-License-Identifier: BSD-2-Clause
//! Questions that several stages ask of a system.

use super::{ChannelEnd, MemoryRegion, ProtectionDomain, System};
use crate::span::{Source, Spanned};

/// Where the value of a patched symbol comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetvarKind {
    /// This address.
    Vaddr(u64),
    /// Size of the named region.
    Size(String),
    /// Length of the named region's prefill file.
    PrefillSize(String),
    /// Physical address of the named region.
    Paddr(String),
    /// This id.
    Id(u8),
}

/// A symbol of a PD's ELF that the tool patches with eight bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setvar {
    /// The symbol.
    pub symbol: Spanned<String>,
    /// Its value.
    pub kind: SetvarKind,
}

impl System {
    /// A system with nothing in it, described by `source`.
    #[must_use]
    pub const fn empty(source: Source, name: Option<Spanned<String>>) -> Self {
        Self {
            source,
            name,
            domains: None,
            pds: Vec::new(),
            memory_regions: Vec::new(),
            channels: Vec::new(),
        }
    }

    /// Index of the PD called `name`.
    #[must_use]
    pub fn pd_index(&self, name: &str) -> Option<usize> {
        self.pds.iter().position(|pd| *pd.name == name)
    }

    /// The memory region called `name`.
    #[must_use]
    pub fn memory_region(&self, name: &str) -> Option<&MemoryRegion> {
        self.memory_regions.iter().find(|mr| *mr.name == name)
    }

    /// Indices of the children of PD `parent`, in file order.
    pub fn children(&self, parent: usize) -> impl Iterator<Item = usize> + '_ {
        self.pds
            .iter()
            .enumerate()
            .filter(move |(_, pd)| pd.parent == Some(parent))
            .map(|(i, _)| i)
    }

    /// Channel ends of PD `pd` as (own end, other end), in file order.
    pub fn ends<'a>(
        &'a self,
        pd: &'a str,
    ) -> impl Iterator<Item = (&'a ChannelEnd, &'a ChannelEnd)> + 'a {
        self.channels
            .iter()
            .flat_map(|ch| {
                let [a, b] = &ch.ends;
                [(a, b), (b, a)]
            })
            .filter(move |(own, _)| *own.pd == pd)
    }

    /// Whether PD `index` receives on an endpoint: it has children, a guest, or callers.
    #[must_use]
    pub fn needs_endpoint(&self, index: usize) -> bool {
        let Some(pd) = self.pds.get(index) else {
            return false;
        };
        pd.virtual_machine.is_some()
            || self.children(index).next().is_some()
            || self.ends(&pd.name).any(|(_, other)| *other.pp)
    }

    /// Every symbol of PD `index` that is patched with eight bytes, wherever the file asks for it.
    #[must_use]
    pub fn setvars(&self, index: usize) -> Vec<Setvar> {
        let Some(pd) = self.pds.get(index) else {
            return Vec::new();
        };
        let mut all = pd.own_setvars();
        let mut id = |symbol: &Option<Spanned<String>>, id: u8| {
            if let Some(symbol) = symbol {
                all.push(Setvar {
                    symbol: symbol.clone(),
                    kind: SetvarKind::Id(id),
                });
            }
        };
        for child in self.children(index) {
            let child = &self.pds[child];
            id(&child.setvar_id, child.child_id.map_or(0, |id| id.value));
        }
        for (own, _) in self.ends(&pd.name) {
            id(&own.setvar_id, *own.id);
        }
        all
    }
}

impl ProtectionDomain {
    /// Setvars of this PD's own elements: maps, interrupts, `<setvar>`, vCPUs.
    fn own_setvars(&self) -> Vec<Setvar> {
        let mut all = Vec::new();
        let mut add = |symbol: &Option<Spanned<String>>, kind: SetvarKind| {
            if let Some(symbol) = symbol {
                all.push(Setvar {
                    symbol: symbol.clone(),
                    kind,
                });
            }
        };
        for map in &self.maps {
            add(&map.setvar_vaddr, SetvarKind::Vaddr(*map.vaddr));
            add(&map.setvar_size, SetvarKind::Size(map.mr.value.clone()));
            add(
                &map.setvar_prefill_size,
                SetvarKind::PrefillSize(map.mr.value.clone()),
            );
        }
        for irq in &self.irqs {
            add(&irq.setvar_id, SetvarKind::Id(*irq.id));
        }
        for setvar in &self.setvars {
            let region = setvar.region.value.clone();
            add(&Some(setvar.symbol.clone()), SetvarKind::Paddr(region));
        }
        for vcpu in self.virtual_machine.iter().flat_map(|vm| &vm.vcpus) {
            add(&vcpu.setvar_id, SetvarKind::Id(*vcpu.id));
        }
        all
    }

    /// First address above this PD's mappings: the lowest byte of its stack.
    #[must_use]
    pub fn map_limit(&self) -> u64 {
        crate::layout::STACK_TOP.saturating_sub(*self.stack_size)
    }
}
