// SPDX-License-Identifier: BSD-2-Clause
//! Layouts to begin with.

/// A layout to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Template {
    /// One guest with a console.
    Minimal,
    /// A critical guest beside a Linux guest with disk and network.
    Cockpit,
}

impl Template {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Minimal, Self::Cockpit];

    /// The layout of a system called `name`, which must be one that [`is_name`] takes.
    #[must_use]
    pub fn text(self, name: &str) -> String {
        let text = match self {
            Self::Minimal => include_str!("../templates/minimal.xml"),
            Self::Cockpit => include_str!("../templates/cockpit.xml"),
        };
        text.replace("{name}", name)
    }
}

/// Whether a system, its folder and its file can be called `name`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    crate::value::Kind::Name.read(name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_are_no_paths() {
        for name in ["a", "cockpit-2", "A.b_c"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "/a", "-a", "a b", "1a", "é", "a\0"] {
            assert!(!is_name(name), "{name:?}");
        }
    }
}
