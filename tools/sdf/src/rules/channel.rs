// SPDX-License-Identifier: BSD-2-Clause
//! Channels.

use super::{Rule, Severity};

/// At most one end of a channel may call the other.
pub static BOTH_PP: Rule = Rule {
    id: "channel-both-pp",
    severity: Severity::Error,
    law: "At most one end of a channel may call the other",
    why: "Two servers that call each other can wait for each other forever",
    fix: "keep pp=\"true\" on the client’s end",
};

/// A protected call goes to a strictly higher priority.
pub static PRIORITY: Rule = Rule {
    id: "ppc-priority",
    severity: Severity::Error,
    law: "A protected call goes to a strictly higher priority",
    why: "A server that its client can preempt would leave other clients waiting; equal priorities allow cycles of calls",
    fix: "raise the priority of the called protection domain",
};

/// A channel joins two different protection domains.
pub static SELF: Rule = Rule {
    id: "channel-self",
    severity: Severity::Warning,
    law: "A channel joins two different protection domains",
    why: "Both ends are one thread: it can only wake itself",
    fix: "name another protection domain at one end",
};

/// A channel lets at least one end notify or call.
pub static SILENT: Rule = Rule {
    id: "channel-silent",
    severity: Severity::Warning,
    law: "A channel lets at least one end notify or call",
    why: "Nothing can ever be said over it",
    fix: "set notify or pp on one end",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[&BOTH_PP, &PRIORITY, &SELF, &SILENT];
