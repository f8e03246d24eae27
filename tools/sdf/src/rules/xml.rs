// SPDX-License-Identifier: BSD-2-Clause
//! Form: well-formed XML that uses only known elements and attributes.

use super::{Rule, Severity};

/// A system file is well-formed XML.
pub static MALFORMED: Rule = Rule {
    id: "xml-malformed",
    severity: Severity::Error,
    law: "A system file is well-formed XML",
    why: "Nothing after the place where the structure breaks can be understood",
    fix: "repair the XML at this place",
};

/// The outermost element is <system>.
pub static ROOT: Rule = Rule {
    id: "xml-root",
    severity: Severity::Error,
    law: "The outermost element is <system>",
    why: "Microkit looks for <system> and ends with a panic when there is none",
    fix: "wrap the description in <system> … </system>",
};

/// Only known elements stand where they belong.
pub static ELEMENT: Rule = Rule {
    id: "xml-element",
    severity: Severity::Error,
    law: "Only known elements stand where they belong",
    why: "An element that is not understood would silently not do what it was written for",
    fix: "remove the element or correct its name",
};

/// Only known attributes are used.
pub static ATTRIBUTE: Rule = Rule {
    id: "xml-attribute",
    severity: Severity::Error,
    law: "Only known attributes are used",
    why: "An attribute that is not understood would silently not do what it was written for",
    fix: "remove the attribute or correct its name",
};

/// Required attributes are present.
pub static MISSING_ATTRIBUTE: Rule = Rule {
    id: "xml-missing",
    severity: Severity::Error,
    law: "Required attributes are present",
    why: "There is no safe value to assume",
    fix: "add the attribute",
};

/// Elements stand as often as their meaning allows.
pub static COUNT: Rule = Rule {
    id: "xml-count",
    severity: Severity::Error,
    law: "Elements stand as often as their meaning allows",
    why: "With one too many or too few it is open which one counts",
    fix: "keep the right number of them",
};

/// There is no text between elements.
pub static TEXT: Rule = Rule {
    id: "xml-text",
    severity: Severity::Error,
    law: "There is no text between elements",
    why: "Text has no meaning here, so it is likely a broken tag or comment",
    fix: "remove the text or put it in <!-- … -->",
};

/// Numbers are decimal or 0x hexadecimal, at most 64 bits, with _ as separator.
pub static NUMBER: Rule = Rule {
    id: "number",
    severity: Severity::Error,
    law: "Numbers are decimal or 0x hexadecimal, at most 64 bits, with _ as separator",
    why: "Anything else cannot be told from a slip of the pen",
    fix: "write for example 4096, 0x1000 or 0x10_000",
};

/// Interrupt numbers and ids of channels, interrupts and vCPUs are plain decimal.
pub static DECIMAL: Rule = Rule {
    id: "number-decimal",
    severity: Severity::Error,
    law: "Interrupt numbers and ids of channels, interrupts and vCPUs are plain decimal",
    why: "Microkit reads these without 0x and _, and ends with a panic otherwise",
    fix: "write the number in plain decimal",
};

/// Switches are true or false.
pub static BOOL: Rule = Rule {
    id: "bool",
    severity: Severity::Error,
    law: "Switches are true or false",
    why: "yes, no, 1 and 0 are refused by Microkit too",
    fix: "write `true` or `false`",
};

/// Nothing that exists only on x86 is used.
pub static NOT_ON_ARM: Rule = Rule {
    id: "not-on-arm",
    severity: Severity::Error,
    law: "Nothing that exists only on x86 is used",
    why: "The boards of this tool are AArch64; there is no such hardware",
    fix: "remove it",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[
    &MALFORMED,
    &ROOT,
    &ELEMENT,
    &ATTRIBUTE,
    &MISSING_ATTRIBUTE,
    &COUNT,
    &TEXT,
    &NUMBER,
    &DECIMAL,
    &BOOL,
    &NOT_ON_ARM,
];
