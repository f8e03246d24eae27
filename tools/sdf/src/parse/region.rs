// SPDX-License-Identifier: BSD-2-Clause
//! `<memory_region>`.

use crate::diag::{Diagnostic, Diagnostics};
use crate::model::{BOOT_INFO, MemoryRegion, PageSize};
use crate::rules::region as rule;
use crate::span::Spanned;
use crate::xml::Element;

const ATTRIBUTES: [&str; 6] = [
    "name",
    "size",
    "page_size",
    "phys_addr",
    "prefill_path",
    "prefill_bootinfo",
];

pub(super) fn read(element: Element<'_, '_>, out: &mut Diagnostics) -> MemoryRegion {
    element.expect_attributes(&ATTRIBUTES, out);
    let region = MemoryRegion {
        span: element.span(),
        name: element.required_text("name", out),
        size: element.number("size", out),
        page_size: element
            .number("page_size", out)
            .and_then(|size| page_size(size, out)),
        phys_addr: element.number("phys_addr", out),
        prefill_path: element.text("prefill_path"),
        prefill_bootinfo: element
            .text("prefill_bootinfo")
            .and_then(|kind| boot_info(kind, out)),
    };
    if ["size", "prefill_path", "prefill_bootinfo"]
        .iter()
        .all(|name| element.get(name).is_none())
    {
        let message = "a region without prefill needs a size";
        out.push(
            Diagnostic::new(&rule::SIZE, element.span(), message).help("add `size=\"0x1000\"`"),
        );
    }
    region
}

fn page_size(size: Spanned<u64>, out: &mut Diagnostics) -> Option<Spanned<PageSize>> {
    for known in [PageSize::Small, PageSize::Large] {
        if size.value == known.bytes() {
            return Some(Spanned::new(known, size.span));
        }
    }
    let message = format!("page size {:#x} does not exist", size.value);
    out.push(Diagnostic::new(&rule::PAGE_SIZE, size.span, message));
    None
}

fn boot_info(kind: Spanned<String>, out: &mut Diagnostics) -> Option<Spanned<String>> {
    if BOOT_INFO.contains(&kind.as_str()) {
        return Some(kind);
    }
    let message = format!("no boot information is called `{}`", kind.value);
    let item = Diagnostic::new(&rule::PREFILL, kind.span, message);
    out.push(item.help(format!("known: {}", BOOT_INFO.join(", "))));
    None
}
