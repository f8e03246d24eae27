// SPDX-License-Identifier: BSD-2-Clause
//! Channels.

use super::{Context, Rule, Severity};
use crate::diag::Diagnostic;
use crate::model::Channel;

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

/// Applies this group.
pub(super) fn check(cx: &mut Context<'_>) {
    for channel in &cx.system.channels {
        let [a, b] = &channel.ends;
        if a.pp.value && b.pp.value {
            let item = Diagnostic::new(&BOTH_PP, b.pp.span, "both ends may call");
            cx.out.push(item.also(a.pp.span, "the other end"));
        } else {
            priorities(cx, channel);
        }
        if a.pd.value == b.pd.value {
            let message = format!("both ends are `{}`", a.pd.value);
            let item = Diagnostic::new(&SELF, b.pd.span, message);
            cx.out.push(item.also(a.pd.span, "the other end"));
        }
        if ![a, b].iter().any(|end| end.pp.value || end.notify.value) {
            let message = "neither end may notify or call";
            cx.out.push(Diagnostic::new(&SILENT, channel.span, message));
        }
    }
}

fn priorities(cx: &mut Context<'_>, channel: &Channel) {
    let [a, b] = &channel.ends;
    let (caller, server) = match (a.pp.value, b.pp.value) {
        (true, false) => (a, b),
        (false, true) => (b, a),
        _ => return,
    };
    let pd = |name: &str| cx.system.pd_index(name).map(|index| &cx.system.pds[index]);
    let (Some(from), Some(to)) = (pd(&caller.pd), pd(&server.pd)) else {
        return;
    };
    if from.priority.value >= to.priority.value {
        let message = format!(
            "`{}` at priority {} calls `{}` at priority {}",
            from.name.value, from.priority.value, to.name.value, to.priority.value
        );
        let item = Diagnostic::new(&PRIORITY, caller.pp.span, message);
        let item = item.also(from.priority.span, "the caller’s priority");
        cx.out.push(item.also(to.priority.span, "must be higher"));
    }
}
