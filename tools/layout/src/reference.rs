// SPDX-License-Identifier: BSD-2-Clause
//! The reference page: every element, attribute, class and rule, from the tables that the tool uses.

use crate::manifest::{Manifest, Role, Setting};
use crate::schema::{self, Count, Element, Need};
use crate::value::{show_size, show_time};
use crate::{manifests, rules};
use std::fmt::Write as _;

const HEAD: &str = "# Layouts: reference

Written from `src/schema.rs`, the programs' `pd.toml` and `src/rules.rs` by `BLESS=1 cargo test -p layout`.

A layout is a Microkit system description whose `<system>` may also contain the elements below. Numbers
are decimal or `0x…`, with `_` between digits where that helps; sizes are powers of 1024 (`64K`, `256M`,
`1G`), times `us`, `ms` or `s`, rates `kbit/s` and so on. `layout.xsd` holds the same for editors.

| in | stands |
|---|---|
";

const TIME: &str = "
## Time

A budget below its period is a limit, and a promise: the thread gets no more, and can have so much. The
rules `budget-share`, `budget-response` and `budget-claim` hold the second half against everything of the same
or a higher priority on its core, by the response time R = B + Σ ⌈R / Tj⌉ Bj of fixed priorities.

- A guest's limits are those of its vCPUs. What serves it has limits that protect others: a part of the
  guest's period, `percent` in the manifest, or, beside a guest without limits, what the manifest says.
- A guest whose budget is its period is promised nothing and takes what is left.
- A driver or service has the limit of its manifest, 4 ms in 10 ms: one that runs wild leaves time to the
  others and to guests below it. It is a promise only where the layout states it, as attributes.
- In the reference layout the cluster, 2 ms in 5 ms, comes after its monitor alone, 2.5 ms in 5 ms:
  R = 2 + ⌈4.5 / 5⌉ 2.5 = 4.5 ms. Below them a domain that runs wild takes 40 %, and the Linux guests have the rest.
- Periods are 10 ms: a thread that is held to its budget costs the kernel a refill per period and a
  timer interrupt whenever it has used it up.
- Passive domains (timer, hash server) run on the time of their callers but at their own priority: what
  they do in a call delays everybody below them. A call to the timer is some hundred instructions; one to the
  hash server hashes 16 KiB at most, which is why it ranks below drivers and services.

Not covered: domain schedules, interrupts' own cost, caches, and the time that the kernel itself takes.
";

const FLOWS: &str = "
## Flows

Subjects are guests (each with all that serves it), drivers, services and plain protection domains. One tells
another something by memory that it writes and the other reads, by a notification, by a call (both ways), by faults
and control of threads, and by memory that it can point a device at. From there it goes on: a path is as good
as a step.

A path ends at a program that *separates*, `clients_meet` in its manifest: what it hears from one it does not
tell another, but for what it is there for.

| `clients_meet` | passes on | ours |
|---|---|---|
| `any`, without | anything: nobody has looked | drivers with one client, third parties |
| `never` | nothing | timer, console-mux, blk-partition, rng driver, hash-server, vsock-agent |
| `listed` | what two clients send if each is on the other's `allow` or has none; `apart` names a setting that must be the same | net-switch, by `vlan` |
| `connected` | both ways between two of which one has the other on its `allow` | vsock-router |

So the shared console is no flow between guests: it labels lines and hands keys to one of them. That it does no
more is a claim about its code, with its tests. A network driver does not separate: what is sent out may come back in, so two
guests with a way to the world have one to each other. Guests do not separate either.

Not covered: timing, caches, how full a shared queue is, how busy a shared disk.

A guest without `criticality` counts as QM. `<accept>` drops a warning, and is an error where there is none.
";

/// The page, in Markdown.
#[must_use]
pub fn page() -> String {
    let mut out = HEAD.to_owned();
    contents(&mut out);
    for element in schema::all() {
        describe(&mut out, element);
    }
    programs(&mut out);
    out.push_str(TIME);
    out.push_str(FLOWS);
    put(
        &mut out,
        "\n## Rules\n\nBeside those of plain SDF (`cargo bulkhead explain`).\n",
    );
    put(
        &mut out,
        "| id | severity | law | remedy |\n|---|---|---|---|",
    );
    for rule in rules::all() {
        let text = format!(
            "| `{}` | {} | {} | {} |",
            rule.id, rule.severity, rule.law, rule.fix
        );
        put(&mut out, &text.replace('<', "\\<"));
    }
    out
}

/// What stands in what.
fn contents(out: &mut String) {
    let row = |out: &mut String, parent: &str, children: &str| {
        put(out, &format!("| `<{parent}>` | {children} |"));
    };
    let top: Vec<String> = schema::TOP.iter().map(|element| link(element)).collect();
    let plain: Vec<String> = sdf::parse::TOP
        .iter()
        .map(|name| format!("`<{name}>`"))
        .collect();
    let all = format!("{}; as in plain SDF: {}", top.join(", "), plain.join(", "));
    row(out, "system", &all);
    row(out, "fragment", "the same");
    for element in schema::all()
        .iter()
        .filter(|element| !element.children.is_empty())
    {
        let children = element.children.iter().map(|(child, count)| match count {
            Count::One => format!("{} once", link(child)),
            Count::Maybe => format!("{} at most once", link(child)),
            Count::Any => format!("{} any number", link(child)),
        });
        row(out, element.name, &children.collect::<Vec<_>>().join(", "));
    }
}

fn put(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn link(element: &Element) -> String {
    format!("[`<{0}>`](#{0})", element.name)
}

fn describe(out: &mut String, element: &Element) {
    put(out, &format!("\n## {}\n\n{}", element.name, element.doc));
    if element.all_attributes().next().is_none() {
        return;
    }
    put(
        out,
        "\n| attribute | value | without | meaning |\n|---|---|---|---|",
    );
    for attr in element.all_attributes() {
        let without = match attr.need {
            Need::Required => "*required*".to_owned(),
            Need::Optional(meaning) => meaning.to_owned(),
            Need::Default(value) => format!("`{value}`"),
        };
        let kind = attr.kind.describe();
        put(
            out,
            &format!("| `{}` | {kind} | {without} | {} |", attr.name, attr.doc),
        );
    }
}

fn programs(out: &mut String) {
    put(
        out,
        "\n## Programs\n\nWhat the manifests (`pd.toml`) say. Priorities of backends and monitors count from their guest's.\n",
    );
    put(
        out,
        "| class | program | priority | budget | stack | serves | uses | settings |",
    );
    put(out, "|---|---|---|---|---|---|---|---|");
    for role in [Role::Driver, Role::Service, Role::Backend, Role::Monitor] {
        for class in manifests::classes(&[role]) {
            if let Some(manifest) = manifests::find(&[role], class) {
                program(out, role, manifest);
            }
        }
    }
}

fn program(out: &mut String, role: Role, manifest: &Manifest) {
    let interfaces = |server: bool| {
        let links = manifest.link.iter();
        let ours = links.filter(|link| (link.side == crate::manifest::Side::Server) == server);
        let names: Vec<&str> = ours.map(|link| link.interface.as_str()).collect();
        names.join(", ")
    };
    let names = |settings: &[Setting]| {
        let names: Vec<String> = settings
            .iter()
            .map(|one| format!("`{}`", one.name))
            .collect();
        names.join(", ")
    };
    let above = if matches!(role, Role::Backend | Role::Monitor) {
        "+"
    } else {
        ""
    };
    let times = match (manifest.budget, manifest.period) {
        (budget, period) if budget == period => "no limit".to_owned(),
        (budget, period) => format!("{} in {}", show_time(budget), show_time(period)),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "| {} {} | `{}` | {above}{} | {times} | {} | {} | {} | {} |",
        format!("{role:?}").to_lowercase(),
        manifest.class,
        manifest.elf,
        manifest.priority,
        show_size(manifest.stack),
        interfaces(true),
        interfaces(false),
        names(&manifest.setting),
    );
}
