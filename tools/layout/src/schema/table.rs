// SPDX-License-Identifier: BSD-2-Clause
//! The table, without guests.

use super::{Attribute, Count, Element, Need};
use crate::value::Kind;

pub(super) const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Attribute {
    Attribute {
        name,
        kind,
        need: Need::Required,
        doc,
    }
}

pub(super) const fn optional(
    name: &'static str,
    kind: Kind,
    without: &'static str,
    doc: &'static str,
) -> Attribute {
    Attribute {
        name,
        kind,
        need: Need::Optional(without),
        doc,
    }
}

pub(super) const fn default(
    name: &'static str,
    kind: Kind,
    value: &'static str,
    doc: &'static str,
) -> Attribute {
    Attribute {
        name,
        kind,
        need: Need::Default(value),
        doc,
    }
}

/// Levels of criticality, lowest first within each scale.
pub const LEVELS: [&str; 14] = [
    "QM", "ASIL-A", "ASIL-B", "ASIL-C", "ASIL-D", "SIL-1", "SIL-2", "SIL-3", "SIL-4", "DAL-E",
    "DAL-D", "DAL-C", "DAL-B", "DAL-A",
];

pub(super) const TIME: Kind = Kind::Time(20, 3_600_000_000);
const STACK: Kind = Kind::Size(0x1000, 0x100_0000);
pub(super) const PRIORITY: Kind = Kind::Number(0, 254);

pub(super) static NAME: [Attribute; 1] = [required(
    "name",
    Kind::Name,
    "What others call it; unique in the system.",
)];
pub(super) static CPU: [Attribute; 1] = [default(
    "cpu",
    Kind::Number(0, 255),
    "0",
    "Core that it runs on.",
)];
pub(super) static CRITICALITY: [Attribute; 1] = [optional(
    "criticality",
    Kind::Choice(&LEVELS),
    "no claim",
    "What depends on it, for the checks of mixed criticality.",
)];
static LIMITS: [Attribute; 4] = [
    optional("priority", PRIORITY, "its manifest's", "Higher runs first."),
    optional(
        "budget",
        TIME,
        "its manifest's",
        "Time that it may run in each period.",
    ),
    optional(
        "period",
        TIME,
        "its manifest's; the budget's where that is given",
        "The same as the budget: no limit.",
    ),
    optional("stack", STACK, "its manifest's", "Bytes of its stack."),
];
static PROGRAM: [Attribute; 2] = [
    optional(
        "manifest",
        Kind::Path,
        "ours for this class or kind",
        "A third party's pd.toml.",
    ),
    optional(
        "elf",
        Kind::Path,
        "its manifest's",
        "The program, looked up in the search path.",
    ),
];

/// A driver's own attributes.
static DRIVER_OWN: [Attribute; 3] = [
    required(
        "class",
        Kind::Name,
        "What it drives: serial, blk, net, rng, timer, or what its manifest says.",
    ),
    optional(
        "device",
        Kind::Name,
        "none",
        "The device, by the board's name for it.",
    ),
    optional(
        "to",
        Kind::Ref,
        "the only one there is",
        "The service that it works for, where it is the client: a net driver's switch.",
    ),
];
static SERVICE_OWN: [Attribute; 2] = [
    required(
        "kind",
        Kind::Name,
        "console-mux, blk-partition, net-switch, vsock-router, vsock-agent, hash-server, or what its manifest says.",
    ),
    optional(
        "driver",
        Kind::Ref,
        "the only one there is",
        "The driver or service that it builds on.",
    ),
];

static SETTING: Element = Element {
    name: "setting",
    doc: "Something that the program's manifest lets a layout decide.",
    attributes: &[&[
        required("name", Kind::Name, "Name of the setting in the manifest."),
        required(
            "value",
            Kind::Text,
            "A number (decimal or 0x) or a text, as the manifest says.",
        ),
    ]],
    children: &[],
};

pub(super) static DRIVER: Element = Element {
    name: "driver",
    doc: "A protection domain that owns a device: the only one that maps its registers and gets its interrupt.",
    attributes: &[&NAME, &DRIVER_OWN, &PROGRAM, &LIMITS, &CPU, &CRITICALITY],
    children: &[(&SETTING, Count::Any)],
};

pub(super) static SERVICE: Element = Element {
    name: "service",
    doc: "A protection domain without hardware that several others share.",
    attributes: &[&NAME, &SERVICE_OWN, &PROGRAM, &LIMITS, &CPU, &CRITICALITY],
    children: &[(&SETTING, Count::Any)],
};

static FROM_TO: [Attribute; 2] = [
    required(
        "from",
        Kind::Ref,
        "Where information comes from: a guest, driver, service or protection domain.",
    ),
    required("to", Kind::Ref, "Where it goes."),
];

static ALLOW: Element = Element {
    name: "allow",
    doc: "Information may flow, directly or through services.",
    attributes: &[&FROM_TO],
    children: &[],
};

static DENY: Element = Element {
    name: "deny",
    doc: "Information must not flow, neither directly nor through services.",
    attributes: &[&FROM_TO],
    children: &[],
};

static LABEL: Element = Element {
    name: "criticality",
    doc: "The criticality of something that has no such attribute: a plain protection domain.",
    attributes: &[&[
        required("of", Kind::Ref, "Its name."),
        required("level", Kind::Choice(&LEVELS), "What depends on it."),
    ]],
    children: &[],
};

static ACCEPT: Element = Element {
    name: "accept",
    doc: "A warning that has been looked at and is accepted as it is.",
    attributes: &[&[
        required("rule", Kind::Name, "The rule's id."),
        required("reason", Kind::Text, "Why it is accepted; for reviewers."),
    ]],
    children: &[],
};

pub(super) static POLICY: Element = Element {
    name: "policy",
    doc: "What the checker holds the system against.",
    attributes: &[],
    children: &[
        (&ALLOW, Count::Any),
        (&DENY, Count::Any),
        (&LABEL, Count::Any),
        (&ACCEPT, Count::Any),
    ],
};

pub(super) static INCLUDE: Element = Element {
    name: "include",
    doc: "A file whose outermost element is <fragment>, with what may stand in <system>. Its place decides the order.",
    attributes: &[&[required("file", Kind::Path, "The fragment.")]],
    children: &[],
};
