// SPDX-License-Identifier: BSD-2-Clause
//! A protection domain while it is put together.

use super::guests::machine;
use crate::board::Device;
use crate::manifest::{Manifest, Role};
use crate::model::{Guest, Layout, Limits};
use crate::value::Value;
use sdf::model::{
    Irq, MIN_BUDGET_US, Map, Perms, ProgramImage, ProtectionDomain, Record, RecordEntry,
    RecordTarget,
};
use sdf::{Span, Spanned};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Registers are mapped from here on.
const REGISTERS: u64 = 0x2000_0000;
/// Rings and other memory of a domain's own are mapped from here on, records above.
const RINGS: u64 = 0x2100_0000;
/// First address above both.
const END: u64 = sdf::lower::RECORD_BASE;
const PAGE: u64 = 0x1000;
/// Size and alignment of large pages.
pub(super) const LARGE: u64 = 0x20_0000;

/// Settings by name.
pub(super) type Settings = BTreeMap<String, Spanned<Value>>;

/// What the entries of a record are sorted by, after which their order is that of their making.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// About the domain itself.
    Own,
    /// About its servers, and the first conversation with each client.
    First,
    /// About further conversations with a client.
    Further,
}

/// A protection domain while it is put together.
pub(super) struct Pd<'a> {
    /// Its name, where the file says it.
    pub(super) name: Spanned<String>,
    /// The element it comes from.
    pub(super) span: Span,
    pub(super) manifest: Cow<'a, Manifest>,
    pub(super) elf: Spanned<String>,
    pub(super) limits: Cow<'a, Limits>,
    /// Of the guest that it belongs to; added to the manifest's priority.
    pub(super) guest_priority: Option<Spanned<u64>>,
    /// Index of the guest that it belongs to.
    pub(super) guest: Option<usize>,
    pub(super) device: Option<Device>,
    /// Who serves it, if the file says.
    pub(super) server: Option<Spanned<String>>,
    /// virtio-mmio slot of a backend's device.
    pub(super) slot: Option<u64>,
    /// What the layout says about it.
    pub(super) settings: Settings,
    /// Regions that its guest sees, and where.
    pub(super) shown: Vec<(String, u64)>,
    maps: Vec<Map>,
    irqs: Vec<Irq>,
    entries: Vec<(Rank, RecordEntry)>,
    registers: u64,
    rings: u64,
    ids: u8,
}

impl<'a> Pd<'a> {
    /// A domain that has nothing yet.
    pub(super) fn new(
        name: Spanned<String>,
        span: Span,
        manifest: Cow<'a, Manifest>,
        limits: Cow<'a, Limits>,
    ) -> Self {
        Self {
            elf: Spanned::new(manifest.elf.clone(), name.span),
            name,
            span,
            manifest,
            limits,
            guest_priority: None,
            guest: None,
            device: None,
            server: None,
            slot: None,
            settings: Settings::new(),
            shown: Vec::new(),
            maps: Vec::new(),
            irqs: Vec::new(),
            entries: Vec::new(),
            registers: REGISTERS,
            rings: RINGS,
            ids: 0,
        }
    }

    /// Tells it `target` under `role`.
    pub(super) fn tell(&mut self, rank: Rank, role: &str, target: RecordTarget) {
        let entry = RecordEntry {
            span: self.span,
            role: Spanned::new(role.to_owned(), self.name.span),
            target,
        };
        self.entries.push((rank, entry));
    }

    /// Tells it the memory region `mr` that it maps.
    pub(super) fn tell_region(&mut self, rank: Rank, role: &str, mr: &str) {
        let mr = self.spanned(mr);
        self.tell(rank, role, RecordTarget::Region { mr });
    }

    /// Tells it where devices find the memory region `mr`.
    pub(super) fn tell_window(&mut self, rank: Rank, role: &str, mr: &str) {
        let mr = self.spanned(mr);
        self.tell(rank, role, RecordTarget::Window { mr });
    }

    /// Tells it a text.
    pub(super) fn tell_text(&mut self, rank: Rank, role: &str, value: &Spanned<String>) {
        let value = value.clone();
        self.tell(rank, role, RecordTarget::Text { value });
    }

    /// Tells it a number.
    pub(super) fn tell_value(&mut self, rank: Rank, role: &str, value: Spanned<u64>) {
        self.tell(rank, role, RecordTarget::Value { value });
    }

    /// What it is told of.
    pub(super) fn targets(&self) -> impl Iterator<Item = &RecordTarget> {
        self.entries.iter().map(|(_, entry)| &entry.target)
    }

    /// `text` at this domain's element.
    pub(super) fn spanned(&self, text: &str) -> Spanned<String> {
        Spanned::new(text.to_owned(), self.span)
    }

    /// Maps `size` bytes of `mr` at `vaddr`.
    pub(super) fn map(&mut self, mr: &str, vaddr: u64, perms: Perms, cached: bool) {
        self.maps.push(map(mr, vaddr, perms, cached, self.span));
    }

    /// An address for `size` bytes of its own memory; none if there is no room left. Pages of
    /// distance catch whoever runs over an end.
    pub(super) fn ring_address(&mut self, size: u64) -> Option<u64> {
        take(&mut self.rings, size, END)
    }

    /// An address for `size` bytes of registers.
    pub(super) fn register_address(&mut self, size: u64) -> Option<u64> {
        take(&mut self.registers, size, RINGS)
    }

    /// The next id of a channel or interrupt; none if all are used.
    pub(super) fn next_id(&mut self) -> Option<u8> {
        let id = self.ids;
        self.ids = id.checked_add(1)?;
        (id <= sdf::model::MAX_ID).then_some(id)
    }

    /// Gives it an interrupt.
    pub(super) fn add_irq(&mut self, irq: Irq) {
        self.irqs.push(irq);
    }

    /// Its priority: its own, the manifest's, or so far above its guest's.
    pub(super) fn priority(&self) -> Spanned<u64> {
        match (self.guest_priority, self.limits.priority) {
            (Some(guest), _) => Spanned::new(guest.value + self.manifest.priority, guest.span),
            (None, Some(given)) => given,
            (None, None) => Spanned::new(self.manifest.priority, self.span),
        }
    }

    /// Budget and period: the given ones, or the manifest's. A lone budget has no limit, a lone period
    /// keeps the manifest's share. What serves a guest with limits has a part of the guest's period.
    fn times(&self) -> (Spanned<u64>, Spanned<u64>) {
        let (budget, period) = (self.manifest.budget, self.manifest.period);
        let own = |value| Spanned::new(value, self.span);
        match (self.limits.budget, self.limits.period) {
            (Some(guest), Some(period)) if self.guest.is_some() && guest.value < period.value => {
                let percent = u128::from(self.manifest.percent.unwrap_or(100));
                let part = u128::from(period.value) * percent / 100;
                let part = u64::try_from(part).unwrap_or(period.value);
                (own(part.max(MIN_BUDGET_US)), own(period.value))
            }
            _ if self.guest.is_some() => (own(budget), own(period)),
            (Some(budget), Some(period)) => (budget, period),
            (Some(budget), None) => (budget, budget),
            (None, Some(given)) => {
                let share =
                    u128::from(given.value) * u128::from(budget) / u128::from(period.max(1));
                let share = u64::try_from(share).unwrap_or(given.value);
                (Spanned::new(share, given.span), given)
            }
            (None, None) => (own(budget), own(period)),
        }
    }

    /// The finished domain.
    pub(super) fn finish(mut self, layout: &Layout) -> ProtectionDomain {
        self.entries.sort_by_key(|(rank, _)| *rank);
        let (budget_us, period_us) = self.times();
        let priority = self.priority();
        let own = |value| Spanned::new(value, self.span);
        let guest = self.guest.map(|guest| &layout.guests[guest]);
        let monitored = guest.filter(|_| self.manifest.kind == Role::Monitor);
        let record = record(self.span, self.entries, monitored);
        ProtectionDomain {
            span: self.span,
            name: self.name,
            parent: None,
            child_id: None,
            setvar_id: None,
            // Checked to be at most 254 where it was made.
            priority: Spanned::new(u8::try_from(priority.value).unwrap_or(0), priority.span),
            budget_us,
            period_us,
            passive: Spanned::new(self.manifest.passive, self.span),
            stack_size: self.limits.stack.unwrap_or(own(self.manifest.stack)),
            cpu: small(self.limits.cpu),
            smc: Spanned::new(false, self.span),
            fpu: Spanned::new(self.manifest.fpu, self.span),
            domain: None,
            image: ProgramImage {
                span: self.span,
                path: self.elf,
                path_for_symbols: None,
            },
            maps: self.maps,
            irqs: self.irqs,
            setvars: Vec::new(),
            virtual_machine: monitored.map(|guest| machine(guest, &self.manifest, &self.shown)),
            cspace: Vec::new(),
            record,
        }
    }
}

/// The record with `entries`, and with what the guest boots in its monitor's; none if it is empty.
fn record(span: Span, entries: Vec<(Rank, RecordEntry)>, guest: Option<&Guest>) -> Option<Record> {
    let record = Record {
        span,
        entries: entries.into_iter().map(|(_, entry)| entry).collect(),
        guest: guest.map(|guest| sdf::model::Guest {
            span: guest.span,
            image: guest.recipe.clone(),
            cmdline: guest.cmdline.clone(),
        }),
    };
    (!record.entries.is_empty()).then_some(record)
}

/// A number that its kind limits to eight bits.
pub(super) fn small(number: Spanned<u64>) -> Spanned<u8> {
    Spanned::new(u8::try_from(number.value).unwrap_or(u8::MAX), number.span)
}

/// A mapping made by the element at `span`.
pub(super) fn map(mr: &str, vaddr: u64, perms: Perms, cached: bool, span: Span) -> Map {
    Map {
        span,
        mr: Spanned::new(mr.to_owned(), span),
        vaddr: Spanned::new(vaddr, span),
        perms: Spanned::new(perms, span),
        cached: Spanned::new(cached, span),
        setvar_vaddr: None,
        setvar_size: None,
        setvar_prefill_size: None,
    }
}

/// May be read.
pub(super) const READ: Perms = perms(false, false);
/// May be read and written.
pub(super) const WRITE: Perms = perms(true, false);
/// May be read, written and executed: a guest's RAM, in its virtual machine.
pub(super) const ALL: Perms = perms(true, true);

const fn perms(write: bool, execute: bool) -> Perms {
    Perms {
        read: true,
        write,
        execute,
    }
}

/// The alignment with which `size` bytes are mapped in the largest pages.
pub(super) const fn alignment(size: u64) -> u64 {
    if size.is_multiple_of(LARGE) {
        LARGE
    } else {
        PAGE
    }
}

/// Takes `size` bytes from `next` on and a page of distance.
fn take(next: &mut u64, size: u64, end: u64) -> Option<u64> {
    let at = next.checked_next_multiple_of(alignment(size))?;
    let after = at.checked_add(size)?.checked_add(PAGE)?;
    if after > end {
        return None;
    }
    *next = after;
    Some(at)
}
