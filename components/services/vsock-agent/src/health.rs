// SPDX-License-Identifier: BSD-2-Clause
//! How the agent is doing, as text.

use core::fmt::Write;

/// What the agent counts about itself. All counts begin with its last start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) broken: u64,
    pub(crate) timed_out: u64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// Writes the report.
pub(crate) fn report(
    to: &mut impl Write,
    uptime: u64,
    open: usize,
    faults: u32,
    counters: &Counters,
) {
    let lines = [
        ("uptime_seconds", uptime),
        ("connections_open", open as u64),
        ("connections_accepted", counters.accepted),
        ("connections_refused", counters.refused),
        ("connections_broken", counters.broken),
        ("connections_timed_out", counters.timed_out),
        ("bytes_received", counters.received),
        ("bytes_sent", counters.sent),
        ("link_faults", u64::from(faults)),
    ];
    for (name, value) in lines {
        // The buffer is much larger than the report; a report that is cut is still one.
        let _ = writeln!(to, "{name} {value}");
    }
}
