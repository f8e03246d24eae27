// SPDX-License-Identifier: BSD-2-Clause
//! Symbols that the tool patches.

use super::{Context, Rule, Severity};
use crate::diag::Diagnostic;
use crate::span::Span;
use std::collections::HashMap;

/// A symbol is set once.
pub static DUPLICATE: Rule = Rule {
    id: "setvar-duplicate",
    severity: Severity::Error,
    law: "A symbol is set once",
    why: "The second value would overwrite the first",
    fix: "use another symbol",
};

/// The symbols `microkit_*`, and with a record `bulkhead_record*`, are not set by the file.
pub static RESERVED: Rule = Rule {
    id: "setvar-reserved",
    severity: Severity::Error,
    law: "The symbols microkit_*, and with a record bulkhead_record*, are not set by the file",
    why: "The tool writes them itself",
    fix: "use a symbol of your own",
};

/// The rules of this group.
pub(super) static RULES: &[&Rule] = &[&DUPLICATE, &RESERVED];

/// Applies this group.
pub(super) fn check(cx: &mut Context<'_>) {
    for (index, pd) in cx.system.pds.iter().enumerate() {
        let mut seen: HashMap<String, Span> = HashMap::new();
        for setvar in cx.system.setvars(index) {
            let symbol = setvar.symbol;
            let record = pd.record.is_some() && symbol.starts_with("bulkhead_record");
            if record || symbol.starts_with("microkit_") {
                let message = format!("`{}` is set by the tool itself", symbol.value);
                cx.out
                    .push(Diagnostic::new(&RESERVED, symbol.span, message));
            }
            if let Some(first) = seen.get(&symbol.value) {
                let message = format!("`{}` of `{}` is set twice", symbol.value, pd.name.value);
                let item = Diagnostic::new(&DUPLICATE, symbol.span, message);
                cx.out.push(item.also(*first, "first set here"));
            } else {
                seen.insert(symbol.value, symbol.span);
            }
        }
    }
}
