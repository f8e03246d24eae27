// SPDX-License-Identifier: BSD-2-Clause
//! Mappings into address spaces.

use super::{Rule, Severity};

/// Rights are a combination of r, w and x that includes r.
pub static PERMS: Rule = Rule {
    id: "map-perms",
    severity: Severity::Error,
    law: "Rights are a combination of r, w and x that includes r",
    why: "The architecture has no write-only or execute-only pages here: the kernel maps them without any access",
    fix: "add r",
};

/// A mapping starts on a page of its region.
pub static ALIGN: Rule = Rule {
    id: "map-align",
    severity: Severity::Error,
    law: "A mapping starts on a page of its region",
    why: "The page tables cannot express anything else",
    fix: "align vaddr to the page size of the region",
};

/// A mapping ends below the stack, or for a guest below 2^40.
pub static LIMIT: Rule = Rule {
    id: "map-limit",
    severity: Severity::Error,
    law: "A mapping ends below the stack, or for a guest below 2^40",
    why: "Stack and IPC buffer take the highest pages of every protection domain",
    fix: "lower vaddr",
};

/// Mappings of one address space do not overlap.
pub static OVERLAP: Rule = Rule {
    id: "map-overlap",
    severity: Severity::Error,
    law: "Mappings of one address space do not overlap",
    why: "One page cannot show two regions",
    fix: "move one of them",
};

/// No mapping is writable and executable.
pub static WX: Rule = Rule {
    id: "map-wx",
    severity: Severity::Warning,
    law: "No mapping is writable and executable",
    why: "Whoever corrupts the data of this protection domain can then run code of his own",
    fix: "map it twice, or drop w or x",
};

/// Nothing is mapped at address 0.
pub static ZERO: Rule = Rule {
    id: "map-zero",
    severity: Severity::Warning,
    law: "Nothing is mapped at address 0",
    why: "A null pointer would then read and write this region instead of faulting",
    fix: "choose another vaddr",
};

/// The page below a stack stays free.
pub static STACK_GUARD: Rule = Rule {
    id: "map-stack-guard",
    severity: Severity::Warning,
    law: "The page below a stack stays free",
    why: "A stack that overflows would run into this region instead of faulting",
    fix: "end the mapping at least one page lower",
};

/// All mappings of a region agree on cached.
pub static CACHE: Rule = Rule {
    id: "map-cache-mix",
    severity: Severity::Warning,
    law: "All mappings of a region agree on cached",
    why: "Mixed attributes make writes of one side invisible to the other until caches are cleaned",
    fix: "use the same `cached` everywhere",
};

/// Device registers are mapped with cached=false.
pub static DEVICE_CACHED: Rule = Rule {
    id: "map-device-cached",
    severity: Severity::Warning,
    law: "Device registers are mapped with cached=false",
    why: "Cached register accesses are merged, repeated or never reach the device",
    fix: "add `cached=\"false\"`",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[
    &PERMS,
    &ALIGN,
    &LIMIT,
    &OVERLAP,
    &WX,
    &ZERO,
    &STACK_GUARD,
    &CACHE,
    &DEVICE_CACHED,
];
