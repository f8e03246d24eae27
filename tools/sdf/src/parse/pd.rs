// SPDX-License-Identifier: BSD-2-Clause
//! `<protection_domain>` and what stands inside it.

use super::{not_on_arm, record, repeated, vm, wrong_count};
use crate::diag::{Diagnostic, Diagnostics};
use crate::model::{
    CapKind, CapMap, DEFAULT_BUDGET_US, DEFAULT_STACK_SIZE, Irq, MAX_PDS, MAX_PRIORITY, Map, Perms,
    ProgramImage, ProtectionDomain, RegionPaddr, Trigger,
};
use crate::rules::{cspace, irq, map, pd as rule};
use crate::span::{Span, Spanned};
use crate::xml::{Element, decimal, narrow};

const ATTRIBUTES: [&str; 10] = [
    "name",
    "priority",
    "budget",
    "period",
    "passive",
    "stack_size",
    "smc",
    "cpu",
    "domain",
    "fpu",
];
const CHILDREN: [&str; 8] = [
    "program_image",
    "map",
    "irq",
    "setvar",
    "protection_domain",
    "virtual_machine",
    "cspace",
    "record",
];

/// Reads a protection domain and its descendants, appending them to `pds` in Microkit's order.
pub(super) fn read(
    element: Element<'_, '_>,
    parent: Option<usize>,
    pds: &mut Vec<ProtectionDomain>,
    out: &mut Diagnostics,
) {
    if pds.len() >= MAX_PDS {
        let message = format!("more than {MAX_PDS} protection domains");
        out.push(Diagnostic::new(&rule::TOO_MANY, element.span(), message));
        return;
    }
    if parent.is_some() {
        let known: Vec<&str> = ATTRIBUTES.into_iter().chain(["id", "setvar_id"]).collect();
        element.expect_attributes(&known, out);
    } else {
        root_attributes(element, out);
    }
    let index = pds.len();
    let child_id = parent.and_then(|_| element.required_id("id", false, out));
    let mut pd = attributes(element, out);
    pd.parent = parent;
    pd.child_id = child_id;
    pd.setvar_id = parent.and_then(|_| element.text("setvar_id"));
    let mut seen = Seen::default();
    let mut nested = Vec::new();
    for child in element.children() {
        if child.name() == "protection_domain" {
            nested.push(child);
        } else {
            read_child(child, &mut pd, &mut seen, out);
        }
    }
    if seen.image.is_none() {
        wrong_count(element, "a <program_image>", out);
    }
    pds.push(pd);
    for child in nested {
        read(child, Some(index), pds, out);
    }
}

/// Attributes of a PD without parent; `id` and `setvar_id` deserve a better word than "unknown".
fn root_attributes(element: Element<'_, '_>, out: &mut Diagnostics) {
    let known: Vec<&str> = ATTRIBUTES.into_iter().chain(["id", "setvar_id"]).collect();
    element.expect_attributes(&known, out);
    for name in ["id", "setvar_id"] {
        if let Some(attr) = element.get(name) {
            let message = format!("`{name}` on a protection domain that is no child");
            out.push(Diagnostic::new(&rule::ROOT_ID, attr.span, message));
        }
    }
}

/// Budget and period in microseconds.
pub(super) fn budget(
    element: Element<'_, '_>,
    out: &mut Diagnostics,
) -> (Spanned<u64>, Spanned<u64>) {
    let budget = element.number_or("budget", DEFAULT_BUDGET_US, out);
    let period = element.number("period", out).unwrap_or(budget);
    (budget, period)
}

/// Priority, checked against the monitor's.
pub(super) fn priority(element: Element<'_, '_>, out: &mut Diagnostics) -> Spanned<u8> {
    let given = element.number_or("priority", 0, out);
    if given.value <= u64::from(MAX_PRIORITY) {
        // Cannot fail: it was compared just now.
        return Spanned::new(u8::try_from(given.value).unwrap_or_default(), given.span);
    }
    let message = format!("priority {} is above {MAX_PRIORITY}", given.value);
    out.push(Diagnostic::new(&rule::PRIORITY, given.span, message));
    Spanned::new(0, given.span)
}

fn attributes(element: Element<'_, '_>, out: &mut Diagnostics) -> ProtectionDomain {
    let (budget_us, period_us) = budget(element, out);
    let cpu = element.number_or("cpu", 0, out);
    ProtectionDomain {
        span: element.span(),
        name: element.required_text("name", out),
        parent: None,
        child_id: None,
        setvar_id: None,
        priority: priority(element, out),
        budget_us,
        period_us,
        passive: element.bool_or("passive", false, out),
        stack_size: element.number_or("stack_size", DEFAULT_STACK_SIZE, out),
        cpu: narrow(
            cpu,
            0,
            &rule::CPU,
            |cpu| format!("core {cpu} does not exist"),
            out,
        ),
        smc: element.bool_or("smc", false, out),
        fpu: element.bool_or("fpu", true, out),
        domain: element.text("domain"),
        image: ProgramImage {
            span: element.span(),
            path: Spanned::new(String::new(), element.span()),
            path_for_symbols: None,
        },
        maps: Vec::new(),
        irqs: Vec::new(),
        setvars: Vec::new(),
        virtual_machine: None,
        cspace: Vec::new(),
        record: None,
    }
}

/// Elements that may stand once.
#[derive(Default)]
struct Seen {
    image: Option<Span>,
    vm: Option<Span>,
    cspace: Option<Span>,
    record: Option<Span>,
}

fn read_child(
    child: Element<'_, '_>,
    pd: &mut ProtectionDomain,
    seen: &mut Seen,
    out: &mut Diagnostics,
) {
    let once = match child.name() {
        "program_image" => Some(&mut seen.image),
        "virtual_machine" => Some(&mut seen.vm),
        "cspace" => Some(&mut seen.cspace),
        "record" => Some(&mut seen.record),
        _ => None,
    };
    if let Some(first) = once
        && let Some(first) = first.replace(child.span())
    {
        repeated(child, first, out);
        return;
    }
    match child.name() {
        "program_image" => pd.image = read_image(child, out),
        "map" => pd.maps.extend(read_map(child, true, out)),
        "irq" => pd.irqs.extend(read_irq(child, out)),
        "setvar" => pd.setvars.push(read_setvar(child, out)),
        "virtual_machine" => pd.virtual_machine = Some(vm::read(child, out)),
        "cspace" => pd.cspace = read_cspace(child, out),
        "record" => pd.record = Some(record::read(child, out)),
        "ioport" => not_on_arm(child, "an I/O port", out),
        _ => child.unexpected("protection_domain", &CHILDREN, out),
    }
}

fn read_image(element: Element<'_, '_>, out: &mut Diagnostics) -> ProgramImage {
    element.expect_attributes(&["path", "path_for_symbols"], out);
    ProgramImage {
        span: element.span(),
        path: element.required_text("path", out),
        path_for_symbols: element.text("path_for_symbols"),
    }
}

fn read_setvar(element: Element<'_, '_>, out: &mut Diagnostics) -> RegionPaddr {
    element.expect_attributes(&["symbol", "region_paddr"], out);
    RegionPaddr {
        span: element.span(),
        symbol: element.required_text("symbol", out),
        region: element.required_text("region_paddr", out),
    }
}

/// Reads a `<map>`; only protection domains have symbols to set.
pub(super) fn read_map(
    element: Element<'_, '_>,
    setvars: bool,
    out: &mut Diagnostics,
) -> Option<Map> {
    let known = [
        "mr",
        "vaddr",
        "perms",
        "cached",
        "setvar_vaddr",
        "setvar_size",
        "setvar_prefill_size",
    ];
    element.expect_attributes(if setvars { &known } else { &known[..4] }, out);
    let mr = element.required_text("mr", out);
    let vaddr = element.required_number("vaddr", out);
    let perms = read_perms(element, out);
    let cached = element.bool_or("cached", true, out);
    let symbol = |name| if setvars { element.text(name) } else { None };
    Some(Map {
        span: element.span(),
        mr,
        vaddr: vaddr?,
        perms,
        cached,
        setvar_vaddr: symbol("setvar_vaddr"),
        setvar_size: symbol("setvar_size"),
        setvar_prefill_size: symbol("setvar_prefill_size"),
    })
}

fn read_perms(element: Element<'_, '_>, out: &mut Diagnostics) -> Spanned<Perms> {
    let default = Perms {
        read: true,
        write: true,
        execute: false,
    };
    let Some(attr) = element.get("perms") else {
        return Spanned::new(default, element.span());
    };
    let mut perms = Perms::default();
    for letter in attr.value.chars() {
        match letter {
            'r' => perms.read = true,
            'w' => perms.write = true,
            'x' => perms.execute = true,
            _ => {
                let message = format!("`perms` has `{letter}`; only r, w and x have a meaning");
                out.push(Diagnostic::new(&map::PERMS, attr.span, message));
                return Spanned::new(default, attr.span);
            }
        }
    }
    if !perms.read {
        let message = format!("`perms=\"{}\"` does not include r", attr.value);
        out.push(Diagnostic::new(&map::PERMS, attr.span, message));
        perms = default;
    }
    Spanned::new(perms, attr.span)
}

fn read_irq(element: Element<'_, '_>, out: &mut Diagnostics) -> Option<Irq> {
    if element.get("irq").is_none()
        && let Some(attr) = element.get("pin").or(element.get("pcidev"))
    {
        let message = "I/O APIC and MSI interrupts exist only on x86";
        out.push(Diagnostic::new(
            &crate::rules::xml::NOT_ON_ARM,
            attr.span,
            message,
        ));
        return None;
    }
    element.expect_attributes(&["irq", "id", "setvar_id", "trigger"], out);
    let number = element
        .required("irq", out)
        .and_then(|attr| irq_number(attr, out));
    let id = element.required_id("id", true, out);
    let trigger = match element.get("trigger").map(|attr| (attr.value, attr.span)) {
        None => Spanned::new(Trigger::Level, element.span()),
        Some(("level", span)) => Spanned::new(Trigger::Level, span),
        Some(("edge", span)) => Spanned::new(Trigger::Edge, span),
        Some((other, span)) => {
            let message = format!("trigger `{other}` is neither `level` nor `edge`");
            out.push(Diagnostic::new(&irq::TRIGGER, span, message));
            Spanned::new(Trigger::Level, span)
        }
    };
    let setvar_id = element.text("setvar_id");
    Some(Irq {
        span: element.span(),
        irq: number?,
        id: id?,
        trigger,
        setvar_id,
    })
}

/// An interrupt number: plain decimal.
pub(super) fn irq_number(attr: Spanned<&str>, out: &mut Diagnostics) -> Option<Spanned<u32>> {
    let number = decimal(attr, "irq", out)?;
    match u32::try_from(number.value) {
        Ok(value) => Some(Spanned::new(value, number.span)),
        Err(_) => {
            let message = format!("interrupt {} does not exist", number.value);
            out.push(Diagnostic::new(&irq::RANGE, number.span, message));
            None
        }
    }
}

fn read_cspace(element: Element<'_, '_>, out: &mut Diagnostics) -> Vec<CapMap> {
    element.expect_attributes(&[], out);
    let mut caps = Vec::new();
    for child in element.children() {
        let kind = match child.name() {
            "cap_tcb" => CapKind::Tcb,
            "cap_sc" => CapKind::Sc,
            "cap_vspace" => CapKind::VSpace,
            _ => {
                child.unexpected("cspace", &["cap_tcb", "cap_sc", "cap_vspace"], out);
                continue;
            }
        };
        child.expect_attributes(&["slot", "pd"], out);
        let pd = child.required_text("pd", out);
        let slot = child
            .required_number("slot", out)
            .and_then(|slot| read_slot(slot, out));
        caps.extend(slot.map(|slot| CapMap {
            span: child.span(),
            kind,
            slot,
            pd,
        }));
    }
    caps
}

fn read_slot(slot: Spanned<u64>, out: &mut Diagnostics) -> Option<Spanned<u8>> {
    match u8::try_from(slot.value) {
        Ok(value @ 1..=63) => Some(Spanned::new(value, slot.span)),
        _ => {
            let message = format!("slot {} of the root CNode cannot be given away", slot.value);
            let item = Diagnostic::new(&cspace::SLOT, slot.span, message);
            out.push(match slot.value {
                0 => item.label("holds the PD's own capabilities"),
                at => item.label(format!("the kernel would use slot {}", at % 64)),
            });
            None
        }
    }
}
