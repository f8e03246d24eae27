// SPDX-License-Identifier: BSD-2-Clause
//! From [`System`] to text: the plain SDF that Microkit reads, one spelling for one meaning.

use crate::model::{
    CapKind, Channel, Domains, Duration, Map, MemoryRegion, Perms, ProtectionDomain, RecordEntry,
    RecordTarget, ScheduleEntry, System, Trigger, VirtualMachine,
};
use crate::span::Spanned;
use std::fmt::{Display, Write as _};

/// The system as a system file. Defaults are left out, addresses are hexadecimal.
///
/// A `<record>` is written as such; [`crate::lower()`] first gives what Microkit accepts.
#[must_use]
pub fn write(system: &System) -> String {
    let mut out = Writer::default();
    out.line("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    out.open("system", &Attrs::new().text("name", system.name.as_ref()));
    if let Some(domains) = &system.domains {
        write_domains(&mut out, domains);
    }
    for region in &system.memory_regions {
        write_region(&mut out, region);
    }
    for (index, pd) in system.pds.iter().enumerate() {
        if pd.parent.is_none() {
            write_pd(&mut out, system, index);
        }
    }
    for channel in &system.channels {
        write_channel(&mut out, channel);
    }
    out.close("system");
    out.text
}

/// Indented lines.
#[derive(Default)]
struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    fn line(&mut self, line: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{:1$}{line}", "", self.depth * 4);
    }

    fn open(&mut self, name: &str, attrs: &Attrs) {
        self.line(&format!("<{name}{}>", attrs.0));
        self.depth += 1;
    }

    fn close(&mut self, name: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.line(&format!("</{name}>"));
    }

    fn empty(&mut self, name: &str, attrs: &Attrs) {
        self.line(&format!("<{name}{} />", attrs.0));
    }
}

/// Attributes of one element, in order.
struct Attrs(String);

impl Attrs {
    const fn new() -> Self {
        Self(String::new())
    }

    fn put(mut self, name: &str, value: impl Display) -> Self {
        let value = escape(&value.to_string());
        let _ = write!(self.0, " {name}=\"{value}\"");
        self
    }

    fn hex(self, name: &str, value: u64) -> Self {
        self.put(name, format_args!("{value:#x}"))
    }

    fn text(self, name: &str, value: Option<&Spanned<String>>) -> Self {
        match value {
            Some(value) => self.put(name, &value.value),
            None => self,
        }
    }

    /// Leaves the attribute out when it says what its absence says.
    fn unless<T: Display + PartialEq>(self, name: &str, value: T, default: T) -> Self {
        if value == default {
            self
        } else {
            self.put(name, value)
        }
    }
}

/// Escapes what XML gives a meaning, and white space that attribute values would lose.
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\t' => out.push_str("&#9;"),
            c => out.push(c),
        }
    }
    out
}

fn write_domains(out: &mut Writer, domains: &Domains) {
    out.open("domains", &Attrs::new());
    for domain in &domains.domains {
        let attrs = Attrs::new()
            .put("name", &domain.name.value)
            .put("id", domain.id.value);
        out.empty("domain", &attrs);
    }
    let mut attrs = Attrs::new();
    if let Some(start) = domains.start_index {
        attrs = attrs.put("start_index", start.value);
    }
    if let Some(shift) = domains.index_shift {
        attrs = attrs.put("index_shift", shift.value);
    }
    out.open("domain_schedule", &attrs);
    for entry in &domains.schedule {
        match entry {
            ScheduleEntry::End(_) => out.empty("schedule_end_marker", &Attrs::new()),
            ScheduleEntry::Run { domain, duration } => {
                let duration = match duration.value {
                    Duration::Us(us) => format!("{us} us"),
                    Duration::Ticks(ticks) => format!("{ticks} ticks"),
                };
                let attrs = Attrs::new()
                    .put("domain", &domain.value)
                    .put("duration", duration);
                out.empty("schedule_entry", &attrs);
            }
        }
    }
    out.close("domain_schedule");
    out.close("domains");
}

fn write_region(out: &mut Writer, region: &MemoryRegion) {
    let mut attrs = Attrs::new().put("name", &region.name.value);
    if let Some(size) = region.size {
        attrs = attrs.hex("size", size.value);
    }
    if let Some(size) = region.page_size {
        attrs = attrs.hex("page_size", size.value.bytes());
    }
    if let Some(addr) = region.phys_addr {
        attrs = attrs.hex("phys_addr", addr.value);
    }
    attrs = attrs.text("prefill_path", region.prefill_path.as_ref());
    attrs = attrs.text("prefill_bootinfo", region.prefill_bootinfo.as_ref());
    out.empty("memory_region", &attrs);
}

fn write_pd(out: &mut Writer, system: &System, index: usize) {
    let pd = &system.pds[index];
    out.open("protection_domain", &pd_attrs(pd));
    let image = Attrs::new().put("path", &pd.image.path.value);
    out.empty(
        "program_image",
        &image.text("path_for_symbols", pd.image.path_for_symbols.as_ref()),
    );
    for map in &pd.maps {
        write_map(out, map);
    }
    for irq in &pd.irqs {
        let edge = irq.trigger.value == Trigger::Edge;
        let attrs = Attrs::new()
            .put("irq", irq.irq.value)
            .put("id", irq.id.value);
        let attrs = attrs.unless("trigger", if edge { "edge" } else { "level" }, "level");
        out.empty("irq", &attrs.text("setvar_id", irq.setvar_id.as_ref()));
    }
    for setvar in &pd.setvars {
        let attrs = Attrs::new().put("symbol", &setvar.symbol.value);
        out.empty("setvar", &attrs.put("region_paddr", &setvar.region.value));
    }
    if let Some(vm) = &pd.virtual_machine {
        write_vm(out, vm);
    }
    write_extras(out, pd);
    for child in system.children(index) {
        write_pd(out, system, child);
    }
    out.close("protection_domain");
}

fn pd_attrs(pd: &ProtectionDomain) -> Attrs {
    let mut attrs = Attrs::new().put("name", &pd.name.value);
    if let Some(id) = pd.child_id {
        attrs = attrs.put("id", id.value);
    }
    let stack_size = format!("{:#x}", pd.stack_size.value);
    let default_stack = format!("{:#x}", crate::model::DEFAULT_STACK_SIZE);
    attrs
        .text("setvar_id", pd.setvar_id.as_ref())
        .unless("priority", pd.priority.value, 0)
        .unless(
            "budget",
            pd.budget_us.value,
            crate::model::DEFAULT_BUDGET_US,
        )
        .unless("period", pd.period_us.value, pd.budget_us.value)
        .unless("passive", pd.passive.value, false)
        .unless("stack_size", stack_size, default_stack)
        .unless("cpu", pd.cpu.value, 0)
        .unless("smc", pd.smc.value, false)
        .unless("fpu", pd.fpu.value, true)
        .text("domain", pd.domain.as_ref())
}

fn write_extras(out: &mut Writer, pd: &ProtectionDomain) {
    if !pd.cspace.is_empty() {
        out.open("cspace", &Attrs::new());
        for cap in &pd.cspace {
            let name = match cap.kind {
                CapKind::Tcb => "cap_tcb",
                CapKind::Sc => "cap_sc",
                CapKind::VSpace => "cap_vspace",
            };
            out.empty(
                name,
                &Attrs::new()
                    .put("slot", cap.slot.value)
                    .put("pd", &cap.pd.value),
            );
        }
        out.close("cspace");
    }
    if let Some(record) = &pd.record {
        out.open("record", &Attrs::new());
        record
            .entries
            .iter()
            .for_each(|entry| write_entry(out, entry));
        if let Some(guest) = &record.guest {
            let attrs = Attrs::new().put("image", &guest.image.value);
            out.empty("guest", &attrs.text("cmdline", guest.cmdline.as_ref()));
        }
        out.close("record");
    }
}

fn write_entry(out: &mut Writer, entry: &RecordEntry) {
    let role = Attrs::new().put("role", &entry.role.value);
    match &entry.target {
        RecordTarget::Region { mr } => out.empty("region", &role.put("mr", &mr.value)),
        RecordTarget::Window { mr } => out.empty("window", &role.put("mr", &mr.value)),
        RecordTarget::Channel { pd, n } => {
            let attrs = role.put("pd", &pd.value);
            let attrs = match n {
                Some(n) => attrs.put("n", n.value),
                None => attrs,
            };
            out.empty("channel", &attrs);
        }
        RecordTarget::Irq { irq } => out.empty("irq", &role.put("irq", irq.value)),
        RecordTarget::Child { pd } => out.empty("child", &role.put("pd", &pd.value)),
        RecordTarget::Vcpu { id } => out.empty("vcpu", &role.put("id", id.value)),
        RecordTarget::Value { value } => out.empty("value", &role.put("value", value.value)),
        RecordTarget::Text { value } => out.empty("text", &role.put("value", &value.value)),
    }
}

fn write_map(out: &mut Writer, map: &Map) {
    let default = Perms {
        read: true,
        write: true,
        execute: false,
    };
    let attrs = Attrs::new()
        .put("mr", &map.mr.value)
        .hex("vaddr", map.vaddr.value);
    let attrs = attrs
        .unless("perms", map.perms.value, default)
        .unless("cached", map.cached.value, true)
        .text("setvar_vaddr", map.setvar_vaddr.as_ref())
        .text("setvar_size", map.setvar_size.as_ref())
        .text("setvar_prefill_size", map.setvar_prefill_size.as_ref());
    out.empty("map", &attrs);
}

fn write_vm(out: &mut Writer, vm: &VirtualMachine) {
    let attrs = Attrs::new()
        .put("name", &vm.name.value)
        .unless("priority", vm.priority.value, 0)
        .unless(
            "budget",
            vm.budget_us.value,
            crate::model::DEFAULT_BUDGET_US,
        )
        .unless("period", vm.period_us.value, vm.budget_us.value);
    out.open("virtual_machine", &attrs);
    for vcpu in &vm.vcpus {
        let mut attrs = Attrs::new().put("id", vcpu.id.value);
        if let Some(cpu) = vcpu.cpu {
            attrs = attrs.put("cpu", cpu.value);
        }
        // Microkit reads the attribute from the wrong element; the pack tool patches the symbol.
        out.empty("vcpu", &attrs.text("setvar_id", vcpu.setvar_id.as_ref()));
    }
    for map in &vm.maps {
        write_map(out, map);
    }
    out.close("virtual_machine");
}

fn write_channel(out: &mut Writer, channel: &Channel) {
    out.open("channel", &Attrs::new());
    for end in &channel.ends {
        let attrs = Attrs::new()
            .put("pd", &end.pd.value)
            .put("id", end.id.value)
            .unless("pp", end.pp.value, false)
            .unless("notify", end.notify.value, true)
            .text("setvar_id", end.setvar_id.as_ref());
        out.empty("end", &attrs);
    }
    out.close("channel");
}
