// SPDX-License-Identifier: BSD-2-Clause
//! Criticality: who claims which level, and which of two is higher.

use crate::model::Layout;
use sdf::Spanned;
use std::collections::BTreeMap;

/// Scales, each from its lowest level up. The lowest of each asks for nothing: it is every scale's.
const SCALES: [&[&str]; 3] = [
    &["QM", "ASIL-A", "ASIL-B", "ASIL-C", "ASIL-D"],
    &["QM", "SIL-1", "SIL-2", "SIL-3", "SIL-4"],
    &["DAL-E", "DAL-D", "DAL-C", "DAL-B", "DAL-A"],
];

/// Whether level `a` is below level `b`. Levels of different scales are not compared, but for the
/// lowest ones, which are the same in all.
#[must_use]
pub fn is_below(a: &str, b: &str) -> bool {
    let rank = |scale: &&[&str], level: &str| scale.iter().position(|known| *known == level);
    let lowest = |level: &str| SCALES.iter().any(|scale| rank(scale, level) == Some(0));
    if lowest(a) {
        return !lowest(b);
    }
    SCALES.iter().any(|scale| {
        let ranks = (rank(scale, a), rank(scale, b));
        matches!(ranks, (Some(a), Some(b)) if a < b)
    })
}

/// What subjects claim.
#[derive(Debug)]
pub(crate) struct Claims {
    levels: BTreeMap<String, Spanned<String>>,
}

impl Claims {
    /// The claims of `layout`; a guest without any has the lowest.
    pub(crate) fn of(layout: &Layout) -> Self {
        let guests = layout.guests.iter().map(|guest| {
            let level = Spanned::new("QM".to_owned(), guest.span);
            (guest.name.value.clone(), level)
        });
        let mut levels: BTreeMap<_, _> = guests.collect();
        let declared = layout.policy.criticality.iter();
        levels.extend(declared.map(|(of, level)| (of.value.clone(), level.clone())));
        Self { levels }
    }

    /// The level of `subject`, if it has one.
    pub(crate) fn level(&self, subject: &str) -> Option<&Spanned<String>> {
        self.levels.get(subject)
    }

    /// Whether anything depends on `subject`.
    pub(crate) fn is_critical(&self, subject: &str) -> bool {
        self.level(subject)
            .is_some_and(|level| is_below("QM", level))
    }

    /// Whether `a` has a lower level than `b`; not if one of them has none.
    pub(crate) fn is_below(&self, a: &str, b: &str) -> bool {
        match (self.level(a), self.level(b)) {
            (Some(a), Some(b)) => is_below(a, b),
            _ => false,
        }
    }

    /// Everybody who has a level.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = &str> {
        self.levels.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::is_below;
    use crate::schema::LEVELS;

    #[test]
    fn levels_are_ordered_within_their_scale() {
        for (a, b) in [
            ("QM", "ASIL-A"),
            ("ASIL-A", "ASIL-D"),
            ("SIL-1", "SIL-4"),
            ("DAL-E", "DAL-D"),
        ] {
            assert!(is_below(a, b) && !is_below(b, a), "{a} {b}");
        }
        assert!(
            is_below("DAL-B", "DAL-A") && is_below("QM", "DAL-D") && is_below("DAL-E", "SIL-1")
        );
        assert!(!is_below("QM", "DAL-E") && !is_below("ASIL-A", "SIL-4"));
    }

    #[test]
    fn every_level_is_on_a_scale() {
        for level in LEVELS {
            assert!(
                is_below("QM", level) != (level == "QM" || level == "DAL-E"),
                "{level}"
            );
            assert!(!is_below(level, level));
        }
    }
}
