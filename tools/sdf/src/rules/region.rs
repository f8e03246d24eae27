// SPDX-License-Identifier: BSD-2-Clause
//! Memory regions.

use super::{Rule, Severity};

/// A region has a size, in whole pages and not zero.
pub static SIZE: Rule = Rule {
    id: "mr-size",
    severity: Severity::Error,
    law: "A region has a size, in whole pages and not zero",
    why: "It is made of whole pages",
    fix: "round the size up to a multiple of the page size",
};

/// Pages are 4 KiB or 2 MiB.
pub static PAGE_SIZE: Rule = Rule {
    id: "mr-page-size",
    severity: Severity::Error,
    law: "Pages are 4 KiB or 2 MiB",
    why: "The architecture’s tables have these",
    fix: "write 0x1000 or 0x200000",
};

/// A physical address is a multiple of the region’s page size.
pub static PHYS_ALIGN: Rule = Rule {
    id: "mr-phys-align",
    severity: Severity::Error,
    law: "A physical address is a multiple of the region’s page size",
    why: "Frames are naturally aligned",
    fix: "align phys_addr",
};

/// A region lies in physical memory that the kernel hands out.
pub static PHYS_RANGE: Rule = Rule {
    id: "mr-phys-range",
    severity: Severity::Error,
    law: "A region lies in physical memory that the kernel hands out",
    why: "The initialiser stops at a frame it cannot make, and nothing boots",
    fix: "look the address up in the board’s memory map",
};

/// Regions with physical addresses do not overlap.
pub static PHYS_OVERLAP: Rule = Rule {
    id: "mr-phys-overlap",
    severity: Severity::Error,
    law: "Regions with physical addresses do not overlap",
    why: "Two regions would be one memory without saying so",
    fix: "move one, or map one region twice",
};

/// A prefill is a file that exists, is not empty and fits its region, or one kind of boot information.
pub static PREFILL: Rule = Rule {
    id: "mr-prefill",
    severity: Severity::Error,
    law: "A prefill is a file that exists, is not empty and fits its region, or one kind of boot information",
    why: "The region could not be filled as described",
    fix: "correct the path or the size",
};

/// Boot information of x86 is not asked for on AArch64.
pub static BOOT_INFO: Rule = Rule {
    id: "mr-bootinfo-arm",
    severity: Severity::Error,
    law: "Boot information of x86 is not asked for on AArch64",
    why: "The kernel never provides it here, and the initialiser stops when it is missing",
    fix: "use `fdt` or a file",
};

/// setvar_prefill_size stands on a mapping of a region with prefill_path.
pub static PREFILL_SIZE: Rule = Rule {
    id: "setvar-prefill-size",
    severity: Severity::Error,
    law: "setvar_prefill_size stands on a mapping of a region with prefill_path",
    why: "There is no length to tell",
    fix: "add prefill_path or use setvar_size",
};

/// Every region is mapped somewhere.
pub static UNUSED: Rule = Rule {
    id: "mr-unused",
    severity: Severity::Warning,
    law: "Every region is mapped somewhere",
    why: "A region that nobody maps is likely a slip in a name",
    fix: "map it or remove it",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[
    &SIZE,
    &PAGE_SIZE,
    &PHYS_ALIGN,
    &PHYS_RANGE,
    &PHYS_OVERLAP,
    &PREFILL,
    &BOOT_INFO,
    &PREFILL_SIZE,
    &UNUSED,
];
