// SPDX-License-Identifier: BSD-2-Clause
//! Rules about programs and what is made of them; the counterpart of [`sdf::rules`].

use sdf::rules::{Rule, Severity};

/// Every program exists and can be read.
pub static MISSING: Rule = Rule {
    id: "elf-missing",
    severity: Severity::Error,
    law: "Every program exists and can be read",
    why: "There is nothing to load",
    fix: "build the program, or correct the path",
};

/// A program is an AArch64 ELF executable, 64 bit, little endian, with loadable segments.
pub static FORMAT: Rule = Rule {
    id: "elf-format",
    severity: Severity::Error,
    law: "A program is an AArch64 ELF executable, 64 bit, little endian, with loadable segments",
    why: "Microkit does not look at the machine and would start foreign code",
    fix: "build the program for aarch64",
};

/// Symbols that the tool patches exist once, in a loaded segment, with the symbol table kept.
pub static SYMBOL: Rule = Rule {
    id: "elf-symbol",
    severity: Severity::Error,
    law: "Symbols that the tool patches exist once, in a loaded segment, with the symbol table kept",
    why: "The program would run with values that nobody set; Microkit stops with a panic",
    fix: "link the Microkit runtime, do not strip, or name the unstripped file with path_for_symbols",
};

/// A setvar’s symbol has 8 bytes; Microkit’s own have room for their value.
pub static SYMBOL_SIZE: Rule = Rule {
    id: "elf-symbol-size",
    severity: Severity::Error,
    law: "A setvar’s symbol has 8 bytes; Microkit’s own have room for their value",
    why: "The value would overwrite what stands behind the symbol",
    fix: "declare the symbol as a 64-bit integer or pointer",
};

/// No two segments of a program share a page.
pub static PAGE_SHARED: Rule = Rule {
    id: "elf-page-shared",
    severity: Severity::Error,
    law: "No two segments of a program share a page",
    why: "A page has one frame and one set of rights; Microkit stops with a panic",
    fix: "align segments to pages; with GNU ld, pass --build-id=none",
};

/// No segment is writable and executable.
pub static WX: Rule = Rule {
    id: "elf-wx",
    severity: Severity::Error,
    law: "No segment is writable and executable",
    why: "Whoever corrupts the data of this program can then run code of his own; some linkers do this when .init_array is empty",
    fix: "use a linker script that keeps code and data apart",
};

/// Every segment is readable.
pub static PERMS: Rule = Rule {
    id: "elf-perms",
    severity: Severity::Error,
    law: "Every segment is readable",
    why: "The architecture has no write-only or execute-only pages here: the kernel maps them without any access",
    fix: "correct the flags of the segment in the linker script",
};

/// Segments lie below the stack.
pub static RANGE: Rule = Rule {
    id: "elf-range",
    severity: Severity::Error,
    law: "Segments lie below the stack",
    why: "Stack and IPC buffer take the highest pages of every protection domain",
    fix: "link the program at a lower address",
};

/// The entry point lies in an executable segment.
pub static ENTRY: Rule = Rule {
    id: "elf-entry",
    severity: Severity::Error,
    law: "The entry point lies in an executable segment",
    why: "The first instruction would fault",
    fix: "name the entry symbol in the linker script",
};

/// No mapping overlaps a segment of the program.
pub static MAP: Rule = Rule {
    id: "elf-map-overlap",
    severity: Severity::Error,
    law: "No mapping overlaps a segment of the program",
    why: "One page cannot show both",
    fix: "move the mapping",
};

/// Names of protection domains, virtual machines and regions lead to different object names.
pub static NAME: Rule = Rule {
    id: "object-name",
    severity: Severity::Error,
    law: "Names of protection domains, virtual machines and regions lead to different object names",
    why: "Objects are told apart by names such as tcb_<name>; Microkit stops with a panic",
    fix: "rename one of them",
};

static ALL: &[&Rule] = &[
    &MISSING,
    &FORMAT,
    &SYMBOL,
    &SYMBOL_SIZE,
    &PAGE_SHARED,
    &WX,
    &PERMS,
    &RANGE,
    &ENTRY,
    &MAP,
    &NAME,
];

/// Every rule of this crate.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    ALL.iter().copied()
}

/// The rule called `id`.
#[must_use]
pub fn find(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id == id)
}
