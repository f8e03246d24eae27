// SPDX-License-Identifier: BSD-2-Clause
//! Items 14 to 19 as tables.

use audit::integrity::Integrity;
use audit::memory::{Extent, MemoryUse};
use audit::schedule::Slice;

use crate::table::{Table, list, or_dash, yes};
use crate::view::View;

/// Some of `rwx`.
pub(crate) fn rights(one: &MemoryUse) -> String {
    let bits = [(one.read, 'r'), (one.write, 'w'), (one.execute, 'x')];
    bits.iter().filter(|(on, _)| *on).map(|(_, c)| *c).collect()
}

fn hex(value: Option<u64>) -> String {
    value.map_or_else(
        || "chosen at boot".to_owned(),
        |value| format!("{value:#x}"),
    )
}

fn user(one: &MemoryUse) -> String {
    let attribute = if one.cached { "cached" } else { "device" };
    format!(
        "{} {} {attribute} @{:#x}",
        one.subject,
        rights(one),
        one.vaddr
    )
}

fn kind(extent: &Extent) -> &'static str {
    match (extent.device, extent.program) {
        (true, _) => "device",
        (_, true) => "program",
        _ if extent.is_guests() => "guest RAM",
        _ => "memory",
    }
}

/// Item 15.
pub(crate) fn memory(view: &View) -> Table {
    let mut table = Table::new(
        "Memory map",
        &view.origin,
        "region|physical|bytes|page|kind|users|shared|W^X|DMA reach",
    );
    for extent in &view.memory {
        let users: Vec<String> = extent.uses.iter().map(user).collect();
        // A guest decides about its own stage-1 rights; stage 2 leaves it all.
        let mixed = extent.uses.iter().any(|one| one.write && one.execute);
        let exclusive = match (mixed, extent.is_guests()) {
            (true, true) => "left to the guest",
            (true, false) => "no",
            (false, _) => "yes",
        };
        table.push([
            extent.region.clone(),
            hex(extent.paddr),
            extent.size.to_string(),
            extent.page.to_string(),
            kind(extent).to_owned(),
            users.join("; "),
            yes(extent.is_shared()),
            exclusive.to_owned(),
            list(&extent.dma),
        ]);
    }
    table
}

/// Item 16.
pub(crate) fn interrupts(view: &View) -> Table {
    let mut table = Table::new(
        "Interrupts and device frames",
        &view.origin,
        "kind|what|owner|id|trigger|core|other holders",
    );
    for row in &view.irqs {
        let owner = row.receiver.clone();
        let others = row
            .handlers
            .iter()
            .filter(|name| Some(*name) != owner.as_ref());
        let others: Vec<String> = others.cloned().collect();
        table.push([
            "interrupt".to_owned(),
            row.number.to_string(),
            or_dash(owner.as_ref()),
            or_dash(row.id),
            if row.edge { "edge" } else { "level" }.to_owned(),
            row.core.to_string(),
            list(&others),
        ]);
    }
    registers(view, &mut table);
    table
}

fn registers(view: &View, table: &mut Table) {
    for extent in view.memory.iter().filter(|extent| extent.device) {
        let users: Vec<String> = extent.uses.iter().map(user).collect();
        let (first, others) = users
            .split_first()
            .map_or((None, &[][..]), |(a, b)| (Some(a), b));
        table.push([
            "registers".to_owned(),
            format!(
                "{} at {} ({} bytes)",
                extent.region,
                hex(extent.paddr),
                extent.size
            ),
            or_dash(first),
            "-".to_owned(),
            "-".to_owned(),
            "-".to_owned(),
            list(others),
        ]);
    }
}

/// Item 17.
pub(crate) fn dma(view: &View) -> Table {
    let mut table = Table::new(
        "Devices that read and write memory by themselves",
        &format!(
            "{} Masters are those of the board's file; a device that is not there is not covered.",
            view.origin
        ),
        "master|programmed by|confined by|meant to reach|further regions in reach|reviewer",
    );
    for row in &view.dma {
        table.push([
            row.master.clone(),
            list(&row.programmed_by),
            row.confined_by
                .clone()
                .unwrap_or_else(|| "nothing: the driver is trusted with all memory".to_owned()),
            list(&row.meant),
            row.beyond.to_string(),
        ]);
    }
    table
}

/// Millionths in percent.
pub(crate) fn percent(millionths: u64) -> String {
    format!("{}.{:02} %", millionths / 10_000, millionths % 10_000 / 100)
}

fn remark(slice: &Slice) -> String {
    match (slice.passive, slice.limited, slice.budget) {
        (true, ..) => "runs on its callers' time",
        (_, _, None) => "no time of its own",
        (_, true, _) => "limited",
        (_, false, _) => "NO LIMIT: budget = period",
    }
    .to_owned()
}

/// Item 18.
pub(crate) fn schedule(view: &View) -> Table {
    let mut table = Table::new(
        "Schedule",
        &format!(
            "{} Budgets and periods are configuration, response times are computed from them; neither was \
             measured. Kernel time, interrupts and blocking in servers are not included.",
            view.origin
        ),
        "thread|core|domain|priority|budget us|period us|share|response us|remark",
    );
    for slice in &view.slices {
        table.push([
            slice.thread.clone(),
            slice.core.to_string(),
            slice.domain.to_string(),
            slice.priority.to_string(),
            or_dash(slice.budget),
            or_dash(slice.period),
            or_dash(slice.share.map(percent)),
            or_dash(slice.response),
            remark(slice),
        ]);
    }
    sums(view, &mut table);
    table
}

fn sums(view: &View, table: &mut Table) {
    for core in &view.cores {
        table.push([
            format!("sum of core {}", core.core),
            core.core.to_string(),
            "-".to_owned(),
            "-".to_owned(),
            "-".to_owned(),
            "-".to_owned(),
            percent(core.share),
            "-".to_owned(),
            format!("without limit: {}", list(&core.unlimited)),
        ]);
    }
}

fn ability(end: &audit::channels::End) -> String {
    let able = [(end.notifies, "notify"), (end.calls, "call")];
    let able: Vec<&str> = able
        .iter()
        .filter(|(on, _)| *on)
        .map(|(_, name)| *name)
        .collect();
    if able.is_empty() {
        "nothing".to_owned()
    } else {
        able.join(" and ")
    }
}

/// Item 19.
pub(crate) fn channels(view: &View) -> Table {
    let mut table = Table::new(
        "Channels and shared memory",
        &format!(
            "{} Rates are limited only where a service's own settings do so; nothing here protects contents end to end.",
            view.origin
        ),
        "kind|object|producers|consumers|rights|bytes",
    );
    for row in &view.channels {
        table.push([
            "channel".to_owned(),
            format!("{} {} / {} {}", row.a.pd, row.a.id, row.b.pd, row.b.id),
            row.a.pd.clone(),
            row.b.pd.clone(),
            format!(
                "{} may {}; {} may {}",
                row.a.pd,
                ability(&row.a),
                row.b.pd,
                ability(&row.b)
            ),
            "-".to_owned(),
        ]);
    }
    shared(view, &mut table);
    table
}

fn shared(view: &View, table: &mut Table) {
    for extent in view.memory.iter().filter(|it| it.is_shared() && !it.device) {
        let named = |pick: fn(&MemoryUse) -> bool| {
            let names = extent.uses.iter().filter(|one| pick(one));
            list(&names.map(|one| one.subject.clone()).collect::<Vec<_>>())
        };
        let each: Vec<String> = extent
            .uses
            .iter()
            .map(|it| format!("{} {}", it.subject, rights(it)))
            .collect();
        table.push([
            "memory".to_owned(),
            extent.region.clone(),
            named(|one| one.write),
            named(|one| one.read),
            each.join("; "),
            extent.size.to_string(),
        ]);
    }
}

/// Item 14.
pub(crate) fn wellformed(rows: &[Integrity], origin: &str) -> Table {
    let mut table = Table::new(
        "Side conditions P1-P7 of the integrity theorem",
        &format!(
            "{origin} This is static analysis of one distribution against policy_wellformed (l4v, Access.thy); it is \
             no proof, and the theorem itself is not proved for this kernel configuration (31-proof-status)."
        ),
        "subject|must share a label with (as emitted)|(with least rights)|P1 controls|P2 grant+receive|P3 untrusted grant|P4 call/reply|P5 call+grant|P6 one label|P7 interrupts",
    );
    for row in rows {
        table.push([
            row.subject.clone(),
            list(&row.merged_as_emitted),
            list(&row.merged_with_least_rights),
            list(&row.p1_controls),
            list(&row.p2_grant_receive),
            list(&row.p3_untrusted_grant),
            list(&row.p4_call_reply),
            list(&row.p5_call_grant),
            list(&row.p6_one_label),
            list(&row.p7_interrupts),
        ]);
    }
    table
}
