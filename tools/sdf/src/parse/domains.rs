// SPDX-License-Identifier: BSD-2-Clause
//! `<domains>`: the kernel's domain schedule.

use super::{repeated, wrong_count};
use crate::diag::{Diagnostic, Diagnostics};
use crate::model::{Domain, Domains, Duration, MAX_DOMAINS, ScheduleEntry, System};
use crate::rules::domain as rule;
use crate::span::{Span, Spanned};
use crate::xml::{Element, parse_number};

pub(super) fn read(element: Element<'_, '_>, system: &mut System, out: &mut Diagnostics) {
    if let Some(first) = &system.domains {
        repeated(element, first.span, out);
        return;
    }
    if let Some(pd) = system.pds.first() {
        let message = "<domains> stands after a protection domain";
        let item = Diagnostic::new(&rule::ORDER, element.span(), message);
        out.push(item.also(pd.span, "this one comes first"));
    }
    element.expect_attributes(&[], out);
    let mut domains = Domains {
        span: element.span(),
        domains: Vec::new(),
        start_index: None,
        index_shift: None,
        schedule: Vec::new(),
    };
    let mut schedule: Option<Span> = None;
    for child in element.children() {
        match child.name() {
            "domain" => read_domain(child, &mut domains, out),
            "domain_schedule" => match schedule.replace(child.span()) {
                Some(first) => repeated(child, first, out),
                None => read_schedule(child, &mut domains, out),
            },
            _ => child.unexpected("domains", &["domain", "domain_schedule"], out),
        }
    }
    if schedule.is_none() {
        wrong_count(element, "a <domain_schedule>", out);
    }
    assign_ids(&mut domains, out);
    system.domains = Some(domains);
}

fn read_domain(element: Element<'_, '_>, domains: &mut Domains, out: &mut Diagnostics) {
    element.expect_attributes(&["name", "id"], out);
    let name = element.required_text("name", out);
    let given = element.number("id", out);
    let id = given.and_then(|id| match u8::try_from(id.value) {
        Ok(value) if value < MAX_DOMAINS => Some(Spanned::new(value, id.span)),
        _ => {
            let message = format!("domain id {} is above {}", id.value, MAX_DOMAINS - 1);
            out.push(Diagnostic::new(&rule::ID, id.span, message));
            None
        }
    });
    let explicit = element.get("id").is_some();
    let id = id.unwrap_or(Spanned::new(0, element.span()));
    domains.domains.push(Domain {
        span: element.span(),
        name,
        id,
        explicit,
    });
}

/// Gives each domain without id the lowest free one, in file order.
fn assign_ids(domains: &mut Domains, out: &mut Diagnostics) {
    let mut used: Vec<u8> = domains
        .domains
        .iter()
        .filter(|d| d.explicit)
        .map(|d| *d.id)
        .collect();
    for domain in domains.domains.iter_mut().filter(|d| !d.explicit) {
        match (0..MAX_DOMAINS).find(|id| !used.contains(id)) {
            Some(id) => {
                domain.id.value = id;
                used.push(id);
            }
            None => {
                let message = format!("more than {MAX_DOMAINS} domains");
                out.push(Diagnostic::new(&rule::TOO_MANY, domain.span, message));
            }
        }
    }
}

fn read_schedule(element: Element<'_, '_>, domains: &mut Domains, out: &mut Diagnostics) {
    element.expect_attributes(&["index_shift", "start_index"], out);
    domains.start_index = element.number("start_index", out);
    domains.index_shift = element.number("index_shift", out);
    if element.children().next().is_none() {
        out.push(Diagnostic::new(
            &rule::SCHEDULE,
            element.span(),
            "the schedule is empty",
        ));
    }
    for child in element.children() {
        match child.name() {
            "schedule_entry" => domains.schedule.extend(read_entry(child, out)),
            "schedule_end_marker" => {
                child.expect_attributes(&[], out);
                domains.schedule.push(ScheduleEntry::End(child.span()));
            }
            _ => {
                let known = ["schedule_entry", "schedule_end_marker"];
                child.unexpected("domain_schedule", &known, out);
            }
        }
    }
}

fn read_entry(element: Element<'_, '_>, out: &mut Diagnostics) -> Option<ScheduleEntry> {
    element.expect_attributes(&["domain", "duration"], out);
    let domain = element.required_text("domain", out);
    let given = element.required("duration", out)?;
    let duration = given.value.split_once(' ').and_then(|(number, unit)| {
        let number = parse_number(number).filter(|n| *n != 0)?;
        match unit {
            "us" => Some(Duration::Us(number)),
            "ticks" => Some(Duration::Ticks(number)),
            _ => None,
        }
    });
    let Some(duration) = duration else {
        let message = format!("`{}` is no duration", given.value);
        out.push(Diagnostic::new(&rule::DURATION, given.span, message));
        return None;
    };
    Some(ScheduleEntry::Run {
        domain,
        duration: Spanned::new(duration, given.span),
    })
}
