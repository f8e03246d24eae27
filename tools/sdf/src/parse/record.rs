// SPDX-License-Identifier: BSD-2-Clause
//! `<record>`, our extension: what a protection domain is told about its surroundings.

use super::pd;
use super::repeated;
use crate::diag::Diagnostics;
use crate::model::{Guest, Record, RecordEntry, RecordTarget};
use crate::xml::Element;

const KINDS: [&str; 9] = [
    "region", "window", "channel", "irq", "child", "vcpu", "value", "text", "guest",
];

pub(super) fn read(element: Element<'_, '_>, out: &mut Diagnostics) -> Record {
    element.expect_attributes(&[], out);
    let mut entries = Vec::new();
    let mut guest: Option<Guest> = None;
    for child in element.children() {
        if child.name() == "guest" {
            match &guest {
                Some(first) => repeated(child, first.span, out),
                None => guest = Some(read_guest(child, out)),
            }
        } else if KINDS.contains(&child.name()) {
            entries.extend(read_entry(child, out));
        } else {
            child.unexpected("record", &KINDS, out);
        }
    }
    Record {
        span: element.span(),
        entries,
        guest,
    }
}

fn read_guest(element: Element<'_, '_>, out: &mut Diagnostics) -> Guest {
    element.expect_attributes(&["image", "cmdline"], out);
    Guest {
        span: element.span(),
        image: element.required_text("image", out),
        cmdline: element.text("cmdline"),
    }
}

fn read_entry(element: Element<'_, '_>, out: &mut Diagnostics) -> Option<RecordEntry> {
    let known: &[&str] = match element.name() {
        "region" | "window" => &["role", "mr"],
        "channel" => &["role", "pd", "n"],
        "irq" => &["role", "irq"],
        "child" => &["role", "pd"],
        "vcpu" => &["role", "id"],
        _ => &["role", "value"],
    };
    element.expect_attributes(known, out);
    let role = element.required_text("role", out);
    let target = read_target(element, out)?;
    Some(RecordEntry {
        span: element.span(),
        role,
        target,
    })
}

fn read_target(element: Element<'_, '_>, out: &mut Diagnostics) -> Option<RecordTarget> {
    Some(match element.name() {
        "region" => RecordTarget::Region {
            mr: element.required_text("mr", out),
        },
        "window" => RecordTarget::Window {
            mr: element.required_text("mr", out),
        },
        "channel" => RecordTarget::Channel {
            pd: element.required_text("pd", out),
            n: element.number("n", out),
        },
        "irq" => {
            let attr = element.required("irq", out)?;
            RecordTarget::Irq {
                irq: pd::irq_number(attr, out)?,
            }
        }
        "child" => RecordTarget::Child {
            pd: element.required_text("pd", out),
        },
        "vcpu" => RecordTarget::Vcpu {
            id: element.required_id("id", true, out)?,
        },
        "value" => RecordTarget::Value {
            value: element.required_number("value", out)?,
        },
        _ => RecordTarget::Text {
            value: element.required_text("value", out),
        },
    })
}
