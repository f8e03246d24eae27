// SPDX-License-Identifier: BSD-2-Clause
//! Address spaces: three levels of page tables, the root with 1024 entries.

use crate::spec::{Cap, Object, ObjectId, PageTable, Spec};
use sdf::model::PageSize;

/// An address space under construction.
#[derive(Debug, Clone)]
pub(crate) struct VSpace {
    name: String,
    /// The level-1 table.
    pub(crate) root: ObjectId,
}

/// Address bits below the index of each level.
const fn shift(level: u8) -> u32 {
    match level {
        1 => 30,
        2 => 21,
        _ => 12,
    }
}

/// Entry of `level`'s table that `vaddr` falls into.
fn index(level: u8, vaddr: u64) -> u32 {
    let mask = if level == 1 { 0x3ff } else { 0x1ff };
    u32::try_from((vaddr >> shift(level)) & mask).unwrap_or_default()
}

fn table(level: u8) -> Object {
    let is_root = level == 1;
    Object::PageTable(PageTable {
        x86_ept: false,
        is_root,
        level,
        slots: Vec::new(),
    })
}

impl VSpace {
    /// Adds an empty address space called after `name`.
    pub(crate) fn new(spec: &mut Spec, name: &str) -> Self {
        let root = spec.add(format!("pud_{name}"), table(1));
        Self {
            name: name.to_owned(),
            root,
        }
    }

    /// A capability to the whole.
    pub(crate) const fn cap(&self) -> Cap {
        Cap::PageTable { object: self.root }
    }

    /// Maps one page. The rules have made sure that nothing is mapped there yet.
    pub(crate) fn map(&self, spec: &mut Spec, vaddr: u64, size: PageSize, frame: Cap) {
        let leaf = match size {
            PageSize::Small => 3,
            PageSize::Large => 2,
        };
        let mut table = self.root;
        for level in 1..leaf {
            table = self.next(spec, table, level, vaddr);
        }
        spec.insert(table, index(leaf, vaddr), frame);
    }

    /// The table below entry `vaddr` of `parent` at `level`, made if it is not there.
    fn next(&self, spec: &mut Spec, parent: ObjectId, level: u8, vaddr: u64) -> ObjectId {
        let slot = index(level, vaddr);
        let there = spec.objects.get(parent).and_then(|parent| {
            let slots = parent.object.slots();
            slots
                .iter()
                .find(|entry| entry.slot == slot)
                .map(|entry| entry.cap.object())
        });
        if let Some(table) = there {
            return table;
        }
        let below = level + 1;
        let kind = if below == 2 { "pd" } else { "pt" };
        // Microkit names a table after the first entry made in it, not after what it covers.
        let start = vaddr >> shift(below) << shift(below);
        let name = format!("{kind}_{}_vaddr_{start:#x}", self.name);
        let object = spec.add(name, self::table(below));
        spec.insert(parent, slot, Cap::PageTable { object });
        object
    }
}
