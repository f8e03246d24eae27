// SPDX-License-Identifier: BSD-2-Clause
//! The manifests of this repository's programs, `pd.toml` beside each crate.

use crate::manifest::{Manifest, Role};
use std::sync::LazyLock;

include!("manifests.list");

/// Those that read, in the order of their paths. A test reads them all.
static ALL: LazyLock<Vec<Manifest>> = LazyLock::new(|| {
    let texts = TEXTS.iter();
    texts
        .filter_map(|(_, text)| Manifest::parse(text).ok())
        .collect()
});

/// Every manifest as (path, text).
#[must_use]
pub const fn texts() -> &'static [(&'static str, &'static str)] {
    TEXTS
}

/// The manifest of one of `roles` for `class`.
pub(crate) fn find(roles: &[Role], class: &str) -> Option<&'static Manifest> {
    ALL.iter()
        .find(|manifest| roles.contains(&manifest.kind) && manifest.class == class)
}

/// The classes that manifests of `roles` have, sorted.
pub(crate) fn classes(roles: &[Role]) -> Vec<&'static str> {
    let mut classes: Vec<&str> = ALL
        .iter()
        .filter(|manifest| roles.contains(&manifest.kind))
        .map(|manifest| manifest.class.as_str())
        .collect();
    classes.sort_unstable();
    classes
}
